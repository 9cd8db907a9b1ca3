// The relay's limits on clients and on the LAN (RELAY-10): exact counts.
#include "relay_party.h"

// Sends so many frames at one moment. How many came out at `to`, one copy of each.
static size_t burst(struct sl_conn *from, const struct sl_mac *dst, const struct sl_mac *src, size_t len,
		    size_t count, struct sl_conn *to)
{
	struct harness *h = from->h;
	size_t arrived = 0;

	for (size_t i = 0; i < count; i++) {
		send_frame(from, dst, src, len);
		arrived += copies(to);
		for (size_t k = 0; k < h->conn_count; k++)
			h->conns[k]->sent_count = 0;
	}
	return arrived;
}

static void relay10_broadcast_and_multicast_of_a_client(void **state)
{
	struct party p = party_new();

	(void)state;
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 300, p.b), 300);
	assert_int_equal(burst(p.a, &multicast, &p.mac_a, 60, 300, p.b), 200); // together 500
	assert_int_equal(drops(p.a, SL_DROP_RATE_BROADCAST), 100);
	assert_int_equal(peer_of(p.a)->counters.rx_frames, 500); // once each, whatever the copies
	assert_int_equal(peer_of(p.a)->room->dropped, 100);
	assert_int_equal(peer_of(p.gateway)->counters.tx_frames, 500);
	advance(p.h, MS(100));
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 100, p.gateway), 50);
	advance(p.h, S(100));
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 1000, p.gateway), 500);
	// Nobody else pays for it, and unicast is not meant.
	assert_int_equal(burst(p.b, &broadcast, &p.mac_b, 60, 500, p.a), 500);
	assert_int_equal(burst(p.a, &p.mac_b, &p.mac_a, 60, 1000, p.b), 1000);
	assert_int_equal(burst(p.other_a, &broadcast, &p.mac_a, 60, 500, p.other_gateway), 500);
	harness_free(p.h);
}

static void relay10_a_steady_flood_passes_at_the_rate(void **state)
{
	struct party p = party_new();
	size_t passed = 0;

	(void)state;
	passed += burst(p.a, &broadcast, &p.mac_a, 60, 600, p.gateway);
	for (int ms = 0; ms < 2000; ms++) { // 10,000 a second
		advance(p.h, MS(1));
		passed += burst(p.a, &broadcast, &p.mac_a, 60, 10, p.gateway);
	}
	assert_int_equal(passed, 500 + 2 * 500);
	assert_int_equal(drops(p.a, SL_DROP_RATE_BROADCAST), 20600 - 1500);
	harness_free(p.h);
}

static void relay10_unknown_unicast_of_a_client(void **state)
{
	struct party p = party_new();
	struct sl_mac nobody = lan_mac(99);

	(void)state;
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 60, 300, p.gateway), 200);
	assert_int_equal(drops(p.a, SL_DROP_RATE_UNKNOWN_UNICAST), 100);
	// Others and what is known have no part in it: broadcast, a client, a host that was heard.
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 500, p.gateway), 500);
	assert_int_equal(burst(p.a, &p.mac_b, &p.mac_a, 60, 300, p.b), 300);
	send_frame(p.gateway, &broadcast, &p.host, 60);
	assert_int_equal(burst(p.a, &p.host, &p.mac_a, 60, 300, p.gateway), 300);
	assert_int_equal(burst(p.b, &nobody, &p.mac_b, 60, 200, p.gateway), 200);
	advance(p.h, MS(500));
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 60, 300, p.gateway), 100);
	harness_free(p.h);
}

static void relay10_what_is_dropped_before_costs_nothing(void **state)
{
	struct party p = party_new();
	struct sl_mac nobody = lan_mac(99), bridge_group = {{0x01, 0x80, 0xc2, 0, 0, 0}};

	(void)state;
	burst(p.a, &broadcast, &p.mac_b, 60, 1000, p.gateway);
	burst(p.a, &bridge_group, &p.mac_a, 60, 1000, p.gateway);
	assert_int_equal(drops(p.a, SL_DROP_FORGED_SOURCE), 1000);
	assert_int_equal(drops(p.a, SL_DROP_SWITCH_CONTROL), 1000);
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 500, p.gateway), 500);
	conn_closed(p.gateway, SL_CAUSE_PEER);
	burst(p.a, &nobody, &p.mac_a, 60, 1000, p.b);
	assert_int_equal(drops(p.a, SL_DROP_NO_GATEWAY), 1000);
	p.gateway = join(p.h, "R", 0);
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 60, 200, p.gateway), 200);
	harness_free(p.h);
}

static void relay10_bandwidth_counts_every_copy_that_leaves(void **state)
{
	struct party p = party_with("client_rate: { bandwidth_kbit = 80; };"); // 10,000 bytes at once
	struct sl_mac nobody = lan_mac(99);

	(void)state;
	assert_int_equal(burst(p.a, &p.mac_b, &p.mac_a, 1000, 15, p.b), 10);
	assert_int_equal(drops(p.a, SL_DROP_RATE_BANDWIDTH), 5);
	advance(p.h, S(10)); // full again
	// Three copies of each: the fourth begins while there is something left, and goes into debt.
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 1000, 10, p.b), 4);
	assert_int_equal(drops(p.a, SL_DROP_RATE_BANDWIDTH), 5 + 6);
	advance(p.h, MS(200)); // 16,000 bits: the debt
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 1000, 1, p.b), 0);
	advance(p.h, MS(1));
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 1000, 10, p.b), 1);
	// A copy that does not leave costs nothing.
	advance(p.h, S(10));
	p.b->datagram_rc = p.c->datagram_rc = SL_ERR_AGAIN;
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 1000, 15, p.gateway), 10);
	p.b->datagram_rc = p.c->datagram_rc = SL_OK;
	// Neither do other limits' tokens go where the bandwidth stops a frame: 200 are still there.
	burst(p.a, &nobody, &p.mac_a, 1000, 300, p.gateway);
	assert_int_equal(drops(p.a, SL_DROP_RATE_UNKNOWN_UNICAST), 0);
	advance(p.h, S(10));
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 14, 201, p.gateway), 200);
	assert_int_equal(drops(p.a, SL_DROP_RATE_UNKNOWN_UNICAST), 1);
	// The gateway has no such limit.
	assert_int_equal(burst(p.gateway, &p.mac_a, &p.host, 1000, 1000, p.a), 1000);
	harness_free(p.h);
}

static void relay10_the_lan_has_its_own_limit(void **state)
{
	struct party p = party_new();
	struct sl_mac late = lan_mac(7);
	struct sl_msg msg;

	(void)state;
	assert_int_equal(burst(p.gateway, &broadcast, &p.host, 60, 600, p.b), 600);
	assert_int_equal(burst(p.gateway, &multicast, &p.host, 60, 600, p.b), 400);
	assert_int_equal(drops(p.gateway, SL_DROP_RATE_BROADCAST), 200);
	assert_int_equal(burst(p.gateway, &p.mac_b, &p.host, 60, 5000, p.b), 5000);
	assert_int_equal(burst(p.other_gateway, &broadcast, &p.host, 60, 1000, p.other_a), 1000);
	// A host is known even when it is heard in a storm only.
	assert_int_equal(burst(p.gateway, &broadcast, &late, 60, 1, p.b), 0);
	assert_int_equal(burst(p.a, &late, &p.mac_a, 60, 300, p.gateway), 300);
	assert_false(next_message(p.gateway, &msg)); // a gateway gets no notices
	harness_free(p.h);
}

#define NO_LIMITS                                                                                            \
	"client_rate: { broadcast_pps = 0; unknown_unicast_pps = 0; bandwidth_kbit = 0; };"                  \
	"lan_rate: { broadcast_pps = 0; };"

static void relay10_zero_is_no_limit(void **state)
{
	struct party p = party_with(NO_LIMITS);
	struct sl_mac nobody = lan_mac(99);

	(void)state;
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 5000, p.b), 5000);
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 60, 5000, p.gateway), 5000);
	assert_int_equal(burst(p.gateway, &broadcast, &p.host, 60, 5000, p.b), 5000);
	assert_int_equal(sl_counters_dropped(&peer_of(p.a)->counters), 0);
	harness_free(p.h);
}

static void relay10_a_reload_counts_for_those_present(void **state)
{
	struct party p = party_with(NO_LIMITS);
	struct sl_mac nobody = lan_mac(99);

	(void)state;
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 2000, p.b), 2000);
	harness_reload(p.h,
		       "client_rate: { broadcast_pps = 20; unknown_unicast_pps = 10; bandwidth_kbit = 0; };"
		       "lan_rate: { broadcast_pps = 30; };");
	assert_int_equal(burst(p.a, &broadcast, &p.mac_a, 60, 100, p.b), 20);
	assert_int_equal(burst(p.a, &nobody, &p.mac_a, 60, 100, p.gateway), 10);
	assert_int_equal(burst(p.gateway, &broadcast, &p.host, 60, 100, p.b), 30);
	harness_reload(p.h, "client_rate: { broadcast_pps = 20; bandwidth_kbit = 8; };");
	advance(p.h, S(1));
	assert_int_equal(burst(p.b, &p.mac_a, &p.mac_b, 100, 100, p.a), 10);
	harness_reload(p.h, NO_LIMITS);
	assert_int_equal(burst(p.b, &p.mac_a, &p.mac_b, 100, 100, p.a), 100);
	harness_free(p.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay10_broadcast_and_multicast_of_a_client),
		cmocka_unit_test(relay10_a_steady_flood_passes_at_the_rate),
		cmocka_unit_test(relay10_unknown_unicast_of_a_client),
		cmocka_unit_test(relay10_what_is_dropped_before_costs_nothing),
		cmocka_unit_test(relay10_bandwidth_counts_every_copy_that_leaves),
		cmocka_unit_test(relay10_the_lan_has_its_own_limit),
		cmocka_unit_test(relay10_zero_is_no_limit),
		cmocka_unit_test(relay10_a_reload_counts_for_those_present),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
