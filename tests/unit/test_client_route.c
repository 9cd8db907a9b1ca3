// The pinned route to the relay and the guard over default routes, with the kernel's own tables in a
// namespace of the test's (LIN-4).
#include "client_net.h"

static struct sl_addr relay_addr(const char *text)
{
	struct sl_addr addr = {0};

	if (inet_pton(AF_INET, text, &addr.in.sin_addr) == 1) {
		addr.in.sin_family = AF_INET;
		addr.len = sizeof addr.in;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &addr.in6.sin6_addr), 1);
		addr.in6.sin6_family = AF_INET6;
		addr.len = sizeof addr.in6;
	}
	sl_addr_set_port(&addr, 443);
	return addr;
}

static struct route_guard_status pin(struct net *net, const char *relay)
{
	struct route_guard_status status;
	struct sl_addr addr = relay_addr(relay);
	struct sl_error error = {0};

	if (route_guard_pin(net->guard, &addr, &error) != SL_OK)
		fail_msg("%s", error.text);
	route_guard_status(net->guard, &status);
	return status;
}

static uint64_t removed(const struct net *net)
{
	struct route_guard_status status;

	route_guard_status(net->guard, &status);
	return status.defaults_removed;
}

// Puts a route there and waits for the guard; the milliseconds from the command's end: until then the loop
// stands still, and how long a shell takes to start is not the guard's.
static unsigned removal_ms(struct net *net, const char *command)
{
	uint64_t before = removed(net), start;

	assert_int_equal(sh("%s", command), 0);
	start = sl_clock_ns(CLOCK_MONOTONIC);
	while (removed(net) == before && sl_clock_ns(CLOCK_MONOTONIC) - start < SL_NS_PER_S)
		ns_run(net->ns, 1);
	assert_int_equal(removed(net), before + 1);
	return (unsigned)((sl_clock_ns(CLOCK_MONOTONIC) - start) / SL_NS_PER_MS);
}

// The machine, with the party's network on its TAP.
static void net_party(struct net *net, struct ns *ns)
{
	struct sl_error error = {0};

	net_open(net, ns);
	assert_true(prefix_parse("10.9.0.5/24", &net->config.address));
	net_start(net);
	assert_int_equal(tap_net_up(net->net, 1382, &error), SL_OK);
}

// LIN-4: within 100 ms, whatever the family, the table and the form; the machine's own stays.
static void test_lin4_default_routes_are_removed(void **state)
{
	static const char *const commands[] = {
		"ip route add default via 10.9.0.1 dev " TAP " metric 50",
		"ip route add default dev " TAP " metric 51 proto dhcp scope link",
		"ip route add default via 10.9.0.1 dev " TAP " metric 52 src 10.9.0.5",
		"ip route add default via 10.9.0.1 dev " TAP " table 77",
		"ip route add default via 10.9.0.1 dev " TAP " table 70000",
		"ip route add 0.0.0.0/1 via 10.9.0.1 dev " TAP,
		"ip route add 128.0.0.0/1 via 10.9.0.1 dev " TAP,
		"ip -6 route add default via fe80::1 dev " TAP " metric 5",
		"ip -6 route append default via fe80::1 dev " TAP " metric 1024 proto ra",
		"ip -6 route add default dev " TAP " table 78",
		"ip -6 route add 2000::/3 via fe80::1 dev " TAP,
		"ip route add default metric 60 nexthop via 10.9.0.1 dev " TAP
		" nexthop via 10.9.0.2 dev " TAP,
		"ip route append default via 10.9.0.1 dev " TAP,
	};
	struct net net;
	unsigned worst = 0;

	net_party(&net, NS_OR_SKIP(state));
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		unsigned ms = removal_ms(&net, commands[i]);
		if (ms > worst)
			worst = ms;
		if (shows(TAP,
			  "(ip route show table all; ip -6 route show table all) |"
			  "grep -E '^(default|0\\.0\\.0\\.0/1|128\\.0\\.0\\.0/1|2000::/3|\\s+nexthop) '"))
			fail_msg("left: %s", commands[i]);
	}
	print_message("slowest removal: %u ms\n", worst);
	assert_true(worst < 100);
	assert_true(shows("default via 192.0.2.1 dev " ETH, "ip route show default"));
	assert_true(shows("default via 2001:db8:1::1 dev " ETH, "ip -6 route show default"));
	assert_true(shows("10.9.0.0/24 dev " TAP, "ip route")); // the party's own network stays
	net_close(&net);
}

// LIN-4: a default route shared by both interfaces keeps the machine's own part.
static void test_lin4_mixed_multipath(void **state)
{
	struct net net;

	net_party(&net, NS_OR_SKIP(state));
	removal_ms(&net, "ip route add default metric 60 nexthop via 10.9.0.1 dev " TAP
			 " nexthop via 192.0.2.2 dev " ETH);
	assert_false(shows(TAP, "ip route show default"));
	assert_true(shows("default via 192.0.2.2 dev " ETH " metric 60", "ip route show default"));
	removal_ms(&net, "ip -6 route append default metric 1024 via fe80::1 dev " TAP);
	assert_false(shows(TAP, "ip -6 route show default"));
	assert_true(shows("default via 2001:db8:1::1 dev " ETH, "ip -6 route show default"));
	net_close(&net);
}

// LIN-4: what `ip route replace default` took away comes back; at start as well as later.
static void test_lin4_replaced_default_is_restored(void **state)
{
	struct net net;

	net_party(&net, NS_OR_SKIP(state));
	removal_ms(&net, "ip route replace default via 10.9.0.1 dev " TAP);
	assert_false(shows(TAP, "ip route show default"));
	assert_true(shows("default via 192.0.2.1 dev " ETH, "ip route show default"));
	removal_ms(&net, "ip -6 route replace default via fe80::1 dev " TAP " metric 1024");
	assert_false(shows(TAP, "ip -6 route show default"));
	assert_true(shows("default via 2001:db8:1::1 dev " ETH, "ip -6 route show default"));
	// The machine moves to another router; then that one is what comes back.
	assert_int_equal(sh("ip route replace default via 192.0.2.254 dev " ETH), 0);
	ns_run(net.ns, 50);
	removal_ms(&net, "ip route replace default via 10.9.0.1 dev " TAP);
	assert_int_equal(count_of("default via 192.0.2.254 dev " ETH, "ip route show default"), 1);
	assert_int_equal(count_of("default", "ip route show default"), 1);
	// Taken away by somebody on purpose: not put back.
	assert_int_equal(sh("ip route del default"), 0);
	ns_run(net.ns, 50);
	removal_ms(&net, "ip route replace default via 10.9.0.1 dev " TAP);
	assert_int_equal(count_of("default", "ip route show default"), 0);
	net_close(&net);
}

// LIN-4: what was there before the guard.
static void test_lin4_default_there_at_start(void **state)
{
	struct net net;

	net_open(&net, NS_OR_SKIP(state));
	assert_int_equal(sh("ip link set " TAP " up && ip addr add 10.9.0.5/24 dev " TAP
			    " && ip route add default via 10.9.0.1 dev " TAP " metric 9"),
			 0);
	net_start(&net);
	assert_int_equal(removed(&net), 1);
	assert_false(shows(TAP, "ip route show default"));
	net_close(&net);
}

// LIN-4: pinned by the router, and gone on exit.
static void test_lin4_pin_own(void **state)
{
	struct net net;
	struct route_guard_status status;

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	status = pin(&net, "198.51.100.7");
	assert_string_equal(status.pin_name, "own");
	assert_string_equal(status.interface, ETH);
	assert_string_equal(status.gateway, "192.0.2.1");
	assert_true(shows("198.51.100.7 via 192.0.2.1 dev " ETH, "ip route"));
	status = pin(&net, "198.51.100.8"); // the relay has moved
	assert_false(shows("198.51.100.7", "ip route"));
	assert_true(shows("198.51.100.8 via 192.0.2.1 dev " ETH, "ip route"));
	status = pin(&net, "2001:db8:99::7");
	assert_string_equal(status.pin_name, "own");
	assert_false(shows("198.51.100.8", "ip route"));
	assert_true(shows("2001:db8:99::7 via 2001:db8:1::1 dev " ETH " proto 83 metric 1", "ip -6 route"));
	status = pin(&net, "::ffff:198.51.100.9"); // an IPv4-mapped address is IPv4
	assert_true(shows("198.51.100.9 via 192.0.2.1", "ip route"));
	status = pin(&net, "192.0.2.77"); // on-link
	assert_string_equal(status.pin_name, "own");
	assert_string_equal(status.gateway, "");
	assert_true(shows("192.0.2.77 dev " ETH " proto 83 scope link", "ip route"));
	status = pin(&net, "2001:db8:1::77");
	assert_true(shows("2001:db8:1::77 dev " ETH " proto 83", "ip -6 route"));
	route_guard_free(net.guard);
	net.guard = NULL;
	assert_false(shows("proto 83", "ip route show table all; ip -6 route show table all"));
	net_close(&net);
}

// LIN-4: a host route that is there is used and stays; the own machine needs none.
static void test_lin4_pin_existing_and_local(void **state)
{
	struct net net;
	struct route_guard_status status;

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(sh("ip route add 198.51.100.7/32 via 192.0.2.5 dev " ETH), 0);
	status = pin(&net, "198.51.100.7");
	assert_string_equal(status.pin_name, "existing");
	assert_string_equal(status.gateway, "192.0.2.5");
	status = pin(&net, "127.0.0.1");
	assert_string_equal(status.pin_name, "local");
	status = pin(&net, "192.0.2.10");
	assert_string_equal(status.pin_name, "local");
	status = pin(&net, "::1");
	assert_string_equal(status.pin_name, "local");
	status = pin(&net, "198.51.100.7");
	route_guard_free(net.guard);
	net.guard = NULL;
	assert_true(shows("198.51.100.7 via 192.0.2.5 dev " ETH, "ip route"));
	assert_false(shows("proto 83", "ip route show table all; ip -6 route show table all"));
	net_close(&net);
}

// LIN-4: the pin of a run that was killed is not taken for somebody else's, stale as it may be.
static void test_lin4_pin_left_by_a_killed_run(void **state)
{
	struct net net;
	struct route_guard_status status;

	net_open(&net, NS_OR_SKIP(state));
	assert_int_equal(sh("ip route add 198.51.100.7/32 via 192.0.2.66 dev " ETH " proto 83"), 0);
	net_start(&net);
	status = pin(&net, "198.51.100.7");
	assert_string_equal(status.pin_name, "own");
	assert_string_equal(status.gateway, "192.0.2.1");
	net_close(&net);
}

// LIN-4: without a way there is a sentence, and the next attempt finds it.
static void test_lin4_no_route(void **state)
{
	struct net net;
	struct sl_addr addr = relay_addr("198.51.100.7");
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	assert_int_equal(sh("ip route del default"), 0);
	assert_int_not_equal(route_guard_pin(net.guard, &addr, &error), SL_OK);
	assert_non_null(strstr(error.text, "no route to the relay at 198.51.100.7"));
	assert_int_equal(sh("ip route add default via 192.0.2.1 dev " ETH), 0);
	assert_int_equal(route_guard_pin(net.guard, &addr, &error), SL_OK);
	net_close(&net);
}

// LIN-4: the party's network holds the relay's address: the pin still leads by the machine's own interface.
static void test_lin4_relay_inside_the_party(void **state)
{
	struct net net;
	struct route_guard_status status;
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	status = pin(&net, "10.9.0.77");
	assert_string_equal(status.gateway, "192.0.2.1");
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	assert_int_equal(sh("ip addr add 10.9.0.5/24 dev " TAP), 0);
	assert_true(shows("via 192.0.2.1 dev " ETH, "ip route get 10.9.0.77"));
	status = pin(&net, "10.9.0.77"); // a reconnect, with the TAP up
	assert_string_equal(status.interface, ETH);
	assert_string_equal(status.gateway, "192.0.2.1");
	assert_true(shows("via 192.0.2.1 dev " ETH, "ip route get 10.9.0.77"));
	net_close(&net);
}

// LIN-4: the pin follows the machine's routes, and comes back when somebody deletes it; quietly else.
static void test_lin4_pin_is_kept(void **state)
{
	struct net net;
	struct route_guard_status status;
	char seen[64];

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	pin(&net, "198.51.100.7");
	assert_int_equal(sh("ip route del 198.51.100.7"), 0);
	ns_run(net.ns, 1300);
	assert_true(shows("198.51.100.7 via 192.0.2.1 dev " ETH " proto 83", "ip route"));
	assert_non_null(strstr(net.ns->lines, "it is back"));
	assert_int_equal(sh("ip route replace default via 192.0.2.254 dev " ETH), 0);
	ns_run(net.ns, 1300);
	assert_true(shows("198.51.100.7 via 192.0.2.254 dev " ETH " proto 83", "ip route"));
	route_guard_status(net.guard, &status);
	assert_string_equal(status.gateway, "192.0.2.254");
	// Nothing changes: the guard's own requests do not set it off again.
	assert_int_equal(sh("ip monitor route > /tmp/cnet_monitor.%d & echo $! > /tmp/cnet_monitor_pid.%d",
			    getpid(), getpid()),
			 0);
	ns_run(net.ns, 2500);
	assert_int_equal(sh("kill $(cat /tmp/cnet_monitor_pid.%d)", getpid()), 0);
	sh_out(seen, sizeof seen, "wc -c < /tmp/cnet_monitor.%d", getpid());
	sh("rm -f /tmp/cnet_monitor.%d /tmp/cnet_monitor_pid.%d", getpid(), getpid());
	assert_int_equal(atoi(seen), 0);
	net_close(&net);
}

// LIN-4: the relay moves (another address of its name), and then somebody deletes the new pin: it comes
// back. The event of the old pin's removal must not be taken for that of this deletion.
static void test_lin4_pin_is_kept_after_a_move(void **state)
{
	struct net net;

	net_open(&net, NS_OR_SKIP(state));
	net_start(&net);
	pin(&net, "198.51.100.7");
	pin(&net, "198.51.100.8");
	ns_run(net.ns, 50);
	assert_int_equal(sh("ip route del 198.51.100.8"), 0);
	ns_run(net.ns, 1300);
	assert_true(shows("198.51.100.8 via 192.0.2.1 dev " ETH " proto 83", "ip route"));
	net_close(&net);
}

// LIN-4: more route events than the socket holds: what was missed is looked for.
static void test_lin4_lost_events(void **state)
{
	struct net net;

	net_party(&net, NS_OR_SKIP(state));
	assert_int_equal(sh("ip route add 198.51.100.0/24 via 192.0.2.1 dev " ETH
			    " && ip route del default && ip -6 route del default"),
			 0);
	ns_run(net.ns, 50);
	pin(&net, "198.51.100.7");
	ns_run(net.ns, 50);
	assert_int_equal(sh("for i in $(seq 64); do for j in $(seq 200); do echo route add 10.200.$i.$j/32"
			    " dev " ETH "; done; done | ip -batch -"),
			 0);
	assert_int_equal(sh("ip route del 198.51.100.7 && ip route add default via 10.9.0.1 dev " TAP), 0);
	ns_run(net.ns, 1300);
	assert_false(shows(TAP, "ip route show default"));
	assert_true(shows("198.51.100.7 via 192.0.2.1 dev " ETH " proto 83", "ip route show 198.51.100.7"));
	net_close(&net);
}

// LIN-4: default routes by nexthop objects, alone and in a group.
static void test_lin4_nexthop_objects(void **state)
{
	static const char *const commands[] = {
		"ip route add default nhid 1 metric 50",
		"ip route add default nhid 10 metric 51",
		"ip -6 route add default nhid 2 metric 52",
		"ip -6 route add default nhid 20 metric 53",
	};
	struct net net;

	net_party(&net, NS_OR_SKIP(state));
	assert_int_equal(
		sh("ip nexthop add id 1 via 10.9.0.1 dev " TAP
		   " && ip nexthop add id 11 via 10.9.0.2 dev " TAP " && ip nexthop add id 10 group 1/11"
		   " && ip nexthop add id 2 via fe80::1 dev " TAP
		   " && ip nexthop add id 21 via fe80::2 dev " TAP " && ip nexthop add id 20 group 2/21"),
		0);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		removal_ms(&net, commands[i]);
		if (shows("nhid", "ip route show table all; ip -6 route show table all"))
			fail_msg("left: %s", commands[i]);
	}
	// Shared with the machine's own interface: its part stays.
	assert_int_equal(
		sh("ip nexthop add id 3 via 192.0.2.2 dev " ETH " && ip nexthop add id 30 group 1/3"), 0);
	removal_ms(&net, "ip route add default nhid 30 metric 60");
	assert_false(shows(TAP, "ip route show default"));
	assert_true(shows("default via 192.0.2.2 dev " ETH " metric 60", "ip route show default"));
	assert_int_equal(
		sh("ip nexthop add id 4 via 2001:db8:1::2 dev " ETH " && ip nexthop add id 40 group 2/4"), 0);
	removal_ms(&net, "ip -6 route add default nhid 40 metric 61");
	assert_false(shows(TAP, "ip -6 route show default"));
	assert_true(shows("default via 2001:db8:1::2 dev " ETH " metric 61", "ip -6 route show default"));
	net_close(&net);
}

// What the kernel says reaches the caller as it is: that there is no such route, that there is one.
static void test_netlink_errors(void **state)
{
	struct ns *ns = NS_OR_SKIP(state);
	struct sl_error error = {0};
	struct nl_sock *sock = netlink_open(&error);
	struct route_hop hop = {.table = RT_TABLE_MAIN, .ifindex = 1};

	(void)ns;
	assert_non_null(sock);
	assert_true(prefix_parse("198.51.100.7/32", &hop.host));
	assert_int_equal(route_remove_host(sock, &hop), -ESRCH);
	assert_int_equal(route_add_host(sock, &hop), 0);
	assert_int_equal(route_add_host(sock, &hop), -EEXIST);
	assert_int_equal(route_remove_host(sock, &hop), 0);
	hop.ifindex = 4711;
	assert_int_equal(route_add_host(sock, &hop), -ENODEV);
	nl_socket_free(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NS_TEST(test_lin4_default_routes_are_removed),
		NS_TEST(test_lin4_mixed_multipath),
		NS_TEST(test_lin4_replaced_default_is_restored),
		NS_TEST(test_lin4_default_there_at_start),
		NS_TEST(test_lin4_pin_own),
		NS_TEST(test_lin4_pin_existing_and_local),
		NS_TEST(test_lin4_pin_left_by_a_killed_run),
		NS_TEST(test_lin4_no_route),
		NS_TEST(test_lin4_relay_inside_the_party),
		NS_TEST(test_lin4_pin_is_kept),
		NS_TEST(test_lin4_pin_is_kept_after_a_move),
		NS_TEST(test_lin4_lost_events),
		NS_TEST(test_lin4_nexthop_objects),
		NS_TEST(test_netlink_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
