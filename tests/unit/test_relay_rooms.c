// The relay's rooms and admission: who may join, in which order it is told, and what each one learns.
#include "relay_harness.h"

static void relay1_relay3_hello_is_answered_with_welcome(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = try_join(h, "ROOM1", 0);
	struct sl_conn *client;
	struct sl_msg msg;
	uint16_t gateway_id;

	(void)state;
	expect_message(gateway, &msg, SL_MSG_WELCOME);
	gateway_id = msg.welcome.peer_id;
	assert_int_not_equal(gateway_id, 0);
	assert_int_equal(msg.welcome.protocol, 1);
	assert_int_equal(msg.welcome.effective_tap_mtu, 1382);
	assert_int_equal(msg.welcome.max_datagram_size, 1400);
	assert_int_equal(msg.welcome.features, 0); // was not asked for
	assert_int_equal(msg.welcome.gateway, 0);
	expect_silence(gateway);

	client = conn_open(h);
	say_hello(client, "ROOM1", 1, 65535, ",\"features\":[\"split\"]");
	expect_message(client, &msg, SL_MSG_WELCOME);
	assert_int_not_equal(msg.welcome.peer_id, gateway_id);
	assert_int_equal(msg.welcome.effective_tap_mtu, 1500);
	assert_int_equal(msg.welcome.max_datagram_size, 1400);
	assert_int_equal(msg.welcome.gateway, gateway_id);
	assert_int_equal(msg.welcome.features, SL_FEATURE_SPLIT);
	expect_message(client, &msg, SL_MSG_PEER_JOINED);
	assert_int_equal(msg.peer_joined.peer_id, gateway_id);
	assert_int_equal(msg.peer_joined.role, SL_ROLE_GATEWAY);
	expect_silence(client);
	assert_int_equal(client->writes, 1); // in one write
	harness_free(h);
}

static void relay1_hello_in_pieces(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn = conn_open(h);
	const char json[] = "{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"R\","
			    "\"max_datagram_size\":1400,\"agent\":\"x\"}";
	uint8_t prefix[4] = {0, 0, 0, (uint8_t)(sizeof(json) - 1)};
	struct sl_msg msg;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		say_bytes(conn, prefix + i, 1);
	for (size_t i = 0; i < sizeof(json) - 1; i++) {
		expect_silence(conn);
		say_bytes(conn, json + i, 1);
	}
	expect_message(conn, &msg, SL_MSG_WELCOME);
	harness_free(h);
}

static void relay8_a_client_is_announced_before_its_welcome(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *one = join(h, "R", 1), *two;
	struct sl_mac mac = client_mac(2);
	struct sl_msg msg;

	(void)state;
	skip_messages(h);
	two = try_join(h, "R", 2);
	expect_message(gateway, &msg, SL_MSG_PEER_JOINED);
	assert_int_equal(msg.peer_joined.peer_id, peer_of(two)->id);
	assert_int_equal(msg.peer_joined.role, SL_ROLE_CLIENT);
	assert_true(sl_mac_equal(&msg.peer_joined.mac, &mac));
	expect_message(one, &msg, SL_MSG_PEER_JOINED);
	assert_true(gateway->last_write < two->first_write);
	assert_true(one->last_write < two->first_write);
	expect_message(two, &msg, SL_MSG_WELCOME);
	expect_message(two, &msg, SL_MSG_PEER_JOINED);
	expect_message(two, &msg, SL_MSG_PEER_JOINED);
	expect_silence(two);
	assert_int_equal(two->writes, 1);
	harness_free(h);
}

static void relay8_a_gateway_knows_the_clients_before_they_hear_of_it(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *one = join(h, "R", 1), *two = join(h, "R", 2), *gateway;
	struct sl_msg msg;

	(void)state;
	skip_messages(h);
	gateway = try_join(h, "R", 0);
	expect_message(gateway, &msg, SL_MSG_WELCOME);
	expect_message(gateway, &msg, SL_MSG_PEER_JOINED);
	expect_message(gateway, &msg, SL_MSG_PEER_JOINED);
	expect_silence(gateway);
	assert_int_equal(gateway->writes, 1);
	expect_message(one, &msg, SL_MSG_PEER_JOINED);
	assert_int_equal(msg.peer_joined.role, SL_ROLE_GATEWAY);
	expect_message(two, &msg, SL_MSG_PEER_JOINED);
	assert_true(gateway->first_write < one->last_write && gateway->first_write < two->last_write);
	harness_free(h);
}

static void relay4_other_rooms_hear_nothing(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *other = join(h, "OTHER", 1);
	struct sl_conn *one = join(h, "R", 1); // the same MAC in another room is fine

	(void)state;
	conn_closed(one, SL_CAUSE_PEER);
	expect_silence(other);
	harness_free(h);
}

static void relay2_one_gateway_and_each_mac_once(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *client = join(h, "R", 1), *second;

	(void)state;
	skip_messages(h);
	second = try_join(h, "R", 0);
	expect_reject(second, SL_REJECT_GATEWAY_EXISTS);
	expect_reject(try_join(h, "R", 1), SL_REJECT_DUPLICATE_MAC);
	expect_silence(gateway);
	expect_silence(client);

	// The reject is acknowledged: close code 2. Without an acknowledgement: after 500 ms.
	h->ops.stream_drained(h->ops.arg, second, second->user);
	assert_true(second->close_called);
	assert_int_equal(second->close_code, SL_CLOSE_REJECTED);
	advance(h, MS(499));
	assert_false(h->conns[3]->close_called);
	advance(h, MS(1));
	assert_true(h->conns[3]->close_called);
	assert_int_equal(h->conns[3]->close_code, SL_CLOSE_REJECTED);
	harness_free(h);
}

static void relay2_a_silent_peer_gives_its_place(void **state)
{
	struct harness *h = harness_new(); // keep_alive 2 s: silent means more than 3 s
	struct sl_conn *gateway = join(h, "R", 0), *client = join(h, "R", 1), *again;
	uint16_t old_id = peer_of(client)->id;
	struct sl_msg msg;

	(void)state;
	advance(h, S(3));
	gateway->last_rx_ns = h->env.now_ns;
	skip_messages(h);
	expect_reject(try_join(h, "R", 1), SL_REJECT_DUPLICATE_MAC); // silent for 3 s, no longer
	advance(h, 1);
	again = join(h, "R", 1);
	assert_int_not_equal(peer_of(again)->id, old_id);
	assert_true(client->close_called);
	assert_int_equal(client->close_code, SL_CLOSE_TIMED_OUT);
	expect_message(gateway, &msg, SL_MSG_PEER_LEFT);
	assert_int_equal(msg.peer_left.peer_id, old_id);
	assert_string_equal(msg.peer_left.reason, "replaced");
	expect_message(gateway, &msg, SL_MSG_PEER_JOINED);
	conn_closed(client, SL_CAUSE_LOCAL);
	expect_silence(gateway);

	expect_reject(try_join(h, "R", 0), SL_REJECT_GATEWAY_EXISTS);
	advance(h, S(4));
	again->last_rx_ns = h->env.now_ns;
	join(h, "R", 0);
	assert_true(gateway->close_called);
	harness_free(h);
}

static void relay2_a_silent_peer_alone_in_its_room_is_replaced(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *client = join(h, "R", 1);

	(void)state;
	advance(h, S(4));
	join(h, "R", 1);
	assert_true(client->close_called);
	assert_int_equal(h->relay->room_count, 1);
	assert_int_equal(h->relay->joined, 1);
	harness_free(h);
}

static void relay2_limits(void **state)
{
	struct harness *h = harness_config();

	(void)state;
	h->config.max_rooms = 2;
	h->config.max_peers_per_room = 2;
	h->config.max_peers = 3;
	harness_start(h);
	join(h, "A", 0);
	join(h, "A", 1);
	expect_reject(try_join(h, "A", 2), SL_REJECT_ROOM_FULL);
	join(h, "B", 1);
	expect_reject(try_join(h, "B", 2), SL_REJECT_RELAY_FULL); // peers
	conn_closed(h->conns[1], SL_CAUSE_PEER);
	expect_reject(try_join(h, "C", 1), SL_REJECT_RELAY_FULL); // rooms
	assert_int_equal(h->relay->room_count, 2);
	join(h, "A", 2); // the place that became free
	harness_free(h);
}

static void room_ids_are_used_once(void **state)
{
	struct harness *h = harness_new();
	uint64_t first = peer_of(join(h, "A", 1))->room->id, second = peer_of(join(h, "B", 1))->room->id;

	(void)state;
	assert_true(first != second);
	conn_closed(h->conns[0], SL_CAUSE_PEER);
	assert_true(peer_of(join(h, "A", 1))->room->id > second);
	harness_free(h);
}

static void ids_are_unique_and_rest_for_60_s(void **state)
{
	struct relay_ids ids;
	uint8_t *seen = calloc(65536, 1);

	(void)state;
	assert_int_equal(relay_ids_init(&ids), SL_OK);
	for (unsigned i = 0; i < 65535; i++) {
		uint16_t id = relay_ids_take(&ids, S(5));
		assert_int_not_equal(id, 0);
		assert_int_equal(seen[id]++, 0);
	}
	assert_int_equal(relay_ids_take(&ids, S(5)), 0);
	relay_ids_give(&ids, 77, S(5));
	assert_int_equal(relay_ids_take(&ids, S(65) - 1), 0);
	assert_int_equal(relay_ids_take(&ids, S(65)), 77);
	relay_ids_fini(&ids);
	free(seen);
}

static void peer_ids_of_those_who_left_are_not_used_again_at_once(void **state)
{
	struct harness *h = harness_new();
	uint16_t first = peer_of(join(h, "A", 1))->id;

	(void)state;
	conn_closed(h->conns[0], SL_CAUSE_PEER);
	assert_int_equal(h->relay->ids.free_ns[first], h->env.now_ns + S(60)); // but given back it is
	for (unsigned i = 1; i < 50; i++) {
		assert_int_not_equal(peer_of(join(h, "A", i))->id, first);
		conn_closed(h->conns[i], SL_CAUSE_PEER);
	}
	harness_free(h);
}

static void budget_and_path(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *conn = conn_open(h);
	struct sl_msg msg;

	(void)state;
	say_hello(conn, "R", 1, 1399, "");
	expect_reject(conn, SL_REJECT_MTU_TOO_SMALL);

	conn = conn_open(h);
	conn->max_datagram = 0;
	say_hello(conn, "R", 1, 1400, "");
	expect_reject(conn, SL_REJECT_NO_DATAGRAMS);

	conn = conn_open(h); // the path is known, and too small
	conn->max_datagram = 1399;
	say_hello(conn, "R", 1, 1400, "");
	expect_reject(conn, SL_REJECT_MTU_TOO_SMALL);

	conn = conn_open(h); // not known yet: wait, then join
	conn->max_datagram = 1150;
	conn->settled = false;
	say_hello(conn, "R", 1, 1400, "");
	advance(h, MS(300));
	expect_silence(conn);
	conn->max_datagram = 1400;
	advance(h, MS(10));
	expect_message(conn, &msg, SL_MSG_WELCOME);

	conn = conn_open(h); // the wait has an end
	conn->max_datagram = 1150;
	conn->settled = false;
	say_hello(conn, "R", 2, 1400, "");
	advance(h, MS(5990));
	expect_silence(conn);
	advance(h, MS(20));
	expect_reject(conn, SL_REJECT_MTU_TOO_SMALL);

	conn = conn_open(h); // leaving while waiting
	conn->max_datagram = 1150;
	conn->settled = false;
	say_hello(conn, "R", 2, 1400, "");
	say(conn, "{\"type\":\"disconnect\",\"reason\":\"x\"}");
	advance(h, S(3));
	assert_true(conn->close_called);
	expect_silence(conn);
	harness_free(h);
}

static void list_rooms(struct relay_config *config)
{
	config->rooms.entries = calloc(2, sizeof(*config->rooms.entries));
	config->rooms.count = 2;
	strcpy(config->rooms.entries[0].code, "LOCKED");
	strcpy(config->rooms.entries[0].secret, "sesame");
	strcpy(config->rooms.entries[1].code, "OPEN");
}

static void relay2_listed_rooms_and_secrets(void **state)
{
	static const char *const wrong[] = {"", ",\"secret\":\"\"", ",\"secret\":\"sesam\"",
					    ",\"secret\":\"sesame \"", ",\"secret\":\"Sesame\""};
	struct harness *h = harness_config();
	struct sl_conn *conn;
	struct sl_msg msg;

	(void)state;
	list_rooms(&h->config);
	harness_start(h);
	expect_reject(try_join(h, "OTHER", 1), SL_REJECT_INVALID_ROOM);
	expect_reject(try_join(h, "open", 1), SL_REJECT_INVALID_ROOM); // compared exactly
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		conn = conn_open(h);
		say_hello(conn, "LOCKED", 1, 1400, wrong[i]);
		expect_reject(conn, SL_REJECT_UNAUTHORIZED);
	}
	conn = conn_open(h);
	say_hello(conn, "LOCKED", 1, 1400, ",\"secret\":\"sesame\"");
	expect_message(conn, &msg, SL_MSG_WELCOME);
	conn = conn_open(h); // a secret that nobody asked for: ignored, and said in the log
	say_hello(conn, "OPEN", 1, 1400, ",\"secret\":\"whatever\"");
	expect_message(conn, &msg, SL_MSG_WELCOME);
	assert_non_null(strstr(h->log_text, "a secret was given for room OPEN"));
	assert_null(strstr(h->log_text, "whatever"));
	assert_null(strstr(h->log_text, "esam"));

	// Reload: the list is swapped, those inside stay.
	strcpy(h->config.rooms.entries[1].code, "NEW");
	h->config.max_peers_per_room = 1;
	assert_int_equal(sl_relay_reload(h->relay, &h->config, NULL), SL_OK);
	expect_reject(try_join(h, "OPEN", 2), SL_REJECT_INVALID_ROOM);
	join(h, "NEW", 2);
	expect_reject(try_join(h, "NEW", 3), SL_REJECT_ROOM_FULL);
	assert_int_equal(h->relay->joined, 3);
	harness_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay1_relay3_hello_is_answered_with_welcome),
		cmocka_unit_test(relay1_hello_in_pieces),
		cmocka_unit_test(relay8_a_client_is_announced_before_its_welcome),
		cmocka_unit_test(relay8_a_gateway_knows_the_clients_before_they_hear_of_it),
		cmocka_unit_test(relay4_other_rooms_hear_nothing),
		cmocka_unit_test(relay2_one_gateway_and_each_mac_once),
		cmocka_unit_test(relay2_a_silent_peer_gives_its_place),
		cmocka_unit_test(relay2_a_silent_peer_alone_in_its_room_is_replaced),
		cmocka_unit_test(relay2_limits),
		cmocka_unit_test(room_ids_are_used_once),
		cmocka_unit_test(ids_are_unique_and_rest_for_60_s),
		cmocka_unit_test(peer_ids_of_those_who_left_are_not_used_again_at_once),
		cmocka_unit_test(budget_and_path),
		cmocka_unit_test(relay2_listed_rooms_and_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
