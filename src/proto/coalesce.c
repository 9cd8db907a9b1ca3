#include "proto/coalesce.h"

#include <string.h>

#include "common/bytes.h"
#include "proto/checksum.h"

#define PROTO_TCP 6
#define PROTO_UDP 17

// Offsets from the first byte of an untagged frame.
#define ETH_TYPE 12
#define L3 SL_ETH_HEADER
#define V4_PLAIN 0x45 // version and header length
#define V4_HEADER 20
#define V4_LENGTH (L3 + 2)
#define V4_ID (L3 + 4)
#define V4_FRAGMENT (L3 + 6)
#define V4_PROTOCOL (L3 + 9)
#define V4_CHECKSUM (L3 + 10)
#define V4_ADDRESSES (L3 + 12)
#define V4_DF 0x4000
#define V4_RESERVED 0x8000
#define V6_HEADER 40
#define V6_LENGTH (L3 + 4)
#define V6_NEXT (L3 + 6)
#define V6_ADDRESSES (L3 + 8)

// From the L4 header.
#define TCP_HEADER 20
#define TCP_SEQ 4
#define TCP_ACK_SEQ 8
#define TCP_DATA_OFFSET 12
#define TCP_FLAGS 13
#define TCP_WINDOW 14
#define TCP_CHECKSUM 16
#define TCP_URGENT 18
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define UDP_HEADER 8
#define UDP_LENGTH 4
#define UDP_CHECKSUM 6
#define PORTS 4 // both

void sl_coalesce_init(struct sl_coalesce *coalesce, unsigned kinds, bool any_id)
{
	coalesce->kinds = kinds;
	coalesce->frame_max = SL_COALESCE_MAX;
	coalesce->any_id = any_id;
	coalesce->used = 0;
}

static uint8_t *frame_of(struct sl_coalesce_slot *slot)
{
	return slot->bytes + SL_VNET_HEADER;
}

static enum sl_gso kind_of_tcp(const uint8_t *frame, size_t len, struct sl_coalesce_segment *at)
{
	const uint8_t *tcp = frame + at->l4;
	size_t header;

	if (len - at->l4 < TCP_HEADER)
		return SL_GSO_NONE;
	header = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
	if (header < TCP_HEADER || header >= len - at->l4)
		return SL_GSO_NONE; // malformed, or without payload
	if ((tcp[TCP_DATA_OFFSET] & 15) != 0 || (tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK)
		return SL_GSO_NONE;
	at->payload = (uint16_t)(at->l4 + header);
	return at->v6 ? SL_GSO_TCPV6 : SL_GSO_TCPV4;
}

static enum sl_gso kind_of_udp(const uint8_t *frame, size_t len, struct sl_coalesce_segment *at)
{
	const uint8_t *udp = frame + at->l4;

	// Without a checksum it is not known to be whole (RFC 768).
	if (sl_get16(udp + UDP_LENGTH) != len - at->l4 || len - at->l4 == UDP_HEADER ||
	    sl_get16(udp + UDP_CHECKSUM) == 0)
		return SL_GSO_NONE;
	at->payload = (uint16_t)(at->l4 + UDP_HEADER);
	return SL_GSO_UDP_L4;
}

static void read_segment(const struct sl_coalesce *coalesce, const uint8_t *frame, size_t len,
			 struct sl_coalesce_segment *out)
{
	uint16_t type, fragment = 0;
	size_t ip_len;
	uint8_t protocol;

	memset(out, 0, sizeof(*out));
	if (len < L3 + V4_HEADER + UDP_HEADER)
		return;
	type = sl_get16(frame + ETH_TYPE);
	if (type == SL_ETHERTYPE_IPV4) {
		fragment = sl_get16(frame + V4_FRAGMENT);
		if (frame[L3] != V4_PLAIN || (fragment & ~(V4_DF | V4_RESERVED)) != 0)
			return;
		protocol = frame[V4_PROTOCOL];
		ip_len = sl_get16(frame + V4_LENGTH);
		out->l4 = L3 + V4_HEADER;
	} else if (type == SL_ETHERTYPE_IPV6 && len >= L3 + V6_HEADER + UDP_HEADER) {
		if (frame[L3] >> 4 != 6)
			return;
		protocol = frame[V6_NEXT];
		ip_len = V6_HEADER + (size_t)sl_get16(frame + V6_LENGTH);
		out->l4 = L3 + V6_HEADER;
		out->v6 = true;
	} else {
		return;
	}
	if (protocol != PROTO_TCP && protocol != PROTO_UDP)
		return;
	out->protocol = protocol;

	// Padding would be lost; and what a group gets is rare.
	if (ip_len != len - L3 || len > coalesce->frame_max || (frame[0] & 1) != 0 ||
	    (fragment & V4_RESERVED) != 0)
		return;
	out->kind = protocol == PROTO_TCP ? kind_of_tcp(frame, len, out) : kind_of_udp(frame, len, out);
	if ((coalesce->kinds & SL_COALESCE_KIND(out->kind)) == 0)
		out->kind = SL_GSO_NONE;
	out->payload_len = (uint16_t)(len - out->payload);
}

// May the order of the two matter to somebody? A frame whose flow can't be told (a fragment, ICMP) belongs to
// all between its two stations.
static bool same_flow(const uint8_t *a, const struct sl_coalesce_segment *at, const uint8_t *b,
		      const struct sl_coalesce_segment *bt)
{
	size_t addresses;

	if (memcmp(a, b, ETH_TYPE) != 0)
		return false;
	if (at->protocol == 0 || bt->protocol == 0)
		return true;
	addresses = at->v6 ? V6_ADDRESSES : V4_ADDRESSES;
	return at->protocol == bt->protocol && at->v6 == bt->v6 &&
	       memcmp(a + addresses, b + addresses, at->l4 + PORTS - addresses) == 0;
}

static struct sl_coalesce_slot *newest(struct sl_coalesce *coalesce, const uint8_t *frame,
				       const struct sl_coalesce_segment *segment)
{
	for (unsigned i = coalesce->used; i-- > 0;) {
		struct sl_coalesce_slot *slot = &coalesce->slots[i];

		if (same_flow(frame_of(slot), &slot->first, frame, segment))
			return slot;
	}
	return NULL;
}

static uint64_t pseudo_sum(const uint8_t *frame, const struct sl_coalesce_segment *at, size_t l4_len)
{
	size_t addresses = at->v6 ? V6_ADDRESSES : V4_ADDRESSES;

	return sl_sum_add(at->protocol + l4_len, frame + addresses, L3 + (at->v6 ? 40u : 20u) - addresses);
}

// Are the checksums right, and the values that a sender computes? (All ones sum up like zero, but are not
// what cutting would write.)
static bool checksums_good(const uint8_t *frame, size_t len, const struct sl_coalesce_segment *at)
{
	const uint8_t *l4 = frame + at->l4;

	if (!at->v6 && (sl_sum_finish(sl_sum_add(0, frame + L3, V4_HEADER)) != 0 ||
			sl_get16(frame + V4_CHECKSUM) == UINT16_MAX))
		return false;
	if (at->protocol == PROTO_TCP && sl_get16(l4 + TCP_CHECKSUM) == UINT16_MAX)
		return false;
	return sl_sum_finish(sl_sum_add(pseudo_sum(frame, at, len - at->l4), l4, len - at->l4)) == 0;
}

// Is this the next segment's IP header?
static bool ip_continues(const struct sl_coalesce *coalesce, const struct sl_coalesce_slot *slot,
			 const uint8_t *first, const uint8_t *frame)
{
	uint16_t fragment = sl_get16(frame + V4_FRAGMENT);

	if (slot->first.v6) // version, class and flow; next header and hop limit; the flow has the rest
		return memcmp(first + L3, frame + L3, 4) == 0 &&
		       memcmp(first + V6_NEXT, frame + V6_NEXT, 2) == 0;
	if (memcmp(first + L3, frame + L3, 2) != 0 ||
	    memcmp(first + V4_FRAGMENT, frame + V4_FRAGMENT, 4) != 0)
		return false;
	return (coalesce->any_id && (fragment & V4_DF) != 0) ||
	       sl_get16(frame + V4_ID) == (uint16_t)(sl_get16(first + V4_ID) + slot->segments);
}

// And its TCP header? Options must be the same, so a new timestamp begins a new super-frame.
static bool tcp_continues(const struct sl_coalesce_slot *slot, const uint8_t *first, const uint8_t *frame,
			  const struct sl_coalesce_segment *segment)
{
	const uint8_t *a = first + slot->first.l4, *b = frame + segment->l4;
	uint32_t done = (uint32_t)(slot->len - slot->first.payload);
	size_t rest = (size_t)segment->payload - segment->l4 - TCP_URGENT; // urgent pointer and options

	return segment->payload == slot->first.payload &&
	       sl_get32(b + TCP_SEQ) == sl_get32(a + TCP_SEQ) + done &&
	       memcmp(a + TCP_ACK_SEQ, b + TCP_ACK_SEQ, TCP_FLAGS - TCP_ACK_SEQ) == 0 &&
	       memcmp(a + TCP_WINDOW, b + TCP_WINDOW, 2) == 0 &&
	       memcmp(a + TCP_URGENT, b + TCP_URGENT, rest) == 0;
}

static bool joins(const struct sl_coalesce *coalesce, struct sl_coalesce_slot *slot, const uint8_t *frame,
		  size_t len, const struct sl_coalesce_segment *segment)
{
	const uint8_t *first = frame_of(slot);

	if (slot->closed || segment->kind == SL_GSO_NONE || segment->kind != slot->first.kind ||
	    segment->payload_len > slot->first.payload_len || slot->segments == SL_COALESCE_SEGMENTS ||
	    slot->len + segment->payload_len > SL_COALESCE_MAX)
		return false;
	if (!ip_continues(coalesce, slot, first, frame) ||
	    (segment->protocol == PROTO_TCP && !tcp_continues(slot, first, frame, segment)))
		return false;
	if (!slot->checked) {
		slot->checked = true;
		slot->first_good = checksums_good(first, slot->len, &slot->first);
	}
	return slot->first_good && checksums_good(frame, len, segment);
}

static void append(struct sl_coalesce_slot *slot, const uint8_t *frame,
		   const struct sl_coalesce_segment *segment)
{
	uint8_t *first = frame_of(slot);

	memcpy(first + slot->len, frame + segment->payload, segment->payload_len);
	slot->len += segment->payload_len;
	slot->segments++;
	if (segment->payload_len < slot->first.payload_len)
		slot->closed = true;
	if (segment->protocol == PROTO_TCP && (frame[segment->l4 + TCP_FLAGS] & TCP_PSH) != 0) {
		first[segment->l4 + TCP_FLAGS] |= TCP_PSH; // cutting leaves it to the last one
		slot->closed = true;
	}
}

static void open_slot(struct sl_coalesce_slot *slot, const uint8_t *frame, size_t len,
		      const struct sl_coalesce_segment *segment)
{
	slot->first = *segment;
	slot->segments = 1;
	slot->len = len;
	slot->closed = segment->kind == SL_GSO_NONE ||
		       (segment->protocol == PROTO_TCP && (frame[segment->l4 + TCP_FLAGS] & TCP_PSH) != 0);
	slot->checked = slot->first_good = false;
	memcpy(frame_of(slot), frame, len);
}

enum sl_coalesced sl_coalesce_add(struct sl_coalesce *coalesce, const uint8_t *frame, size_t len)
{
	struct sl_coalesce_segment segment;
	struct sl_coalesce_slot *slot = NULL;

	if (coalesce->kinds == 0 && coalesce->used == 0)
		return SL_COALESCE_PASS;
	read_segment(coalesce, frame, len, &segment);
	if (len >= SL_ETH_HEADER)
		slot = newest(coalesce, frame, &segment);
	if (slot == NULL && segment.kind == SL_GSO_NONE)
		return SL_COALESCE_PASS;
	if (slot != NULL && joins(coalesce, slot, frame, len, &segment)) {
		append(slot, frame, &segment);
		return SL_COALESCE_TAKEN;
	}
	// A frame that joins nothing waits behind its flow in a slot of its own.
	if (coalesce->used == SL_COALESCE_SLOTS || len > SL_COALESCE_MAX)
		return SL_COALESCE_FULL;
	open_slot(&coalesce->slots[coalesce->used++], frame, len, &segment);
	return SL_COALESCE_TAKEN;
}

// Makes the headers those of the whole (virtio 1.2 section 5.1.6.2).
static void finish(struct sl_coalesce_slot *slot, struct sl_super *out)
{
	const struct sl_coalesce_segment *at = &slot->first;
	uint8_t *frame = frame_of(slot), *l4 = frame + at->l4;
	size_t l4_len = slot->len - at->l4;
	bool tcp = at->protocol == PROTO_TCP;

	memset(out, 0, sizeof(*out));
	out->frame = frame;
	out->len = slot->len;
	out->segments = slot->segments;
	if (slot->segments > 1) {
		out->vnet = (struct sl_vnet){
			.needs_csum = true,
			.gso = at->kind,
			.gso_size = at->payload_len,
			.header_len = at->payload,
			.csum_start = at->l4,
			.csum_offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
		};
		if (at->v6) {
			sl_put16(frame + V6_LENGTH, (uint16_t)(slot->len - L3 - V6_HEADER));
		} else {
			sl_put16(frame + V4_LENGTH, (uint16_t)(slot->len - L3));
			sl_put16(frame + V4_CHECKSUM, 0);
			sl_put16(frame + V4_CHECKSUM, sl_sum_finish(sl_sum_add(0, frame + L3, V4_HEADER)));
		}
		if (!tcp)
			sl_put16(l4 + UDP_LENGTH, (uint16_t)l4_len);
		sl_put16(l4 + out->vnet.csum_offset, (uint16_t)~sl_sum_finish(pseudo_sum(frame, at, l4_len)));
	}
	sl_vnet_encode(&out->vnet, slot->bytes);
}

void sl_coalesce_flush(struct sl_coalesce *coalesce, sl_super_fn emit, void *arg)
{
	unsigned used = coalesce->used;
	struct sl_super super;

	coalesce->used = 0;
	for (unsigned i = 0; i < used; i++) {
		finish(&coalesce->slots[i], &super);
		emit(arg, &super);
	}
}
