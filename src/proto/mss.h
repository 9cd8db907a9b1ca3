// The MSS clamp: what a TCP connection says of itself in its SYN is lowered to what the tunnel carries in one
// datagram, in both directions and families, so that bulk TCP never pays for splitting. Pure.
//
// A SYN without the option is left alone: its sender then gets segments of 536 bytes (IPv4) or 1220 (IPv6) at
// most (RFC 9293 section 3.7.1), which pass; and there may be no room to put one in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/filter.h"

#define SL_MSS_FRAME_MAX 1600 // longer frames are left alone

// Is this a TCP SYN or SYN+ACK? For each frame: cheap.
static inline bool sl_mss_syn(const struct sl_view *view)
{
	return view->transport_type == SL_IPPROTO_TCP && view->transport != NULL &&
	       view->transport_len >= 20 && (view->transport[13] & 0x02) != 0;
}

// `view` is the frame's (sl_filter_check); `mtu`: the largest IP packet that goes unsplit, 0: not known.
// Returns `frame`, or, if its MSS option was larger than `mtu` less the headers without options (40 bytes,
// IPv6: 60), the copy of it in `copy` with a lower one. Its checksum is brought up to date as RFC 1624 has
// it: one that was wrong stays wrong. Nothing else is changed.
const uint8_t *sl_mss_clamp(const uint8_t *frame, size_t len, const struct sl_view *view, size_t mtu,
			    uint8_t copy[static SL_MSS_FRAME_MAX]);
