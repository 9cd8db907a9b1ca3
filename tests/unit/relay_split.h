// A party at a relay whose members have the feature `split`, and frames in two parts for it.
#pragma once

#include "relay_party.h"

#define FULL 1514
#define SPLIT ",\"features\":[\"split\"]"

static inline struct sl_conn *hello_split(struct harness *h, unsigned n, unsigned budget, size_t path,
					  bool settled)
{
	struct sl_conn *conn = conn_open(h);

	conn->max_datagram = path;
	conn->settled = settled;
	say_hello(conn, "R", n, budget, SPLIT);
	return conn;
}

static inline void expect_split(struct sl_conn *conn, size_t budget)
{
	struct sl_msg msg;

	expect_message(conn, &msg, SL_MSG_WELCOME);
	assert_int_equal(msg.welcome.features, SL_FEATURE_SPLIT);
	assert_int_equal(msg.welcome.effective_tap_mtu, 1500);
	assert_int_equal(msg.welcome.max_datagram_size, budget);
}

// ---- a party: a gateway and a, b with the feature, c without

struct split_party {
	struct harness *h;
	struct sl_conn *gateway, *a, *b, *c;
	struct sl_mac mac_a, mac_b, mac_c, host;
};

static inline struct sl_conn *join_split(struct harness *h, unsigned n)
{
	struct sl_conn *conn = hello_split(h, n, 1400, 1430, true);

	expect_split(conn, 1400);
	return conn;
}

static inline struct split_party split_party_of(struct harness *h)
{
	struct split_party p = {.h = h};

	p.gateway = join_split(h, 0);
	p.a = join_split(h, 1);
	p.b = join_split(h, 2);
	p.c = join(h, "R", 3);
	p.mac_a = client_mac(1);
	p.mac_b = client_mac(2);
	p.mac_c = client_mac(3);
	p.host = lan_mac(1);
	for (size_t i = 0; i < h->conn_count; i++) // loop probes have gone out
		peer_of(h->conns[i])->counters = (struct sl_counters){0};
	skip_messages(h);
	return p;
}

static inline struct split_party split_party_new(void)
{
	return split_party_of(harness_new());
}

static inline void send_part(struct sl_conn *conn, enum sl_overlay_type type, uint16_t id,
			     const uint8_t *part, size_t len)
{
	uint8_t bytes[4096];

	sl_overlay_encode_part(bytes, type, peer_of(conn)->id, id);
	memcpy(bytes + SL_OVERLAY_PART_HEADER, part, len);
	receive(conn, bytes, SL_OVERLAY_PART_HEADER + len);
}

static inline void send_split(struct sl_conn *conn, uint16_t id, const uint8_t *frame, size_t len,
			      size_t first)
{
	send_part(conn, SL_OVERLAY_FIRST, id, frame, first);
	send_part(conn, SL_OVERLAY_REST, id, frame + first, len - first);
}

static inline const uint8_t *make_frame(uint8_t out[static 4096], const struct sl_mac *dst,
					const struct sl_mac *src, size_t len)
{
	datagram(out, 1, dst, src, len);
	for (size_t i = 14; i < len; i++)
		out[4 + i] = (uint8_t)(i * 7 + (i >> 8));
	return out + 4;
}

// The connection got exactly this frame, in two parts for a limit of `limit` bytes; forgets them.
static inline void expect_parts(struct sl_conn *conn, uint16_t from, const uint8_t *frame, size_t len,
				size_t limit)
{
	const struct sent *one = &conn->sent[0], *two = &conn->sent[1];
	struct sl_overlay first, rest;

	assert_int_equal(copies(conn), 2);
	assert_int_equal(sl_overlay_decode(one->data, one->len, true, &first), SL_OK);
	assert_int_equal(sl_overlay_decode(two->data, two->len, true, &rest), SL_OK);
	assert_int_equal(first.type, SL_OVERLAY_FIRST);
	assert_int_equal(rest.type, SL_OVERLAY_REST);
	assert_int_equal(first.peer_id, from);
	assert_int_equal(rest.peer_id, from);
	assert_int_equal(first.frame_id, rest.frame_id);
	assert_int_equal(one->len, limit);
	assert_int_equal(first.frame_len + rest.frame_len, len);
	assert_memory_equal(first.frame, frame, first.frame_len);
	assert_memory_equal(rest.frame, frame + first.frame_len, rest.frame_len);
}

static inline void expect_nothing(struct split_party *p)
{
	assert_int_equal(copies(p->gateway) + copies(p->a) + copies(p->b) + copies(p->c), 0);
}

static inline const struct sl_counters *counters(struct sl_conn *conn)
{
	return &peer_of(conn)->counters;
}
