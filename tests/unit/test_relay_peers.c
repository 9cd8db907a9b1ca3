// A peer's life at the relay: its control messages, its end, and what is shown of it.
#include "relay_harness.h"

#include "relay/report.h"

static void expect_left(struct sl_conn *conn, uint16_t id, const char *reason)
{
	struct sl_msg msg;

	expect_message(conn, &msg, SL_MSG_PEER_LEFT);
	assert_int_equal(msg.peer_left.peer_id, id);
	assert_string_equal(msg.peer_left.reason, reason);
}

static void relay13_the_reason_reaches_the_others_and_the_place_is_free(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *conn;
	uint16_t id;

	(void)state;
	conn = join(h, "R", 1);
	skip_messages(h);
	id = peer_of(conn)->id;
	say(conn, "{\"type\":\"disconnect\",\"reason\":\"going to bed\"}");
	expect_left(gateway, id, "going to bed");
	assert_true(conn->fin); // our side is finished too, the peer closes
	assert_false(conn->close_called);
	conn = join(h, "R", 1); // membership and MAC are free at once
	skip_messages(h);

	id = peer_of(conn)->id;
	h->ops.stream(h->ops.arg, conn, conn->user, NULL, 0, true, false);
	expect_left(gateway, id, "connection_lost");
	assert_true(conn->close_called);
	conn_closed(conn, SL_CAUSE_LOCAL);
	expect_silence(gateway); // said once

	conn = join(h, "R", 1);
	skip_messages(h);
	id = peer_of(conn)->id;
	h->ops.stream(h->ops.arg, conn, conn->user, NULL, 0, false, true); // a reset
	expect_left(gateway, id, "connection_lost");

	conn = join(h, "R", 1);
	skip_messages(h);
	id = peer_of(conn)->id;
	conn_closed(conn, SL_CAUSE_IDLE);
	expect_left(gateway, id, "timed_out");

	conn = join(h, "R", 1);
	skip_messages(h);
	id = peer_of(conn)->id;
	conn_closed(conn, SL_CAUSE_RESET);
	expect_left(gateway, id, "connection_lost");

	conn_closed(gateway, SL_CAUSE_PEER);
	assert_int_equal(h->relay->room_count, 0);
	harness_free(h);
}

static void relay13_after_its_disconnect_a_peer_is_closed_in_500_ms(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn = join(h, "R", 1);

	(void)state;
	say(conn, "{\"type\":\"disconnect\",\"reason\":\"bye\"}");
	advance(h, MS(500));
	assert_true(conn->close_called);
	assert_int_equal(conn->close_code, SL_CLOSE_DONE);
	harness_free(h);
}

static void ctrl1_protocol_errors_close_with_code_1(void **state)
{
	static const char *const after_welcome[] = {
		"{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_"
		"size\":1400,"
		"\"agent\":\"x\"}",
		"{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"!\",\"max_datagram_"
		"size\":1400,"
		"\"agent\":\"x\"}",
		"{\"type\":\"peer_left\",\"peer_id\":1,\"reason\":\"x\"}",
		"{\"type\":\"peer_joined\",\"peer_id\":1,\"role\":\"gateway\"}",
		"{\"type\":\"reject\",\"reason\":\"x\",\"message\":\"y\"}",
		"{\"type\":\"disconnect\"}",
		"{\"type\":7}",
		"[1]",
		"{\"type\":\"stats\",\"rx_frames\":-1}",
	};
	struct harness *h = harness_new();
	struct sl_conn *conn, *watcher = join(h, "R", 9);

	(void)state;
	for (size_t i = 0; i < sizeof(after_welcome) / sizeof(*after_welcome); i++) {
		conn = join(h, "R", 1);
		skip_messages(h);
		say(conn, after_welcome[i]);
		if (!conn->close_called)
			fail_msg("not refused: %s", after_welcome[i]);
		assert_int_equal(conn->close_code, SL_CLOSE_PROTOCOL_ERROR);
		assert_true(strlen(conn->close_text) > 5);
		expect_left(watcher, peer_of(conn)->id, "protocol_error");
		conn_closed(conn, SL_CAUSE_LOCAL);
	}
	// Before hello.
	conn = conn_open(h);
	say(conn, "{\"type\":\"stats\"}");
	assert_int_equal(conn->close_code, SL_CLOSE_PROTOCOL_ERROR);
	conn = conn_open(h);
	say(conn, "{\"type\":\"something\"}");
	assert_int_equal(conn->close_code, SL_CLOSE_PROTOCOL_ERROR);
	conn = conn_open(h);
	say_bytes(conn, "\x00\x00\x40\x01", 4); // 16385
	assert_int_equal(conn->close_code, SL_CLOSE_PROTOCOL_ERROR);
	conn = conn_open(h);
	say_bytes(conn, "GET / HTTP/1.1\r\n", 16);
	assert_int_equal(conn->close_code, SL_CLOSE_PROTOCOL_ERROR);
	expect_silence(watcher);
	harness_free(h);
}

static void relay1_hello_that_breaks_a_rule_is_rejected(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn = conn_open(h);

	(void)state;
	say(conn, "{\"type\":\"hello\",\"protocol\":2}");
	expect_reject(conn, SL_REJECT_PROTOCOL_VERSION);
	conn = conn_open(h);
	say_hello(conn, "no spaces", 1, 1400, "");
	expect_reject(conn, SL_REJECT_INVALID_ROOM);
	conn = conn_open(h);
	say(conn, "{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"mac\":\"02:00:00:00:00:01\","
		  "\"room\":\"R\",\"max_datagram_size\":1400,\"agent\":\"x\"}");
	expect_reject(conn, SL_REJECT_INVALID_HELLO);
	// After a reject nothing counts any more.
	say_hello(conn, "R", 1, 1400, "");
	say_bytes(conn, "\xff\xff\xff\xff", 4);
	expect_silence(conn);
	assert_false(conn->close_called);
	assert_int_equal(h->relay->protocol_errors, 0);
	assert_int_equal(h->relay->joined, 0);
	harness_free(h);
}

static void relay1_no_hello_within_5_s(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn = conn_open(h);

	(void)state;
	advance(h, MS(4999));
	assert_false(conn->close_called);
	advance(h, MS(1));
	assert_true(conn->close_called);
	assert_int_equal(conn->close_code, SL_CLOSE_TIMED_OUT);
	harness_free(h);
}

static void a_peer_that_does_not_read_is_closed(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *lazy = join(h, "R", 1), *other = join(h, "R", 2);

	(void)state;
	skip_messages(h);
	lazy->pending = 65536;
	join(h, "R", 3);
	assert_false(lazy->close_called);
	lazy->pending = 65537;
	join(h, "R", 4);
	assert_true(lazy->close_called);
	assert_int_equal(lazy->close_code, SL_CLOSE_PROTOCOL_ERROR);
	assert_int_equal(h->relay->protocol_errors, 1); // counted and logged as every other one
	assert_non_null(strstr(h->log_text, "protocol error, peer 1 "));
	skip_messages(h);
	conn_closed(lazy, SL_CAUSE_LOCAL);
	expect_silence(other);
	assert_int_equal(h->relay->joined, 3);
	harness_free(h);
}

static void one_lazy_peer_after_another(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0);

	(void)state;
	for (unsigned i = 1; i <= 20; i++)
		join(h, "R", i)->pending = i % 2 ? 70000 : 0;
	// Each leave makes the relay write to the others, and find the next one that does not read.
	for (unsigned i = 1; i <= 19; i += 2)
		assert_true(h->conns[i]->close_called);
	assert_false(gateway->close_called);
	assert_int_equal(h->relay->joined, 11);
	assert_int_equal(h->relay->condemned, 0);
	harness_free(h);
}

// The second one is found only when the end of the first is told, and it stands before it in the list.
static void the_end_of_a_lazy_peer_finds_another(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *old = join(h, "R", 1), *young = join(h, "R", 2), *leaver = join(h, "R", 3), *other;

	(void)state;
	other = join(h, "R", 4);
	old->reads_until = old->writes;
	young->reads_until = young->writes + 1;
	conn_closed(leaver, SL_CAUSE_PEER);
	assert_true(old->close_called);
	assert_true(young->close_called);
	assert_int_equal(h->relay->condemned, 0);
	assert_int_equal(h->relay->joined, 1);
	assert_int_equal(peer_of(other)->room->count, 1);
	harness_free(h);
}

// OPS-3, RELAY-13: kicked. Both sides are told why, and it may come back at once.
static void ops3_kick(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *conn = join(h, "R", 1), *raw;
	char room[SL_ROOM_MAX + 1] = "";
	uint16_t id = peer_of(conn)->id;
	struct sl_msg msg;
	json_t *event;

	(void)state;
	raw = conn_open(h); // not joined: it has no id yet
	skip_messages(h);
	json_array_clear(h->seen);
	assert_int_equal(sl_relay_kick(h->relay, 0, NULL, room), SL_ERR_NOT_FOUND);
	assert_int_equal(sl_relay_kick(h->relay, 65535, "x", room), SL_ERR_NOT_FOUND);
	assert_int_equal(json_array_size(h->seen), 0);
	assert_int_equal(sl_relay_kick(h->relay, id, "too loud\x1b[31m", room), SL_OK);
	assert_string_equal(room, "R");
	expect_message(conn, &msg, SL_MSG_DISCONNECT);
	assert_string_equal(msg.disconnect.reason, "too loud?[31m");
	assert_true(conn->fin);
	expect_left(gateway, id, "too loud?[31m");
	event = json_array_get(h->seen, 0);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "kicked");
	assert_int_equal(json_integer_value(json_object_get(event, "peer")), id);
	assert_string_equal(json_string_value(json_object_get(event, "reason")), "too loud?[31m");
	assert_string_equal(json_string_value(json_object_get(json_array_get(h->seen, 1), "event")),
			    "peer_left");
	assert_non_null(strstr(h->log_text, "peer kicked by an operator, room R peer "));
	// Once: it is on its way out.
	assert_int_equal(sl_relay_kick(h->relay, id, NULL, room), SL_ERR_NOT_FOUND);
	h->ops.stream_drained(h->ops.arg, conn, conn->user);
	assert_true(conn->close_called);
	assert_int_equal(conn->close_code, SL_CLOSE_KICKED);
	assert_string_equal(conn->close_text, "kicked: too loud?[31m");
	assert_false(raw->close_called);

	conn = join(h, "R", 1); // the MAC is free at once
	skip_messages(h);
	id = peer_of(conn)->id;
	assert_int_equal(sl_relay_kick(h->relay, id, "", room), SL_OK);
	expect_left(gateway, id, "kicked");
	assert_int_equal(sl_relay_kick(h->relay, peer_of(gateway)->id, NULL, room), SL_OK); // the last one
	assert_string_equal(room, "R");
	assert_int_equal(h->relay->room_count, 0);
	advance(h, MS(500)); // nobody acknowledges
	assert_int_equal(conn->close_code, SL_CLOSE_KICKED);
	harness_free(h);
}

static void on_changed(void *arg)
{
	++*(unsigned *)arg;
}

// OBS-2, RELAY-12: who is gone still counts in the sum; and whoever shows numbers hears of each change.
static void obs2_the_sum_has_those_that_left(void **state)
{
	struct harness *h = harness_new();
	struct sl_relay_info info;
	struct sl_conn *conn;
	unsigned changes = 0;

	(void)state;
	sl_relay_on_change(h->relay, on_changed, &changes);
	join(h, "R", 1);
	conn = join(h, "R", 2);
	assert_int_equal(changes, 2);
	peer_of(conn)->counters.rx_frames = 7;
	peer_of(conn)->counters.drops[SL_DROP_RUNT] = 3;
	peer_of(h->conns[0])->counters.rx_frames = 1;
	conn_closed(conn, SL_CAUSE_PEER);
	assert_int_equal(changes, 3);
	sl_relay_info(h->relay, &info);
	assert_int_equal(info.counters.rx_frames, 8);
	assert_int_equal(info.counters.drops[SL_DROP_RUNT], 3);
	assert_int_equal(info.joins, 2);
	assert_int_equal(info.leaves, 1);
	assert_int_equal(info.peers, 1);
	assert_int_equal(info.rooms, 1);
	assert_int_equal(info.connections, 1);
	harness_free(h);
}

static void on_stopped(void *arg)
{
	struct harness *h = arg;

	h->stopped++;
}

static void stop_says_disconnect_and_waits_at_most_500_ms(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *one = join(h, "R", 0), *two = join(h, "R", 1), *waiting = conn_open(h), *settling;
	struct sl_msg msg;

	(void)state;
	settling = conn_open(h);
	settling->max_datagram = 1150;
	settling->settled = false;
	say_hello(settling, "R", 2, 1400, "");
	skip_messages(h);
	sl_relay_stop(h->relay, on_stopped, h);
	expect_reject(settling, SL_REJECT_SHUTTING_DOWN);
	assert_true(waiting->close_called);
	assert_int_equal(waiting->close_code, SL_CLOSE_SHUTTING_DOWN);
	for (int i = 0; i < 2; i++) {
		expect_message(h->conns[i], &msg, SL_MSG_DISCONNECT);
		assert_string_equal(msg.disconnect.reason, "shutting_down");
		assert_true(h->conns[i]->fin);
		expect_silence(h->conns[i]); // no peer_left about the others
	}
	assert_null(h->ops.accept(h->ops.arg, one));
	h->ops.stream_drained(h->ops.arg, one, one->user);
	assert_true(one->close_called);
	assert_int_equal(one->close_code, SL_CLOSE_SHUTTING_DOWN);
	advance(h, MS(500));
	assert_true(two->close_called);
	assert_int_equal(two->close_code, SL_CLOSE_SHUTTING_DOWN);
	assert_int_equal(h->stopped, 0);
	for (int i = 0; i < 4; i++)
		conn_closed(h->conns[i], SL_CAUSE_LOCAL);
	advance(h, 0);
	assert_int_equal(h->stopped, 1);
	advance(h, S(2));
	assert_int_equal(h->stopped, 1);
	harness_free(h);
}

static void stop_without_peers_is_immediate(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	sl_relay_stop(h->relay, on_stopped, h);
	assert_int_equal(h->stopped, 0); // from the loop, not from inside the call
	advance(h, 0);
	assert_int_equal(h->stopped, 1);
	harness_free(h);
}

static json_int_t integer_at(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_integer(member))
		fail_msg("no integer %s", name);
	return json_integer_value(member);
}

static void has_members(const json_t *object, const char *const *names)
{
	for (; *names; names++)
		if (!json_object_get(object, *names))
			fail_msg("no member %s", *names);
}

// OPS-3: every member that scripts may count on.
static void ops3_reports_have_their_members(void **state)
{
	static const char *const room_names[] = {"code",   "id",    "mtu",     "gateway", "clients",
						 "frames", "bytes", "dropped", NULL};
	static const char *const peer_names[] = {"id",       "room",         "role",      "mac",
						 "address",  "agent",        "rtt_ms",    "datagram_budget",
						 "joined_s", "last_seen_ms", "rx_frames", "tx_frames",
						 "rx_bytes", "tx_bytes",     "drops",     "reported",
						 NULL};
	static const char *const status_names[] = {"state", "sentences", "listen",      "certificate", "mtu",
						   "rooms", "peers",     "connections", "limits",      NULL};
	static const char *const certificate_names[] = {
		"subject", "sha256", "not_before", "not_after", "expires_days", "development", NULL};
	char directory[] = "/tmp/softlan-test-report-XXXXXX", name[64], command[64];
	struct harness *h = harness_new();
	json_t *json, *said;
	struct sl_tls *tls;

	(void)state;
	join(h, "R", 0);
	join(h, "R", 1);
	json = relay_report_rooms(h->relay, NULL);
	has_members(json_array_get(json_object_get(json, "rooms"), 0), room_names);
	json_decref(json);
	json = relay_report_peers(h->relay, NULL);
	has_members(json_array_get(json_object_get(json, "peers"), 0), peer_names);
	has_members(json_array_get(json_object_get(json, "peers"), 1), peer_names);
	json_decref(json);

	assert_non_null(mkdtemp(directory));
	snprintf(name, sizeof(name), "%s/relay.der", directory);
	tls = sl_tls_server_dev(directory, "softlan-relay.local", name, NULL);
	assert_non_null(tls);
	json = json_object();
	assert_int_equal(relay_report_status(json, h->relay, tls), SL_OK);
	has_members(json, status_names);
	has_members(json_object_get(json, "certificate"), certificate_names);
	said = json_object_get(json, "sentences");
	assert_int_equal(json_array_size(said), 2);
	assert_non_null(strstr(json_string_value(json_array_get(said, 0)), "2 peers in 1 room."));
	// The certificate is of today, and the relay's clock here far behind.
	assert_non_null(strstr(json_string_value(json_array_get(said, 1)), "not valid yet"));
	json_decref(json);
	sl_tls_free(tls);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
	harness_free(h);
}

static void relay12_stats_are_retained_and_shown(void **state)
{
	static const char *const udp_names[] = {"rx_calls",   "rx_datagrams", "rx_bytes", "rx_errors",
						"tx_calls",   "tx_datagrams", "tx_bytes", "tx_errors",
						"tx_blocked", "gro",          "gso",      NULL};
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *client;
	json_t *json, *peer, *room;

	(void)state;
	client = join(h, "R", 1);
	say(client, "{\"type\":\"stats\",\"rx_frames\":7,\"tx_bytes\":9000,\"drops\":{\"misdirected\":3}}");
	say(client, "{\"type\":\"brand_new\",\"x\":1}"); // ignored and counted
	advance(h, MS(2500));
	client->last_rx_ns = h->env.now_ns - MS(120);

	json = relay_report_peers(h->relay, "R");
	assert_int_equal(json_array_size(json_object_get(json, "peers")), 2);
	peer = json_array_get(json_object_get(json, "peers"), 1);
	assert_int_equal(integer_at(peer, "id"), peer_of(client)->id);
	assert_string_equal(json_string_value(json_object_get(peer, "mac")), "02:00:00:00:00:01");
	assert_string_equal(json_string_value(json_object_get(peer, "role")), "client");
	assert_string_equal(json_string_value(json_object_get(peer, "agent")), "test/1");
	assert_string_equal(json_string_value(json_object_get(peer, "room")), "R");
	assert_int_equal(integer_at(peer, "joined_s"), 2);
	assert_int_equal(integer_at(peer, "last_seen_ms"), 120);
	assert_int_equal(integer_at(peer, "datagram_budget"), 1400);
	assert_int_equal(integer_at(json_object_get(peer, "reported"), "rx_frames"), 7);
	assert_int_equal(
		integer_at(json_object_get(json_object_get(peer, "reported"), "drops"), "misdirected"), 3);
	peer = json_array_get(json_object_get(json, "peers"), 0);
	assert_true(json_is_null(json_object_get(peer, "mac")));
	assert_true(json_is_null(json_object_get(peer, "reported")));
	json_decref(json);

	json = relay_report_rooms(h->relay, NULL);
	room = json_array_get(json_object_get(json, "rooms"), 0);
	assert_string_equal(json_string_value(json_object_get(room, "code")), "R");
	assert_int_equal(integer_at(room, "gateway"), peer_of(gateway)->id);
	assert_int_equal(integer_at(room, "clients"), 1);
	assert_int_equal(integer_at(room, "mtu"), 1382);
	json_decref(json);
	json = relay_report_rooms(h->relay, "NONE");
	assert_int_equal(json_array_size(json_object_get(json, "rooms")), 0);
	json_decref(json);
	assert_false(relay_report_has_room(h->relay, "NONE"));

	json = relay_report_stats(h->relay);
	assert_int_equal(integer_at(json_object_get(json, "admission"), "unknown_messages"), 1);
	assert_int_equal(integer_at(json, "peers"), 2);
	has_members(json_object_get(json, "udp"), udp_names);
	json_decref(json);
	harness_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay13_the_reason_reaches_the_others_and_the_place_is_free),
		cmocka_unit_test(relay13_after_its_disconnect_a_peer_is_closed_in_500_ms),
		cmocka_unit_test(ctrl1_protocol_errors_close_with_code_1),
		cmocka_unit_test(relay1_hello_that_breaks_a_rule_is_rejected),
		cmocka_unit_test(relay1_no_hello_within_5_s),
		cmocka_unit_test(a_peer_that_does_not_read_is_closed),
		cmocka_unit_test(one_lazy_peer_after_another),
		cmocka_unit_test(the_end_of_a_lazy_peer_finds_another),
		cmocka_unit_test(ops3_kick),
		cmocka_unit_test(obs2_the_sum_has_those_that_left),
		cmocka_unit_test(stop_says_disconnect_and_waits_at_most_500_ms),
		cmocka_unit_test(stop_without_peers_is_immediate),
		cmocka_unit_test(relay12_stats_are_retained_and_shown),
		cmocka_unit_test(ops3_reports_have_their_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
