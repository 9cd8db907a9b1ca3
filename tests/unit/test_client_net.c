// The TAP as an interface, with the kernel's own tables in a namespace of the test's (LIN-1..4).
#include "client_net.h"

// LIN-1, LIN-2: standby, then MTU, link, address and routes; twice is the same as once.
static void test_lin1_up_is_idempotent(void **state)
{
	struct net net;
	struct tap_net_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	assert_true(prefix_parse("10.9.0.5/24", &net.config.address));
	assert_true(prefix_parse("10.7.0.0/16", &net.routes[0]));
	assert_true(prefix_parse("fd00:7::/64", &net.routes[1]));
	net.config.routes = net.routes;
	net.config.route_count = 2;
	net_start(&net);
	assert_true(shows("state DOWN", "ip link show " TAP));
	for (int i = 0; i < 2; i++) {
		if (tap_net_up(net.net, 1382, &error) != SL_OK)
			fail_msg("%s", error.text);
		ns_run(net.ns, 100);
		assert_true(shows("mtu 1382", "ip link show " TAP));
		assert_true(shows("LOWER_UP", "ip link show " TAP));
		assert_int_equal(count_of("10.9.0.5/24 brd 10.9.0.255", "ip -4 addr show dev " TAP), 1);
		assert_int_equal(
			count_of("10.7.0.0/16 dev " TAP " proto static scope link metric 9000", "ip route"),
			1);
		assert_int_equal(count_of("fd00:7::/64 dev " TAP " proto static metric 9000", "ip -6 route"),
				 1);
	}
	tap_net_status(net.net, &status);
	assert_true(status.up);
	assert_int_equal(status.mtu, 1382);
	assert_string_equal(status.warning, "");
	assert_string_equal(status.clash, "");
	assert_true(status.preferred >= 0 && status.addrs[status.preferred].family == AF_INET); // OBS-5
	assert_true(net.changes >= 1);

	assert_int_equal(tap_net_down(net.net, &error), SL_OK);
	assert_true(shows("state DOWN", "ip link show " TAP));
	assert_true(shows("02:00:00:00:00:11", "ip link show " TAP));
	assert_int_equal(tap_net_up(net.net, 1400, &error), SL_OK); // another relay, another MTU
	assert_true(shows("mtu 1400", "ip link show " TAP));
	net_close(&net);
}

// LIN-1: whoever changed the MAC in standby (udev), the announced one is on the link when it goes up.
static void test_lin1_mac_is_set_again(void **state)
{
	struct net net;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(sh("ip link set " TAP " address 02:00:00:00:00:99"), 0);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	assert_true(shows("02:00:00:00:00:11", "ip link show " TAP));
	net_close(&net);
}

// LIN-2: never silent about IPv6.
static void test_lin2_ipv6_trouble_is_said(void **state)
{
	struct net net;
	struct tap_net_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1200, &error), SL_OK);
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.warning, "below IPv6's minimum"));
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	tap_net_status(net.net, &status);
	assert_string_equal(status.warning, "");
	assert_int_equal(sh("echo 1 > /proc/sys/net/ipv6/conf/" TAP "/disable_ipv6"), 0);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.warning, "IPv6 is disabled"));
	assert_int_equal(tap_net_up(net.net, 70000, &error), SL_OK); // more than a TAP can have
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.warning, "cannot set MTU 70000"));
	net_close(&net);
}

// LIN-3: an address that comes to the TAP in a network that is there already, and its end.
static void test_lin3_subnet_clash(void **state)
{
	struct net net;
	struct tap_net_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	ns_run(net.ns, 100);
	tap_net_status(net.net, &status);
	assert_string_equal(status.clash, "");
	assert_int_equal(sh("ip addr add 192.0.2.128/25 dev " TAP), 0);
	ns_run(net.ns, 150);
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.clash, "192.0.2.128/25 on " TAP));
	assert_non_null(strstr(status.clash, ETH " (192.0.2.10/24)"));
	assert_non_null(strstr(net.ns->lines, "overlaps the local network"));
	assert_int_equal(sh("ip addr del 192.0.2.128/25 dev " TAP), 0);
	ns_run(net.ns, 150);
	tap_net_status(net.net, &status);
	assert_string_equal(status.clash, "");
	assert_int_equal(sh("ip -6 addr add 2001:db8:1::77/64 dev " TAP), 0);
	ns_run(net.ns, 150);
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.clash, "2001:db8:1::/64"));
	// The other way round: the local network comes later.
	assert_int_equal(sh("ip -6 addr flush dev " TAP " && ip addr add 10.3.0.9/16 dev " TAP), 0);
	ns_run(net.ns, 150);
	assert_int_equal(sh("ip addr add 10.3.4.1/24 dev " ETH), 0);
	ns_run(net.ns, 150);
	tap_net_status(net.net, &status);
	assert_non_null(strstr(status.clash, "10.3.0.0/16"));
	net_close(&net);
}

// LIN-4: the router advertisement's default route is refused by the kernel itself.
static void test_lin4_accept_ra_defrtr(void **state)
{
	struct net net;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	assert_true(shows("1", "cat /proc/sys/net/ipv6/conf/" TAP "/accept_ra_defrtr"));
	net_start(&net);
	assert_true(shows("0", "cat /proc/sys/net/ipv6/conf/" TAP "/accept_ra_defrtr"));
	assert_true(shows("1", "cat /proc/sys/net/ipv6/conf/" ETH "/accept_ra_defrtr"));
	// Below IPv6's minimum the kernel forgets the setting, and takes its default with the next MTU.
	assert_int_equal(tap_net_up(net.net, 1200, &error), SL_OK);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	assert_true(shows("0", "cat /proc/sys/net/ipv6/conf/" TAP "/accept_ra_defrtr"));
	net_close(&net);
}

// LIN-1: somebody (a udev rule) gives the device another name in standby.
static void test_lin1_renamed_in_standby(void **state)
{
	struct net net;
	struct tap_net_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(sh("ip link set " TAP " name cnet9"), 0);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	tap_net_status(net.net, &status);
	assert_string_equal(status.warning, ""); // its sysctls are found
	assert_true(shows("mtu 1382", "ip link show cnet9"));
	assert_true(shows("0", "cat /proc/sys/net/ipv6/conf/cnet9/accept_ra_defrtr"));
	net_close(&net);
}

// LIN-1: somebody takes the link down: the status says so, and the next welcome takes it up again.
static void test_lin1_taken_down_by_hand(void **state)
{
	struct net net;
	struct tap_net_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	assert_int_equal(sh("ip link set " TAP " down"), 0);
	tap_net_refresh(net.net);
	tap_net_status(net.net, &status);
	assert_false(status.up);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	tap_net_status(net.net, &status);
	assert_true(status.up);
	assert_true(shows(",UP", "ip link show " TAP));
	net_close(&net);
}

static void test_prefix(void **state)
{
	static const char *const bad[] = {
		"",    "10.0.0.1",    "10.0.0.1/",   "10.0.0.1/33",     "10.0.0/8",     "::1/129",
		"/24", "10.0.0.1/-1", "10.0.0.1/8x", "fe80::1%eth0/64", "10.0.0.1/0008"};
	struct prefix a, b;
	char text[PREFIX_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(prefix_parse(bad[i], &a));
	assert_true(prefix_parse("192.168.77.130/25", &a));
	assert_string_equal(prefix_format(&a, text), "192.168.77.130/25");
	assert_string_equal(prefix_format_net(&a, text), "192.168.77.128/25");
	assert_true(prefix_has_host_bits(&a));
	assert_true(prefix_parse("192.168.0.0/16", &b));
	assert_false(prefix_has_host_bits(&b));
	assert_true(prefix_overlaps(&a, &b) && prefix_overlaps(&b, &a));
	assert_true(prefix_parse("192.168.77.0/25", &b));
	assert_false(prefix_overlaps(&a, &b));
	assert_true(prefix_parse("::/0", &b));
	assert_false(prefix_overlaps(&a, &b));
	assert_true(prefix_is_default(&b));
	assert_true(prefix_parse("0.0.0.0/0", &b));
	assert_true(prefix_overlaps(&a, &b));
	assert_true(prefix_parse("169.254.3.4/16", &b) && prefix_is_link_local(&b));
	assert_true(prefix_parse("febf::1/64", &b) && prefix_is_link_local(&b));
	assert_true(prefix_parse("fec0::1/64", &b) && !prefix_is_link_local(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),         NS_TEST(test_lin1_up_is_idempotent),
		NS_TEST(test_lin1_mac_is_set_again),   NS_TEST(test_lin2_ipv6_trouble_is_said),
		NS_TEST(test_lin3_subnet_clash),       NS_TEST(test_lin4_accept_ra_defrtr),
		NS_TEST(test_lin1_renamed_in_standby), NS_TEST(test_lin1_taken_down_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
