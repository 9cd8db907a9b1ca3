// What test_coalesce.c and test_coalesce_any.c share: frames in, what comes out cut again, and frames that
// differ in one thing.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/err.h"
#include "proto/coalesce.h"
#include "wireframe.h"

#define ANY (SL_COALESCE_TCP | SL_COALESCE_UDP)
#define BURST 256

struct frame {
	uint8_t bytes[WIRE_MAX];
	size_t len;
};

static struct sl_coalesce coalesce;
static struct frame out[BURST];                       // wire frames, super-frames cut again
static unsigned out_count, given[BURST], given_count; // segments of each that was given out
static size_t longest;

static inline void take(void *arg, const uint8_t *bytes, size_t len)
{
	(void)arg;
	assert_true(out_count < BURST && len <= WIRE_MAX);
	memcpy(out[out_count].bytes, bytes, len);
	out[out_count++].len = len;
}

// A super-frame's header and headers are what virtio 1.2 section 5.1.6.2 asks for.
static inline void check_super(const struct sl_super *super)
{
	const uint8_t *frame = super->frame, *ip = frame + 14;
	bool v6 = frame[12] == 0x86;
	size_t l4 = v6 ? 54 : 34, ip_len = v6 ? 40u + get16(ip + 4) : get16(ip + 2);
	uint8_t protocol = ip[v6 ? 6 : 9];
	struct sl_vnet vnet;

	assert_int_equal(sl_vnet_decode(frame - SL_VNET_HEADER, SL_VNET_HEADER, &vnet), SL_OK);
	assert_memory_equal(&vnet, &super->vnet, sizeof(vnet));
	assert_true(super->len <= SL_COALESCE_MAX);
	longest = super->len > longest ? super->len : longest;
	assert_true(super->segments >= 1 && super->segments <= SL_COALESCE_SEGMENTS);
	if (super->segments == 1) {
		assert_int_equal(vnet.gso, SL_GSO_NONE);
		assert_false(vnet.needs_csum);
		return;
	}
	assert_true(vnet.needs_csum);
	assert_int_equal(vnet.gso, protocol == UDP ? SL_GSO_UDP_L4 : v6 ? SL_GSO_TCPV6 : SL_GSO_TCPV4);
	assert_int_equal(vnet.csum_start, l4);
	assert_int_equal(vnet.csum_offset, protocol == UDP ? 6 : 16);
	assert_int_equal(vnet.header_len, l4 + (protocol == UDP ? 8u : (size_t)(frame[l4 + 12] >> 4) * 4));
	assert_int_equal((super->len - vnet.header_len + vnet.gso_size - 1) / vnet.gso_size, super->segments);
	assert_int_equal(ip_len, super->len - 14);
	if (!v6)
		assert_int_equal(naive_sum(0, ip, 20), 0xffff);
	if (protocol == UDP)
		assert_int_equal(get16(frame + l4 + 4), super->len - l4);
	assert_int_equal(get16(frame + l4 + vnet.csum_offset), pseudo_sum(ip, v6, protocol, super->len - l4));
}

static inline void emit(void *arg, const struct sl_super *super)
{
	uint8_t scratch[SL_ETH_HEADER + 40 + 60];

	(void)arg;
	check_super(super);
	given[given_count++] = super->segments;
	assert_int_equal(sl_offload_segment(&super->vnet, super->frame, super->len, scratch, sizeof(scratch),
					    take, NULL),
			 SL_OK);
}

static inline void start(unsigned kinds, bool any_id)
{
	sl_coalesce_init(&coalesce, kinds, any_id);
	out_count = given_count = 0;
	longest = 0;
}

static inline void flush(void)
{
	sl_coalesce_flush(&coalesce, emit, NULL);
}

// As a port does it. From memory that ends with the frame.
static inline enum sl_coalesced add_bytes(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum sl_coalesced result;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	result = sl_coalesce_add(&coalesce, copy, len);
	if (result == SL_COALESCE_FULL) {
		flush();
		result = sl_coalesce_add(&coalesce, copy, len);
	}
	assert_int_not_equal(result, SL_COALESCE_FULL);
	if (result == SL_COALESCE_PASS)
		take(NULL, copy, len);
	free(copy);
	return result;
}

static inline enum sl_coalesced add(const struct wire *wire)
{
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_make(wire, bytes);

	return add_bytes(bytes, len);
}

static inline struct wire plain(bool v6, uint8_t protocol)
{
	return (struct wire){
		.v6 = v6,
		.protocol = protocol,
		.sport = 4000,
		.tos = 2, // ECT(0)
		.ttl = 64,
		.id = 0xfffe, // wraps around
		.fragment = 0x4000,
		.seq = 0xfffff000,
		.ack = 77,
		.flags = ACK,
		.payload = 1300,
	};
}

static inline void step(struct wire *wire)
{
	wire->seq += (uint32_t)wire->payload;
	wire->id++;
}

enum change {
	SAME,
	SOURCE,
	TAGGED,
	OTHER_TOS,
	OTHER_TTL,
	OTHER_FRAGMENT,
	OTHER_ID,
	MORE_FRAGMENTS,
	RESERVED_BIT,
	GAP,
	REPEATED,
	OTHER_ACK,
	OTHER_TIMESTAMP,
	NO_TIMESTAMP,
	IS_FIN,
	IS_SYN,
	IS_CWR,
	IS_URG,
	WINDOW,
	URGENT_POINTER,
	LOW_BITS,
	LONGER,
	EMPTY,
	PADDED,
	IP_OPTIONS,
	BAD_IP_CHECKSUM,
	BAD_L4_CHECKSUM,
	NO_CHECKSUM,
	ALL_ONES_IP,
	GROUP,
	FLOW_LABEL,
	CHANGES,
};

// Builds the second frame of a flow, changed. False: this change does not exist for it.
static inline bool change_frame(enum change change, struct wire *wire, uint8_t *bytes, size_t *len)
{
	bool tcp = wire->protocol == TCP, seal = true;
	uint8_t *ip, *l4;

	switch (change) {
	case SOURCE:
		wire->station++;
		break;
	case TAGGED:
		wire->tags = 1;
		break;
	case OTHER_TOS:
		wire->tos ^= 1;
		break;
	case OTHER_TTL:
		wire->ttl--;
		break;
	case OTHER_FRAGMENT:
		wire->fragment = 0;
		break;
	case OTHER_ID:
		wire->id++;
		break;
	case MORE_FRAGMENTS:
		wire->fragment = 0x2000;
		break;
	case RESERVED_BIT:
		wire->fragment = 0xc000;
		break;
	case GAP:
		wire->seq++;
		break;
	case REPEATED:
		wire->seq -= (uint32_t)wire->payload;
		break;
	case OTHER_ACK:
		wire->ack++;
		break;
	case OTHER_TIMESTAMP:
		wire->timestamp++;
		break;
	case NO_TIMESTAMP:
		wire->timestamps = false;
		break;
	case IS_FIN:
		wire->flags |= FIN;
		break;
	case IS_SYN:
		wire->flags |= SYN;
		break;
	case IS_CWR:
		wire->flags |= 0x80;
		break;
	case IS_URG:
		wire->flags |= 0x20;
		break;
	case LONGER:
		wire->payload++;
		break;
	case EMPTY:
		wire->payload = 0;
		break;
	case PADDED:
		wire->padding = 4;
		break;
	default:
		break;
	}
	*len = wire_make(wire, bytes);
	ip = bytes + wire_l3(wire);
	l4 = bytes + wire_l4(wire);
	switch (change) {
	case WINDOW:
		l4[15] ^= 1;
		break;
	case URGENT_POINTER:
		l4[19] ^= 1;
		break;
	case LOW_BITS:
		l4[12] |= 1;
		break;
	case IP_OPTIONS:
		memmove(ip + 24, ip + 20, *len - 34);
		memset(ip + 20, 1, 4);
		*len += 4;
		ip[0] = 0x46;
		put16(ip + 2, *len - 14);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~naive_sum(0, ip, 24));
		seal = false;
		break;
	case GROUP:
		bytes[0] |= 1;
		break;
	case FLOW_LABEL:
		ip[3] ^= 1;
		break;
	default:
		break;
	}
	if (seal)
		wire_seal(wire, bytes, *len);
	if (change == BAD_IP_CHECKSUM)
		ip[10] ^= 0x80;
	else if (change == BAD_L4_CHECKSUM)
		bytes[*len - 1] ^= 0x80;
	else if (change == NO_CHECKSUM)
		put16(l4 + 6, 0);
	else if (change == ALL_ONES_IP)
		put16(ip + 10, 0xffff);

	switch (change) {
	case OTHER_FRAGMENT:
	case OTHER_ID:
	case MORE_FRAGMENTS:
	case RESERVED_BIT:
	case IP_OPTIONS:
	case BAD_IP_CHECKSUM:
	case ALL_ONES_IP:
		return !wire->v6;
	case FLOW_LABEL:
		return wire->v6;
	case GAP:
	case REPEATED:
	case OTHER_ACK:
	case OTHER_TIMESTAMP:
	case NO_TIMESTAMP:
	case IS_FIN:
	case IS_SYN:
	case IS_CWR:
	case IS_URG:
	case WINDOW:
	case URGENT_POINTER:
	case LOW_BITS:
		return tcp;
	case NO_CHECKSUM:
		return !tcp;
	default:
		return true;
	}
}
