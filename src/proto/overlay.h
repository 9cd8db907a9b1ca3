// The overlay datagram: 4 bytes of header, then an Ethernet frame to the end.
//
//   byte 0    version (high 4 bits) = 1, type (low 4 bits): 1 = Ethernet frame
//   byte 1    flags, all reserved: zero
//   byte 2-3  peer id, big-endian
//
// Described in docs/protocol.md. Pure functions, no I/O (PROTO-1, PROTO-2, PROTO-3).
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SL_OVERLAY_VERSION 1
#define SL_OVERLAY_HEADER 4
#define SL_OVERLAY_ETHERNET 1

struct sl_overlay {
	uint16_t peer_id;
	const uint8_t *frame; // points into the datagram that was decoded
	size_t frame_len;
};

// SL_OK or SL_ERR_INVALID (shorter than a header, wrong version, type or flag, peer id 0).
// An empty frame is not malformed here: that is the filter's `runt`.
int sl_overlay_decode(const uint8_t *data, size_t len, struct sl_overlay *out);

// Writes the header of an Ethernet datagram.
void sl_overlay_encode_header(uint8_t out[static SL_OVERLAY_HEADER], uint16_t peer_id);

// Does a frame of this length, with the header, fit the budget (bytes of QUIC DATAGRAM payload)?
// SL_OK or SL_ERR_TOO_LARGE.
int sl_overlay_check_budget(size_t frame_len, size_t budget);
