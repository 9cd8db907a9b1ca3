// The TAP as an interface, the pinned route to the relay and the guard over default routes, with the
// kernel's own tables in a namespace of the test's.
#include "client_ns.h"

#include <arpa/inet.h>

#include "client/prefix.h"
#include "client/route_guard.h"
#include "client/tap_net.h"
#include "port/tap.h"

#define TAP "cnet0"
#define ETH "cnet1" // plays the machine's own interface

struct net {
	struct ns *ns;
	struct sl_port *tap, *eth;
	struct tap_net *net;
	struct route_guard *guard;
	struct tap_net_config config;
	unsigned changes;
	struct prefix routes[2];
};

static void on_frame(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg, (void)frame, (void)len;
}

static const struct sl_port_handler handler = {.receive = on_frame, .malformed = on_frame};
static const struct sl_mac tap_mac = {{0x02, 0, 0, 0, 0, 0x11}}, eth_mac = {{0x02, 0, 0, 0, 0, 0x22}};

static void on_changed(void *arg)
{
	((struct net *)arg)->changes++;
}

// The machine: eth with 192.0.2.10/24 and 2001:db8:1::10/64, a default route by .1; a TAP in standby.
static void net_open(struct net *net, struct ns *ns)
{
	struct sl_tap_config tap = {.name = TAP, .mac = tap_mac, .offload = true};
	struct sl_tap_config eth = {.name = ETH, .mac = eth_mac};
	struct sl_error error = {0};

	memset(net, 0, sizeof *net);
	net->ns = ns;
	assert_int_equal(sl_tap_open(ns->loop, &eth, &handler, &net->eth, &error), SL_OK);
	assert_int_equal(sl_tap_open(ns->loop, &tap, &handler, &net->tap, &error), SL_OK);
	assert_int_equal(sh("ip link set " ETH " up && ip addr add 192.0.2.10/24 dev " ETH
			    " && ip -6 addr add 2001:db8:1::10/64 dev " ETH " nodad"
			    " && ip route add default via 192.0.2.1 dev " ETH
			    " && ip -6 route add default via 2001:db8:1::1 dev " ETH " metric 1024"),
			 0);
	net->config = (struct tap_net_config){
		.name = TAP, .ifindex = sl_tap_ifindex(net->tap), .mac = tap_mac, .metric = 9000};
}

static void net_start(struct net *net)
{
	struct sl_error error = {0};

	assert_int_equal(tap_net_new(net->ns->loop, &net->config, on_changed, net, &net->net, &error), SL_OK);
	assert_int_equal(route_guard_new(net->ns->loop, TAP, net->config.ifindex, &net->guard, &error),
			 SL_OK);
}

static void net_close(struct net *net)
{
	route_guard_free(net->guard);
	tap_net_free(net->net);
	net->tap->ops->close(net->tap);
	net->eth->ops->close(net->eth);
}

static bool shows(const char *needle, const char *command)
{
	char out[8192];

	return strstr(sh_out(out, sizeof out, "%s", command), needle) != NULL;
}

static unsigned count_of(const char *needle, const char *command)
{
	char out[8192];
	unsigned count = 0;

	sh_out(out, sizeof out, "%s", command);
	for (const char *p = out; (p = strstr(p, needle)); p++)
		count++;
	return count;
}

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

	net_open(&net, NS_OR_SKIP(state));
	assert_true(shows("1", "cat /proc/sys/net/ipv6/conf/" TAP "/accept_ra_defrtr"));
	net_start(&net);
	assert_true(shows("0", "cat /proc/sys/net/ipv6/conf/" TAP "/accept_ra_defrtr"));
	assert_true(shows("1", "cat /proc/sys/net/ipv6/conf/" ETH "/accept_ra_defrtr"));
	net_close(&net);
}

static uint64_t removed(const struct net *net)
{
	struct route_guard_status status;

	route_guard_status(net->guard, &status);
	return status.defaults_removed;
}

// Puts a route there and waits for the guard; the milliseconds from before the command was started.
static unsigned removal_ms(struct net *net, const char *command)
{
	uint64_t before = removed(net), start = clock_ns();

	assert_int_equal(sh("%s", command), 0);
	while (removed(net) == before && clock_ns() - start < SL_NS_PER_S)
		ns_run(net->ns, 1);
	assert_int_equal(removed(net), before + 1);
	return (unsigned)((clock_ns() - start) / SL_NS_PER_MS);
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
	struct sl_error error = {0};
	unsigned worst = 0;

	net_open(&net, NS_OR_SKIP(state));
	assert_true(prefix_parse("10.9.0.5/24", &net.config.address));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		unsigned ms = removal_ms(&net, commands[i]);
		if (ms > worst)
			worst = ms;
		if (shows(TAP,
			  "(ip route show table all; ip -6 route show table all) |"
			  "grep -E '^(default|0\\.0\\.0\\.0/1|128\\.0\\.0\\.0/1|2000::/3|\\s+nexthop) '"))
			fail_msg("left: %s", commands[i]);
	}
	print_message("slowest removal, command included: %u ms\n", worst);
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
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	assert_true(prefix_parse("10.9.0.5/24", &net.config.address));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
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
	struct sl_error error = {0};

	net_open(&net, NS_OR_SKIP(state));
	assert_true(prefix_parse("10.9.0.5/24", &net.config.address));
	net_start(&net);
	assert_int_equal(tap_net_up(net.net, 1382, &error), SL_OK);
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

#define NS_TEST(name) cmocka_unit_test_setup_teardown(name, ns_setup, ns_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		NS_TEST(test_lin1_up_is_idempotent),
		NS_TEST(test_lin1_mac_is_set_again),
		NS_TEST(test_lin2_ipv6_trouble_is_said),
		NS_TEST(test_lin3_subnet_clash),
		NS_TEST(test_lin4_accept_ra_defrtr),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
