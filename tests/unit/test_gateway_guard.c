// What the gateway keeps from the LAN and from the room, on its own account (GW-3, FILTER-1 to FILTER-9,
// RELAY-9, RELAY-10): every rule of the filter in either direction, the guard, frames that go round, the
// limit for the LAN's broadcasts, and the loop probes.
#include "gateway_fixture.h"

#include "bad_frames.h"
#include "gateway/lan_guard.h"

static const struct sl_mac router = {{0x3c, 0x22, 1, 1, 1, 1}};
static const uint64_t relay_key[2] = {1, 2};

static void lan_bytes(struct fixture *f, const uint8_t *frame, size_t len)
{
	f->lan.receive(f->lan.arg, frame, len);
	f->lan.batch_end(f->lan.arg);
}

// Did it get to the LAN?
static bool relay_bytes(struct fixture *f, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	f->injected = 0;
	f->relay.frame(f->relay.arg, peer, frame, len);
	if (f->injected == 0)
		return false;
	assert_int_equal(f->lens[0], len);
	assert_memory_equal(f->frames[0], frame, len);
	return true;
}

static uint64_t drops(const struct fixture *f, enum sl_drop reason)
{
	return f->session.counters.drops[reason];
}

static void forget(struct fixture *f)
{
	memset(&f->session.counters, 0, sizeof(f->session.counters));
	f->session.sent = 0;
	f->logged[0] = f->watched[0] = '\0';
}

static void says(const char *where, const char *part)
{
	if (strstr(where, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", where, part);
}

// --- the filter ----------------------------------------------------------------------------------

static void gw_3_each_rule_holds_towards_the_lan(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];
	char text[64];
	unsigned tried = 0;

	for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
		size_t len = bad_frame(reason, &alice, frame);

		if (len == 0)
			continue;
		tried++;
		forget(f);
		if (relay_bytes(f, &f->session.peers[0], frame, len))
			fail_msg("%s got to the LAN", sl_drop_name(reason));
		if (drops(f, reason) != 1 || dropped(f) != 1)
			fail_msg("not counted as %s", sl_drop_name(reason));
		assert_int_equal(f->session.counters.rx_frames, 0);
		if (!sl_drop_is_filter(reason))
			continue;
		snprintf(text, sizeof(text), "direction relay_to_lan room ROOM1 peer 2");
		says(f->logged, text);
		snprintf(text, sizeof(text), "action filtered reason=%s", sl_drop_name(reason));
		says(f->logged, text);
		snprintf(text, sizeof(text), "\"reason\":\"%s\"", sl_drop_name(reason));
		says(f->watched, text);
	}
	assert_int_equal(tried, 15);
}

static void gw_3_each_rule_of_both_directions_holds_towards_the_room(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];

	for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
		size_t len = bad_frame(reason, &lan_host, frame);
		bool holds = bad_from_lan(reason);

		if (len == 0)
			continue;
		forget(f);
		lan_bytes(f, frame, len);
		if (f->session.sent != !holds || drops(f, reason) != holds || dropped(f) != holds)
			fail_msg("%s: sent %u", sl_drop_name(reason), f->session.sent);
		if (holds && sl_drop_is_filter(reason))
			says(f->logged, "direction lan_to_relay");
	}
}

static void gw_3_each_rule_can_be_switched_off_by_itself(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];

	for (unsigned off = 0; off < SL_DROP_COUNT; off++) {
		// A group address is not the announced one either.
		uint32_t also = off == SL_DROP_INVALID_SOURCE ? SL_POLICY_BIT(SL_DROP_FORGED_SOURCE) : 0;

		sl_gateway_bridge_rules(f->bridge, SL_POLICY_BIT(off) | also, 0);
		for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
			size_t len = bad_frame(reason, &alice, frame);
			bool passes =
				bad_is_rule(reason) && (reason == off || (SL_POLICY_BIT(reason) & also) != 0);

			if (len == 0)
				continue;
			pass_time(f, SL_NS_PER_S);
			if (relay_bytes(f, &f->session.peers[0], frame, len) != passes)
				fail_msg("%s without %s", sl_drop_name(reason), sl_drop_name(off));
			if (!bad_from_lan(reason))
				continue;
			len = bad_frame(reason, &lan_host, frame);
			forget(f);
			lan_bytes(f, frame, len);
			if (f->session.sent != passes)
				fail_msg("%s of the LAN without %s", sl_drop_name(reason), sl_drop_name(off));
		}
	}
}

// --- the guard -----------------------------------------------------------------------------------

static void gw_3_the_router_of_the_lan_s_dhcp_server_is_not_claimed(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];
	uint8_t frame[BAD_FRAME_MAX];
	size_t len;

	lan_bytes(f, frame, dhcp_ack(frame, &router, &alice, 50));
	assert_int_equal(f->session.sent, 1);
	len = arp_claim(frame, &alice, 1);
	assert_false(relay_bytes(f, peer, frame, len));
	assert_int_equal(drops(f, SL_DROP_ARP_GUARD), 1);
	assert_int_equal(dropped(f), 1);
	says(f->logged, "reason=arp_guard");
	says(f->logged, "the router's address 192.168.1.1");
	says(f->watched, "\"reason\":\"arp_guard\"");
	says(f->watched, "192.168.1.1");
	len = arp_claim(frame, &alice, 50); // its own
	assert_true(relay_bytes(f, peer, frame, len));
	// The router itself speaks for itself.
	lan_bytes(f, frame, arp_claim(frame, &router, 1));
	assert_int_equal(f->session.sent, 2);
	assert_int_equal(dropped(f), 1);
}

static void gw_3_the_router_that_advertises_itself_is_not_claimed(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];
	uint8_t frame[BAD_FRAME_MAX];

	lan_bytes(f, frame, router_advertisement(frame, &router));
	assert_int_equal(f->session.sent, 1);
	assert_false(relay_bytes(f, peer, frame, neighbor_claim(frame, &alice, 1)));
	assert_int_equal(drops(f, SL_DROP_ARP_GUARD), 1);
	says(f->logged, "the router's address fe80::1");
	assert_true(relay_bytes(f, peer, frame, neighbor_claim(frame, &alice, 2)));
}

// Without a word from the LAN there is no router that could be claimed.
static void gw_3_what_is_no_router_s_is_free(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];
	uint8_t frame[BAD_FRAME_MAX];

	assert_true(relay_bytes(f, peer, frame, arp_claim(frame, &alice, 1)));
	assert_true(relay_bytes(f, peer, frame, neighbor_claim(frame, &alice, 1)));
	assert_int_equal(dropped(f), 0);
}

static void gw_3_another_client_s_address_is_its_own_until_it_leaves(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *a = &f->session.peers[0], *b = add_peer(f, 3, SL_ROLE_CLIENT, &bob);
	struct sl_session_peer gone;
	uint8_t frame[BAD_FRAME_MAX];

	assert_true(relay_bytes(f, b, frame, arp_claim(frame, &bob, 60)));
	assert_false(relay_bytes(f, a, frame, arp_claim(frame, &alice, 60)));
	assert_int_equal(drops(f, SL_DROP_ARP_GUARD), 1);
	says(f->logged, "the address of another player, 192.168.1.60");
	gone = f->session.peers[--f->session.count];
	f->relay.peer_left(f->relay.arg, &gone, "left");
	assert_true(relay_bytes(f, a, frame, arp_claim(frame, &alice, 60)));
	assert_int_equal(dropped(f), 1);
}

// The routers are on our LAN, whatever becomes of the relay; the clients are not.
static void gw_3_routers_outlast_the_session_and_claims_do_not(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *a = &f->session.peers[0], *b = add_peer(f, 3, SL_ROLE_CLIENT, &bob);
	uint8_t frame[BAD_FRAME_MAX];

	lan_bytes(f, frame, dhcp_ack(frame, &router, &alice, 50));
	assert_true(relay_bytes(f, b, frame, arp_claim(frame, &bob, 60)));
	f->relay.peer_left(f->relay.arg, a, "connection_lost");
	f->relay.peer_left(f->relay.arg, b, "connection_lost");
	f->session.count = 0;
	f->relay.down(f->relay.arg, "lost", SL_NS_PER_S);
	join(f);
	a = add_peer(f, 12, SL_ROLE_CLIENT, &alice);
	assert_true(relay_bytes(f, a, frame, arp_claim(frame, &alice, 60)));
	assert_false(relay_bytes(f, a, frame, arp_claim(frame, &alice, 1)));
	assert_int_equal(drops(f, SL_DROP_ARP_GUARD), 1);
}

static void gw_3_the_guard_can_be_switched_off(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];

	lan_bytes(f, frame, dhcp_ack(frame, &router, &alice, 50));
	sl_gateway_bridge_rules(f->bridge, SL_POLICY_BIT(SL_DROP_ARP_GUARD), 0);
	assert_true(relay_bytes(f, &f->session.peers[0], frame, arp_claim(frame, &alice, 1)));
	sl_gateway_bridge_rules(f->bridge, 0, 0); // as a reload does: what was learned is there
	assert_false(relay_bytes(f, &f->session.peers[0], frame, arp_claim(frame, &alice, 1)));
}

// --- frames that go round --------------------------------------------------------------------------

static void gw_3_a_broadcast_of_the_lan_goes_round_only_so_often(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++) {
		from_lan(f, &broadcast, &lan_host, 60);
		pass_time(f, SL_NS_PER_MS);
	}
	assert_int_equal(f->session.sent, 1 + SL_REPEATS_ALLOWED);
	assert_int_equal(drops(f, SL_DROP_LOOP), 20 - 1 - SL_REPEATS_ALLOWED);
	says(f->logged, "reason=loop");
	from_lan(f, &broadcast, &lan_host, 61); // another frame
	assert_int_equal(f->session.sent, 2 + SL_REPEATS_ALLOWED);
	pass_time(f, SL_REPEATS_WINDOW_NS);
	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 3 + SL_REPEATS_ALLOWED);
}

static void gw_3_a_client_s_broadcast_goes_round_only_so_often(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];

	for (unsigned i = 0; i < 20; i++)
		from_relay(f, peer, &broadcast, &alice, 60);
	assert_int_equal(f->injected, 1 + SL_REPEATS_ALLOWED);
	assert_int_equal(drops(f, SL_DROP_LOOP), 20 - 1 - SL_REPEATS_ALLOWED);
	assert_int_equal(f->session.counters.rx_frames, 1 + SL_REPEATS_ALLOWED);
}

// A game may well send the same unicast packet many times.
static void gw_3_unicast_may_be_repeated(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++) {
		from_lan(f, &alice, &lan_host, 60);
		from_relay(f, &f->session.peers[0], &lan_host, &alice, 60);
	}
	assert_int_equal(f->session.sent, 20);
	assert_int_equal(f->injected, 20);
	assert_int_equal(dropped(f), 0);
}

// What is not sent on is no repetition: frames of other reasons, and our own that the LAN gives back.
static void gw_3_our_own_frames_are_no_repetition(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		from_relay(f, &f->session.peers[0], &broadcast, &alice, 60);
		from_lan(f, &broadcast, &alice, 60); // mirrored by a switch, say
		from_lan(f, &broadcast, &alice, 60);
	}
	assert_int_equal(f->injected, 3);
	assert_int_equal(drops(f, SL_DROP_REFLECTED), 6);
	assert_int_equal(dropped(f), 6);
	// One refresh for each of many players that join at once, and one each time after that.
	f->injected = 0;
	for (unsigned i = 0; i < 10; i++)
		f->relay.peer_joined(f->relay.arg, &f->session.peers[0]);
	assert_int_equal(f->injected, 10);
	assert_int_equal(stats(f).cam_frames, 11);
}

// A question and its answer may be the same bytes but for the addresses; each direction counts for itself.
static void gw_3_the_directions_count_apart(void **state)
{
	struct fixture *f = *state;

	sl_gateway_bridge_rules(f->bridge, SL_POLICY_BIT(SL_DROP_FORGED_SOURCE), 0);
	for (unsigned i = 0; i <= SL_REPEATS_ALLOWED; i++) {
		from_relay(f, &f->session.peers[0], &broadcast, &lan_host, 60);
		from_lan(f, &broadcast, &lan_host, 60);
	}
	assert_int_equal(f->session.sent, 1 + SL_REPEATS_ALLOWED);
	assert_int_equal(f->injected, 1 + SL_REPEATS_ALLOWED);
	assert_int_equal(dropped(f), 0);
}

static void gw_3_repetition_can_be_allowed(void **state)
{
	struct fixture *f = *state;

	sl_gateway_bridge_rules(f->bridge, SL_POLICY_BIT(SL_DROP_LOOP), 0);
	for (unsigned i = 0; i < 20; i++) {
		from_lan(f, &broadcast, &lan_host, 60);
		from_relay(f, &f->session.peers[0], &broadcast, &alice, 60);
	}
	assert_int_equal(f->session.sent, 20);
	assert_int_equal(f->injected, 20);
}

// --- the limit -------------------------------------------------------------------------------------

// Frames that differ, all at once; gives how many were sent.
static unsigned storm(struct fixture *f, const struct sl_mac *dst, unsigned count)
{
	uint8_t frame[BAD_FRAME_MAX];
	unsigned before = f->session.sent;

	for (unsigned i = 0; i < count; i++) {
		make(frame, dst, &lan_host, 60);
		sl_put32(frame + 20, i);
		lan_bytes(f, frame, 60);
	}
	return f->session.sent - before;
}

static void relay_10_the_lan_s_broadcasts_have_a_limit(void **state)
{
	struct fixture *f = *state;
	const struct sl_mac group = {{0x01, 0, 0x5e, 1, 2, 3}};

	assert_int_equal(storm(f, &broadcast, 3000), LAN_GUARD_BROADCAST_PPS); // until it is told
	says(f->logged, "direction lan_to_relay room ROOM1 peer 9");
	says(f->logged, "action rate_limited reason=rate_broadcast");
	sl_gateway_bridge_rules(f->bridge, 0, 10);
	pass_time(f, 2 * SL_NS_PER_S);
	forget(f);
	assert_int_equal(storm(f, &broadcast, 7), 7);
	assert_int_equal(storm(f, &group, 7), 3);
	assert_int_equal(drops(f, SL_DROP_RATE_BROADCAST), 4);
	assert_int_equal(dropped(f), 4);
	assert_int_equal(storm(f, &alice, 50), 50); // unicast has none
	pass_time(f, SL_NS_PER_S / 2);
	assert_int_equal(storm(f, &broadcast, 50), 5);
	sl_gateway_bridge_rules(f->bridge, 0, 0);
	pass_time(f, SL_NS_PER_S);
	assert_int_equal(storm(f, &broadcast, 5000), 5000);
}

// A frame that goes round takes nothing from the limit.
static void relay_10_what_goes_round_is_not_charged(void **state)
{
	struct fixture *f = *state;

	sl_gateway_bridge_rules(f->bridge, 0, 10);
	for (unsigned i = 0; i < 50; i++)
		from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 1 + SL_REPEATS_ALLOWED);
	assert_int_equal(storm(f, &broadcast, 50), 10 - 1 - SL_REPEATS_ALLOWED);
}

// --- loop probes -----------------------------------------------------------------------------------

static const uint8_t *probe(uint64_t room_id, uint16_t peer_id, uint8_t out[SL_PROBE_LEN])
{
	sl_probe_build(out, relay_key, room_id, peer_id, 1);
	return out;
}

static void gw_3_a_probe_of_ours_names_the_culprit_and_reaches_the_relay(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[SL_PROBE_LEN];

	lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 1);
	assert_memory_equal(f->session.last, frame, SL_PROBE_LEN);
	assert_int_equal(stats(f).own_probes, 1);
	assert_int_equal(dropped(f), 0);
	says(f->logged, "the loop probe of peer 2 (mac 02:a1:01:01:01:01) came back from the LAN");
	says(f->watched, "\"event\":\"loop\",\"room\":\"ROOM1\",\"peer\":2,\"mac\":\"02:a1:01:01:01:01\"}");
	// Once in 10 s for one culprit; another is named too.
	forget(f);
	lan_bytes(f, frame, SL_PROBE_LEN);
	assert_string_equal(f->logged, "");
	add_peer(f, 3, SL_ROLE_CLIENT, &bob);
	lan_bytes(f, probe(ROOM_ID, 3, frame), SL_PROBE_LEN);
	says(f->logged, "the loop probe of peer 3");
	pass_time(f, 10 * SL_NS_PER_S);
	lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	says(f->logged, "the loop probe of peer 2");
}

// It is the evidence: whatever else is wrong, the relay sees it.
static void gw_3_nothing_stops_a_probe_of_ours(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[SL_PROBE_LEN];

	sl_gateway_bridge_rules(f->bridge, 0, 1);
	storm(f, &broadcast, 50); // nothing is left
	forget(f);
	for (unsigned i = 0; i < 20; i++)
		lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 20);
	memcpy(frame + 6, alice.b, 6); // a bridge that puts its own address in
	lan_bytes(f, frame, SL_PROBE_LEN);
	memset(frame + 6, 0, 6);
	lan_bytes(f, frame, SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 22);
	assert_int_equal(dropped(f), 0);
	sl_gateway_bridge_rules(f->bridge, SL_POLICY_BIT(SL_DROP_LOOP), 1);
	pass_time(f, 20 * SL_NS_PER_S);
	forget(f);
	lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 1);
	assert_string_equal(f->logged, ""); // the gateway was told not to look for loops
}

// A host of the LAN knows the room's id from any probe, and can make up as many as it likes.
static void gw_3_made_up_probes_have_a_limit(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[SL_PROBE_LEN];

	for (unsigned i = 0; i < 1000; i++)
		lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, LAN_GUARD_PROBE_PPS);
	assert_int_equal(drops(f, SL_DROP_LOOP), 1000 - LAN_GUARD_PROBE_PPS);
	assert_int_equal(stats(f).own_probes, 1000);
	pass_time(f, SL_NS_PER_S / 2);
	for (unsigned i = 0; i < 1000; i++)
		lan_bytes(f, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, LAN_GUARD_PROBE_PPS + LAN_GUARD_PROBE_PPS / 2);
}

// Two rooms may have their gateways on one LAN.
static void gw_3_a_foreign_probe_raises_no_alarm(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[SL_PROBE_LEN];

	f->log.level = SL_LOG_DEBUG;
	lan_bytes(f, probe(ROOM_ID + 1, 2, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 0);
	assert_int_equal(stats(f).foreign_probes, 1);
	assert_int_equal(stats(f).own_probes, 0);
	assert_int_equal(dropped(f), 0);
	// Of a peer that is not here, or not any longer, the relay may judge; nobody is accused.
	lan_bytes(f, probe(ROOM_ID, 4711, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 1);
	add_peer(f, 5, SL_ROLE_GATEWAY, NULL);
	lan_bytes(f, probe(ROOM_ID, 5, frame), SL_PROBE_LEN);
	assert_int_equal(f->session.sent, 2);
	assert_string_equal(f->logged, "");
	assert_string_equal(f->watched, "");
	// One that was cut off on its way is a malformed frame as any other.
	f->lan.malformed(f->lan.arg, probe(ROOM_ID, 2, frame), SL_PROBE_LEN);
	assert_int_equal(drops(f, SL_DROP_MALFORMED), 1);
	assert_null(strstr(f->watched, "loop"));
}

static void gw_3_a_client_s_probe_does_not_get_to_the_lan(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];
	uint8_t frame[SL_PROBE_LEN];

	assert_false(relay_bytes(f, peer, probe(ROOM_ID + 1, 2, frame), SL_PROBE_LEN));
	assert_int_equal(drops(f, SL_DROP_FORGED_SOURCE), 1);
	memcpy(frame + 6, alice.b, 6);
	assert_false(relay_bytes(f, peer, frame, SL_PROBE_LEN));
	assert_int_equal(drops(f, SL_DROP_LOOP), 1);
	sl_gateway_bridge_rules(f->bridge, UINT32_MAX, 0);
	assert_false(relay_bytes(f, peer, frame, SL_PROBE_LEN));
	assert_int_equal(drops(f, SL_DROP_LOOP), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_joined, teardown)
	const struct CMUnitTest tests[] = {
		T(gw_3_each_rule_holds_towards_the_lan),
		T(gw_3_each_rule_of_both_directions_holds_towards_the_room),
		T(gw_3_each_rule_can_be_switched_off_by_itself),
		T(gw_3_the_router_of_the_lan_s_dhcp_server_is_not_claimed),
		T(gw_3_the_router_that_advertises_itself_is_not_claimed),
		T(gw_3_what_is_no_router_s_is_free),
		T(gw_3_another_client_s_address_is_its_own_until_it_leaves),
		T(gw_3_routers_outlast_the_session_and_claims_do_not),
		T(gw_3_the_guard_can_be_switched_off),
		T(gw_3_a_broadcast_of_the_lan_goes_round_only_so_often),
		T(gw_3_a_client_s_broadcast_goes_round_only_so_often),
		T(gw_3_unicast_may_be_repeated),
		T(gw_3_our_own_frames_are_no_repetition),
		T(gw_3_the_directions_count_apart),
		T(gw_3_repetition_can_be_allowed),
		T(relay_10_the_lan_s_broadcasts_have_a_limit),
		T(relay_10_what_goes_round_is_not_charged),
		T(gw_3_a_probe_of_ours_names_the_culprit_and_reaches_the_relay),
		T(gw_3_nothing_stops_a_probe_of_ours),
		T(gw_3_made_up_probes_have_a_limit),
		T(gw_3_a_foreign_probe_raises_no_alarm),
		T(gw_3_a_client_s_probe_does_not_get_to_the_lan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
