// Builds super-frames as TSO, USO and GRO leave them, for the tests of proto/offload. Its checksum
// shares nothing with the code under test.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/offload.h"

#define TCP 6
#define UDP 17

// A super-frame to build, and what is expected of its segments.
struct plan {
	unsigned tags;
	bool v6;
	uint8_t protocol;
	size_t ip_options; // IPv4 options or IPv6 extension headers, bytes
	size_t l4_options; // TCP options, bytes
	size_t payload, mss;
	uint8_t tcp_flags;
	bool needs_csum;
	bool udp_no_checksum;
};

struct built {
	uint8_t bytes[66000];
	size_t l3, l4, payload, len;
	struct sl_vnet vnet;
};

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] * 256 + p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) * 65536 + get16(p + 2);
}

static inline void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

// The one's complement sum, byte by byte, folded at each step: shares nothing with what it checks.
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += (i % 2 == 0) ? data[i] * 256u : data[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

static inline uint32_t pseudo_sum(const uint8_t *ip, bool v6, uint8_t protocol, size_t l4_len)
{
	uint8_t tail[4] = {0, protocol, (uint8_t)(l4_len >> 8), (uint8_t)l4_len};
	uint32_t sum = v6 ? naive_sum(0, ip + 8, 32) : naive_sum(0, ip + 12, 8);

	return naive_sum(sum, tail, 4);
}

static inline void build(const struct plan *plan, struct built *out)
{
	uint8_t *b = out->bytes;
	uint8_t *ip, *l4;
	size_t at = 12, header, checksum_at = plan->protocol == TCP ? 16 : 6;
	uint32_t pseudo;

	memset(out, 0, sizeof(*out));
	memcpy(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	for (unsigned i = 0; i < plan->tags; i++, at += 4) {
		put16(b + at, i == 0 && plan->tags == 2 ? 0x88a8 : 0x8100);
		put16(b + at + 2, 100 + i);
	}
	put16(b + at, plan->v6 ? 0x86dd : 0x0800);
	out->l3 = at + 2;
	out->l4 = out->l3 + (plan->v6 ? 40u : 20u) + plan->ip_options;
	header = plan->protocol == TCP ? 20 + plan->l4_options : 8;
	out->payload = out->l4 + header;
	out->len = out->payload + plan->payload;
	ip = b + out->l3;
	l4 = b + out->l4;

	for (size_t i = 0; i < plan->payload; i++)
		b[out->payload + i] = (uint8_t)(i * 7 + (i >> 8) * 13 + 1);
	if (plan->v6) {
		ip[0] = 0x6a; // traffic class and flow label must be carried
		memcpy(ip + 1, "\xbc\xde\xf0", 3);
		put16(ip + 4, out->len - out->l3 - 40);
		ip[6] = plan->protocol;
		ip[7] = 63;
		for (unsigned i = 0; i < 32; i++)
			ip[8 + i] = (uint8_t)(0xfd + i * 11);
		if (plan->ip_options > 0) { // hop-by-hop, then destination options for the rest
			ip[6] = 0;
			ip[40] = plan->ip_options > 8 ? 60 : plan->protocol;
			memcpy(ip + 42, "\x01\x04\x00\x00\x00\x00", 6);
			if (plan->ip_options > 8) {
				ip[48] = plan->protocol;
				ip[49] = (uint8_t)((plan->ip_options - 8) / 8 - 1);
				ip[50] = 1;
				ip[51] = (uint8_t)(plan->ip_options - 8 - 4);
			}
		}
	} else {
		ip[0] = (uint8_t)(0x40 + (20 + plan->ip_options) / 4);
		ip[1] = 0x48;
		put16(ip + 2, out->len - out->l3);
		put16(ip + 4, 0xfffe); // wraps around
		put16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = plan->protocol;
		memcpy(ip + 12, "\xc0\xa8\x01\x02\x0a\x00\xff\xfe", 8);
		memset(ip + 20, 1, plan->ip_options);
		put16(ip + 10, (uint16_t)~naive_sum(0, ip, 20 + plan->ip_options));
	}
	memcpy(l4, "\x30\x39\x01\xbb", 4);
	if (plan->protocol == TCP) {
		memcpy(l4 + 4, "\xff\xff\xff\x00\x12\x34\x56\x78", 8); // the sequence number wraps around
		l4[12] = (uint8_t)((20 + plan->l4_options) / 4 << 4);
		l4[13] = plan->tcp_flags;
		put16(l4 + 14, 502);
		memset(l4 + 20, 1, plan->l4_options);
	} else {
		put16(l4 + 4, out->len - out->l4);
	}
	pseudo = pseudo_sum(ip, plan->v6, plan->protocol, out->len - out->l4);
	if (plan->needs_csum)
		put16(l4 + checksum_at, pseudo);
	else if (!plan->udp_no_checksum)
		put16(l4 + checksum_at, (uint16_t)~naive_sum(pseudo, l4, out->len - out->l4));

	out->vnet.gso = plan->protocol == UDP ? SL_GSO_UDP_L4 : plan->v6 ? SL_GSO_TCPV6 : SL_GSO_TCPV4;
	out->vnet.gso_size = (uint16_t)plan->mss;
	out->vnet.header_len = 3; // a hint, never trusted
	if (plan->needs_csum) {
		out->vnet.needs_csum = true;
		out->vnet.csum_start = (uint16_t)out->l4;
		out->vnet.csum_offset = (uint16_t)checksum_at;
	}
}
