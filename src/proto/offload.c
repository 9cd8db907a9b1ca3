#include "proto/offload.h"

#include <string.h>

#include "common/bytes.h"
#include "common/err.h"
#include "proto/checksum.h"
#include "proto/eth.h"

// virtio 1.2 section 5.1.6
#define VNET_NEEDS_CSUM 1
#define VNET_GSO_NONE 0
#define VNET_GSO_TCPV4 1
#define VNET_GSO_TCPV6 4
#define VNET_GSO_UDP_L4 5
#define VNET_GSO_ECN 0x80 // CWR may be set; it is always looked at here

#define IPV4_HEADER 20
#define IPV4_MAX 65535
#define IPV4_LENGTH 2
#define IPV4_ID 4
#define IPV4_FRAGMENT 6
#define IPV4_PROTOCOL 9
#define IPV4_CHECKSUM 10
#define IPV4_SRC 12
#define IPV4_DST 16

#define IPV6_HEADER 40
#define IPV6_LENGTH 4
#define IPV6_NEXT 6
#define IPV6_SRC 8
#define IPV6_DST 24
#define IPV6_ADDRESS 16

#define PROTO_HOP_BY_HOP 0
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_ESP 50
#define PROTO_AH 51
#define PROTO_NONE 59
#define PROTO_DESTINATION 60
#define ROUTING_SEGMENTS 4 // RFC 8754

#define TCP_HEADER 20
#define TCP_SEQ 4
#define TCP_DATA_OFFSET 12
#define TCP_FLAGS 13
#define SCTP_CHECKSUM 8 // where its header has it (RFC 9260 section 3.1); TCP: 16, UDP: 6
#define TCP_CHECKSUM 16
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define UDP_HEADER 8
#define UDP_LENGTH 4
#define UDP_CHECKSUM 6

// Where things are in a super-frame, as offsets from its first byte.
struct layout {
	size_t l3, l4, payload, end;
	bool v6;
	uint8_t protocol;
	size_t dst, address_len; // the pseudo-header's destination: not the IPv6 header's when routed
};

int sl_vnet_decode(const uint8_t *data, size_t len, struct sl_vnet *out)
{
	uint16_t fields[4]; // of the host's byte order

	if (len < SL_VNET_HEADER)
		return SL_ERR_INVALID;
	memset(out, 0, sizeof(*out));
	out->needs_csum = (data[0] & VNET_NEEDS_CSUM) != 0;
	switch (data[1] & ~VNET_GSO_ECN) {
	case VNET_GSO_NONE:
		out->gso = SL_GSO_NONE;
		break;
	case VNET_GSO_TCPV4:
		out->gso = SL_GSO_TCPV4;
		break;
	case VNET_GSO_TCPV6:
		out->gso = SL_GSO_TCPV6;
		break;
	case VNET_GSO_UDP_L4:
		out->gso = SL_GSO_UDP_L4;
		break;
	default:
		return SL_ERR_INVALID;
	}
	memcpy(fields, data + 2, sizeof(fields));
	out->header_len = fields[0];
	out->gso_size = fields[1];
	out->csum_start = fields[2];
	out->csum_offset = fields[3];
	return SL_OK;
}

void sl_vnet_encode(const struct sl_vnet *vnet, uint8_t out[static SL_VNET_HEADER])
{
	static const uint8_t types[] = {
		[SL_GSO_NONE] = VNET_GSO_NONE,
		[SL_GSO_TCPV4] = VNET_GSO_TCPV4,
		[SL_GSO_TCPV6] = VNET_GSO_TCPV6,
		[SL_GSO_UDP_L4] = VNET_GSO_UDP_L4,
	};
	const uint16_t fields[4] = {vnet->header_len, vnet->gso_size, vnet->csum_start, vnet->csum_offset};

	out[0] = vnet->needs_csum ? VNET_NEEDS_CSUM : 0;
	out[1] = types[vnet->gso];
	memcpy(out + 2, fields, sizeof(fields));
}

void sl_vnet_encode_plain(uint8_t out[static SL_VNET_HEADER])
{
	memset(out, 0, SL_VNET_HEADER);
}

// RFC 768: a UDP checksum that comes out as zero is sent as all ones. The two are the same number in
// one's complement, so it does no harm elsewhere.
static uint16_t never_zero(uint16_t checksum)
{
	return checksum == 0 ? UINT16_MAX : checksum;
}

int sl_offload_complete_checksum(uint8_t *frame, size_t len, uint16_t csum_start, uint16_t csum_offset)
{
	size_t at = (size_t)csum_start + csum_offset;
	uint64_t sum;

	if (csum_start < SL_ETH_HEADER || at + 2 > len)
		return SL_ERR_INVALID;
	if (csum_offset == SCTP_CHECKSUM) {
		uint32_t crc;
		if (at + 4 > len)
			return SL_ERR_INVALID;
		memset(frame + at, 0, 4);
		crc = sl_crc32c(frame + csum_start, len - csum_start);
		for (unsigned i = 0; i < 4; i++)
			frame[at + i] = (uint8_t)(crc >> 8 * i);
		return SL_OK;
	}
	sum = sl_sum_add(0, frame + csum_start, len - csum_start);
	sl_put16(frame + at, never_zero(sl_sum_finish(sum)));
	return SL_OK;
}

static int find_ipv4(const uint8_t *frame, size_t len, struct layout *at)
{
	const uint8_t *ip = frame + at->l3;
	size_t header_len, total_len;

	if (len - at->l3 < IPV4_HEADER || ip[0] >> 4 != 4)
		return SL_ERR_INVALID;
	header_len = (size_t)(ip[0] & 15) * 4;
	total_len = sl_get16(ip + IPV4_LENGTH);
	// A fragment has no L4 header to repeat: more-fragments flag or an offset.
	if (header_len < IPV4_HEADER || ip[IPV4_PROTOCOL] != at->protocol ||
	    (sl_get16(ip + IPV4_FRAGMENT) & 0x3fff) != 0)
		return SL_ERR_INVALID;
	// Super-frames beyond 64 KiB carry length 0; they end with the frame.
	at->end = total_len == 0 ? len : at->l3 + total_len;
	at->l4 = at->l3 + header_len;
	at->dst = at->l3 + IPV4_DST;
	at->address_len = 4;
	return at->end > len || at->l4 > at->end ? SL_ERR_INVALID : SL_OK;
}

// RFC 8200 section 4, RFC 6564: follows the extension headers to the L4 header. Headers of an unknown
// kind are passed only when csum_start (`limit`, or 0) says that the L4 header is still to come.
static int find_ipv6(const uint8_t *frame, size_t len, size_t limit, struct layout *at)
{
	const uint8_t *ip = frame + at->l3;
	size_t payload_len, off;
	uint8_t next;

	if (len - at->l3 < IPV6_HEADER || ip[0] >> 4 != 6)
		return SL_ERR_INVALID;
	payload_len = sl_get16(ip + IPV6_LENGTH);
	off = at->l3 + IPV6_HEADER;
	at->end = payload_len == 0 ? len : off + payload_len;
	if (at->end > len)
		return SL_ERR_INVALID;
	at->dst = at->l3 + IPV6_DST;
	at->address_len = IPV6_ADDRESS;

	next = ip[IPV6_NEXT];
	while (next != at->protocol) {
		const uint8_t *header = frame + off;
		size_t header_len;

		if (next == PROTO_FRAGMENT || next == PROTO_ESP || next == PROTO_AH || next == PROTO_NONE)
			return SL_ERR_INVALID;
		if (next != PROTO_HOP_BY_HOP && next != PROTO_ROUTING && next != PROTO_DESTINATION &&
		    off >= limit)
			return SL_ERR_INVALID;
		if (at->end - off < 8)
			return SL_ERR_INVALID;
		header_len = ((size_t)header[1] + 1) * 8;
		if (at->end - off < header_len)
			return SL_ERR_INVALID;
		// RFC 8200 section 8.1: segments left, so the checksum is made with the final
		// destination: the first in a segment list (RFC 8754), the last in other routes.
		if (next == PROTO_ROUTING && header[3] != 0) {
			if (header_len < 8 + IPV6_ADDRESS)
				return SL_ERR_INVALID;
			at->dst = header[2] == ROUTING_SEGMENTS ? off + 8 : off + header_len - IPV6_ADDRESS;
		}
		next = header[0];
		off += header_len;
	}
	at->l4 = off;
	return SL_OK;
}

// Reads a super-frame's headers and checks them against `vnet` and against the frame's end.
static int find_layout(const struct sl_vnet *vnet, const uint8_t *frame, size_t len, struct layout *at)
{
	size_t checksum_offset, header_len;
	struct sl_eth eth;
	int rc;

	if (vnet->gso_size == 0)
		return SL_ERR_INVALID;
	rc = sl_eth_parse(frame, len, &eth);
	if (rc != SL_OK)
		return rc;
	at->l3 = (size_t)(eth.payload - frame);
	at->v6 = eth.type == SL_ETHERTYPE_IPV6;
	if ((eth.type != SL_ETHERTYPE_IPV4 && !at->v6) || (vnet->gso == SL_GSO_TCPV4 && at->v6) ||
	    (vnet->gso == SL_GSO_TCPV6 && !at->v6))
		return SL_ERR_INVALID;
	at->protocol = vnet->gso == SL_GSO_UDP_L4 ? PROTO_UDP : PROTO_TCP;

	rc = at->v6 ? find_ipv6(frame, len, vnet->needs_csum ? vnet->csum_start : 0, at)
		    : find_ipv4(frame, len, at);
	if (rc != SL_OK)
		return rc;

	checksum_offset = at->protocol == PROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	if (vnet->needs_csum && (vnet->csum_start != at->l4 || vnet->csum_offset != checksum_offset))
		return SL_ERR_INVALID;
	header_len = at->protocol == PROTO_TCP ? TCP_HEADER : UDP_HEADER;
	if (at->end - at->l4 < header_len)
		return SL_ERR_INVALID;
	if (at->protocol == PROTO_TCP) {
		header_len = (size_t)(frame[at->l4 + TCP_DATA_OFFSET] >> 4) * 4;
		if (header_len < TCP_HEADER || at->end - at->l4 < header_len)
			return SL_ERR_INVALID;
	}
	at->payload = at->l4 + header_len;
	return SL_OK;
}

// What all segments have in common: their headers with the changing fields zero, and the sums over
// those. Adding the changing fields and the payload then makes each segment's checksums.
struct template
{
	uint8_t *headers;
	uint64_t ip_sum; // IPv4 header
	uint64_t l4_sum; // pseudo-header without the length, and L4 header
	uint16_t ip_id;
	uint32_t tcp_seq;
	uint8_t tcp_flags;
	bool no_checksum; // the sender chose to send UDP over IPv4 without one (RFC 768)
};

static void make_template(const struct sl_vnet *vnet, const uint8_t *frame, const struct layout *at,
			  uint8_t *scratch, struct template *out)
{
	uint8_t *ip = scratch + at->l3;
	uint8_t *l4 = scratch + at->l4;

	memset(out, 0, sizeof(*out));
	memcpy(scratch, frame, at->payload);
	out->headers = scratch;
	out->l4_sum = sl_sum_add(at->protocol, ip + (at->v6 ? IPV6_SRC : IPV4_SRC), at->address_len);
	out->l4_sum = sl_sum_add(out->l4_sum, scratch + at->dst, at->address_len);
	if (!at->v6) {
		out->ip_id = sl_get16(ip + IPV4_ID);
		sl_put16(ip + IPV4_LENGTH, 0);
		sl_put16(ip + IPV4_ID, 0);
		sl_put16(ip + IPV4_CHECKSUM, 0);
		out->ip_sum = sl_sum_add(0, ip, at->l4 - at->l3);
	}
	if (at->protocol == PROTO_TCP) {
		out->tcp_seq = sl_get32(l4 + TCP_SEQ);
		out->tcp_flags = l4[TCP_FLAGS];
		sl_put32(l4 + TCP_SEQ, 0);
		sl_put16(l4 + TCP_CHECKSUM, 0);
		l4[TCP_FLAGS] = 0;
	} else {
		out->no_checksum = !at->v6 && !vnet->needs_csum && sl_get16(l4 + UDP_CHECKSUM) == 0;
		sl_put16(l4 + UDP_LENGTH, 0);
		sl_put16(l4 + UDP_CHECKSUM, 0);
	}
	out->l4_sum = sl_sum_add(out->l4_sum, l4, at->payload - at->l4);
}

// Puts the headers of segment `index` before its `len` payload bytes at `payload`.
static void write_headers(const struct template *tmpl, const struct layout *at, uint8_t *payload, size_t len,
			  size_t index, size_t gso_size, bool last)
{
	uint8_t *segment = payload - at->payload;
	uint8_t *ip = segment + at->l3;
	uint8_t *l4 = segment + at->l4;
	uint16_t ip_len = (uint16_t)(at->payload - at->l3 + len);
	uint16_t l4_len = (uint16_t)(at->payload - at->l4 + len);
	uint64_t sum = tmpl->l4_sum + l4_len;

	memcpy(segment, tmpl->headers, at->payload);
	if (at->v6) {
		sl_put16(ip + IPV6_LENGTH, (uint16_t)(ip_len - IPV6_HEADER));
	} else {
		uint16_t id = (uint16_t)(tmpl->ip_id + index);

		sl_put16(ip + IPV4_LENGTH, ip_len);
		sl_put16(ip + IPV4_ID, id);
		sl_put16(ip + IPV4_CHECKSUM, sl_sum_finish(tmpl->ip_sum + ip_len + id));
	}

	if (at->protocol == PROTO_TCP) {
		uint32_t seq = tmpl->tcp_seq + (uint32_t)(index * gso_size);
		uint8_t flags = tmpl->tcp_flags;

		if (index > 0) // RFC 3168 section 6.1.2: once
			flags &= (uint8_t)~TCP_CWR;
		if (!last)
			flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		sl_put32(l4 + TCP_SEQ, seq);
		l4[TCP_FLAGS] = flags;
		sum += (seq >> 16) + (seq & UINT16_MAX) + flags;
		sum = sl_sum_add(sum, payload, len);
		sl_put16(l4 + TCP_CHECKSUM, sl_sum_finish(sum));
	} else {
		sl_put16(l4 + UDP_LENGTH, l4_len);
		if (!tmpl->no_checksum) {
			sum = sl_sum_add(sum + l4_len, payload, len);
			sl_put16(l4 + UDP_CHECKSUM, never_zero(sl_sum_finish(sum)));
		}
	}
}

int sl_offload_segment(const struct sl_vnet *vnet, uint8_t *frame, size_t len, uint8_t *scratch,
		       size_t scratch_len, sl_frame_fn emit, void *arg)
{
	struct template tmpl;
	struct layout at;
	size_t index = 0;
	int rc;

	if (vnet->gso == SL_GSO_NONE) {
		if (vnet->needs_csum) {
			rc = sl_offload_complete_checksum(frame, len, vnet->csum_start, vnet->csum_offset);
			if (rc != SL_OK)
				return rc;
		}
		emit(arg, frame, len);
		return SL_OK;
	}

	rc = find_layout(vnet, frame, len, &at);
	if (rc != SL_OK)
		return rc;
	if (at.end - at.payload <= vnet->gso_size) { // small enough already
		if (vnet->needs_csum) {
			rc = sl_offload_complete_checksum(frame, at.end, vnet->csum_start, vnet->csum_offset);
			if (rc != SL_OK)
				return rc;
		}
		emit(arg, frame, len);
		return SL_OK;
	}
	if (at.payload - at.l3 + vnet->gso_size > IPV4_MAX)
		return SL_ERR_INVALID;
	if (at.protocol == PROTO_TCP && (frame[at.l4 + TCP_FLAGS] & (TCP_SYN | TCP_RST)) != 0)
		return SL_ERR_INVALID; // never in a super-frame, and wrong in every segment but one
	if (at.payload > scratch_len)
		return SL_ERR_TOO_LARGE;

	// The headers are kept in scratch and put before each payload where it lies: over the end of the
	// segment before, which has been emitted. So no payload byte is copied.
	make_template(vnet, frame, &at, scratch, &tmpl);
	for (size_t off = at.payload; off < at.end; off += vnet->gso_size, index++) {
		size_t left = at.end - off;
		size_t part = left < vnet->gso_size ? left : vnet->gso_size;

		write_headers(&tmpl, &at, frame + off, part, index, vnet->gso_size, part == left);
		emit(arg, frame + off - at.payload, at.payload + part);
	}
	return SL_OK;
}
