// Builds single wire frames of TCP and UDP flows, for the tests of proto/coalesce and proto/mss. Its
// checksums are superframe.h's, which share nothing with the code under test.
#pragma once

#include "superframe.h"

#define WIRE_MAX 2048
#define ACK 0x10
#define PSH 0x08
#define SYN 0x02
#define FIN 0x01

struct wire {
	uint8_t station; // the last byte of the source's MAC
	unsigned tags;
	bool v6;
	uint8_t protocol;
	uint16_t sport;
	uint8_t tos, ttl;
	uint16_t id, fragment; // IPv4
	uint32_t seq, ack, timestamp;
	uint8_t flags;
	bool timestamps; // a TCP option
	size_t payload, padding;
	uint8_t fill;
};

static inline size_t wire_l3(const struct wire *wire)
{
	return 14 + 4 * wire->tags;
}

static inline size_t wire_l4(const struct wire *wire)
{
	return wire_l3(wire) + (wire->v6 ? 40 : 20);
}

// Puts right both checksums of a frame whose bytes were changed.
static inline void wire_seal(const struct wire *wire, uint8_t *frame, size_t len)
{
	uint8_t *ip = frame + wire_l3(wire), *l4 = frame + wire_l4(wire);
	uint8_t *at = l4 + (wire->protocol == TCP ? 16 : 6);
	size_t l4_len = len - wire->padding - wire_l4(wire);
	uint16_t sum;

	if (!wire->v6) {
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~naive_sum(0, ip, 20));
	}
	put16(at, 0);
	sum = (uint16_t)~naive_sum(pseudo_sum(ip, wire->v6, wire->protocol, l4_len), l4, l4_len);
	put16(at, wire->protocol == UDP && sum == 0 ? 0xffff : sum);
}

static inline size_t wire_make(const struct wire *wire, uint8_t out[static WIRE_MAX])
{
	uint8_t *ip = out + wire_l3(wire), *l4 = out + wire_l4(wire), *payload;
	size_t header = wire->protocol == TCP ? (wire->timestamps ? 32 : 20) : 8, len;

	memset(out, 0, WIRE_MAX);
	memcpy(out, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00", 12);
	out[11] = wire->station;
	for (unsigned i = 0; i < wire->tags; i++)
		memcpy(out + 12 + 4 * i, "\x81\x00\x00\x07", 4);
	put16(ip - 2, wire->v6 ? 0x86dd : 0x0800);
	payload = l4 + header;
	len = (size_t)(payload - out) + wire->payload + wire->padding;
	for (size_t i = 0; i < wire->payload; i++)
		payload[i] = (uint8_t)(i * 7 + wire->seq * 13 + wire->fill);
	if (wire->v6) {
		ip[0] = (uint8_t)(0x60 | wire->tos >> 4);
		ip[1] = (uint8_t)(wire->tos << 4);
		put16(ip + 4, header + wire->payload);
		ip[6] = wire->protocol;
		ip[7] = wire->ttl;
		memset(ip + 8, 0xfd, 16);
		memset(ip + 24, 0xfe, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = wire->tos;
		put16(ip + 2, 20 + header + wire->payload);
		put16(ip + 4, wire->id);
		put16(ip + 6, wire->fragment);
		ip[8] = wire->ttl;
		ip[9] = wire->protocol;
		memcpy(ip + 12, "\x0a\x4d\x00\x01\x0a\x4d\x00\x02", 8);
	}
	put16(l4, wire->sport);
	put16(l4 + 2, 443);
	if (wire->protocol == TCP) {
		put16(l4 + 4, wire->seq >> 16);
		put16(l4 + 6, wire->seq & 0xffff);
		put16(l4 + 8, wire->ack >> 16);
		put16(l4 + 10, wire->ack & 0xffff);
		l4[12] = (uint8_t)(header / 4 << 4);
		l4[13] = wire->flags;
		put16(l4 + 14, 502);
		if (wire->timestamps) {
			memcpy(l4 + 20, "\x01\x01\x08\x0a", 4);
			put16(l4 + 24, wire->timestamp >> 16);
			put16(l4 + 26, wire->timestamp & 0xffff);
			memcpy(l4 + 28, "\x01\x02\x03\x04", 4);
		}
	} else {
		put16(l4 + 4, header + wire->payload);
	}
	wire_seal(wire, out, len);
	return len;
}

// A SYN whose one option is this MSS, between two stations.
static inline size_t wire_syn(uint8_t out[static WIRE_MAX], const uint8_t dst[6], const uint8_t src[6],
			      uint16_t mss)
{
	const struct wire wire = {.protocol = TCP, .sport = 4000, .ttl = 64, .flags = SYN, .payload = 4};
	size_t len = wire_make(&wire, out);

	memcpy(out, dst, 6);
	memcpy(out + 6, src, 6);
	out[46] = 6 << 4;
	memcpy(out + 54, "\x02\x04", 2);
	put16(out + 56, mss);
	wire_seal(&wire, out, len);
	return len;
}
