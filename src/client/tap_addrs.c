#include "client/tap_net_priv.h"

#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_NS (50 * SL_NS_PER_MS) // several address events at once are looked at once

static void take_addr(void *arg, struct nlmsghdr *message)
{
	struct tap_net *net = arg;
	struct nlattr *attrs[IFA_MAX + 1], *own, *net_attr;
	struct ifaddrmsg *ifa = nlmsg_data(message);
	struct tap_net_local *local;

	if (message->nlmsg_type != RTM_NEWADDR || net->local_count == TAP_NET_LOCALS)
		return;
	if (nlmsg_parse(message, sizeof *ifa, attrs, IFA_MAX, NULL) < 0)
		return;
	net_attr = attrs[IFA_ADDRESS] ? attrs[IFA_ADDRESS] : attrs[IFA_LOCAL];
	own = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
	local = &net->locals[net->local_count];
	if (!own ||
	    !prefix_set(&local->prefix, ifa->ifa_family, nla_data(own), (size_t)nla_len(own),
			ifa->ifa_prefixlen) ||
	    !prefix_set(&local->subnet, ifa->ifa_family, nla_data(net_attr), (size_t)nla_len(net_attr),
			ifa->ifa_prefixlen))
		return;
	local->ifindex = (int)ifa->ifa_index;
	local->usable = ifa->ifa_scope != RT_SCOPE_HOST && !prefix_is_link_local(&local->prefix);
	net->local_count++;
}

static void read_addrs(struct tap_net *net)
{
	struct ifaddrmsg ifa = {.ifa_family = AF_UNSPEC};
	int result;

	net->local_count = 0;
	result = netlink_ask(net->sock, netlink_request(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), take_addr,
			     net);
	if (result < 0)
		sl_warn(net->env->log, TAP_NET_SCOPE, "cannot read the machine's addresses (%s)",
			strerror(-result));
}

static int addr_rank(const struct prefix *prefix)
{
	return (prefix_is_link_local(prefix) ? 2 : 0) + (prefix->family == AF_INET6 ? 1 : 0);
}

static bool clash_with_locals(struct tap_net *net, const struct prefix *party)
{
	char party_text[PREFIX_TEXT], local_text[PREFIX_TEXT], name[IF_NAMESIZE];

	for (size_t i = 0; i < net->local_count; i++) {
		const struct tap_net_local *local = &net->locals[i];
		if (!local->usable || local->ifindex == net->config.ifindex ||
		    !prefix_overlaps(&local->subnet, party))
			continue;
		snprintf(net->status.clash, sizeof net->status.clash,
			 "the party's network %s on %s overlaps the local network of %s (%s): hosts of one "
			 "of the two "
			 "cannot be reached; give one of them another address range",
			 prefix_format_net(party, party_text), net->name,
			 if_indextoname((unsigned)local->ifindex, name) ? name : "another interface",
			 prefix_format(&local->prefix, local_text));
		return true;
	}
	return false;
}

static void find_clash(struct tap_net *net)
{
	net->status.clash[0] = '\0';
	for (size_t i = 0; i < net->local_count; i++) {
		const struct tap_net_local *local = &net->locals[i];
		if (local->usable && local->ifindex == net->config.ifindex &&
		    clash_with_locals(net, &local->subnet))
			return;
	}
	if (net->config.address.family != 0 && clash_with_locals(net, &net->config.address))
		return;
	for (size_t i = 0; i < net->config.route_count; i++)
		if (clash_with_locals(net, &net->config.routes[i]))
			return;
}

static bool has_addr(const struct tap_net_status *status, const struct prefix *addr)
{
	for (size_t i = 0; i < status->addr_count; i++)
		if (prefix_equal(&status->addrs[i], addr))
			return true;
	return false;
}

static bool log_addr_changes(struct tap_net *net, const struct tap_net_status *from,
			     const struct tap_net_status *to, const char *what)
{
	char text[PREFIX_TEXT];
	bool any = false;

	for (size_t i = 0; i < from->addr_count; i++) {
		if (has_addr(to, &from->addrs[i]))
			continue;
		any = true;
		sl_info(net->env->log, TAP_NET_SCOPE, "address %s %s %s",
			prefix_format(&from->addrs[i], text), what, net->name);
	}
	return any;
}

void tap_net_refresh(struct tap_net *net)
{
	struct tap_net_status old = net->status;
	struct sl_mac mac;
	bool changed;

	(void)tap_net_read_link(net, &mac); // somebody may have taken it down
	read_addrs(net);
	net->status.addr_count = 0;
	net->status.preferred = -1;
	for (size_t i = 0; i < net->local_count; i++) {
		const struct tap_net_local *local = &net->locals[i];
		size_t n = net->status.addr_count;
		if (local->ifindex != net->config.ifindex || n == TAP_NET_ADDRS)
			continue;
		net->status.addrs[n] = local->prefix;
		net->status.addr_count++;
		if (net->status.preferred < 0 ||
		    addr_rank(&local->prefix) < addr_rank(&net->status.addrs[net->status.preferred]))
			net->status.preferred = (int)n;
	}
	find_clash(net);

	changed = log_addr_changes(net, &net->status, &old, "came to");
	changed |= log_addr_changes(net, &old, &net->status, "left");
	if (strcmp(old.clash, net->status.clash) != 0) {
		changed = true;
		if (net->status.clash[0])
			sl_warn(net->env->log, TAP_NET_SCOPE, "%s", net->status.clash);
		else
			sl_info(net->env->log, TAP_NET_SCOPE,
				"the party's network overlaps no local network any more");
	}
	if (changed && net->changed)
		net->changed(net->arg);
}

void tap_addrs_lost(void *arg)
{
	struct tap_net *net = arg;

	net->env->ops->timer_set(net->timer, net->env->now_ns + SETTLE_NS);
}

void tap_addrs_event(void *arg, struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
		tap_addrs_lost(arg);
}

void tap_addrs_settled(void *arg)
{
	tap_net_refresh(arg);
}
