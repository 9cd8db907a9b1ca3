// For the tests of the client's network side: a machine with an interface of its own and a TAP in standby, in
// a namespace of the test's, and the two objects under test on them.
#pragma once

#include "client_ns.h"

#include <arpa/inet.h>
#include <errno.h>

#include "client/prefix.h"
#include "client/route.h"
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
	struct route_guard_config guard = {.tap = TAP, .tap_ifindex = net->config.ifindex};
	struct sl_error error = {0};

	assert_int_equal(tap_net_new(net->ns->loop, &net->config, on_changed, net, &net->net, &error), SL_OK);
	assert_int_equal(route_guard_new(net->ns->loop, &guard, &net->guard, &error), SL_OK);
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

__attribute__((unused)) static unsigned count_of(const char *needle, const char *command)
{
	char out[8192];
	unsigned count = 0;

	sh_out(out, sizeof out, "%s", command);
	for (const char *p = out; (p = strstr(p, needle)); p++)
		count++;
	return count;
}

#define NS_TEST(name) cmocka_unit_test_setup_teardown(name, ns_setup, ns_teardown)
