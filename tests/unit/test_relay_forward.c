// The relay's forwarding: who gets a frame, who does not, and what is counted.
#include "relay_party.h"

#include "relay/forward.h"
#include "relay/report.h"

static void relay4_relay5_known_unicast_goes_to_its_peer_only(void **state)
{
	struct party p = party_new();
	uint8_t expected[4096];
	size_t len;

	(void)state;
	send_frame(p.a, &p.mac_b, &p.mac_a, 100);
	len = datagram(expected, peer_of(p.a)->id, &p.mac_b, &p.mac_a, 100); // under the sender's id
	assert_int_equal(p.b->sent[0].len, len);
	assert_memory_equal(p.b->sent[0].data, expected, len);
	expect_copies(&p, 0, 0, 1, 0);
	send_frame(p.gateway, &p.mac_c, &p.host, 60);
	expect_copies(&p, 0, 0, 0, 1);
	assert_int_equal(peer_of(p.a)->counters.rx_frames, 1);
	assert_int_equal(peer_of(p.a)->counters.rx_bytes, 100);
	assert_int_equal(peer_of(p.a)->counters.rx_datagrams, 1);
	// A loop probe went to it when it joined: a datagram, but none of the room's frames.
	assert_int_equal(p.b->probes, 1);
	assert_int_equal(peer_of(p.b)->counters.tx_frames, 1);
	assert_int_equal(peer_of(p.b)->counters.tx_bytes, 100);
	assert_int_equal(peer_of(p.b)->counters.tx_datagrams, 1 + 1);
	assert_int_equal(peer_of(p.a)->room->frames, 2);
	assert_int_equal(peer_of(p.a)->room->bytes, 160);
	assert_int_equal(peer_of(p.a)->room->dropped, 0);
	harness_free(p.h);
}

static void relay4_relay5_groups_go_to_all_others(void **state)
{
	struct party p = party_new();

	(void)state;
	send_frame(p.a, &broadcast, &p.mac_a, 60);
	expect_copies(&p, 1, 0, 1, 1);
	send_frame(p.a, &multicast, &p.mac_a, 60);
	expect_copies(&p, 1, 0, 1, 1);
	send_frame(p.gateway, &broadcast, &p.host, 60);
	expect_copies(&p, 0, 1, 1, 1);
	send_frame(p.gateway, &multicast, &p.host, 60);
	expect_copies(&p, 0, 1, 1, 1);
	harness_free(p.h);
}

static void relay5_unknown_unicast(void **state)
{
	struct party p = party_new();
	struct sl_mac nobody = lan_mac(99), other_rooms = lan_mac(7);
	struct relay_verdict verdict;
	uint8_t bytes[4096];

	(void)state;
	datagram(bytes, 1, &nobody, &p.mac_a, 60);
	relay_decide(peer_of(p.a)->room, peer_of(p.a), bytes + 4, 60, p.h->env.now_ns, &verdict);
	assert_int_equal(verdict.drop, SL_DROP_NONE);
	assert_int_equal(verdict.targets, RELAY_TO_ONE);
	assert_ptr_equal(verdict.target, peer_of(p.gateway));
	assert_true(verdict.unknown);
	assert_false(verdict.group);

	send_frame(p.a, &nobody, &p.mac_a, 60);
	expect_copies(&p, 1, 0, 0, 0);
	send_frame(p.gateway, &nobody, &p.host, 60);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(drops(p.gateway, SL_DROP_UNKNOWN_UNICAST), 1);
	assert_int_equal(peer_of(p.gateway)->counters.rx_frames, 0);
	assert_int_equal(peer_of(p.gateway)->room->dropped, 1);

	// What was heard behind the gateway is known from then on, in this room.
	datagram(bytes, 1, &p.host, &p.mac_a, 60);
	relay_decide(peer_of(p.a)->room, peer_of(p.a), bytes + 4, 60, p.h->env.now_ns, &verdict);
	assert_ptr_equal(verdict.target, peer_of(p.gateway));
	assert_false(verdict.unknown);
	send_frame(p.other_gateway, &broadcast, &other_rooms, 60);
	assert_int_equal(copies(p.other_a), 1);
	datagram(bytes, 1, &other_rooms, &p.mac_a, 60);
	relay_decide(peer_of(p.a)->room, peer_of(p.a), bytes + 4, 60, p.h->env.now_ns, &verdict);
	assert_true(verdict.unknown);

	// From the gateway to a host behind the gateway: not back.
	send_frame(p.gateway, &p.host, &other_rooms, 60);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(drops(p.gateway, SL_DROP_REFLECTED), 1);
	harness_free(p.h);
}

static void relay5_without_a_gateway(void **state)
{
	struct party p = party_new();

	(void)state;
	send_frame(p.gateway, &broadcast, &p.host, 60); // learned, and forgotten with the gateway
	conn_closed(p.gateway, SL_CAUSE_PEER);
	copies(p.a), copies(p.b), copies(p.c);
	send_frame(p.a, &p.host, &p.mac_a, 60);
	assert_int_equal(drops(p.a, SL_DROP_NO_GATEWAY), 1);
	send_frame(p.a, &broadcast, &p.mac_a, 60);
	send_frame(p.a, &p.mac_b, &p.mac_a, 60);
	assert_int_equal(copies(p.b), 2);
	assert_int_equal(copies(p.c), 1);
	assert_int_equal(peer_of(p.a)->room->stations.learned, 0);
	harness_free(p.h);
}

static void relay4_nothing_comes_back(void **state)
{
	struct party p = party_new();

	(void)state;
	send_frame(p.a, &p.mac_a, &p.mac_a, 60);
	assert_int_equal(drops(p.a, SL_DROP_REFLECTED), 1);
	// A client's frame that the gateway captured on the LAN again.
	send_frame(p.gateway, &broadcast, &p.mac_a, 60);
	send_frame(p.gateway, &p.mac_b, &p.mac_a, 60);
	assert_int_equal(drops(p.gateway, SL_DROP_REFLECTED), 2);
	expect_copies(&p, 0, 0, 0, 0);
	send_frame(p.b, &p.mac_a, &p.mac_b, 60); // the client is still where it was
	expect_copies(&p, 0, 1, 0, 0);
	harness_free(p.h);
}

static void filter1_filter2_filter8_filter9_relay6_relay9(void **state)
{
	struct party p = party_new();
	struct sl_mac zero = {{0}}, group = {{3, 0, 0, 0, 0, 1}};
	uint8_t bytes[4096];

	(void)state;
	send_frame(p.a, &broadcast, &p.mac_b, 60);
	assert_int_equal(drops(p.a, SL_DROP_FORGED_SOURCE), 1);
	send_frame(p.a, &broadcast, &zero, 60);
	send_frame(p.gateway, &broadcast, &group, 60);
	assert_int_equal(drops(p.a, SL_DROP_INVALID_SOURCE), 1);
	assert_int_equal(drops(p.gateway, SL_DROP_INVALID_SOURCE), 1);
	receive(p.a, bytes, datagram(bytes, peer_of(p.a)->id, &broadcast, &p.mac_a, 60) - 47); // 13 bytes
	receive(p.a, bytes, 4); // no frame at all
	assert_int_equal(drops(p.a, SL_DROP_RUNT), 2);
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 0);

	// The budget alone would let these through.
	peer_of(p.a)->budget = 4000;
	send_frame(p.a, &broadcast, &p.mac_a, 1382 + 14 + 1);
	assert_int_equal(drops(p.a, SL_DROP_OVER_MTU), 1);
	send_frame(p.a, &broadcast, &p.mac_a, 1501 + 14);
	assert_int_equal(drops(p.a, SL_DROP_JUMBO), 1);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(peer_of(p.a)->room->dropped, 7);
	assert_int_equal(peer_of(p.a)->counters.rx_frames, 0);

	send_frame(p.a, &broadcast, &p.mac_a, 1382 + 14); // the largest there is
	expect_copies(&p, 1, 0, 1, 1);
	send_frame(p.gateway, &broadcast, &p.host, 1382 + 14);
	expect_copies(&p, 0, 1, 1, 1);
	harness_free(p.h);
}

static void relay6_above_the_senders_budget(void **state)
{
	struct party p = party_new();
	uint8_t bytes[4096];

	(void)state;
	send_frame(p.a, &broadcast, &p.mac_a, 1397);
	assert_int_equal(drops(p.a, SL_DROP_DATAGRAM_BUDGET), 1);
	// Before decoding: what would be malformed is not looked at.
	memset(bytes, 0xff, sizeof(bytes));
	receive(p.a, bytes, 1401);
	assert_int_equal(drops(p.a, SL_DROP_DATAGRAM_BUDGET), 2);
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 0);
	expect_copies(&p, 0, 0, 0, 0);
	harness_free(p.h);
}

static void relay7_a_target_with_a_small_budget_is_skipped(void **state)
{
	struct party p = party_new();
	char wanted[128];

	(void)state;
	peer_of(p.b)->budget = 103;
	p.c->datagram_rc = SL_ERR_TOO_LARGE; // its path has shrunk
	p.c->max_datagram = 90;
	send_frame(p.a, &broadcast, &p.mac_a, 100);
	expect_copies(&p, 1, 0, 0, 0);
	assert_int_equal(drops(p.b, SL_DROP_DATAGRAM_BUDGET), 1);
	assert_int_equal(drops(p.c, SL_DROP_DATAGRAM_BUDGET), 1);
	assert_int_equal(peer_of(p.b)->counters.tx_frames, 0);
	assert_int_equal(sl_counters_dropped(&peer_of(p.a)->counters), 0); // not the sender's fault
	snprintf(wanted, sizeof(wanted),
		 "ingress_peer %u target_peer %u len 100 budget 103 (datagram_budget)", peer_of(p.a)->id,
		 peer_of(p.b)->id);
	assert_non_null(strstr(p.h->log_text, wanted));
	snprintf(wanted, sizeof(wanted), "target_peer %u len 100 budget 90 (datagram_budget)",
		 peer_of(p.c)->id);
	assert_non_null(strstr(p.h->log_text, wanted));
	send_frame(p.a, &p.mac_b, &p.mac_a, 99);
	expect_copies(&p, 0, 0, 1, 0);
	harness_free(p.h);
}

static void egress_queues_count_what_they_drop(void **state)
{
	struct party p = party_new();

	(void)state;
	p.b->datagram_rc = SL_ERR_AGAIN;
	send_frame(p.a, &broadcast, &p.mac_a, 100);
	expect_copies(&p, 1, 0, 0, 1);
	assert_int_equal(drops(p.b, SL_DROP_EGRESS_FULL), 1);
	p.h->ops.dropped(p.h->ops.arg, p.c, p.c->user, SL_DROP_EGRESS_AGE, 5);
	assert_int_equal(drops(p.c, SL_DROP_EGRESS_AGE), 5);
	assert_int_equal(peer_of(p.a)->room->dropped, 6);
	p.b->datagram_rc = SL_ERR_CLOSED; // it dies, and `closed` is still to come
	send_frame(p.a, &p.mac_b, &p.mac_a, 100);
	assert_int_equal(drops(p.b, SL_DROP_UNKNOWN_PEER), 1);
	assert_int_equal(peer_of(p.b)->counters.tx_frames, 0);
	harness_free(p.h);
}

static void relay11_malformed_datagrams_and_their_threshold(void **state)
{
	static const uint8_t bad[][6] = {
		{0x21, 0, 0, 0, 1, 2}, {0x10, 0, 0, 0, 1, 2}, {0x12, 0, 0, 0, 1, 2},
		{0x13, 0, 0, 0, 1, 2}, {0x11, 1, 0, 0, 1, 2}, {0x11, 0x80, 0, 0, 1, 2},
	};
	struct party p = party_new();
	uint16_t id = peer_of(p.a)->id;
	uint8_t bytes[4096];
	struct sl_msg msg;

	(void)state;
	skip_messages(p.h);
	for (size_t i = 0; i < 6; i++) {
		memcpy(bytes, bad[i], 6);
		bytes[2] = (uint8_t)(id >> 8);
		bytes[3] = (uint8_t)id;
		receive(p.a, bytes, 6);
	}
	receive(p.a, bytes, 3);
	receive(p.a, bytes, 0);
	receive(p.a, bytes, datagram(bytes, peer_of(p.b)->id, &broadcast, &p.mac_a, 60)); // another's id
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 9);
	for (int i = 0; i < 22; i++)
		receive(p.a, bytes, 1);
	assert_false(p.a->fin);
	advance(p.h, S(61)); // all of them are forgotten
	for (int i = 0; i < 31; i++)
		receive(p.a, bytes, 1);
	assert_false(p.a->fin);
	expect_silence(p.a);
	advance(p.h, S(30));
	receive(p.a, bytes, 1); // the 32nd in 60 s
	expect_message(p.a, &msg, SL_MSG_DISCONNECT);
	assert_string_equal(msg.disconnect.reason, "malformed_datagrams");
	assert_true(p.a->fin);
	expect_message(p.b, &msg, SL_MSG_PEER_LEFT);
	assert_int_equal(msg.peer_left.peer_id, id);
	assert_string_equal(msg.peer_left.reason, "malformed_datagrams");
	advance(p.h, MS(500));
	assert_true(p.a->close_called);
	assert_int_equal(p.a->close_code, SL_CLOSE_MALFORMED_DATAGRAMS);
	send_frame(p.a, &broadcast, &p.mac_a, 60); // late frames go nowhere
	expect_copies(&p, 0, 0, 0, 0);
	harness_free(p.h);
}

static void datagrams_before_the_welcome_go_nowhere(void **state)
{
	struct party p = party_new();
	struct sl_conn *conn = conn_open(p.h);
	uint8_t bytes[4096];

	(void)state;
	for (int i = 0; i < 100; i++)
		receive(conn, bytes, datagram(bytes, 1, &broadcast, &p.mac_a, 60));
	assert_int_equal(drops(conn, SL_DROP_UNKNOWN_PEER), 100);
	assert_false(conn->close_called);
	expect_copies(&p, 0, 0, 0, 0);
	harness_free(p.h);
}

static void obs1_frame_log(void **state)
{
	struct party p = party_new();
	char wanted[64];

	(void)state;
	p.h->log.frames = true;
	send_frame(p.a, &broadcast, &p.mac_a, 60);
	snprintf(wanted, sizeof(wanted), "direction forward room R peer %u", peer_of(p.a)->id);
	assert_non_null(strstr(p.h->log_text, wanted));
	assert_non_null(strstr(p.h->log_text, "ethertype 0x8137 len 60 action forwarded targets 3"));
	send_frame(p.a, &broadcast, &p.mac_b, 60);
	assert_non_null(strstr(p.h->log_text, "action filtered reason=forged_source targets 0"));
	send_frame(p.a, &broadcast, &p.mac_a, 1397);
	assert_non_null(strstr(p.h->log_text, "action dropped reason=datagram_budget targets 0"));
	harness_free(p.h);
}

// --- RELAY-5's learning -------------------------------------------------------------------------

static const uint64_t hash_key[2] = {1, 2};

static void learn(struct relay_stations *s, unsigned n, uint64_t now_ns)
{
	struct sl_mac mac = lan_mac(n);

	relay_stations_learn(s, relay_stations_find(s, &mac, now_ns), &mac, now_ns);
}

static bool knows(struct relay_stations *s, unsigned n, uint64_t now_ns)
{
	struct sl_mac mac = lan_mac(n);

	const struct relay_station *station = relay_stations_find(s, &mac, now_ns);

	return station && sl_mac_equal(&station->mac, &mac);
}

static void relay5_rooms_shows_the_stations_that_are_known_now(void **state)
{
	struct party p = party_new();
	struct sl_mac late = lan_mac(2);
	json_t *json;

	(void)state;
	send_frame(p.gateway, &broadcast, &p.host, 60);
	advance(p.h, S(200));
	send_frame(p.gateway, &broadcast, &late, 60);
	advance(p.h, S(101)); // the first one has aged out, though its slot waits for the next
	json = relay_report_rooms(p.h->relay, "R");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(json, "rooms"), 0),
							    "learned")),
			 1);
	json_decref(json);
	harness_free(p.h);
}

static void relay5_learned_stations_age_out(void **state)
{
	struct relay_stations s;

	(void)state;
	relay_stations_init(&s, hash_key);
	learn(&s, 1, S(10));
	learn(&s, 2, S(10));
	assert_true(knows(&s, 1, S(310)));
	assert_false(knows(&s, 1, S(310) + 1));
	learn(&s, 2, S(200));
	assert_true(knows(&s, 2, S(500)));
	learn(&s, 1, S(400)); // heard again after it was forgotten
	assert_true(knows(&s, 1, S(700)));
	assert_int_equal(s.learned, 2);
	relay_stations_forget_learned(&s);
	assert_false(knows(&s, 1, S(400)));
	assert_int_equal(s.learned, 0);
	relay_stations_fini(&s);
}

static void relay5_learning_never_touches_an_announced_mac(void **state)
{
	struct relay_stations s;
	struct relay_peer *peer = (struct relay_peer *)&s; // any address will do
	struct relay_station mine = {.peer = peer, .mac = lan_mac(5)}, second = mine;

	(void)state;
	relay_stations_init(&s, hash_key);
	for (unsigned i = 1; i <= 9; i++)
		learn(&s, i, S(1));
	assert_int_equal(relay_stations_announce(&s, &mine), SL_OK); // the learned one gives way
	assert_int_equal(s.learned, 8);
	assert_ptr_equal(relay_stations_find(&s, &mine.mac, S(1)), &mine);
	learn(&s, 5, S(2));
	assert_ptr_equal(relay_stations_find(&s, &mine.mac, S(1000)), &mine); // nor does it age
	assert_int_equal(s.learned, 8);
	learn(&s, 10, S(2)); // into the slot that became free
	for (unsigned i = 1; i <= 10; i++)
		assert_true(knows(&s, i, S(2)));
	assert_int_equal(relay_stations_announce(&s, &second), SL_ERR_EXISTS);
	relay_stations_withdraw(&s, &second); // not the one that is there
	assert_ptr_equal(relay_stations_find(&s, &mine.mac, S(2)), &mine);
	relay_stations_forget_learned(&s);
	assert_ptr_equal(relay_stations_find(&s, &mine.mac, S(2)), &mine);
	relay_stations_withdraw(&s, &mine);
	assert_false(knows(&s, 5, S(2)));
	relay_stations_fini(&s);
}

static void relay5_learning_is_bounded_and_a_flood_does_not_push_out_the_living(void **state)
{
	struct relay_stations s;
	unsigned known = 0;

	(void)state;
	relay_stations_init(&s, hash_key);
	for (unsigned i = 0; i < RELAY_LEARNED_MAX; i++)
		learn(&s, i, S(1));
	assert_int_equal(s.learned, RELAY_LEARNED_MAX);
	for (unsigned j = 0; j < 10; j++)
		learn(&s, j * 400 + 1, S(1)); // heard twice, then silent
	// Ten hosts talk now and then while a flood of new addresses goes through three times the table.
	for (unsigned i = 0; i < 3 * RELAY_LEARNED_MAX; i++) {
		for (unsigned j = 0; j < 10 && i % 1000 == 0; j++) {
			assert_true(knows(&s, j * 400, S(2)));
			learn(&s, j * 400, S(2));
		}
		learn(&s, 100000 + i, S(2));
		assert_true(s.learned <= RELAY_LEARNED_MAX);
	}
	for (unsigned j = 0; j < 10; j++)
		assert_false(knows(&s, j * 400 + 1, S(2)));
	for (unsigned j = 0; j < 10; j++)
		assert_true(knows(&s, j * 400, S(2)));
	for (unsigned i = 0; i < 3 * RELAY_LEARNED_MAX; i++)
		known += knows(&s, 100000 + i, S(2));
	assert_int_equal(known, RELAY_LEARNED_MAX - 10);
	assert_int_equal(s.by_mac.count, RELAY_LEARNED_MAX);
	relay_stations_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay4_relay5_known_unicast_goes_to_its_peer_only),
		cmocka_unit_test(relay4_relay5_groups_go_to_all_others),
		cmocka_unit_test(relay5_unknown_unicast),
		cmocka_unit_test(relay5_without_a_gateway),
		cmocka_unit_test(relay4_nothing_comes_back),
		cmocka_unit_test(filter1_filter2_filter8_filter9_relay6_relay9),
		cmocka_unit_test(relay6_above_the_senders_budget),
		cmocka_unit_test(relay7_a_target_with_a_small_budget_is_skipped),
		cmocka_unit_test(egress_queues_count_what_they_drop),
		cmocka_unit_test(relay11_malformed_datagrams_and_their_threshold),
		cmocka_unit_test(datagrams_before_the_welcome_go_nowhere),
		cmocka_unit_test(obs1_frame_log),
		cmocka_unit_test(relay5_rooms_shows_the_stations_that_are_known_now),
		cmocka_unit_test(relay5_learned_stations_age_out),
		cmocka_unit_test(relay5_learning_never_touches_an_announced_mac),
		cmocka_unit_test(relay5_learning_is_bounded_and_a_flood_does_not_push_out_the_living),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
