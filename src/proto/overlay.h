// The overlay datagram: 4 bytes of header, then an Ethernet frame, or one of the two parts of it, to the end.
//
//   byte 0    version (high 4 bits) = 1, type (low 4 bits): 1 = a whole frame, 2 = its first part, 3 = the
//   rest byte 1    flags, all reserved: zero byte 2-3  peer id, big-endian byte 4-5  types 2 and 3 only:
//   frame id, big-endian
//
// Described in docs/protocol.md. Pure functions, no I/O (PROTO-1, PROTO-2, PROTO-3). What becomes of the
// parts: proto/split.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_OVERLAY_VERSION 1
#define SL_OVERLAY_HEADER 4
#define SL_OVERLAY_PART_HEADER 6

enum sl_overlay_type {
	SL_OVERLAY_ETHERNET = 1,
	SL_OVERLAY_FIRST = 2, // the first part of a frame …
	SL_OVERLAY_REST = 3,  // … and the rest: only between peers that agreed on `split`
};

struct sl_overlay {
	enum sl_overlay_type type;
	uint16_t peer_id;
	uint16_t frame_id;    // of a part
	const uint8_t *frame; // the frame or the part; points into the datagram that was decoded
	size_t frame_len;
};

// SL_OK or SL_ERR_INVALID: shorter than a header, wrong version, type or flag, peer id 0; a part that is
// empty, or any part when `split` was not agreed on. An empty frame is not malformed here: that is the
// filter's `runt`.
int sl_overlay_decode(const uint8_t *data, size_t len, bool split, struct sl_overlay *out);

// Writes the header of an Ethernet datagram.
void sl_overlay_encode_header(uint8_t out[static SL_OVERLAY_HEADER], uint16_t peer_id);

// Writes the header of a part; `type`: SL_OVERLAY_FIRST or SL_OVERLAY_REST.
void sl_overlay_encode_part(uint8_t out[static SL_OVERLAY_PART_HEADER], enum sl_overlay_type type,
			    uint16_t peer_id, uint16_t frame_id);

// Does a frame of this length, with the header, fit the budget (bytes of QUIC DATAGRAM payload)?
// SL_OK or SL_ERR_TOO_LARGE.
int sl_overlay_check_budget(size_t frame_len, size_t budget);
