// A party at a relay without a network (relay_harness.h), and frames for it.
#pragma once

#include "relay_harness.h"

static const struct sl_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct sl_mac multicast = {{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}};

static inline struct sl_mac lan_mac(unsigned n)
{
	return (struct sl_mac){{0x3c, 0x07, 0x54, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

// A datagram with a frame of `len` bytes, ethertype IPX.
static inline size_t datagram(uint8_t out[static 4096], uint16_t peer, const struct sl_mac *dst,
			      const struct sl_mac *src, size_t len)
{
	sl_overlay_encode_header(out, peer);
	memset(out + 4, 0xa5, len);
	memcpy(out + 4, dst->b, 6);
	memcpy(out + 10, src->b, 6);
	out[16] = 0x81;
	out[17] = 0x37;
	return len + 4;
}

static inline void receive(struct sl_conn *conn, const uint8_t *bytes, size_t len)
{
	conn->h->ops.datagram(conn->h->ops.arg, conn, conn->user, bytes, len);
}

static inline void send_frame(struct sl_conn *conn, const struct sl_mac *dst, const struct sl_mac *src,
			      size_t len)
{
	uint8_t bytes[4096];

	receive(conn, bytes, datagram(bytes, peer_of(conn)->id, dst, src, len));
}

static inline uint64_t drops(struct sl_conn *conn, enum sl_drop reason)
{
	return peer_of(conn)->counters.drops[reason];
}

// How many copies have gone to this connection since it was asked last.
static inline size_t copies(struct sl_conn *conn)
{
	size_t count = conn->sent_count;

	conn->sent_count = 0;
	return count;
}

// One room with a gateway and three clients, and another one with a gateway and a client.
struct party {
	struct harness *h;
	struct sl_conn *gateway, *a, *b, *c, *other_gateway, *other_a;
	struct sl_mac mac_a, mac_b, mac_c, host;
};

static inline struct party party_of(struct harness *h)
{
	struct party p = {.h = h};

	p.gateway = join(p.h, "R", 0);
	p.a = join(p.h, "R", 1);
	p.b = join(p.h, "R", 2);
	p.c = join(p.h, "R", 3);
	p.other_gateway = join(p.h, "OTHER", 0);
	p.other_a = join(p.h, "OTHER", 1);
	p.mac_a = client_mac(1);
	p.mac_b = client_mac(2);
	p.mac_c = client_mac(3);
	p.host = lan_mac(1);
	skip_messages(h);
	return p;
}

static inline struct party party_new(void)
{
	return party_of(harness_new());
}

// What each peer of the party saw: gateway, a, b, c; the other room must never see anything.
static inline void expect_copies(struct party *p, size_t gateway, size_t a, size_t b, size_t c)
{
	assert_int_equal(copies(p->gateway), gateway);
	assert_int_equal(copies(p->a), a);
	assert_int_equal(copies(p->b), b);
	assert_int_equal(copies(p->c), c);
	assert_int_equal(copies(p->other_gateway), 0);
	assert_int_equal(copies(p->other_a), 0);
}

// The same with the configuration `text` (of relay.conf) from the start.
static inline struct party party_with(const char *text)
{
	return party_of(harness_with(text));
}
