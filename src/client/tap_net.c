#include "client/tap_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include "client/tap_net_priv.h"
#include "proto/mtu.h"

// ---- sysctl ----

static int sysctl_path(const struct tap_net *net, const char *key, char *out, size_t out_len)
{
	char name[IF_NAMESIZE];
	int n;

	// By its index: a udev rule may have given it another name.
	if (!if_indextoname((unsigned)net->config.ifindex, name))
		return SL_ERR_NOT_FOUND;
	n = snprintf(out, out_len, "/proc/sys/net/ipv6/conf/%s/%s", name, key);
	return n > 0 && (size_t)n < out_len ? SL_OK : SL_ERR_TOO_LARGE;
}

// The router that the party's LAN announces is not the way to the internet for this machine. Where
// this cannot be set, the route guard takes the route away each time it appears.
static void refuse_ra_default(struct tap_net *net)
{
	char path[128];
	int fd;

	if (sysctl_path(net, "accept_ra_defrtr", path, sizeof path) != SL_OK)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; // a kernel without IPv6
	if (fd < 0 || write(fd, "0\n", 2) != 2)
		sl_warn(net->env->log, TAP_NET_SCOPE,
			"cannot write %s; default routes are removed as they come (%s)", path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

static bool ipv6_disabled(const struct tap_net *net)
{
	char path[128], value = '0';
	int fd;

	if (sysctl_path(net, "disable_ipv6", path, sizeof path) != SL_OK)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value != '0';
}

// ---- life ----

int tap_net_new(struct sl_loop *loop, const struct tap_net_config *config, void (*changed)(void *arg),
		void *arg, struct tap_net **out, struct sl_error *error)
{
	static const int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0};
	struct tap_net *net = calloc(1, sizeof *net);
	int result;

	*out = NULL;
	if (!net)
		return sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->name);
	net->env = sl_loop_env(loop);
	net->config = *config;
	net->changed = changed;
	net->arg = arg;
	net->status.preferred = -1;
	snprintf(net->name, sizeof net->name, "%s", config->name);

	net->sock = netlink_open(error);
	net->timer = net->env->ops->timer_new(net->env, tap_addrs_settled, net);
	if (!net->sock || !net->timer) {
		result = net->sock ? sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->name)
				   : SL_ERR_SYSTEM;
		goto out;
	}
	result = netlink_watch_new(loop, groups, tap_addrs_event, tap_addrs_lost, net, &net->watch, error);
	if (result != SL_OK)
		goto out;
	refuse_ra_default(net);
	*out = net;
	net = NULL;
out:
	tap_net_free(net);
	return result;
}

void tap_net_free(struct tap_net *net)
{
	if (!net)
		return;
	netlink_watch_free(net->watch);
	if (net->timer)
		net->env->ops->timer_free(net->timer);
	if (net->sock)
		nl_socket_free(net->sock);
	free(net);
}

// ---- link ----

static int link_fail(struct tap_net *net, struct sl_error *error, const char *what, int code)
{
	return sl_fail(error, SL_ERR_SYSTEM, "%s: cannot %s (%s)", net->name, what, nl_geterror(code));
}

// Applies one change to the link: a MAC, an MTU or the state of being up.
static int change_link(struct tap_net *net, const struct sl_mac *mac, size_t mtu, int up)
{
	struct rtnl_link *orig = rtnl_link_alloc(), *change = rtnl_link_alloc();
	struct nl_addr *addr = NULL;
	int result = -NLE_NOMEM;

	if (!orig || !change)
		goto out;
	rtnl_link_set_ifindex(orig, net->config.ifindex);
	if (mac) {
		addr = nl_addr_build(AF_LLC, (void *)(uintptr_t)mac->b, SL_MAC_LEN);
		if (!addr)
			goto out;
		rtnl_link_set_addr(change, addr);
	}
	if (mtu)
		rtnl_link_set_mtu(change, (unsigned)mtu);
	if (up > 0)
		rtnl_link_set_flags(change, IFF_UP);
	else if (up == 0)
		rtnl_link_unset_flags(change, IFF_UP);
	result = rtnl_link_change(net->sock, orig, change, 0);
out:
	nl_addr_put(addr);
	rtnl_link_put(orig);
	rtnl_link_put(change);
	return result;
}

int tap_net_read_link(struct tap_net *net, struct sl_mac *mac)
{
	struct rtnl_link *link = NULL;
	struct nl_addr *addr;
	int result = rtnl_link_get_kernel(net->sock, net->config.ifindex, NULL, &link);

	if (result < 0)
		return result;
	memset(mac, 0, sizeof *mac);
	addr = rtnl_link_get_addr(link);
	if (addr && nl_addr_get_len(addr) == SL_MAC_LEN)
		memcpy(mac->b, nl_addr_get_binary_addr(addr), SL_MAC_LEN);
	net->status.mtu = rtnl_link_get_mtu(link);
	net->status.up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
	rtnl_link_put(link);
	return 0;
}

static int add_address(struct tap_net *net, const struct prefix *prefix)
{
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local =
		nl_addr_build(prefix->family, (void *)(uintptr_t)prefix->addr, prefix_size(prefix->family));
	struct nl_addr *broadcast = NULL;
	int result = -NLE_NOMEM;

	if (!addr || !local)
		goto out;
	nl_addr_set_prefixlen(local, prefix->len);
	rtnl_addr_set_ifindex(addr, net->config.ifindex);
	result = rtnl_addr_set_local(addr, local);
	if (result < 0)
		goto out;
	if (prefix->family == AF_INET && prefix->len < 31) { // games announce themselves on it
		uint8_t bytes[4];
		uint32_t host_bits = UINT32_MAX >> prefix->len;
		for (unsigned i = 0; i < 4; i++)
			bytes[i] = (uint8_t)(prefix->addr[i] | (host_bits >> (24 - 8 * i) & 0xff));
		broadcast = nl_addr_build(AF_INET, bytes, sizeof bytes);
		if (broadcast)
			rtnl_addr_set_broadcast(addr, broadcast);
	}
	result = rtnl_addr_add(net->sock, addr, NLM_F_EXCL);
	if (result == -NLE_EXIST)
		result = 0;
out:
	nl_addr_put(broadcast);
	nl_addr_put(local);
	rtnl_addr_put(addr);
	return result;
}

static int add_route(struct tap_net *net, const struct prefix *prefix)
{
	struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	struct nl_addr *dst =
		nl_addr_build(prefix->family, (void *)(uintptr_t)prefix->addr, prefix_size(prefix->family));
	int result = -NLE_NOMEM;

	if (!route || !hop || !dst)
		goto out;
	nl_addr_set_prefixlen(dst, prefix->len);
	rtnl_route_set_family(route, (uint8_t)prefix->family);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_type(route, RTN_UNICAST);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, prefix->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
	rtnl_route_set_priority(route, net->config.metric);
	result = rtnl_route_set_dst(route, dst);
	if (result < 0)
		goto out;
	rtnl_route_nh_set_ifindex(hop, net->config.ifindex);
	rtnl_route_add_nexthop(route, hop);
	hop = NULL; // the route's now
	result = rtnl_route_add(net->sock, route, NLM_F_CREATE | NLM_F_EXCL);
	if (result == -NLE_EXIST)
		result = 0;
out:
	nl_addr_put(dst);
	if (hop)
		rtnl_route_nh_free(hop);
	rtnl_route_put(route);
	return result;
}

static void warn_once(struct tap_net *net, const char *text)
{
	if (strcmp(net->status.warning, text) == 0)
		return;
	snprintf(net->status.warning, sizeof net->status.warning, "%s", text);
	sl_warn(net->env->log, TAP_NET_SCOPE, "%s", text);
}

static void check_mtu_and_ipv6(struct tap_net *net, size_t mtu, int mtu_result)
{
	char text[256];

	if (mtu_result < 0)
		snprintf(text, sizeof text,
			 "%s: cannot set MTU %zu, it stays at %zu; longer frames are dropped (%s)", net->name,
			 mtu, net->status.mtu, nl_geterror(mtu_result));
	else if (mtu < SL_MTU_MIN)
		snprintf(text, sizeof text,
			 "%s: MTU %zu is below IPv6's minimum of %d: the party is IPv4 only", net->name, mtu,
			 SL_MTU_MIN);
	else if (ipv6_disabled(net))
		snprintf(text, sizeof text,
			 "%s: IPv6 is disabled on this machine (net.ipv6.conf.*.disable_ipv6): the party is "
			 "IPv4 only",
			 net->name);
	else {
		net->status.warning[0] = '\0';
		return;
	}
	warn_once(net, text);
}

int tap_net_up(struct tap_net *net, size_t mtu, struct sl_error *error)
{
	char text[PREFIX_TEXT], what[PREFIX_TEXT + 32];
	struct sl_mac mac;
	int result, mtu_result = 0;

	result = tap_net_read_link(net, &mac);
	if (result < 0)
		return link_fail(net, error, "read the link", result);
	// udev may have given the new device another MAC in the meantime (MACAddressPolicy=).
	if (!net->status.up && !sl_mac_equal(&mac, &net->config.mac)) {
		result = change_link(net, &net->config.mac, 0, -1);
		if (result < 0)
			return link_fail(net, error, "set the MAC", result);
	}
	if (net->status.mtu != mtu) {
		mtu_result = change_link(net, NULL, mtu, -1);
		if (mtu_result == 0)
			net->status.mtu = mtu;
		refuse_ra_default(net); // an MTU below 1280 makes the kernel forget it
	}
	if (!net->status.up) {
		result = change_link(net, NULL, 0, 1);
		if (result < 0)
			return link_fail(net, error, "set the link up", result);
		net->status.up = true;
	}
	check_mtu_and_ipv6(net, mtu, mtu_result);
	// IPv6 addresses and routes hold only while the link is up, so all of them go in now.
	if (net->config.address.family != 0) {
		result = add_address(net, &net->config.address);
		if (result < 0) {
			snprintf(what, sizeof what, "add the address %s",
				 prefix_format(&net->config.address, text));
			return link_fail(net, error, what, result);
		}
	}
	for (size_t i = 0; i < net->config.route_count; i++) {
		result = add_route(net, &net->config.routes[i]);
		if (result < 0) {
			snprintf(what, sizeof what, "add the route %s",
				 prefix_format(&net->config.routes[i], text));
			return link_fail(net, error, what, result);
		}
	}
	tap_net_refresh(net);
	return SL_OK;
}

int tap_net_plugged(struct tap_net *net, struct sl_error *error)
{
	(void)net, (void)error;
	return SL_OK;
}

int tap_net_down(struct tap_net *net, struct sl_error *error)
{
	int result = change_link(net, NULL, 0, 0);

	if (result < 0)
		return link_fail(net, error, "set the link down", result);
	net->status.up = false;
	return SL_OK;
}

void tap_net_status(const struct tap_net *net, struct tap_net_status *out)
{
	*out = net->status;
}
