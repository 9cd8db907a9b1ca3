// Parts that the relay must not trust: malformed, left over, flooded, and with something forbidden in two of
// them (RELAY-9, RELAY-10, RELAY-11, RELAY-13).
#include "relay_split.h"

#include "bad_frames.h"

// ---- what is wrong with parts

// RELAY-11: from a peer that did not agree on the feature a part is malformed, and so is an empty one.
static void relay11_malformed_parts(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_c, 200);
	struct sl_msg msg;

	(void)state;
	send_split(p.c, 1, frame, 200, 100);
	assert_int_equal(drops(p.c, SL_DROP_MALFORMED), 2);
	send_part(p.a, SL_OVERLAY_FIRST, 1, frame, 0);
	send_part(p.a, SL_OVERLAY_REST, 1, frame, 0);
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 2);
	expect_nothing(&p);
	// Another's id.
	sl_overlay_encode_part(buffer, SL_OVERLAY_FIRST, peer_of(p.b)->id, 1);
	receive(p.a, buffer, 100);
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 3);
	assert_int_equal(peer_of(p.b)->parts.waiting, 0);
	skip_messages(p.h);
	for (unsigned i = 0; i < 29; i++) {
		expect_silence(p.a);
		// Above 1518 bytes together: malformed as well.
		send_part(p.a, SL_OVERLAY_FIRST, (uint16_t)i, buffer, 1394);
		send_part(p.a, SL_OVERLAY_REST, (uint16_t)i, buffer, 125);
	}
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 32);
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 29);
	expect_message(p.a, &msg, SL_MSG_DISCONNECT);
	assert_string_equal(msg.disconnect.reason, "malformed_datagrams");
	harness_free(p.h);
}

// Lost, repeated, late, and too many: each part that never became half of a frame is counted once.
static void relay_parts_that_are_left_over(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_a, FULL);

	(void)state;
	send_part(p.a, SL_OVERLAY_FIRST, 1, frame, 1000);
	send_part(p.a, SL_OVERLAY_FIRST, 1, frame, 1000); // repeated
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 1);
	advance(p.h, MS(199));
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 1);
	advance(p.h, MS(1)); // the rest was lost
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 2);
	send_part(p.a, SL_OVERLAY_REST, 1, frame + 1000, FULL - 1000); // late
	expect_nothing(&p);
	advance(p.h, MS(200));
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 3);
	for (unsigned id = 0; id < 1000; id++)
		send_part(p.a, SL_OVERLAY_FIRST, (uint16_t)id, frame, 1000);
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 3 + 1000 - 32);
	assert_int_equal(peer_of(p.a)->parts.waiting, 32);
	send_split(p.b, 1, frame, FULL, 1000); // forged_source, which is seen when it is whole
	assert_int_equal(drops(p.b, SL_DROP_FORGED_SOURCE), 1);
	advance(p.h, MS(200));
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 1003);
	assert_int_equal(peer_of(p.a)->room->dropped, 1004);
	assert_int_equal(counters(p.a)->rx_datagrams, 1003);
	assert_int_equal(counters(p.a)->split_rx, 0);
	expect_nothing(&p);
	harness_free(p.h);
}

static unsigned armed(const struct harness *h)
{
	unsigned count = 0;

	for (const struct sl_timer *timer = h->timers; timer; timer = timer->next)
		count += timer->deadline_ns <= h->env.now_ns + MS(200);
	return count;
}

// One timer for all, and none while nothing waits.
static void relay_the_timer_runs_while_parts_wait(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_a, FULL);
	unsigned idle;

	(void)state;
	advance(p.h, MS(300)); // between two ticks
	idle = armed(p.h);
	for (uint16_t id = 0; id < 10; id++)
		send_split(p.a, id, frame, FULL, 1000);
	copies(p.gateway);
	copies(p.b);
	assert_int_equal(armed(p.h), idle + 1);
	advance(p.h, MS(200)); // nothing waits
	assert_int_equal(armed(p.h), idle);
	send_part(p.a, SL_OVERLAY_FIRST, 1, frame, 1000);
	advance(p.h, MS(150));
	send_part(p.b, SL_OVERLAY_FIRST, 1, frame, 1000);
	advance(p.h, MS(50));
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 1);
	assert_int_equal(drops(p.b, SL_DROP_SPLIT_TIMEOUT), 0);
	advance(p.h, MS(150));
	assert_int_equal(drops(p.b, SL_DROP_SPLIT_TIMEOUT), 1);
	harness_free(p.h);
}

// RELAY-13: what waits goes with its peer, and is counted.
static void relay13_a_peer_that_leaves_takes_its_parts_along(void **state)
{
	struct split_party p = split_party_new();
	uint8_t buffer[4096];
	const uint8_t *frame = make_frame(buffer, &broadcast, &p.mac_a, FULL);
	struct sl_relay_info info;

	(void)state;
	for (uint16_t id = 0; id < 5; id++)
		send_part(p.a, SL_OVERLAY_FIRST, id, frame, 1000);
	say(p.a, "{\"type\":\"disconnect\",\"reason\":\"bye\"}");
	assert_int_equal(drops(p.a, SL_DROP_SPLIT_TIMEOUT), 5);
	assert_int_equal(p.h->relay->parts.waiting, 0);
	conn_closed(p.a, SL_CAUSE_PEER);
	send_part(p.b, SL_OVERLAY_FIRST, 1, frame, 1000);
	conn_closed(p.b, SL_CAUSE_IDLE);
	sl_relay_info(p.h->relay, &info);
	assert_int_equal(info.counters.drops[SL_DROP_SPLIT_TIMEOUT], 6);
	advance(p.h, S(1));
	harness_free(p.h);
}

// ---- safety

static const struct {
	enum sl_drop reason;
} forbidden[] = {
	{SL_DROP_SWITCH_CONTROL}, {SL_DROP_VLAN_TAG},        {SL_DROP_DHCP_SERVER},
	{SL_DROP_DHCPV6_SERVER},  {SL_DROP_FORGED_SOURCE},   {SL_DROP_ROUTER_ADVERTISEMENT},
	{SL_DROP_REDIRECT},       {SL_DROP_MULTICAST_QUERY}, {SL_DROP_IPV6_FRAGMENT},
	{SL_DROP_HEADER_CHAIN},   {SL_DROP_INVALID_SOURCE},  {SL_DROP_RUNT},
	{SL_DROP_MALFORMED},
};

// RELAY-9, FILTER-1 to FILTER-9: wherever a forbidden message is cut, in either order, the whole is what is
// judged.
static void relay9_a_forbidden_message_in_two_parts_is_caught(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		struct split_party p = split_party_new();
		uint8_t frame[BAD_FRAME_MAX];
		size_t len = bad_frame(forbidden[i].reason, &p.mac_a, frame);
		unsigned sent = 0;

		for (size_t cut = 1; cut < len; cut += cut < 80 ? 1 : 37) {
			send_split(p.a, (uint16_t)cut, frame, len, cut);
			send_part(p.a, SL_OVERLAY_REST, 60000, frame + cut, len - cut);
			send_part(p.a, SL_OVERLAY_FIRST, 60000, frame, cut);
			sent += 2;
		}
		expect_nothing(&p);
		assert_int_equal(drops(p.a, forbidden[i].reason), sent);
		assert_int_equal(counters(p.a)->split_rx, sent);
		assert_int_equal(counters(p.a)->rx_frames, 0);
		harness_free(p.h);
	}
}

// The guard, and the limits: once for each whole frame.
static void relay10_relay9_guard_and_limits_see_whole_frames_once(void **state)
{
	struct split_party p = split_party_of(
		harness_with("dev_certificate_out = \"/tmp/x\"; client_rate: { broadcast_pps = 10; };"));
	uint8_t frame[BAD_FRAME_MAX];
	size_t len = dhcp_ack(frame, &p.host, &p.mac_b, 7);

	(void)state;
	send_split(p.gateway, 1, frame, len, 30); // 192.168.1.7 is b's
	copies(p.a);
	copies(p.b);
	copies(p.c);
	len = arp_claim(frame, &p.mac_a, 7);
	send_split(p.a, 1, frame, len, 28);
	assert_int_equal(drops(p.a, SL_DROP_ARP_GUARD), 1);
	expect_nothing(&p);
	len = 1000;
	memcpy(frame + 12, "\x81\x37", 2);
	for (uint16_t id = 0; id < 12; id++)
		send_split(p.a, id, frame, len, 500);
	assert_int_equal(counters(p.a)->rx_frames, 10);
	assert_int_equal(drops(p.a, SL_DROP_RATE_BROADCAST), 2);
	harness_free(p.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay11_malformed_parts),
		cmocka_unit_test(relay_parts_that_are_left_over),
		cmocka_unit_test(relay_the_timer_runs_while_parts_wait),
		cmocka_unit_test(relay13_a_peer_that_leaves_takes_its_parts_along),
		cmocka_unit_test(relay9_a_forbidden_message_in_two_parts_is_caught),
		cmocka_unit_test(relay10_relay9_guard_and_limits_see_whole_frames_once),
	};
	return cmocka_run_group_tests_name("relay_parts", tests, NULL, NULL);
}
