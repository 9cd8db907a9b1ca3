// Loop safety at the relay (rule `loop`): probes, the client they convict, and all the frames that look like
// probes and convict nobody.
#include "relay_party.h"

#include "relay/report.h"

// The frame of the last probe that went to this client.
static const uint8_t *probe_to(struct sl_conn *conn)
{
	assert_int_equal(conn->probe.len, SL_OVERLAY_HEADER + SL_PROBE_LEN);
	return conn->probe.data + SL_OVERLAY_HEADER;
}

static void send_bytes(struct sl_conn *conn, const uint8_t *frame, size_t len)
{
	uint8_t bytes[2048];

	sl_overlay_encode_header(bytes, peer_of(conn)->id);
	memcpy(bytes + SL_OVERLAY_HEADER, frame, len);
	receive(conn, bytes, SL_OVERLAY_HEADER + len);
}

// The probe that went to `culprit` last comes back over `gateway`.
static void comes_back(struct sl_conn *culprit, struct sl_conn *gateway)
{
	uint8_t frame[SL_PROBE_LEN];

	memcpy(frame, probe_to(culprit), sizeof(frame));
	send_bytes(gateway, frame, sizeof(frame));
}

static bool isolated(struct sl_conn *conn)
{
	return peer_of(conn)->isolation.isolated;
}

static void probes_go_to_clients_that_have_a_gateway(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *a = join(h, "R", 1), *b, *gateway;
	struct sl_probe first, probe;
	struct sl_overlay overlay;
	struct sl_eth eth;

	(void)state;
	advance(h, S(10));
	assert_int_equal(a->probes, 0);
	assert_false(h->relay->ticking); // an idle relay sleeps
	gateway = join(h, "R", 0);
	assert_int_equal(a->probes, 1); // at once
	b = join(h, "R", 2);
	assert_int_equal(b->probes, 1);
	assert_int_equal(a->probes, 1);
	for (unsigned i = 2; i < 12; i++) {
		advance(h, S(1));
		assert_int_equal(a->probes, i);
		assert_int_equal(b->probes, i);
	}
	assert_int_equal(gateway->probes, 0);

	// Each is a probe of its own, and comes from the gateway as far as the client can tell.
	assert_int_equal(sl_overlay_decode(b->probe.data, b->probe.len, false, &overlay), SL_OK);
	assert_int_equal(overlay.peer_id, peer_of(gateway)->id);
	assert_int_equal(sl_eth_parse(overlay.frame, overlay.frame_len, &eth), SL_OK);
	assert_true(sl_probe_parse(&eth, &first));
	assert_int_equal(first.room_id, peer_of(b)->room->id);
	assert_int_equal(first.peer_id, peer_of(b)->id);
	advance(h, S(1));
	assert_int_equal(sl_eth_parse(probe_to(b), SL_PROBE_LEN, &eth), SL_OK);
	assert_true(sl_probe_parse(&eth, &probe));
	assert_true(probe.serial > first.serial && probe.token != first.token);
	assert_int_equal(sl_eth_parse(probe_to(a), SL_PROBE_LEN, &eth), SL_OK);
	assert_true(sl_probe_parse(&eth, &first));
	assert_true(first.peer_id != probe.peer_id && probe.token != first.token);

	conn_closed(gateway, SL_CAUSE_PEER);
	advance(h, S(2));
	assert_int_equal(a->probes, 12);
	assert_false(h->relay->ticking);
	// They are datagrams, but nobody's frames: the sums at both ends stay the same.
	assert_int_equal(peer_of(a)->counters.tx_frames, 0);
	assert_int_equal(peer_of(a)->counters.tx_datagrams, 12);
	assert_int_equal(peer_of(a)->counters.tx_bytes, 0);
	assert_int_equal(peer_of(a)->room->frames, 0);
	harness_free(h);
}

static void expect_json(struct party *p, struct sl_conn *conn, bool wanted)
{
	json_t *all = relay_report_peers(p->h->relay, "R"), *peer;
	size_t i;
	bool found = false;

	json_array_foreach(json_object_get(all, "peers"), i, peer)
	{
		const json_t *member = json_object_get(peer, "isolated");

		assert_true(json_is_boolean(member));
		if (json_integer_value(json_object_get(peer, "id")) != peer_of(conn)->id)
			continue;
		found = true;
		assert_int_equal(json_is_true(member), wanted);
	}
	assert_true(found);
	json_decref(all);
}

static void the_culprit_alone_is_isolated_and_told(void **state)
{
	struct party p = party_new();
	char mac[SL_MAC_TEXT], words[256];
	struct sl_msg msg;
	json_t *event = NULL;

	(void)state;
	send_frame(p.gateway, &broadcast, &p.host, 60);
	expect_copies(&p, 0, 1, 1, 1);
	comes_back(p.b, p.gateway);
	assert_true(isolated(p.b));
	assert_false(isolated(p.a) || isolated(p.c) || isolated(p.other_a) || isolated(p.gateway));
	expect_copies(&p, 0, 0, 0, 0); // the probe itself goes nowhere
	assert_int_equal(drops(p.gateway, SL_DROP_LOOP), 1);

	// It is told, and nobody else is.
	expect_message(p.b, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_LOOP);
	assert_true(msg.notice.isolated);
	assert_non_null(strstr(msg.notice.message, "bridges softlan0"));
	assert_non_null(strstr(msg.notice.message, "take softlan0 out of the bridge"));
	expect_silence(p.a);
	expect_silence(p.c);
	expect_silence(p.gateway);
	snprintf(words, sizeof(words),
		 "client isolated, room R peer %u mac %s address 127.0.0.1:8080 agent \"test/1\"",
		 peer_of(p.b)->id, sl_mac_format(&p.mac_b, mac));
	assert_int_equal(logged(p.h, words), 1);
	assert_int_equal(events(p.h, "loop", &event), 1);
	assert_string_equal(text_of(event, "room"), "R");
	assert_string_equal(text_of(event, "mac"), mac);
	assert_int_equal(number_of(event, "peer"), peer_of(p.b)->id);
	assert_int_equal(events(p.h, "filtered", NULL), 0); // said once, not twice
	expect_json(&p, p.b, true);
	expect_json(&p, p.a, false);

	// Nothing crosses from it, nothing to it; each is counted at it. The others play on.
	send_frame(p.b, &broadcast, &p.mac_b, 60);
	send_frame(p.b, &p.mac_a, &p.mac_b, 60);
	send_frame(p.b, &p.host, &p.mac_b, 60);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(drops(p.b, SL_DROP_LOOP), 3);
	send_frame(p.gateway, &broadcast, &p.host, 60);
	send_frame(p.gateway, &p.mac_b, &p.host, 60);
	expect_copies(&p, 0, 1, 0, 1);
	send_frame(p.a, &broadcast, &p.mac_a, 60);
	send_frame(p.a, &p.mac_b, &p.mac_a, 60);
	send_frame(p.a, &p.mac_c, &p.mac_a, 60);
	expect_copies(&p, 2 - 1, 0, 0, 2);
	assert_int_equal(drops(p.b, SL_DROP_LOOP), 3 + 4);
	assert_int_equal(sl_counters_dropped(&peer_of(p.a)->counters), 0);
	assert_false(p.b->fin || p.b->close_called);

	// While the loop lasts it stays so, and is not said again.
	for (int i = 0; i < 30; i++) {
		advance(p.h, S(1));
		comes_back(p.b, p.gateway);
	}
	assert_true(isolated(p.b));
	assert_int_equal(p.b->probes, 31);
	assert_int_equal(events(p.h, "loop", NULL), 1);
	assert_int_equal(logged(p.h, "client isolated"), 1);
	expect_silence(p.b);

	// The last one came back just now.
	advance(p.h, S(10) - 1);
	assert_true(isolated(p.b));
	assert_int_equal(events(p.h, "loop_cleared", NULL), 0);
	advance(p.h, 1);
	assert_false(isolated(p.b));
	assert_int_equal(events(p.h, "loop_cleared", &event), 1);
	assert_string_equal(text_of(event, "room"), "R");
	assert_int_equal(number_of(event, "peer"), peer_of(p.b)->id);
	assert_int_equal(logged(p.h, "client no longer isolated, room R"), 1);
	expect_message(p.b, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_LOOP);
	assert_false(msg.notice.isolated);
	assert_int_equal(msg.notice.frames, 3); // its own that were dropped meanwhile
	expect_silence(p.b);
	expect_json(&p, p.b, false);
	send_frame(p.b, &broadcast, &p.mac_b, 60);
	send_frame(p.gateway, &p.mac_b, &p.host, 60);
	expect_copies(&p, 1, 1, 1, 1);
	harness_free(p.h);
}

// None of these convicts anybody, and none is forwarded or learned from.
static void expect_no_alarm(struct party *p)
{
	assert_false(isolated(p->a) || isolated(p->b) || isolated(p->c) || isolated(p->other_a));
	assert_int_equal(events(p->h, "loop", NULL), 0);
	assert_int_equal(logged(p->h, "isolated"), 0);
	expect_copies(p, 0, 0, 0, 0);
	assert_int_equal(peer_of(p->gateway)->room->stations.learned, 0);
	assert_int_equal(peer_of(p->other_gateway)->room->stations.learned, 0);
}

static void what_proves_nothing_isolates_nobody(void **state)
{
	static const uint64_t other_key[2] = {7, 8};
	struct party p = party_new();
	struct sl_relay *relay = p.h->relay;
	uint64_t room = peer_of(p.a)->room->id, other_room = peer_of(p.other_a)->room->id;
	uint16_t id = peer_of(p.a)->id;
	uint8_t frame[SL_PROBE_LEN], old[SL_PROBE_LEN];
	uint64_t now;

	(void)state;
	advance(p.h, S(100));
	now = p.h->env.now_ns - relay->started_ns;
	// Over another room's gateway (both on one LAN), and from clients.
	comes_back(p.a, p.other_gateway);
	comes_back(p.other_a, p.gateway);
	expect_no_alarm(&p);
	comes_back(p.a, p.a);
	comes_back(p.a, p.b);
	comes_back(p.other_a, p.a);
	expect_no_alarm(&p);
	assert_int_equal(drops(p.gateway, SL_DROP_LOOP), 1);
	assert_int_equal(drops(p.other_gateway, SL_DROP_LOOP), 1);
	assert_int_equal(drops(p.a, SL_DROP_LOOP), 2);
	assert_int_equal(drops(p.b, SL_DROP_LOOP), 1);
	// Another relay's, with this room's number and this peer's: no key.
	sl_probe_build(frame, other_key, room, id, now);
	send_bytes(p.gateway, frame, sizeof(frame));
	// A token that is wrong in one bit.
	sl_probe_build(frame, relay->probe_key, room, id, now);
	frame[43] ^= 1;
	send_bytes(p.gateway, frame, sizeof(frame));
	// Good tokens for another room, for nobody, for the gateway; from the future; too old.
	sl_probe_build(frame, relay->probe_key, other_room, id, now);
	send_bytes(p.gateway, frame, sizeof(frame));
	sl_probe_build(frame, relay->probe_key, room, 999, now);
	send_bytes(p.gateway, frame, sizeof(frame));
	sl_probe_build(frame, relay->probe_key, room, peer_of(p.gateway)->id, now);
	send_bytes(p.gateway, frame, sizeof(frame));
	sl_probe_build(frame, relay->probe_key, room, id, now + 1);
	send_bytes(p.gateway, frame, sizeof(frame));
	sl_probe_build(old, relay->probe_key, room, id, now - S(10) - 1);
	send_bytes(p.gateway, old, sizeof(old));
	expect_no_alarm(&p);
	assert_int_equal(drops(p.gateway, SL_DROP_LOOP), 1 + 7);
	sl_probe_build(old, relay->probe_key, room, id, now - S(10));
	send_bytes(p.gateway, old, sizeof(old));
	assert_true(isolated(p.a)); // as old as it may be
	harness_free(p.h);
}

static void the_probes_source_address_hides_nobody(void **state)
{
	struct harness *h = harness_new();
	struct sl_conn *gateway = join(h, "R", 0), *a = conn_open(h);
	struct sl_msg msg;

	(void)state;
	say(a, "{\"type\":\"hello\",\"protocol\":1,\"role\":\"client\",\"room\":\"R\",\"mac\":\"02:53:4c:50:"
	       "52:42\","
	       "\"max_datagram_size\":1400,\"agent\":\"x\"}");
	expect_message(a, &msg, SL_MSG_WELCOME);
	comes_back(a, gateway);
	assert_true(isolated(a));
	harness_free(h);
}

static void two_culprits_and_one_that_comes_back(void **state)
{
	struct party p = party_new();
	struct sl_conn *again;
	struct sl_msg msg;

	(void)state;
	comes_back(p.a, p.gateway);
	advance(p.h, S(5));
	comes_back(p.b, p.gateway);
	assert_true(isolated(p.a) && isolated(p.b) && !isolated(p.c));
	advance(p.h, S(5));
	assert_true(!isolated(p.a) && isolated(p.b));
	advance(p.h, S(5));
	assert_true(!isolated(p.a) && !isolated(p.b));
	// And again: a new loop is a new alarm.
	comes_back(p.a, p.gateway);
	assert_true(isolated(p.a));
	assert_int_equal(events(p.h, "loop", NULL), 3);

	// Coming back does not help: the first probe goes out with the welcome. The old one's probe is
	// nobody's now.
	conn_closed(p.a, SL_CAUSE_PEER);
	again = try_join(p.h, "R", 1);
	expect_message(again, &msg, SL_MSG_WELCOME);
	assert_false(isolated(again));
	comes_back(p.a, p.gateway);
	assert_false(isolated(again));
	assert_int_equal(again->probes, 1);
	comes_back(again, p.gateway);
	assert_true(isolated(again));
	harness_free(p.h);
}

static void without_the_gateway_there_is_no_loop(void **state)
{
	struct party p = party_new();

	(void)state;
	comes_back(p.a, p.gateway);
	conn_closed(p.gateway, SL_CAUSE_PEER);
	conn_closed(p.other_gateway, SL_CAUSE_PEER); // no probes are due anywhere
	assert_true(isolated(p.a));
	advance(p.h, S(11));
	assert_false(isolated(p.a));
	assert_int_equal(events(p.h, "loop_cleared", NULL), 1);
	advance(p.h, S(2));
	assert_false(p.h->relay->ticking);
	// An isolated one that leaves.
	p.gateway = join(p.h, "R", 0);
	comes_back(p.a, p.gateway);
	assert_true(isolated(p.a));
	conn_closed(p.a, SL_CAUSE_PEER);
	advance(p.h, S(20));
	assert_int_equal(events(p.h, "loop_cleared", NULL), 1);
	harness_free(p.h);
}

#define RULE_OFF "rooms = ( { code = \"R\"; policy: { loop = false; }; }, { code = \"OTHER\"; } );"

static void the_rule_can_be_switched_off(void **state)
{
	struct party p = party_with(RULE_OFF);
	uint8_t frame[SL_PROBE_LEN];
	struct sl_msg msg;

	(void)state;
	advance(p.h, S(5));
	assert_int_equal(p.a->probes, 0);
	assert_int_equal(p.other_a->probes, 6);
	sl_probe_build(frame, p.h->relay->probe_key, peer_of(p.a)->room->id, peer_of(p.a)->id,
		       p.h->env.now_ns - p.h->relay->started_ns);
	send_bytes(p.gateway, frame, sizeof(frame));
	assert_false(isolated(p.a));
	expect_copies(&p, 0, 0, 0, 0); // a probe is still no frame for players
	harness_reload(p.h, "");
	advance(p.h, S(1));
	assert_int_equal(p.a->probes, 1);
	comes_back(p.a, p.gateway);
	assert_true(isolated(p.a));
	skip_messages(p.h);
	harness_reload(p.h, RULE_OFF);
	advance(p.h, S(1));
	assert_false(isolated(p.a));
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_false(msg.notice.isolated);
	assert_int_equal(p.a->probes, 1);
	harness_free(p.h);
}

static void a_reload_wakes_a_relay_that_slept(void **state)
{
	struct harness *h = harness_with("rooms = ( { code = \"R\"; policy: { loop = false; }; } );");
	struct sl_conn *a;

	(void)state;
	join(h, "R", 0);
	a = join(h, "R", 1);
	advance(h, S(5));
	assert_false(h->relay->ticking);
	harness_reload(h, "");
	advance(h, S(3));
	assert_int_equal(a->probes, 3);
	harness_free(h);
}

// It reads nothing: it is isolated all the same, hears of it when it reads, and is not thrown out for it.
static void one_that_reads_late_hears_of_it_late(void **state)
{
	struct party p = party_new();
	struct sl_msg msg;

	(void)state;
	p.a->pending = 20000;
	comes_back(p.a, p.gateway);
	assert_true(isolated(p.a));
	advance(p.h, S(3));
	expect_silence(p.a);
	p.a->pending = 0;
	advance(p.h, S(1));
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_true(msg.notice.isolated);
	assert_false(p.a->close_called);
	harness_free(p.h);
}

// A broadcast that comes again may be going round: probes do not wait for the tick, but have a pause.
static void a_broadcast_that_comes_again_is_followed_by_probes(void **state)
{
	struct party p = party_new();

	(void)state;
	advance(p.h, S(1) + MS(300));
	assert_int_equal(p.a->probes, 2);
	send_frame(p.gateway, &broadcast, &p.host, 60);
	send_frame(p.gateway, &broadcast, &p.host, 61); // another one
	send_frame(p.gateway, &p.mac_a, &p.host, 60);
	send_frame(p.gateway, &p.mac_a, &p.host, 60); // a game may say the same thing twice
	assert_int_equal(p.a->probes, 2);
	send_frame(p.gateway, &broadcast, &p.host, 60);
	assert_int_equal(p.a->probes, 3);
	assert_int_equal(p.b->probes, 3);
	assert_int_equal(p.other_a->probes, 2); // another room's
	advance(p.h, MS(50));
	send_frame(p.gateway, &broadcast, &p.host, 60);
	assert_int_equal(p.a->probes, 3);
	advance(p.h, MS(200));
	send_frame(p.a, &broadcast, &p.mac_a, 60); // and a client's own, which goes round the other way
	send_frame(p.a, &broadcast, &p.mac_a, 60);
	assert_int_equal(p.a->probes, 4);
	harness_free(p.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_go_to_clients_that_have_a_gateway),
		cmocka_unit_test(the_culprit_alone_is_isolated_and_told),
		cmocka_unit_test(what_proves_nothing_isolates_nobody),
		cmocka_unit_test(the_probes_source_address_hides_nobody),
		cmocka_unit_test(two_culprits_and_one_that_comes_back),
		cmocka_unit_test(without_the_gateway_there_is_no_loop),
		cmocka_unit_test(the_rule_can_be_switched_off),
		cmocka_unit_test(a_reload_wakes_a_relay_that_slept),
		cmocka_unit_test(one_that_reads_late_hears_of_it_late),
		cmocka_unit_test(a_broadcast_that_comes_again_is_followed_by_probes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
