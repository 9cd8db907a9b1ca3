// The gateway's bridge between a port and a session that both live in memory: which frame goes
// where, and what it is counted as (GW-2..6). The whole path, with a real session and relay, is the
// simulated-link test's.
#include "gateway_fixture.h"
#include "wireframe.h"

// --- LAN -> relay --------------------------------------------------------------------------------

static void gw_2_broadcast_from_the_lan_goes_to_the_relay(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[4096];

	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
	assert_null(f->session.last_destination);
	assert_memory_equal(f->session.last, make(frame, &broadcast, &lan_host, 60), 60);
	assert_int_equal(dropped(f), 0);
}

static void gw_4_unicast_to_a_client_goes_to_the_relay(void **state)
{
	struct fixture *f = *state;

	from_lan(f, &alice, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
	assert_ptr_equal(f->session.last_destination, &f->session.peers[0]);
}

static void gw_4_unrelated_unicast_stays_local_and_is_no_error(void **state)
{
	struct fixture *f = *state;

	from_lan(f, &lan_other, &lan_host, 60);
	from_lan(f, &lan_other, &lan_host, 1514); // longer than the room's MTU, and not our affair
	from_lan(f, &bob, &lan_host, 60);         // not in the room
	assert_int_equal(f->session.sent, 0);
	assert_int_equal(dropped(f), 0);
	assert_int_equal(stats(f).lan_unrelated, 3);
}

static void gw_4_peers_that_join_and_leave_change_what_is_related(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer gone;

	from_lan(f, &bob, &lan_host, 60);
	assert_int_equal(f->session.sent, 0);
	add_peer(f, 3, SL_ROLE_CLIENT, &bob);
	from_lan(f, &bob, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
	gone = f->session.peers[--f->session.count];
	f->relay.peer_left(f->relay.arg, &gone, "left");
	from_lan(f, &bob, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
	assert_int_equal(stats(f).lan_unrelated, 2);
	assert_int_equal(f->changed, 3);
}

static void gw_4_unrelated_super_frames_are_not_wanted(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[4096];

	assert_false(f->lan.wanted(f->lan.arg, make(frame, &lan_other, &lan_host, 4000), 4000));
	assert_int_equal(stats(f).lan_unrelated, 1);
	assert_true(f->lan.wanted(f->lan.arg, make(frame, &alice, &lan_host, 4000), 4000));
	assert_true(f->lan.wanted(f->lan.arg, make(frame, &broadcast, &lan_host, 4000), 4000));
	assert_true(f->lan.wanted(f->lan.arg, make(frame, &lan_other, &alice, 4000), 4000)); // reflected
	assert_true(f->lan.wanted(f->lan.arg, frame, 13));
	assert_int_equal(stats(f).lan_unrelated, 1);
}

static void gw_2_a_client_s_own_frame_from_the_lan_is_reflected(void **state)
{
	struct fixture *f = *state;

	from_lan(f, &broadcast, &alice, 60);
	from_lan(f, &lan_host, &alice, 60);
	assert_int_equal(f->session.sent, 0);
	assert_int_equal(f->session.counters.drops[SL_DROP_REFLECTED], 2);
	assert_int_equal(stats(f).lan_unrelated, 0);
}

static void gw_2_frames_above_the_mtu_are_dropped_at_their_true_length(void **state)
{
	struct fixture *f = *state;

	f->log.frames = true;
	from_lan(f, &alice, &lan_host, MTU + 14);
	assert_int_equal(f->session.sent, 1);
	from_lan(f, &alice, &lan_host, MTU + 15);
	assert_int_equal(f->session.sent, 1);
	assert_int_equal(f->session.counters.drops[SL_DROP_OVER_MTU], 1);
	assert_non_null(strstr(f->logged, "len 1397"));
	assert_non_null(strstr(f->logged, "reason=over_mtu"));
	from_lan(f, &alice, &lan_host, 4000);
	assert_int_equal(f->session.counters.drops[SL_DROP_JUMBO], 1);
	assert_non_null(strstr(f->logged, "len 4000"));
}

static void gw_2_bad_frames_are_counted_and_never_stop_it(void **state)
{
	struct fixture *f = *state;
	struct sl_mac group_source = {{0x03, 0, 0, 0, 0, 1}};
	uint8_t frame[4096];

	f->log.frames = true;
	for (size_t len = 0; len < 14; len++)
		f->lan.receive(f->lan.arg, make(frame, &broadcast, &lan_host, 60), len);
	assert_int_equal(f->session.counters.drops[SL_DROP_RUNT], 14);
	f->lan.malformed(f->lan.arg, make(frame, &broadcast, &lan_host, 3000), 3000);
	f->lan.malformed(f->lan.arg, frame, 0);
	assert_int_equal(f->session.counters.drops[SL_DROP_MALFORMED], 2);
	f->lan.malformed(f->lan.arg, make(frame, &lan_other, &lan_host, 3000), 3000);
	assert_int_equal(stats(f).lan_unrelated, 1);
	from_lan(f, &broadcast, &group_source, 60);
	assert_int_equal(f->session.counters.drops[SL_DROP_INVALID_SOURCE], 1);
	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
}

static void gw_2_a_full_egress_queue_is_not_counted_twice(void **state)
{
	struct fixture *f = *state;

	f->log.frames = true;
	f->session.refuse = SL_DROP_EGRESS_FULL;
	from_lan(f, &alice, &lan_host, 60);
	assert_int_equal(f->session.counters.drops[SL_DROP_EGRESS_FULL], 1);
	assert_int_equal(dropped(f), 1);
	assert_non_null(strstr(f->logged, "lan_to_relay"));
	assert_non_null(strstr(f->logged, "reason=egress_full"));
}

// --- relay -> LAN --------------------------------------------------------------------------------

static void gw_2_a_client_s_frame_goes_to_the_lan(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[4096];

	f->log.frames = true;
	from_relay(f, &f->session.peers[0], &lan_host, &alice, MTU + 14);
	from_relay(f, &f->session.peers[0], &broadcast, &alice, 60);
	assert_int_equal(f->injected, 2);
	assert_int_equal(f->flushed, 0);
	f->relay.batch_end(f->relay.arg);
	assert_int_equal(f->flushed, 2); // both in one burst
	assert_int_equal(f->lens[0], MTU + 14);
	assert_memory_equal(f->frames[1], make(frame, &broadcast, &alice, 60), 60);
	assert_int_equal(f->session.counters.rx_frames, 2);
	assert_int_equal(f->session.counters.rx_bytes, MTU + 14 + 60);
	assert_non_null(strstr(f->logged, "direction relay_to_lan room ROOM1 peer 2"));
}

static void gw_3_a_forged_source_is_not_injected(void **state)
{
	struct fixture *f = *state;

	from_relay(f, &f->session.peers[0], &lan_host, &bob, 60);
	from_relay(f, &f->session.peers[0], &broadcast, &lan_host, 60);
	assert_int_equal(f->injected, 0);
	assert_int_equal(f->session.counters.drops[SL_DROP_FORGED_SOURCE], 2);
	assert_int_equal(f->session.counters.rx_frames, 0);
}

static void gw_3_only_clients_may_speak(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *gateway = add_peer(f, 5, SL_ROLE_GATEWAY, NULL);

	from_relay(f, gateway, &lan_host, &lan_other, 60);
	assert_int_equal(f->injected, 0);
	assert_int_equal(f->session.counters.drops[SL_DROP_FORGED_SOURCE], 1);
}

static void gw_3_the_filter_judges_again(void **state)
{
	struct fixture *f = *state;
	struct sl_session_peer *peer = &f->session.peers[0];
	uint8_t frame[4096];

	from_relay(f, peer, &lan_host, &alice, MTU + 15);
	assert_int_equal(f->session.counters.drops[SL_DROP_OVER_MTU], 1);
	for (size_t len = 0; len < 14; len++)
		f->relay.frame(f->relay.arg, peer, make(frame, &lan_host, &alice, 60), len);
	assert_int_equal(f->session.counters.drops[SL_DROP_RUNT], 14);
	assert_int_equal(f->injected, 0);
}

// --- CAM refresh and lifecycle -------------------------------------------------------------------

static void is_cam_frame(const struct fixture *f, unsigned at, const struct sl_mac *mac)
{
	assert_int_equal(f->lens[at], 60);
	assert_memory_equal(f->frames[at] + 6, mac->b, 6);
	assert_int_equal(f->frames[at][0] & 1, 1); // a group address: every switch on the way learns
	assert_int_equal(f->frames[at][12], 0x88);
	assert_int_equal(f->frames[at][13], 0xb5);
}

static void gw_5_a_client_that_joins_is_refreshed_at_once(void **state)
{
	struct fixture *f = *state;

	f->log.frames = true;
	join(f);
	add_peer(f, 5, SL_ROLE_GATEWAY, NULL); // has no MAC
	add_peer(f, 2, SL_ROLE_CLIENT, &alice);
	assert_int_equal(f->injected, 1);
	assert_int_equal(f->flushed, 1);
	is_cam_frame(f, 0, &alice);
	assert_non_null(strstr(f->logged, "reason=peer_joined"));
	assert_null(strstr(f->logged, "reason=periodic"));
	assert_int_equal(stats(f).cam_frames, 1);
	assert_int_equal(f->session.counters.rx_frames, 0); // it is no tunnel frame
}

static void gw_5_refresh_is_periodic_for_every_client(void **state)
{
	struct fixture *f = *state;

	f->log.frames = true;
	add_peer(f, 3, SL_ROLE_CLIENT, &bob);
	f->injected = 0;
	pass_time(f, INTERVAL - 1);
	assert_int_equal(f->injected, 0);
	pass_time(f, 1);
	assert_int_equal(f->injected, 2);
	is_cam_frame(f, 0, &alice);
	is_cam_frame(f, 1, &bob);
	assert_int_equal(f->flushed, 2);
	assert_non_null(strstr(f->logged, "reason=periodic"));
	f->session.count = 1; // bob leaves
	pass_time(f, 2 * INTERVAL);
	assert_int_equal(f->injected, 4);
	is_cam_frame(f, 3, &alice);
}

static void gw_5_an_interval_of_0_means_none(void **state)
{
	struct fixture *f = *state;

	sl_gateway_bridge_free(f->bridge);
	f->bridge = sl_gateway_bridge_new(&f->env, "ROOM1", 0, NULL);
	sl_gateway_bridge_session_ops(f->bridge, &f->relay);
	sl_gateway_bridge_attach(f->bridge, &f->session, &f->port);
	join(f);
	add_peer(f, 2, SL_ROLE_CLIENT, &alice);
	assert_int_equal(f->timer_ns, SL_TIME_NEVER);
	assert_int_equal(f->injected, 0);
}

static void gw_6_nothing_moves_before_the_welcome_and_after_the_loss(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64];

	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 0);
	join(f);
	add_peer(f, 2, SL_ROLE_CLIENT, &alice);
	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 1);
	f->injected = 0;
	f->session.count = 0;
	f->relay.down(f->relay.arg, "lost", SL_NS_PER_S);
	from_lan(f, &broadcast, &lan_host, 60);
	assert_false(f->lan.wanted(f->lan.arg, make(frame, &broadcast, &lan_host, 60), 60));
	f->lan.malformed(f->lan.arg, frame, 60);
	pass_time(f, 3 * INTERVAL);
	assert_int_equal(f->injected, 0);
	assert_int_equal(f->session.sent, 1);
	assert_int_equal(stats(f).lan_offline, 4);
	assert_int_equal(dropped(f), 0);
	join(f); // and again
	from_lan(f, &broadcast, &lan_host, 60);
	assert_int_equal(f->session.sent, 2);
	assert_int_equal(f->joined, 2);
	assert_int_equal(f->down, 1);
}

static void the_owner_hears_of_the_end(void **state)
{
	struct fixture *f = *state;

	f->lan.failed(f->lan.arg, "interface eth0: it has been removed");
	assert_int_equal(f->failed, 1);
	f->relay.ended(f->relay.arg, NULL);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->timer_ns, SL_TIME_NEVER);
}

static void mss_is_lowered_in_both_directions(void **state)
{
	struct fixture *f = *state;
	uint8_t syn[WIRE_MAX], lower[WIRE_MAX];
	size_t len = wire_syn(syn, alice.b, lan_host.b, 1460);

	f->session.unsplit_mtu = 1182;
	f->lan.receive(f->lan.arg, syn, len); // not switched on
	assert_memory_equal(f->session.last, syn, len);
	sl_gateway_bridge_mss_clamp(f->bridge, true);
	wire_syn(lower, alice.b, lan_host.b, 1142);
	f->lan.receive(f->lan.arg, syn, len);
	assert_memory_equal(f->session.last, lower, len);
	syn[47] = ACK;
	f->lan.receive(f->lan.arg, syn, len);
	assert_memory_equal(f->session.last, syn, len);

	wire_syn(syn, lan_host.b, alice.b, 1460);
	wire_syn(lower, lan_host.b, alice.b, 1142);
	f->relay.frame(f->relay.arg, &f->session.peers[0], syn, len);
	assert_int_equal(f->lens[0], len);
	assert_memory_equal(f->frames[0], lower, len);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_joined, teardown)
#define T_IDLE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gw_2_broadcast_from_the_lan_goes_to_the_relay),
		T(mss_is_lowered_in_both_directions),
		T(gw_4_unicast_to_a_client_goes_to_the_relay),
		T(gw_4_unrelated_unicast_stays_local_and_is_no_error),
		T(gw_4_peers_that_join_and_leave_change_what_is_related),
		T(gw_4_unrelated_super_frames_are_not_wanted),
		T(gw_2_a_client_s_own_frame_from_the_lan_is_reflected),
		T(gw_2_frames_above_the_mtu_are_dropped_at_their_true_length),
		T(gw_2_bad_frames_are_counted_and_never_stop_it),
		T(gw_2_a_full_egress_queue_is_not_counted_twice),
		T(gw_2_a_client_s_frame_goes_to_the_lan),
		T(gw_3_a_forged_source_is_not_injected),
		T(gw_3_only_clients_may_speak),
		T(gw_3_the_filter_judges_again),
		T_IDLE(gw_5_a_client_that_joins_is_refreshed_at_once),
		T(gw_5_refresh_is_periodic_for_every_client),
		T_IDLE(gw_5_an_interval_of_0_means_none),
		T_IDLE(gw_6_nothing_moves_before_the_welcome_and_after_the_loss),
		T(the_owner_hears_of_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
