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
	struct tap_local *local;

	if (message->nlmsg_type != RTM_NEWADDR || net->locals.count == TAP_LOCALS)
		return;
	if (nlmsg_parse(message, sizeof *ifa, attrs, IFA_MAX, NULL) < 0)
		return;
	net_attr = attrs[IFA_ADDRESS] ? attrs[IFA_ADDRESS] : attrs[IFA_LOCAL];
	own = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
	local = &net->locals.list[net->locals.count];
	if (!own ||
	    !prefix_set(&local->prefix, ifa->ifa_family, nla_data(own), (size_t)nla_len(own),
			ifa->ifa_prefixlen) ||
	    !prefix_set(&local->subnet, ifa->ifa_family, nla_data(net_attr), (size_t)nla_len(net_attr),
			ifa->ifa_prefixlen))
		return;
	local->interface_id = ifa->ifa_index;
	local->usable = ifa->ifa_scope != RT_SCOPE_HOST && !prefix_is_link_local(&local->prefix);
	net->locals.count++;
}

static void read_addrs(struct tap_net *net)
{
	struct ifaddrmsg ifa = {.ifa_family = AF_UNSPEC};
	int result;

	net->locals.count = 0;
	result = netlink_ask(net->sock, netlink_request(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), take_addr,
			     net);
	if (result < 0)
		sl_warn(net->env->log, TAP_NET_SCOPE, "cannot read the machine's addresses (%s)",
			strerror(-result));
}

static bool interface_name(uint64_t index, char *out, size_t size)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname((unsigned)index, name))
		return false;
	snprintf(out, size, "%s", name);
	return true;
}

void tap_net_refresh(struct tap_net *net)
{
	struct tap_locals_view view = {net->env->log, net->name, (uint64_t)net->config.ifindex, &net->config,
				       interface_name};
	struct sl_mac mac;

	(void)tap_net_read_link(net, &mac); // somebody may have taken it down
	read_addrs(net);
	if (tap_locals_judge(&net->locals, &view, &net->status) && net->changed)
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
