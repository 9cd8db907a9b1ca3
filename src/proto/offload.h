// What NIC offloads leave behind in a captured frame, repaired in user space: super-frames (TSO,
// USO, GRO) are cut into frames of the wire's size, partial checksums are completed. Pure.
// The meaning of the fields is that of Linux's struct virtio_net_hdr (virtio 1.2 section 5.1.6).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_VNET_HEADER 10 // bytes of struct virtio_net_hdr before a frame, in the host's byte order

enum sl_gso { SL_GSO_NONE, SL_GSO_TCPV4, SL_GSO_TCPV6, SL_GSO_UDP_L4 };

struct sl_vnet {
	bool needs_csum; // the L4 checksum holds only the pseudo-header's sum
	enum sl_gso gso;
	uint16_t gso_size;    // L4 payload bytes per segment
	uint16_t header_len;  // a hint, never trusted
	uint16_t csum_start;  // from the frame's first byte
	uint16_t csum_offset; // from csum_start
};

// Reads a struct virtio_net_hdr. SL_OK, SL_ERR_INVALID (short, or an unknown gso type, such as the
// old UFO).
int sl_vnet_decode(const uint8_t *data, size_t len, struct sl_vnet *out);
// Writes one.
void sl_vnet_encode(const struct sl_vnet *vnet, uint8_t out[static SL_VNET_HEADER]);
// Writes one that says "nothing to do" (for frames this program injects one by one).
void sl_vnet_encode_plain(uint8_t out[static SL_VNET_HEADER]);

// Completes a partial checksum in place (offset 8 is SCTP's CRC-32C, all else the Internet checksum). SL_OK,
// or SL_ERR_INVALID when start and offset do not lie within the frame, behind its Ethernet header. A result
// of zero is written as 0xffff (RFC 768).
int sl_offload_complete_checksum(uint8_t *frame, size_t len, uint16_t csum_start, uint16_t csum_offset);

// Cuts one captured frame into wire frames, in place: `frame` is overwritten, so that no payload is
// copied; `scratch` holds the headers meanwhile. Each finished frame is handed to `emit` in order; it
// lies in `frame` and is valid only until emit returns. TCP: sequence numbers, IPv4 ids, lengths, FIN/PSH/CWR
// on the right segments; UDP: one datagram per segment (RFC 9293, 768, 791, 8200). VLAN tags before
// the IP header are carried to every segment.
//
// A frame whose tag the kernel gives beside it (PACKET_AUXDATA) must have it put back first, and
// csum_start moved by its 4 bytes, as all offsets count from the frame's first byte.
//
// SL_OK; SL_ERR_INVALID: headers that do not match what `vnet` says, or a gso type without gso_size;
// SL_ERR_TOO_LARGE: the headers do not fit the scratch. Nothing was emitted then.
typedef void (*sl_frame_fn)(void *arg, const uint8_t *frame, size_t len);
#define SL_OFFLOAD_SCRATCH 65600 // enough scratch for any frame
int sl_offload_segment(const struct sl_vnet *vnet, uint8_t *frame, size_t len, uint8_t *scratch,
		       size_t scratch_len, sl_frame_fn emit, void *arg);
