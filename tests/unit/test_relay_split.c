// The feature `split` at the relay: who is granted it, and frames in two parts, in and out. The relay joins,
// judges the whole frame once, and splits anew for each target (PROTO-1, RELAY-3, RELAY-6, RELAY-7).
#include "relay_split.h"

#include "relay/report.h"

// ---- who is granted it

// RELAY-3: at once, whatever the path carries now.
static void relay3_split_is_granted_at_once(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	expect_split(hello_split(h, 1, 1400, 1168, false), 1400);
	expect_split(hello_split(h, 2, 2000, 1368, true), 1400); // the relay's own datagram.max_size
	expect_split(hello_split(h, 3, 765, 1430, true), 765);
	harness_free(h);
}

static void relay3_split_needs_a_budget_of_765(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn;

	(void)state;
	expect_reject(hello_split(h, 1, 764, 1430, true), SL_REJECT_MTU_TOO_SMALL);
	conn = conn_open(h); // what the transport takes counts, too
	conn->datagram_limit = 764;
	conn->max_datagram = 764;
	say_hello(conn, "R", 1, 1400, SPLIT);
	expect_reject(conn, SL_REJECT_MTU_TOO_SMALL);
	conn = conn_open(h);
	conn->datagram_limit = 900;
	conn->max_datagram = 900;
	say_hello(conn, "R", 1, 1400, SPLIT);
	expect_split(conn, 900);
	expect_reject(hello_split(h, 2, 1400, 0, true), SL_REJECT_NO_DATAGRAMS);
	harness_free(h);
}

// Without the feature, at either end, all is as it was.
static void relay3_without_split_the_old_rules_hold(void **state)
{
	struct harness *h = harness_with("dev_certificate_out = \"/tmp/x\"; datagram: { split = false; };");
	struct sl_conn *conn;
	struct sl_msg msg;

	(void)state;
	expect_reject(hello_split(h, 1, 1399, 1430, true), SL_REJECT_MTU_TOO_SMALL);
	expect_reject(hello_split(h, 1, 1400, 1399, true), SL_REJECT_MTU_TOO_SMALL);
	conn = hello_split(h, 1, 1400, 1168, false);
	expect_silence(conn); // it waits for the path
	conn->max_datagram = 1400;
	advance(h, MS(10));
	expect_message(conn, &msg, SL_MSG_WELCOME);
	assert_int_equal(msg.welcome.features, 0);
	assert_int_equal(msg.welcome.effective_tap_mtu, 1382);
	assert_false(peer_of(conn)->split);
	harness_free(h);

	h = harness_new();
	conn = conn_open(h);
	conn->max_datagram = 1399;
	say_hello(conn, "R", 1, 1400, "");
	expect_reject(conn, SL_REJECT_MTU_TOO_SMALL);
	harness_free(h);
}

// OPS-3: who has it is shown.
static void ops3_peers_show_mtu_and_split(void **state)
{
	struct split_party p = split_party_new();
	json_t *all = relay_report_peers(p.h->relay, "R"), *rooms = relay_report_rooms(p.h->relay, "R"),
	       *peer;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(all, "peers"), i, peer)
	{
		assert_int_equal(json_is_true(json_object_get(peer, "split")), i < 3);
		assert_int_equal(number_of(peer, "mtu"), i < 3 ? 1500 : 1382);
	}
	assert_int_equal(i, 4);
	assert_int_equal(number_of(json_array_get(json_object_get(rooms, "rooms"), 0), "mtu"), 1500);
	json_decref(all);
	json_decref(rooms);
	harness_free(p.h);
}

// ---- in and out

// PROTO-1, RELAY-4, RELAY-7: joined in either order, counted as one frame, split anew at each target's own
// limit; a target without the feature is skipped.
static void relay7_a_full_frame_is_joined_and_split_anew(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_a, FULL);
	uint16_t id = peer_of(p.a)->id;
	char wanted[128];

	(void)state;
	p.b->max_datagram = 1100; // its path is narrower now
	send_split(p.a, 77, frame, FULL, 1394);
	expect_parts(p.gateway, id, frame, FULL, 1400);
	expect_parts(p.b, id, frame, FULL, 1100);
	assert_int_equal(copies(p.c), 0);
	assert_int_equal(counters(p.a)->rx_datagrams, 2);
	assert_int_equal(counters(p.a)->split_rx, 1);
	assert_int_equal(counters(p.a)->rx_frames, 1);
	assert_int_equal(counters(p.a)->rx_bytes, FULL);
	assert_int_equal(counters(p.gateway)->split_tx, 1);
	assert_int_equal(counters(p.gateway)->tx_frames, 1);
	assert_int_equal(counters(p.gateway)->tx_bytes, FULL);
	assert_int_equal(counters(p.gateway)->tx_datagrams, 2);
	assert_int_equal(peer_of(p.a)->room->frames, 1);
	assert_int_equal(drops(p.c, SL_DROP_DATAGRAM_BUDGET), 1);
	assert_int_equal(counters(p.c)->tx_datagrams, 0);
	snprintf(wanted, sizeof(wanted), "target_peer %u len 1514 budget 1400 (datagram_budget)",
		 peer_of(p.c)->id);
	assert_int_equal(logged(p.h, wanted), 1);

	send_part(p.a, SL_OVERLAY_REST, 78, frame + 200, FULL - 200);
	expect_nothing(&p);
	send_part(p.a, SL_OVERLAY_FIRST, 78, frame, 200);
	expect_parts(p.gateway, id, frame, FULL, 1400);
	assert_int_equal(counters(p.a)->split_rx, 2);
	assert_int_equal(sl_counters_dropped(counters(p.a)), 0);
	harness_free(p.h);
}

// Each target has a counter of its own.
static void proto1_frames_are_numbered_anew_for_each_target(void **state)
{
	struct split_party p = split_party_new();
	uint8_t up[4096], down[4096];
	const uint8_t *to_all = make_frame(up, &broadcast, &p.mac_a, FULL);
	const uint8_t *to_b = make_frame(down, &p.mac_b, &p.host, FULL);
	struct sl_overlay part;
	uint16_t last = 0;

	(void)state;
	peer_of(p.b)->frame_id = 65530; // comes round
	for (unsigned n = 0; n < 20; n++) {
		if (n % 3 == 0)
			send_split(p.gateway, 5, to_b, FULL, 700);
		else
			send_split(p.a, 5, to_all, FULL, 700);
		assert_int_equal(sl_overlay_decode(p.b->sent[0].data, p.b->sent[0].len, true, &part), SL_OK);
		if (n > 0)
			assert_int_equal(part.frame_id, (uint16_t)(last + 1));
		last = part.frame_id;
		assert_int_equal(part.peer_id, peer_of(n % 3 == 0 ? p.gateway : p.a)->id);
		copies(p.gateway);
		assert_int_equal(copies(p.b), 2);
	}
	assert_int_equal(counters(p.gateway)->split_tx, 13);
	assert_int_equal(counters(p.b)->split_tx, 20);
	harness_free(p.h);
}

// What fits goes whole, whether it came in two parts or not; at the present limit of the path.
static void proto3_what_fits_goes_whole(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &p.mac_b, &p.mac_a, 1396);
	const struct sent *sent = &p.b->sent[0];

	(void)state;
	send_frame(p.a, &p.mac_b, &p.mac_a, 1396);
	assert_int_equal(sent->data[0], 0x11);
	assert_int_equal(copies(p.b), 1);
	send_split(p.a, 1, frame, 1396, 10);
	assert_int_equal(sent->data[0], 0x11);
	assert_int_equal(sent->len, 1400);
	assert_memory_equal(sent->data + 4, frame, 1396);
	assert_int_equal(copies(p.b), 1);
	assert_int_equal(counters(p.b)->split_tx, 0);
	assert_int_equal(counters(p.a)->split_rx, 1);
	harness_free(p.h);
}

// RELAY-3, RELAY-6: the MTU is the sender's; the LAN may tag a full frame once.
static void relay6_the_senders_mtu(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &p.mac_a, &p.host, 1518);

	(void)state;
	peer_of(p.c)->budget = 2000; // its budget alone would let this through
	send_frame(p.c, &broadcast, &p.mac_c, 1382 + 14 + 1);
	assert_int_equal(drops(p.c, SL_DROP_OVER_MTU), 1);
	expect_nothing(&p);

	send_split(p.gateway, 1, frame, 1515, 1000); // 1501 bytes of payload
	assert_int_equal(drops(p.gateway, SL_DROP_JUMBO), 1);
	expect_nothing(&p);
	memcpy(buffer + 4 + 12, "\x81\x00\x00\x05\x81\x37", 6);
	send_split(p.gateway, 2, frame, 1518, 1394);
	expect_parts(p.a, peer_of(p.gateway)->id, frame, 1518, 1400);
	send_split(p.gateway, 3, frame, 1519, 1394); // together too long: no part of it is left
	assert_int_equal(drops(p.gateway, SL_DROP_MALFORMED), 1);
	assert_int_equal(drops(p.gateway, SL_DROP_SPLIT_TIMEOUT), 1);
	expect_nothing(&p);
	harness_free(p.h);
}

// RELAY-6: before anything is decoded.
static void relay6_a_part_above_the_budget(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_a, FULL);

	(void)state;
	send_part(p.a, SL_OVERLAY_FIRST, 1, frame, 1395);
	assert_int_equal(drops(p.a, SL_DROP_DATAGRAM_BUDGET), 1);
	send_part(p.a, SL_OVERLAY_REST, 1, frame + 1395, FULL - 1395);
	expect_nothing(&p);
	advance(p.h, MS(200));
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 1);
	harness_free(p.h);
}

// RELAY-7: a path that does not carry the frame even in two parts is told as any other.
static void relay7_too_narrow_for_two_parts(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &p.mac_b, &p.mac_a, FULL);

	(void)state;
	p.b->max_datagram = 762; // 2 x 756 < 1514
	send_split(p.a, 1, frame, FULL, 1000);
	expect_nothing(&p);
	assert_int_equal(drops(p.b, SL_DROP_DATAGRAM_BUDGET), 1);
	assert_int_equal(logged(p.h, "len 1514 budget 762 (datagram_budget)"), 1);
	assert_int_equal(counters(p.b)->tx_frames + counters(p.b)->tx_datagrams, 0);
	p.b->max_datagram = 763;
	send_split(p.a, 2, frame, FULL, 1000);
	expect_parts(p.b, peer_of(p.a)->id, frame, FULL, 763);
	harness_free(p.h);
}

// A queue with one place left takes neither part.
static void egress_both_parts_or_neither(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &p.mac_b, &p.mac_a, FULL);

	(void)state;
	p.b->no_room = true;
	send_split(p.a, 1, frame, FULL, 1000);
	expect_nothing(&p);
	assert_int_equal(drops(p.b, SL_DROP_EGRESS_FULL), 1);
	assert_int_equal(counters(p.b)->tx_datagrams + counters(p.b)->tx_frames + counters(p.b)->split_tx, 0);
	send_frame(p.a, &p.mac_b, &p.mac_a, 100); // there is room for this one
	assert_int_equal(copies(p.b), 1);
	p.b->no_room = false;
	p.b->datagram_rc = SL_ERR_CLOSED;
	send_split(p.a, 2, frame, FULL, 1000);
	assert_int_equal(drops(p.b, SL_DROP_UNKNOWN_PEER), 1);
	assert_int_equal(counters(p.b)->split_tx, 0);
	harness_free(p.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay3_split_is_granted_at_once),
		cmocka_unit_test(relay3_split_needs_a_budget_of_765),
		cmocka_unit_test(relay3_without_split_the_old_rules_hold),
		cmocka_unit_test(relay7_a_full_frame_is_joined_and_split_anew),
		cmocka_unit_test(proto1_frames_are_numbered_anew_for_each_target),
		cmocka_unit_test(proto3_what_fits_goes_whole),
		cmocka_unit_test(relay6_the_senders_mtu),
		cmocka_unit_test(relay6_a_part_above_the_budget),
		cmocka_unit_test(relay7_too_narrow_for_two_parts),
		cmocka_unit_test(egress_both_parts_or_neither),
		cmocka_unit_test(ops3_peers_show_mtu_and_split),
	};
	return cmocka_run_group_tests_name("relay_split", tests, NULL, NULL);
}
