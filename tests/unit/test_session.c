// A session while all goes well: hello, welcome, peers, frames, counters (CORE-1, CORE-3, CORE-5, GW-6,
// GW-7).
#include "session_relay.h"

#include "session/report.h"

// CORE-1, CTRL-2: what hello says; the path's MTU is known before it.
static void core1_hello_and_welcome(void **state)
{
	struct world *w = *state;
	struct sl_session_status status;
	struct sl_session_config config = session_config(w);
	strcpy(config.secret, "s3cret");
	w->on_hello = relay_welcome;
	start_with(w, &config);
	sl_session_status(w->session, &status);
	assert_int_equal(status.state, SL_SESSION_RESOLVING);
	assert_true(run_until(w, is_joined, 3000));
	assert_int_equal(w->hello.hello.protocol, 1);
	assert_int_equal(w->hello.hello.role, SL_ROLE_CLIENT);
	assert_string_equal(w->hello.hello.room, "ROOM1");
	assert_string_equal(w->hello.hello.secret, "s3cret");
	assert_string_equal(w->hello.hello.agent, "test/1");
	assert_true(sl_mac_equal(&w->hello.hello.mac, &our_mac));
	assert_int_equal(w->hello.hello.max_datagram_size, 1400);
	assert_int_equal(w->hello.hello.features, 0);
	assert_int_equal(w->before_connects, 1);
	sl_session_status(w->session, &status);
	assert_int_equal(status.state, SL_SESSION_JOINED);
	assert_string_equal(status.state_name, "joined");
	assert_int_equal(status.welcome.peer_id, US);
	assert_true(status.max_datagram >= 1400);
	assert_true(status.rtt_ns > 0);
	assert_true(status.udp.tx_datagrams > 0);
	assert_non_null(strstr(status.sentence, "Connected"));
	assert_non_null(strstr(w->log_text, "joined room ROOM1 as peer 7"));
	assert_null(strstr(w->log_text, "s3cret"));
}

static void welcome_late_frames_first(struct world *w)
{
	relay_frame(w, 9, 'a');
	relay_frame(w, 10, 'b');
	relay_frame(w, US, 'x'); // our own, before we can know it
}

static bool three_held(struct world *w)
{
	return counters(w)->rx_datagrams >= 3;
}

static bool five_frames(struct world *w)
{
	return w->frame_count >= 5;
}

// Frames that overtake `welcome` or `peer_joined` wait, and come in order after the announcement.
static void core3_frames_wait_for_their_peer(void **state)
{
	struct world *w = *state;
	start(w, welcome_late_frames_first);
	assert_true(run_until(w, three_held, 3000));
	assert_string_equal(w->events, "");
	relay_frame(w, 9, 'c');
	run_for(w, 20);
	relay_welcome(w);
	relay_announce(w, 10);
	relay_announce(w, 9);
	assert_true(run_until(w, is_joined, 1000));
	run_for(w, 20);
	assert_string_equal(w->events, "Jpfpff");
	assert_memory_equal(w->frames, "bac", 3);
	relay_frame(w, 9, 'd');
	relay_frame(w, 10, 'e');
	assert_true(run_until(w, five_frames, 1000));
	assert_memory_equal(w->frames, "bacde", 5);
	assert_int_equal(counters(w)->rx_datagrams, 6);
	assert_int_equal(counters(w)->rx_frames, 5);
	assert_int_equal(counters(w)->rx_bytes, 5 * 64);
	assert_int_equal(counters(w)->drops[SL_DROP_REFLECTED], 1);
	assert_int_equal(sl_counters_dropped(counters(w)), 1);
	assert_int_equal(sl_session_peer_by_id(w->session, 9)->rx_frames, 3);
	assert_true(sl_session_peer_by_id(w->session, 9)->last_frame_ns > 0);
	assert_true(w->batches > 0);
}

static bool got_forty(struct world *w)
{
	return counters(w)->rx_datagrams >= 40;
}

static bool dropped_both(struct world *w)
{
	return counters(w)->drops[SL_DROP_UNKNOWN_PEER] >= 42;
}

// At most 32 wait, for 200 ms; then they are unknown_peer, never malformed.
static void core3_waiting_room_is_bounded(void **state)
{
	struct world *w = *state;
	join(w);
	for (int i = 0; i < 40; i++)
		relay_frame(w, 9, (uint8_t)i);
	assert_true(run_until(w, got_forty, 1000));
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 8);
	run_for(w, 100);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 8);
	run_for(w, 150);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 40);
	relay_announce(w, 9);
	run_for(w, 30);
	assert_string_equal(w->events, "Jp"); // too late for all of them
	// The room is empty again and takes new ones.
	relay_frame(w, 11, 'n');
	run_for(w, 30);
	relay_announce(w, 11);
	run_for(w, 30);
	assert_string_equal(w->events, "Jppf");
	// Each has its own 200 ms.
	relay_frame(w, 12, 'o');
	run_for(w, 120);
	uint64_t sent_ns = w->env->now_ns;
	relay_frame(w, 12, 'p');
	assert_true(run_until(w, dropped_both, 2000));
	assert_true(w->env->now_ns - sent_ns >= 200 * SL_NS_PER_MS);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 42);
	assert_int_equal(counters(w)->drops[SL_DROP_MALFORMED], 0);
}

// Every datagram is counted; bad ones by their reason; a verdict of the bridge is a drop.
static void core3_core5_counts_verdicts(void **state)
{
	struct world *w = *state;
	static const uint8_t bad[][5] = {
		{0x21, 0, 0, 9, 0}, {0x12, 0, 0, 9, 0}, {0x11, 1, 0, 9, 0}, {0x11, 0, 0, 0, 0}};
	join(w);
	relay_announce(w, 9);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, bad[i], 5), SL_OK);
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, bad[0], 3), SL_OK);
	relay_frame(w, US, 'r');
	run_for(w, 30);
	w->verdict = SL_DROP_MISDIRECTED;
	relay_frame(w, 9, 'm');
	run_for(w, 30);
	assert_int_equal(counters(w)->rx_datagrams, 7);
	assert_int_equal(counters(w)->drops[SL_DROP_MALFORMED], 5);
	assert_int_equal(counters(w)->drops[SL_DROP_REFLECTED], 1);
	assert_int_equal(counters(w)->drops[SL_DROP_MISDIRECTED], 1);
	assert_int_equal(counters(w)->rx_frames, 0);
	sl_session_count_drop(w->session, SL_DROP_JUMBO);
	assert_int_equal(counters(w)->drops[SL_DROP_JUMBO], 1);
}

static void welcome_after_a_long_frame(struct world *w)
{
	uint8_t datagram[1401] = {0};
	sl_overlay_encode_header(datagram, 9);
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, datagram, sizeof datagram), SL_OK);
}

static bool one_received(struct world *w)
{
	return w->session != NULL && counters(w)->rx_datagrams >= 1;
}

// CORE-3: a datagram above the agreed budget is dropped unread, also one that came before `welcome` told
// what the budget is.
static void core3_receive_above_the_budget(void **state)
{
	struct world *w = *state;
	uint8_t datagram[1401] = {0};
	start(w, welcome_after_a_long_frame);
	assert_true(run_until(w, one_received, 3000));
	relay_welcome(w);
	relay_announce(w, 9);
	assert_true(run_until(w, is_joined, 1000));
	run_for(w, 20);
	assert_string_equal(w->events, "Jp");
	assert_int_equal(counters(w)->drops[SL_DROP_DATAGRAM_BUDGET], 1);
	sl_overlay_encode_header(datagram, 9);
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, datagram, sizeof datagram), SL_OK);
	datagram[0] = 0xff; // not looked at
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, datagram, sizeof datagram), SL_OK);
	run_for(w, 30);
	assert_string_equal(w->events, "Jp");
	assert_int_equal(counters(w)->rx_datagrams, 3);
	assert_int_equal(counters(w)->drops[SL_DROP_DATAGRAM_BUDGET], 3);
	assert_int_equal(sl_counters_dropped(counters(w)), 3);
}

static bool got_datagram(struct world *w)
{
	return w->last_datagram_len > 0;
}

// CORE-3, PROTO-3: frames out, with our id, within the agreed budget, and only while joined.
static void core3_proto3_send(void **state)
{
	struct world *w = *state;
	uint8_t frame[1500];
	memset(frame, 0x5a, sizeof frame);
	start(w, relay_welcome);
	assert_int_equal(sl_session_send(w->session, frame, 60, 0, NULL), SL_DROP_UNKNOWN_PEER);
	assert_true(run_until(w, is_joined, 3000));
	relay_announce(w, 9);
	run_for(w, 20);
	struct sl_session_peer *peer = sl_session_peer_by_id(w->session, 9);
	assert_non_null(peer);
	assert_int_equal(sl_session_send(w->session, frame, 1396, 0, peer), SL_DROP_NONE);
	assert_int_equal(sl_session_send(w->session, frame, 1397, 0, peer), SL_DROP_DATAGRAM_BUDGET);
	assert_true(run_until(w, got_datagram, 1000));
	assert_int_equal(w->last_datagram_len, 1400);
	assert_memory_equal(w->last_datagram, "\x11\x00\x00\x07", 4);
	assert_int_equal(w->last_datagram[4], 0x5a);
	assert_int_equal(counters(w)->tx_frames, 1);
	assert_int_equal(counters(w)->tx_bytes, 1396);
	assert_int_equal(counters(w)->tx_datagrams, 1);
	assert_int_equal(counters(w)->drops[SL_DROP_DATAGRAM_BUDGET], 1);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 1);
	assert_int_equal(peer->tx_frames, 1);
	// More than the egress queue holds, within one turn.
	unsigned full = 0;
	for (int i = 0; i < 3000; i++)
		full += sl_session_send(w->session, frame, 1000, 0, NULL) == SL_DROP_EGRESS_FULL;
	assert_true(full > 0);
	assert_int_equal(counters(w)->drops[SL_DROP_EGRESS_FULL], full);
}

// GW-6, CORE-5: peers are announced, walked in the order of their ids, logged with their identity.
static void core5_peers(void **state)
{
	struct world *w = *state;
	static const uint16_t ids[] = {65535, 2, 300, 256, 1};
	static const uint16_t sorted[] = {1, 2, 256, 300, 65535};
	unsigned cursor = 0;
	join(w);
	for (size_t i = 0; i < 5; i++)
		relay_announce(w, ids[i]);
	run_for(w, 30);
	assert_string_equal(w->events, "Jppppp");
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sl_session_peer_next(w->session, &cursor)->id, sorted[i]);
	assert_null(sl_session_peer_next(w->session, &cursor));
	assert_null(sl_session_peer_next(w->session, &cursor));
	assert_non_null(strstr(w->log_text, "peer 300 joined, role client mac 02:00:00:00:01:2c"));
	struct sl_msg msg = {.type = SL_MSG_PEER_LEFT, .peer_left = {.peer_id = 300, .reason = "kicked"}};
	relay_send(w, &msg);
	relay_send(w, &msg); // of somebody unknown by now: no harm
	msg = (struct sl_msg){.type = SL_MSG_PEER_JOINED,
			      .peer_joined = {.peer_id = 5, .role = SL_ROLE_GATEWAY}};
	relay_send(w, &msg);
	run_for(w, 30);
	assert_string_equal(w->events, "Jppppplp");
	assert_string_equal(w->left_reason, "kicked");
	assert_non_null(strstr(w->log_text, "peer 300 left, role client mac 02:00:00:00:01:2c (kicked)"));
	struct sl_session_status status;
	sl_session_status(w->session, &status);
	assert_int_equal(status.welcome.gateway, 5);
	msg = (struct sl_msg){.type = SL_MSG_PEER_LEFT, .peer_left = {.peer_id = 5, .reason = "done"}};
	relay_send(w, &msg);
	run_for(w, 30);
	assert_string_equal(w->events, "Jppppplpl");
	sl_session_status(w->session, &status);
	assert_int_equal(status.welcome.gateway, 0);
	// The same MAC under a new id: the old peer goes first.
	msg = (struct sl_msg){.type = SL_MSG_PEER_JOINED,
			      .peer_joined = {.peer_id = 400, .mac = {{2, 0, 0, 0, 0, 2}}}};
	relay_send(w, &msg);
	run_for(w, 30);
	assert_string_equal(w->events, "Jppppplpllp");
	assert_string_equal(w->left_reason, "replaced");
	assert_null(sl_session_peer_by_id(w->session, 2));
	const struct sl_mac mac = {{2, 0, 0, 0, 0, 2}};
	assert_int_equal(sl_session_peer_by_mac(w->session, &mac)->id, 400);
}

static bool has_stats(struct world *w)
{
	return w->stats_messages >= 2;
}

// GW-7, CORE-5: the counters go to the relay from time to time.
static void gw7_core5_stats(void **state)
{
	struct world *w = *state;
	struct sl_session_config config = session_config(w);
	uint8_t frame[60] = {0};
	config.stats_interval_ns = 50 * MS;
	w->on_hello = relay_welcome;
	start_with(w, &config);
	assert_true(run_until(w, is_joined, 3000));
	assert_int_equal(sl_session_send(w->session, frame, sizeof frame, 0, NULL), SL_DROP_NONE);
	sl_session_count_drop(w->session, SL_DROP_RUNT);
	assert_true(run_until(w, has_stats, 1000));
	assert_int_equal(w->last_stats.stats.tx_frames, 1);
	assert_int_equal(w->last_stats.stats.tx_bytes, 60);
	assert_int_equal(w->last_stats.stats.drops[SL_DROP_RUNT], 1);
}

// The document has exactly these members, in any order.
static void has_members(const json_t *object, const char *const *names)
{
	size_t count = 0;
	for (; names[count] != NULL; count++) {
		if (json_object_get(object, names[count]) == NULL)
			fail_msg("no member %s", names[count]);
	}
	assert_int_equal(json_object_size(object), count);
}

static json_int_t integer_of(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);
	if (!json_is_integer(member))
		fail_msg("no integer %s", name);
	return json_integer_value(member);
}

// OPS-3: what the control socket of gateway and client shows of a session.
static void ops3_status(void **state)
{
	struct world *w = *state;
	struct sl_session_config config = session_config(w);
	static const char *const names[] = {
		"role",      "room",    "relay",  "relay_address",   "server_name", "connected", "state",
		"sentences", "peer_id", "mtu",    "datagram_budget", "gateway",     "rtt_ms",    "reconnects",
		"since_s",   "path",    "cipher", "isolated",        "split",       "counters",  NULL};
	json_t *status = json_object(), *said;

	w->on_hello = relay_welcome;
	start_with(w, &config);
	assert_int_equal(sl_report_status(status, w->session, &config, w->env->now_ns), SL_OK);
	has_members(status, names);
	assert_false(json_boolean_value(json_object_get(status, "connected")));
	assert_true(json_is_null(json_object_get(status, "peer_id")));
	json_decref(status);

	assert_true(run_until(w, is_joined, 3000));
	relay_announce(w, 9);
	run_for(w, 30);
	status = json_object();
	assert_int_equal(sl_report_status(status, w->session, &config, w->env->now_ns), SL_OK);
	has_members(status, names);
	assert_true(json_is_true(json_object_get(status, "connected")));
	assert_string_equal(json_string_value(json_object_get(status, "role")), "client");
	assert_string_equal(json_string_value(json_object_get(status, "room")), "ROOM1");
	assert_string_equal(json_string_value(json_object_get(status, "state")), "joined");
	assert_int_equal(integer_of(status, "peer_id"), US);
	assert_int_equal(integer_of(status, "datagram_budget"), 1400);
	said = json_object_get(status, "sentences");
	assert_int_equal(json_array_size(said), 2);
	assert_non_null(strstr(json_string_value(json_array_get(said, 0)), "Connected to the relay"));
	assert_non_null(strstr(json_string_value(json_array_get(said, 1)), " ms away."));
	json_decref(status);
}

static void ops3_rooms_peers_stats(void **state)
{
	struct world *w = *state;
	static const char *const room_names[] = {"code",   "id",    "mtu",     "gateway", "clients",
						 "frames", "bytes", "dropped", NULL};
	static const char *const peer_names[] = {"id",       "room",         "role",      "mac",
						 "address",  "agent",        "rtt_ms",    "datagram_budget",
						 "joined_s", "last_seen_ms", "rx_frames", "tx_frames",
						 "rx_bytes", "tx_bytes",     "drops",     "reported",
						 "mtu",      "split",        NULL};
	static const char *const stats_names[] = {"counters", "udp", "unknown_messages", NULL};
	static const char *const udp_names[] = {"rx_calls",   "rx_datagrams", "rx_bytes", "rx_errors",
						"tx_calls",   "tx_datagrams", "tx_bytes", "tx_errors",
						"tx_blocked", "gro",          "gso",      NULL};
	struct sl_session_config config = session_config(w);
	json_t *report, *one;

	join(w);
	relay_announce(w, 9);
	relay_send_text(w, "{\"type\":\"brand_new\"}");
	run_for(w, 30);

	report = sl_report_rooms(w->session, &config);
	assert_int_equal(json_array_size(json_object_get(report, "rooms")), 1);
	one = json_array_get(json_object_get(report, "rooms"), 0);
	has_members(one, room_names);
	assert_string_equal(json_string_value(json_object_get(one, "code")), "ROOM1");
	assert_int_equal(integer_of(one, "clients"), 2); // the peer and we
	json_decref(report);

	report = sl_report_peers(w->session, &config, w->env->now_ns);
	assert_int_equal(json_array_size(json_object_get(report, "peers")), 1);
	one = json_array_get(json_object_get(report, "peers"), 0);
	has_members(one, peer_names);
	assert_int_equal(integer_of(one, "id"), 9);
	assert_string_equal(json_string_value(json_object_get(one, "mac")), "02:00:00:00:00:09");
	json_decref(report);

	report = sl_report_stats(w->session);
	has_members(report, stats_names);
	has_members(json_object_get(report, "udp"), udp_names);
	assert_int_equal(integer_of(report, "unknown_messages"), 1); // ignored, and counted
	assert_int_equal(json_object_size(json_object_get(json_object_get(report, "counters"), "drops")),
			 SL_DROP_COUNT);
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(core1_hello_and_welcome, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_frames_wait_for_their_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_waiting_room_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_core5_counts_verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_receive_above_the_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_proto3_send, setup, teardown),
		cmocka_unit_test_setup_teardown(core5_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(gw7_core5_stats, setup, teardown),
		cmocka_unit_test_setup_teardown(ops3_status, setup, teardown),
		cmocka_unit_test_setup_teardown(ops3_rooms_peers_stats, setup, teardown),
	};
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
