// The opposite of proto/offload.h: consecutive segments of one flow, each a whole wire frame, become one
// super-frame with a partial checksum, which the kernel or the NIC cuts again (or never needs to). Pure.
//
// What is merged: TCP segments with payload and no flags but ACK and PSH, and UDP datagrams with a checksum,
// over IPv4 without options and IPv6 without extension headers, untagged, unicast. All header bytes must be
// those that cutting gives back: sl_offload_segment makes the very same frames again, byte by byte. So a
// frame with a wrong checksum is never merged, and leaves as broken as it came.
//
// Frames of one flow keep their order. Nothing waits here longer than its caller's burst.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/eth.h"
#include "proto/offload.h"

#define SL_COALESCE_SLOTS 16
#define SL_COALESCE_SEGMENTS 64
// Bytes of a super-frame with its Ethernet header: one more, and Linux cuts it in software whatever the NIC
// can (gso_max_size).
#define SL_COALESCE_MAX 65535

#define SL_COALESCE_KIND(gso) (1u << (gso))
#define SL_COALESCE_TCP (SL_COALESCE_KIND(SL_GSO_TCPV4) | SL_COALESCE_KIND(SL_GSO_TCPV6))
#define SL_COALESCE_UDP SL_COALESCE_KIND(SL_GSO_UDP_L4)

// Where things are in one frame, as offsets from its first byte.
struct sl_coalesce_segment {
	enum sl_gso kind; // SL_GSO_NONE: it can't be merged
	uint8_t protocol; // TCP or UDP; 0: the frame's flow is not known
	bool v6;
	uint16_t l4, payload, payload_len;
};

struct sl_coalesce_slot {
	struct sl_coalesce_segment first;
	unsigned segments;
	size_t len;
	bool closed;              // a PSH or a shorter segment has ended it
	bool checked, first_good; // the first frame's checksums: looked at once a second frame comes
	uint8_t bytes[SL_VNET_HEADER + SL_COALESCE_MAX];
};

struct sl_coalesce {
	unsigned kinds;   // SL_COALESCE_KIND bits: what may be made; 0: everything passes
	size_t frame_max; // longer frames are never merged
	// IPv4 packets that must not be fragmented are merged whatever their ids are, which mean nothing then
	// (RFC 6864 section 4.1). Cut again, they have consecutive ids.
	bool any_id;
	unsigned used; // slots, in the order of their first frames
	struct sl_coalesce_slot slots[SL_COALESCE_SLOTS];
};

// What leaves: a super-frame, or (gso NONE) one frame as it came. The SL_VNET_HEADER bytes before `frame` are
// its header. May be cut in place (sl_offload_segment).
struct sl_super {
	struct sl_vnet vnet;
	uint8_t *frame;
	size_t len;
	unsigned segments;
};

void sl_coalesce_init(struct sl_coalesce *coalesce, unsigned kinds, bool any_id);

enum sl_coalesced {
	SL_COALESCE_TAKEN, // copied; it comes with the next flush
	SL_COALESCE_PASS,  // the caller's to send, now: nothing of its flow is here
	SL_COALESCE_FULL,  // flush first and come again: the answer is another one then
};
enum sl_coalesced sl_coalesce_add(struct sl_coalesce *coalesce, const uint8_t *frame, size_t len);

// Gives everything to `emit`, in the order of the first frames, and forgets it. The bytes stay valid until
// the next frame is added.
typedef void (*sl_super_fn)(void *arg, const struct sl_super *super);
void sl_coalesce_flush(struct sl_coalesce *coalesce, sl_super_fn emit, void *arg);
