// The relay keeps its rooms safe, and says so: the filter's rules and their policy for each room, the guard
// (RELAY-9), and who hears of what was dropped.
#include "relay_party.h"

#include "bad_frames.h"

static void send_bytes(struct sl_conn *conn, const uint8_t *frame, size_t len)
{
	uint8_t bytes[SL_OVERLAY_HEADER + BAD_FRAME_MAX];

	sl_overlay_encode_header(bytes, peer_of(conn)->id);
	memcpy(bytes + SL_OVERLAY_HEADER, frame, len);
	receive(conn, bytes, SL_OVERLAY_HEADER + len);
}

static void send_bad(struct sl_conn *conn, enum sl_drop reason, const struct sl_mac *src)
{
	uint8_t frame[BAD_FRAME_MAX];
	size_t len = bad_frame(reason, src, frame);

	send_bytes(conn, frame, len);
}

static void claim(struct sl_conn *conn, const struct sl_mac *mac, uint8_t host)
{
	uint8_t frame[BAD_FRAME_MAX];
	size_t len = arp_claim(frame, mac, host);

	send_bytes(conn, frame, len);
}

static void ack(struct sl_conn *gateway, const struct sl_mac *server, const struct sl_mac *client,
		uint8_t host)
{
	uint8_t frame[BAD_FRAME_MAX];
	size_t len = dhcp_ack(frame, server, client, host);

	send_bytes(gateway, frame, len);
}

static const struct {
	enum sl_drop reason;
	const char *name;
} rules[] = {
#define X(id, rule, help) {SL_DROP_##id, #rule},
	SL_FILTER_RULES(X)
#undef X
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static void relay9_every_rule_holds_and_can_be_switched_off_for_one_room(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < RULES; i++) {
		bool both_ways = bad_from_lan(rules[i].reason), forged;
		struct party p;

		snprintf(text, sizeof(text),
			 "rooms = ( { code = \"OTHER\"; policy: { %s = false; }; }, { code = \"R\"; } );",
			 rules[i].name);
		p = party_with(text);
		send_bad(p.a, rules[i].reason, &p.mac_a);
		send_bad(p.gateway, rules[i].reason, &p.host);
		expect_copies(&p, 0, !both_ways, !both_ways, !both_ways);
		assert_int_equal(drops(p.a, rules[i].reason), 1);
		assert_int_equal(drops(p.gateway, rules[i].reason), both_ways);
		// The same frames in the room that does without this rule.
		send_bad(p.other_a, rules[i].reason, &p.mac_a);
		send_bad(p.other_gateway, rules[i].reason, &p.host);
		// A group address as the source is no client's own either.
		forged = rules[i].reason == SL_DROP_INVALID_SOURCE;
		assert_int_equal(copies(p.other_gateway), !forged);
		assert_int_equal(copies(p.other_a), 1);
		assert_int_equal(drops(p.other_a, SL_DROP_FORGED_SOURCE), forged);
		assert_int_equal(sl_counters_dropped(&peer_of(p.other_a)->counters), forged);
		// Not the others.
		for (size_t k = 0; k < RULES; k++) {
			if (k == i)
				continue;
			send_bad(p.other_a, rules[k].reason, &p.mac_a);
			assert_int_equal(drops(p.other_a, rules[k].reason),
					 1 + (forged && rules[k].reason == SL_DROP_FORGED_SOURCE));
		}
		assert_int_equal(copies(p.other_gateway), 0);
		harness_free(p.h);
	}
}

#define ALL_OFF                                                                                              \
	"rooms = ( { code = \"R\"; policy: { vlan_tag = false; arp_guard = false; }; }, { code = "           \
	"\"OTHER\"; } );"

static void relay9_a_reload_changes_the_rules_of_open_rooms_and_the_log_says_so(void **state)
{
	struct party p = party_new();

	(void)state;
	assert_int_equal(logged(p.h, "safety rules"), 0);
	send_bad(p.a, SL_DROP_VLAN_TAG, &p.mac_a);
	claim(p.a, &p.mac_a, 50);
	expect_copies(&p, 1, 0, 1, 1); // the claim
	claim(p.b, &p.mac_b, 50);
	expect_copies(&p, 0, 0, 0, 0);
	harness_reload(p.h, ALL_OFF);
	assert_int_equal(logged(p.h, "safety rules are switched off, room R: vlan_tag, arp_guard"), 1);
	assert_int_equal(logged(p.h, "safety rules"), 1);
	send_bad(p.a, SL_DROP_VLAN_TAG, &p.mac_a);
	expect_copies(&p, 1, 0, 1, 1);
	claim(p.b, &p.mac_b, 50);
	expect_copies(&p, 1, 1, 0, 1);
	harness_reload(p.h, ALL_OFF); // and again each time
	assert_int_equal(logged(p.h, "safety rules are switched off, room R: vlan_tag, arp_guard"), 2);
	harness_reload(p.h, ""); // no entry for it any more
	assert_int_equal(logged(p.h, "all safety rules hold again, room R"), 1);
	send_bad(p.a, SL_DROP_VLAN_TAG, &p.mac_a);
	claim(p.b, &p.mac_b, 50);
	expect_copies(&p, 0, 0, 0, 0);
	harness_free(p.h);

	p = party_with(ALL_OFF); // when it is opened
	assert_int_equal(logged(p.h, "safety rules are switched off, room R: vlan_tag, arp_guard"), 1);
	assert_int_equal(logged(p.h, "safety rules are switched off"), 1);
	harness_free(p.h);
}

static void relay9_nobody_claims_the_routers_or_anothers_address(void **state)
{
	struct party p = party_new();
	uint8_t frame[BAD_FRAME_MAX];
	struct sl_msg msg;
	json_t *event = NULL;
	size_t len;

	(void)state;
	// Before the LAN has shown its router, anybody may be 192.168.1.1; then nobody.
	ack(p.gateway, &p.host, &p.mac_c, 60);
	expect_copies(&p, 0, 1, 1, 1);
	claim(p.a, &p.mac_a, 1);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(drops(p.a, SL_DROP_ARP_GUARD), 1);
	assert_int_equal(logged(p.h, "action filtered reason=arp_guard"), 1);
	assert_int_equal(logged(p.h, "the router's address 192.168.1.1"), 1);
	assert_int_equal(events(p.h, "filtered", &event), 1);
	assert_string_equal(text_of(event, "reason"), "arp_guard");
	assert_string_equal(text_of(event, "detail"), "the router's address 192.168.1.1");
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_ARP_GUARD);
	assert_int_equal(msg.notice.frames, 1);
	assert_false(msg.notice.isolated);
	assert_non_null(strstr(msg.notice.message, "1 frame filtered"));
	assert_non_null(strstr(msg.notice.message, "the router's address 192.168.1.1"));
	// The lease is c's, who never asked for it by ARP.
	claim(p.b, &p.mac_b, 60);
	expect_copies(&p, 0, 0, 0, 0);
	claim(p.c, &p.mac_c, 60);
	expect_copies(&p, 1, 1, 1, 0);
	// First come, first served; until it leaves.
	claim(p.a, &p.mac_a, 70);
	expect_copies(&p, 1, 0, 1, 1);
	claim(p.b, &p.mac_b, 70);
	len = neighbor_claim(frame, &p.mac_c, 9);
	send_bytes(p.c, frame, len);
	expect_copies(&p, 1, 1, 1, 0); // the advertisement
	len = neighbor_claim(frame, &p.mac_b, 9);
	send_bytes(p.b, frame, len);
	expect_copies(&p, 0, 0, 0, 0);
	assert_int_equal(drops(p.b, SL_DROP_ARP_GUARD), 3);
	conn_closed(p.a, SL_CAUSE_PEER);
	claim(p.b, &p.mac_b, 70);
	assert_int_equal(copies(p.c), 1);
	// Another room has nothing to do with it; another gateway may have another router.
	claim(p.other_a, &p.mac_a, 1);
	assert_int_equal(copies(p.other_gateway), 1);
	conn_closed(p.gateway, SL_CAUSE_PEER);
	claim(p.b, &p.mac_b, 1);
	assert_int_equal(copies(p.c), 1);
	harness_free(p.h);
}

static void relay9_what_is_not_forwarded_teaches_the_guard_nothing(void **state)
{
	struct party p = party_with("client_rate: { broadcast_pps = 2; }; lan_rate: { broadcast_pps = 2; };");

	(void)state;
	for (int i = 0; i < 3; i++)
		send_frame(p.a, &broadcast, &p.mac_a, 60);
	claim(p.a, &p.mac_a, 80);
	assert_int_equal(drops(p.a, SL_DROP_RATE_BROADCAST), 2);
	copies(p.c), copies(p.b), copies(p.gateway);
	claim(p.b, &p.mac_b, 80);
	expect_copies(&p, 1, 1, 0, 1);
	// And what the guard drops costs nothing.
	for (int i = 0; i < 100; i++)
		claim(p.c, &p.mac_c, 80);
	assert_int_equal(drops(p.c, SL_DROP_ARP_GUARD), 100);
	send_frame(p.c, &broadcast, &p.mac_c, 60);
	send_frame(p.c, &broadcast, &p.mac_c, 60);
	expect_copies(&p, 2, 2, 2, 0);
	for (int i = 0; i < 3; i++)
		send_frame(p.gateway, &broadcast, &p.host, 60);
	ack(p.gateway, &p.host, &p.mac_a, 90);
	assert_int_equal(drops(p.gateway, SL_DROP_RATE_BROADCAST), 2);
	advance(p.h, S(2));
	claim(p.b, &p.mac_b, 1);
	assert_int_equal(drops(p.b, SL_DROP_ARP_GUARD), 0);
	harness_free(p.h);
}

static void notices_one_for_each_reason_in_10_s_with_the_count(void **state)
{
	struct party p = party_with("client_rate: { broadcast_pps = 1; unknown_unicast_pps = 1; };");
	struct sl_mac nobody = lan_mac(99);
	struct sl_msg msg;

	(void)state;
	send_bad(p.a, SL_DROP_DHCP_SERVER, &p.mac_a); // at once
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_DHCP_SERVER);
	assert_string_equal(msg.notice.token, "dhcp_server");
	assert_int_equal(msg.notice.frames, 1);
	assert_non_null(strstr(msg.notice.message, "answers DHCP"));
	for (int i = 0; i < 11; i++)
		send_bad(p.a, SL_DROP_DHCP_SERVER, &p.mac_a);
	expect_silence(p.a);
	// Other reasons have their own clock, and other peers theirs.
	send_bad(p.b, SL_DROP_DHCP_SERVER, &p.mac_b);
	expect_message(p.b, &msg, SL_MSG_NOTICE);
	for (int i = 0; i < 4; i++) {
		send_frame(p.a, &broadcast, &p.mac_a, 60);
		send_frame(p.a, &nobody, &p.mac_a, 60);
	}
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_RATE_BROADCAST);
	assert_int_equal(msg.notice.frames, 1);
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.reason, SL_DROP_RATE_UNKNOWN_UNICAST);
	expect_silence(p.a);
	advance(p.h, S(9));
	expect_silence(p.a);
	// What had to wait is told after 10 s, though nothing more was dropped; then all is told.
	advance(p.h, S(1));
	for (int i = 0; i < 3; i++) {
		expect_message(p.a, &msg, SL_MSG_NOTICE);
		switch (msg.notice.reason) {
		case SL_DROP_DHCP_SERVER:
			assert_int_equal(msg.notice.frames, 11);
			assert_non_null(strstr(msg.notice.message, "11 frames filtered"));
			break;
		case SL_DROP_RATE_BROADCAST:
		case SL_DROP_RATE_UNKNOWN_UNICAST:
			assert_int_equal(msg.notice.frames, 2);
			break;
		default:
			fail_msg("%s", msg.notice.token);
		}
	}
	advance(p.h, S(60));
	expect_silence(p.a);
	send_bad(p.a, SL_DROP_DHCP_SERVER, &p.mac_a); // at once again
	expect_message(p.a, &msg, SL_MSG_NOTICE);
	assert_int_equal(msg.notice.frames, 1);
	// What is nobody's fault is not told, nor is anything to a gateway.
	send_frame(p.a, &p.mac_a, &p.mac_a, 60);
	send_bad(p.gateway, SL_DROP_SWITCH_CONTROL, &p.host);
	expect_silence(p.a);
	expect_silence(p.gateway);
	harness_free(p.h);
}

// A client that is bad in every way at once, for an hour, and that reads nothing of it at the end.
static void notices_are_bounded_and_condemn_nobody(void **state)
{
	struct party p = party_with(
		"client_rate: { broadcast_pps = 1; unknown_unicast_pps = 1; bandwidth_kbit = 1; };");
	struct sl_mac nobody = lan_mac(99);
	size_t before = p.a->len, after;

	(void)state;
	peer_of(p.a)->budget = 4000;
	for (int s = 0; s < 600; s++) {
		for (size_t i = 0; i < RULES; i++)
			send_bad(p.a, rules[i].reason, &p.mac_a);
		send_bad(p.a, SL_DROP_JUMBO, &p.mac_a);
		claim(p.b, &p.mac_b, 50);
		for (int i = 0; i < 3; i++) {
			claim(p.a, &p.mac_a, 50);
			send_frame(p.a, &broadcast, &p.mac_a, 60);
			send_frame(p.a, &nobody, &p.mac_a, 60);
			send_frame(p.a, &p.mac_b, &p.mac_a, 1000);
		}
		for (size_t k = 0; k < p.h->conn_count; k++)
			p.h->conns[k]->sent_count = 0;
		advance(p.h, S(1));
		p.h->log_text[0] = '\0';
	}
	// 16 reasons, each once in 10 s, less than 500 bytes each.
	assert_in_range(p.a->writes, 500, 1 + 3 + 60 * 16);
	assert_true(p.a->len - before < 60 * 16 * 500);
	// Unread, it is left alone long before it would break the limit.
	p.a->pending = 20000;
	after = p.a->len;
	for (int s = 0; s < 60; s++) {
		for (size_t i = 0; i < RULES; i++)
			send_bad(p.a, rules[i].reason, &p.mac_a);
		advance(p.h, S(1));
	}
	assert_int_equal(p.a->len, after);
	assert_false(p.a->fin || p.a->close_called);
	p.a->pending = 0;
	advance(p.h, S(1));
	assert_true(p.a->len > after);
	harness_free(p.h);
}

static void obs1_drops_are_reported_once_in_10_s_for_each_peer_and_reason(void **state)
{
	static const struct sl_mac nobody = {{0x00, 0x16, 0x3e, 0, 0, 0x99}};
	struct party p = party_new();
	json_t *event = NULL;
	char mac[SL_MAC_TEXT];

	(void)state;
	for (int i = 0; i < 5; i++) {
		send_bad(p.a, SL_DROP_DHCP_SERVER, &p.mac_a);
		send_bad(p.a, SL_DROP_VLAN_TAG, &p.mac_a);
		send_bad(p.gateway, SL_DROP_SWITCH_CONTROL, &p.host);
		send_frame(p.gateway, &nobody, &p.host, 60); // daily life
	}
	assert_int_equal(logged(p.h, "reason=dhcp_server"), 1);
	assert_int_equal(logged(p.h, "reason=vlan_tag"), 1);
	assert_int_equal(logged(p.h, "reason=switch_control"), 1);
	assert_int_equal(logged(p.h, "reason=unknown_unicast"), 0);
	assert_int_equal(events(p.h, "filtered", NULL), 3);
	forget_events(p.h);
	advance(p.h, S(10));
	send_bad(p.a, SL_DROP_DHCP_SERVER, &p.mac_a);
	send_bad(p.b, SL_DROP_DHCP_SERVER, &p.mac_b);
	assert_int_equal(logged(p.h, "reason=dhcp_server"), 3);
	assert_int_equal(events(p.h, "filtered", &event), 2);
	assert_string_equal(text_of(event, "room"), "R");
	assert_int_equal(number_of(event, "peer"), peer_of(p.b)->id);
	assert_string_equal(text_of(event, "direction"), "forward");
	assert_string_equal(text_of(event, "action"), "filtered");
	assert_string_equal(text_of(event, "src"), sl_mac_format(&p.mac_b, mac));
	assert_string_equal(text_of(event, "dst"), "ff:ff:ff:ff:ff:ff");
	assert_string_equal(text_of(event, "ethertype"), "0x0800");
	assert_int_equal(number_of(event, "len"), 14 + 20 + 308);
	assert_int_equal(number_of(event, "held_back"), 0);
	event = json_array_get(p.h->seen, 0);
	assert_int_equal(number_of(event, "held_back"), 4);
	// A limit is reported as one.
	forget_events(p.h);
	for (int i = 0; i < 501; i++) {
		send_frame(p.c, &broadcast, &p.mac_c, 60);
		copies(p.a), copies(p.b), copies(p.gateway);
	}
	assert_int_equal(events(p.h, "filtered", &event), 1);
	assert_string_equal(text_of(event, "action"), "rate_limited");
	assert_string_equal(text_of(event, "reason"), "rate_broadcast");
	harness_free(p.h);
}

static void events_tell_who_comes_and_goes(void **state)
{
	struct harness *h = harness_with("rooms = ( { code = \"R\"; secret = \"s\"; } );");
	struct sl_conn *gateway = conn_open(h), *a = conn_open(h), *b = conn_open(h);
	json_t *event = NULL;

	(void)state;
	say_hello(gateway, "R", 0, 1400, ",\"secret\":\"s\"");
	assert_int_equal(events(h, "peer_joined", &event), 1);
	assert_string_equal(text_of(event, "room"), "R");
	assert_string_equal(text_of(event, "role"), "gateway");
	assert_null(json_object_get(event, "mac"));
	say_hello(a, "R", 1, 1400, ",\"secret\":\"s\"");
	assert_int_equal(events(h, "peer_joined", &event), 2);
	assert_string_equal(text_of(event, "role"), "client");
	assert_string_equal(text_of(event, "mac"), "02:00:00:00:00:01");
	assert_int_equal(number_of(event, "peer"), peer_of(a)->id);
	say_hello(b, "R", 2, 1400, ",\"secret\":\"wrong\"");
	assert_int_equal(events(h, "rejected", &event), 1);
	assert_string_equal(text_of(event, "room"), "R");
	assert_string_equal(text_of(event, "reason"), "unauthorized");
	assert_string_equal(text_of(event, "address"), "127.0.0.1:8080");
	b = conn_open(h);
	say(b, "{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"no room\","
	       "\"max_datagram_size\":1400,\"agent\":\"x\"}");
	assert_int_equal(events(h, "rejected", &event), 2);
	assert_null(json_object_get(event, "room"));
	assert_string_equal(text_of(event, "reason"), "invalid_room");
	say(a, "{\"type\":\"disconnect\",\"reason\":\"going to bed\"}");
	assert_int_equal(events(h, "peer_left", &event), 1);
	assert_string_equal(text_of(event, "room"), "R");
	assert_string_equal(text_of(event, "reason"), "going to bed");
	h->watched = false;
	forget_events(h);
	conn_closed(gateway, SL_CAUSE_PEER);
	assert_int_equal(json_array_size(h->seen), 0);
	harness_free(h);
}

static void relay11_malformed_datagrams_are_said(void **state)
{
	struct party p = party_new();
	json_t *event = NULL;
	char words[128];

	(void)state;
	p.h->log.frames = true;
	for (int i = 0; i < 32; i++)
		receive(p.a, (const uint8_t *)"\x21\0\0\1", 4);
	assert_int_equal(drops(p.a, SL_DROP_MALFORMED), 32);
	assert_int_equal(logged(p.h, "action dropped reason=malformed targets 0"), 32);
	snprintf(words, sizeof(words), "malformed datagram, room R peer %u", peer_of(p.a)->id);
	assert_int_equal(logged(p.h, words), 1);
	assert_int_equal(logged(p.h, "(malformed_datagrams)"), 1);
	assert_int_equal(events(p.h, "peer_left", &event), 1);
	assert_string_equal(text_of(event, "reason"), "malformed_datagrams");
	assert_int_equal(peer_of(p.a)->close_code, SL_CLOSE_MALFORMED_DATAGRAMS);
	assert_string_equal(peer_of(p.a)->close_text, "32 malformed datagrams in 60 s");
	harness_free(p.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay9_every_rule_holds_and_can_be_switched_off_for_one_room),
		cmocka_unit_test(relay9_a_reload_changes_the_rules_of_open_rooms_and_the_log_says_so),
		cmocka_unit_test(relay9_nobody_claims_the_routers_or_anothers_address),
		cmocka_unit_test(relay9_what_is_not_forwarded_teaches_the_guard_nothing),
		cmocka_unit_test(notices_one_for_each_reason_in_10_s_with_the_count),
		cmocka_unit_test(notices_are_bounded_and_condemn_nobody),
		cmocka_unit_test(obs1_drops_are_reported_once_in_10_s_for_each_peer_and_reason),
		cmocka_unit_test(events_tell_who_comes_and_goes),
		cmocka_unit_test(relay11_malformed_datagrams_are_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
