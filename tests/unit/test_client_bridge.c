// The client's bridge between a port in memory and a session that records what it is told.
#include "client_bridge_fixture.h"
#include "wireframe.h"

// CORE-3: own frames go to the relay, as they are; the destination peer is named when it is known.
static void test_core3_tap_to_relay(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	uint8_t expected[2048];

	join(f);
	from_tap(f, &friend, &own, 100);
	assert_int_equal(f->session.sent_len, make(expected, &friend, &own, 100));
	assert_memory_equal(f->session.sent, expected, 114);
	assert_ptr_equal(f->session.sent_to, &f->session.client);
	from_tap(f, &lan_host, &own, 1382);
	assert_int_equal(f->session.sent_len, 1396);
	assert_null(f->session.sent_to);
	from_tap(f, &broadcast, &own, 28);
	from_tap(f, &multicast, &own, 28);
	assert_int_equal(f->session.counters.tx_frames, 4);
	assert_int_equal(sl_counters_dropped(&f->session.counters), 0);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.group_out, 2);
	assert_int_equal(stats.offline, 0);
}

// CORE-3, FILTER-1, FILTER-2, FILTER-8, FILTER-9: a local outcome for each frame that stays here.
static void test_core3_tap_drops(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64] = {0};

	join(f);
	from_tap(f, &lan_host, &friend, 100);
	dropped(f, SL_DROP_FORGED_SOURCE);
	assert_non_null(strstr(f->lines, "direction tap_to_relay room ROOM1 peer 3"));
	assert_non_null(strstr(f->lines, "action filtered reason=forged_source"));
	from_tap(f, &lan_host, &multicast, 100);
	dropped(f, SL_DROP_INVALID_SOURCE);
	from_tap(f, &lan_host, &own, 1383);
	dropped(f, SL_DROP_OVER_MTU);
	from_tap(f, &lan_host, &own, 1501);
	dropped(f, SL_DROP_JUMBO);
	for (size_t len = 0; len < 14; len++) {
		f->handler.receive(f->handler.arg, frame, len);
		dropped(f, SL_DROP_RUNT);
	}
	f->handler.malformed(f->handler.arg, frame, 60);
	dropped(f, SL_DROP_MALFORMED);
	f->handler.malformed(f->handler.arg, frame, 0);
	dropped(f, SL_DROP_MALFORMED);
	assert_int_equal(f->session.sent_len, 0);
}

// CORE-3: without a session a frame is dropped and counted, before, between and after.
static void test_core3_no_session(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;

	from_tap(f, &broadcast, &own, 100);
	dropped(f, SL_DROP_UNKNOWN_PEER);
	join(f);
	from_tap(f, &broadcast, &own, 100);
	assert_int_equal(sl_counters_dropped(&f->session.counters), 0);
	f->session.joined = false;
	f->ops.down(f->ops.arg, "gone", 1);
	from_tap(f, &broadcast, &own, 100);
	dropped(f, SL_DROP_UNKNOWN_PEER);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.offline, 2);
	assert_int_equal(stats.group_out, 1);
}

// CORE-3: frames for us and for all reach the TAP, from the gateway with any source on its LAN.
static void test_core3_relay_to_tap(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	uint8_t expected[2048];

	join(f);
	from_relay(f, &f->session.gateway, &own, &lan_host, 200);
	assert_int_equal(f->port.len, make(expected, &own, &lan_host, 200));
	assert_memory_equal(f->port.frame, expected, 214);
	from_relay(f, &f->session.gateway, &broadcast, &lan_host, 46);
	from_relay(f, &f->session.client, &own, &friend, 46);
	from_relay(f, &f->session.client, &multicast, &friend, 46);
	assert_int_equal(f->port.frames, 4);
	assert_int_equal(f->port.flushes, 0);
	f->ops.batch_end(f->ops.arg);
	assert_int_equal(f->port.flushes, 1);
	assert_int_equal(f->session.counters.rx_frames, 4);
	assert_int_equal(f->session.counters.rx_bytes, 214 + 3 * 60);
	assert_int_equal(f->session.client.rx_frames, 2);
	assert_int_equal(f->session.gateway.rx_frames, 2);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.group_in, 2);
}

// CORE-3, CORE-4: forged, reflected, misdirected, oversize and runt frames stop here; each counted and
// logged.
static void test_core4_relay_drops(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[16] = {0};

	join(f);
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	dropped(f, SL_DROP_MISDIRECTED);
	assert_non_null(strstr(
		f->lines,
		"direction relay_to_tap room ROOM1 peer 8 src 00:10:20:00:00:03 dst 02:00:00:00:00:02"));
	assert_non_null(strstr(f->lines, "reason=misdirected"));
	from_relay(f, &f->session.client, &lan_host, &friend, 60);
	dropped(f, SL_DROP_MISDIRECTED);
	from_relay(f, &f->session.client, &own, &lan_host, 60);
	dropped(f, SL_DROP_FORGED_SOURCE);
	from_relay(f, &f->session.client, &own, &own, 60);
	dropped(f, SL_DROP_FORGED_SOURCE);
	from_relay(f, &f->session.gateway, &broadcast, &own, 60);
	dropped(f, SL_DROP_REFLECTED);
	from_relay(f, &f->session.gateway, &own, &own, 60);
	dropped(f, SL_DROP_REFLECTED);
	from_relay(f, &f->session.gateway, &own, &broadcast, 60);
	dropped(f, SL_DROP_INVALID_SOURCE);
	from_relay(f, &f->session.gateway, &own, &lan_host, 1383);
	dropped(f, SL_DROP_OVER_MTU);
	for (size_t len = 0; len < 14; len++) {
		f->ops.frame(f->ops.arg, &f->session.gateway, frame, len);
		dropped(f, SL_DROP_RUNT);
	}
	assert_int_equal(f->port.frames, 0);
}

// CORE-4: a flood of bad frames is counted in full and logged at most once in 10 s.
static void test_core4_flood_is_one_line(void **state)
{
	struct fixture *f = *state;
	size_t after_one;

	join(f);
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	after_one = strlen(f->lines);
	assert_true(after_one > 0);
	for (int i = 0; i < 999; i++)
		from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	assert_int_equal(strlen(f->lines), after_one);
	assert_int_equal(f->session.counters.drops[SL_DROP_MISDIRECTED], 1000);
}

// OBS-1: the frame log, when it is asked for, has one line for each frame of either direction.
static void test_obs1_frame_log(void **state)
{
	struct fixture *f = *state;

	join(f);
	f->log.frames = true;
	from_tap(f, &broadcast, &own, 46);
	assert_non_null(strstr(f->lines, "direction tap_to_relay room ROOM1 peer 3"));
	assert_non_null(strstr(f->lines, "action forwarded"));
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	assert_non_null(strstr(f->lines, "direction relay_to_tap room ROOM1 peer 8"));
	assert_non_null(strstr(f->lines, "reason=misdirected"));
}

// The owner hears of everything that is its affair.
static void test_owner_is_told(void **state)
{
	struct fixture *f = *state;
	const struct sl_session_notice notice = {.reason = SL_DROP_LOOP};
	struct sl_addr relay = {0};
	struct sl_error error = {0};

	join(f);
	f->ops.peer_joined(f->ops.arg, &f->session.client);
	f->ops.peer_left(f->ops.arg, &f->session.client, "bye");
	f->ops.notice(f->ops.arg, &notice);
	f->ops.down(f->ops.arg, "gone", 1);
	f->ops.ended(f->ops.arg, NULL);
	f->handler.failed(f->handler.arg, "deleted");
	assert_int_equal(f->joined, 1);
	assert_int_equal(f->changed, 2);
	assert_int_equal(f->notices, 1);
	assert_int_equal(f->down, 1);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->failed, 1);
	assert_int_equal(sl_membership_before_connect(f->ops.arg, &relay, &error), SL_ERR_NOT_FOUND);
	assert_string_equal(error.text, "no way");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

// The MSS of TCP connections is lowered in both directions, and all else passes as it is.
static void test_mss_clamp(void **state)
{
	struct fixture *f = *state;
	uint8_t syn[WIRE_MAX], lower[WIRE_MAX];
	size_t len = wire_syn(syn, lan_host.b, own.b, 1460);

	join(f);
	f->session.unsplit_mtu = 1182;
	f->handler.receive(f->handler.arg, syn, len); // not switched on
	assert_memory_equal(f->session.sent, syn, len);
	sl_client_bridge_mss_clamp(f->bridge, true);
	wire_syn(lower, lan_host.b, own.b, 1142);
	f->handler.receive(f->handler.arg, syn, len);
	assert_int_equal(f->session.sent_len, len);
	assert_memory_equal(f->session.sent, lower, len);
	syn[47] = ACK;
	f->handler.receive(f->handler.arg, syn, len);
	assert_memory_equal(f->session.sent, syn, len);

	wire_syn(syn, own.b, lan_host.b, 1460);
	wire_syn(lower, own.b, lan_host.b, 1142);
	f->ops.frame(f->ops.arg, &f->session.gateway, syn, len);
	assert_int_equal(f->port.len, len);
	assert_memory_equal(f->port.frame, lower, len);
	f->session.unsplit_mtu = 0; // not joined: nothing is known
	f->ops.frame(f->ops.arg, &f->session.gateway, syn, len);
	assert_memory_equal(f->port.frame, syn, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		TEST(test_core3_tap_to_relay), TEST(test_core3_tap_drops),
		TEST(test_core3_no_session),   TEST(test_core3_relay_to_tap),
		TEST(test_core4_relay_drops),  TEST(test_core4_flood_is_one_line),
		TEST(test_obs1_frame_log),     TEST(test_owner_is_told),
		TEST(test_mss_clamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
