#include "client/route.h"

#include <errno.h>
#include <string.h>

// The lowest metric that IPv6 has for a given one: 0 would mean its default of 1024.
#define HOST_METRIC_IPV6 1

static uint32_t attr_u32(struct nlattr *attr, uint32_t otherwise)
{
	return attr && nla_len(attr) >= 4 ? nla_get_u32(attr) : otherwise;
}

bool route_parse(struct nlmsghdr *message, struct route *out)
{
	static const uint8_t any[16];
	struct rtmsg *head = nlmsg_data(message);
	struct nlattr *dst;

	memset(out, 0, sizeof *out);
	if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE)
		return false;
	if (nlmsg_parse(message, sizeof *head, out->attrs, RTA_MAX, NULL) < 0)
		return false;
	out->head = *head;
	if (head->rtm_type != RTN_UNICAST || (head->rtm_flags & RTM_F_CLONED) ||
	    (head->rtm_family != AF_INET && head->rtm_family != AF_INET6))
		return false;
	dst = out->attrs[RTA_DST];
	if (!prefix_set(&out->dst, head->rtm_family, dst ? nla_data(dst) : any,
			dst ? (size_t)nla_len(dst) : prefix_size(head->rtm_family), head->rtm_dst_len))
		return false;
	out->table = attr_u32(out->attrs[RTA_TABLE], head->rtm_table);
	out->metric = attr_u32(out->attrs[RTA_PRIORITY], 0);
	out->ifindex = (int)attr_u32(out->attrs[RTA_OIF], 0);
	if (out->ifindex == 0 && out->attrs[RTA_MULTIPATH] &&
	    nla_len(out->attrs[RTA_MULTIPATH]) >= (int)sizeof(struct rtnexthop))
		out->ifindex = ((struct rtnexthop *)nla_data(out->attrs[RTA_MULTIPATH]))->rtnh_ifindex;
	return out->table != RT_TABLE_LOCAL;
}

// Walks the next hops of RTA_MULTIPATH: *rest bytes are left at `hop`. NULL at the end.
static struct rtnexthop *hop_valid(struct rtnexthop *hop, int rest)
{
	if (rest < (int)sizeof *hop || hop->rtnh_len < sizeof *hop || hop->rtnh_len > rest)
		return NULL;
	return hop;
}

static struct rtnexthop *hop_next(struct rtnexthop *hop, int *rest)
{
	int step = (int)RTNH_ALIGN(hop->rtnh_len);

	*rest -= step;
	return *rest > 0 ? hop_valid((struct rtnexthop *)(void *)((char *)hop + step), *rest) : NULL;
}

static struct rtnexthop *hop_first(const struct route *route, int *rest)
{
	*rest = nla_len(route->attrs[RTA_MULTIPATH]);
	return hop_valid(nla_data(route->attrs[RTA_MULTIPATH]), *rest);
}

bool route_leaves_by(const struct route *route, int ifindex, bool *only)
{
	bool any = false;
	int rest;

	*only = true;
	if (!route->attrs[RTA_MULTIPATH])
		return route->ifindex == ifindex;
	for (struct rtnexthop *hop = hop_first(route, &rest); hop; hop = hop_next(hop, &rest)) {
		if (hop->rtnh_ifindex == ifindex)
			any = true;
		else
			*only = false;
	}
	return any;
}

static int copy_attr(struct nl_msg *msg, const struct route *route, int type)
{
	struct nlattr *attr = route->attrs[type];

	return attr ? nla_put(msg, type, nla_len(attr), nla_data(attr)) : 0;
}

static int copy_attrs(struct nl_msg *msg, const struct route *route, const int *types)
{
	for (; *types; types++)
		if (copy_attr(msg, route, *types) < 0)
			return -ENOMEM;
	return 0;
}

// RTA_MULTIPATH with the next hops that are on `ifindex`, or with all others.
static int copy_hops(struct nl_msg *msg, const struct route *route, int ifindex, bool on_it)
{
	struct nlattr *nest = nla_nest_start(msg, RTA_MULTIPATH);
	int rest;

	if (!nest)
		return -ENOMEM;
	for (struct rtnexthop *hop = hop_first(route, &rest); hop; hop = hop_next(hop, &rest)) {
		void *copy;
		if ((hop->rtnh_ifindex == ifindex) != on_it)
			continue;
		copy = nlmsg_reserve(msg, hop->rtnh_len, RTNH_ALIGNTO);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, hop, hop->rtnh_len);
		((struct rtnexthop *)copy)->rtnh_flags &= RTNH_F_ONLINK;
	}
	nla_nest_end(msg, nest);
	return 0;
}

int route_remove_from(struct nl_sock *sock, const struct route *route, int ifindex)
{
	static const int match[] = {RTA_DST, RTA_TABLE, RTA_PRIORITY, 0};
	static const int single[] = {RTA_OIF, RTA_GATEWAY, RTA_VIA, 0};
	static const int object[] = {RTA_NH_ID, 0};
	static const int keep[] = {RTA_DST, RTA_TABLE, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, 0};
	struct rtmsg head = route->head;
	struct nl_msg *msg;
	bool only, multipath = route->attrs[RTA_MULTIPATH] != NULL;
	bool by_object = route->attrs[RTA_NH_ID] != NULL; // then the kernel matches it by its id alone
	int result;

	if (!route_leaves_by(route, ifindex, &only))
		return 0;
	head.rtm_flags &= RTNH_F_ONLINK;
	if (multipath && !only && (head.rtm_family == AF_INET || by_object)) {
		// IPv4, and a group of nexthop objects, is deleted as a whole only: replace the route by one
		// without these hops.
		msg = netlink_request(RTM_NEWROUTE, NLM_F_REPLACE, &head, sizeof head);
		result =
			!msg || copy_attrs(msg, route, keep) < 0 || copy_hops(msg, route, ifindex, false) < 0;
	} else {
		head.rtm_scope = RT_SCOPE_NOWHERE; // matches every scope
		msg = netlink_request(RTM_DELROUTE, 0, &head, sizeof head);
		result = !msg || copy_attrs(msg, route, match) < 0;
		if (!result && (by_object || !multipath))
			result = copy_attrs(msg, route, by_object ? object : single) < 0;
		else if (!result)
			result = copy_hops(msg, route, ifindex, true) < 0;
	}
	if (result) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return netlink_ask(sock, msg, NULL, NULL);
}

int route_restore(struct nl_sock *sock, const struct route *route)
{
	static const int all[] = {RTA_DST, RTA_TABLE,   RTA_PRIORITY, RTA_PREFSRC,   RTA_METRICS,
				  RTA_OIF, RTA_GATEWAY, RTA_VIA,      RTA_MULTIPATH, RTA_PREF,
				  0};
	struct rtmsg head = route->head;
	struct nl_msg *msg;

	head.rtm_flags &= RTNH_F_ONLINK;
	msg = netlink_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
	if (!msg || copy_attrs(msg, route, all) < 0) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return netlink_ask(sock, msg, NULL, NULL);
}

// ---- the way to a host ----

static void hop_from_attrs(struct route_hop *hop, struct nlattr *const *attrs, int family)
{
	struct nlattr *gateway = attrs[RTA_GATEWAY], *via = attrs[RTA_VIA];

	if (gateway && nla_len(gateway) == (int)prefix_size(family)) {
		hop->via_family = family;
		memcpy(hop->via, nla_data(gateway), prefix_size(family));
	} else if (via && nla_len(via) == (int)(sizeof(uint16_t) + 16)) { // struct rtvia with an IPv6 address
		hop->via_family = AF_INET6;
		memcpy(hop->via, (char *)nla_data(via) + sizeof(uint16_t), 16);
	}
}

struct lookup {
	struct route_hop *hop;
	bool found;
};

static void take_way(void *arg, struct nlmsghdr *message)
{
	struct lookup *lookup = arg;
	struct rtmsg *head = nlmsg_data(message);
	struct nlattr *attrs[RTA_MAX + 1];

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse(message, sizeof *head, attrs, RTA_MAX, NULL) < 0)
		return;
	lookup->found = true;
	lookup->hop->local = head->rtm_type == RTN_LOCAL;
	lookup->hop->ifindex = (int)attr_u32(attrs[RTA_OIF], 0);
	lookup->hop->onlink = (head->rtm_flags & RTNH_F_ONLINK) != 0;
	hop_from_attrs(lookup->hop, attrs, head->rtm_family);
}

static void take_match(void *arg, struct nlmsghdr *message)
{
	struct lookup *lookup = arg;
	struct route_hop *hop = lookup->hop;
	struct route route;

	if (!route_parse(message, &route))
		return;
	hop->table = route.table;
	hop->matched_len = route.dst.len;
	hop->matched_protocol = route.head.rtm_protocol;
	if (route.attrs[RTA_PREFSRC])
		prefix_set(&hop->source, route.head.rtm_family, nla_data(route.attrs[RTA_PREFSRC]),
			   (size_t)nla_len(route.attrs[RTA_PREFSRC]), prefix_max(route.head.rtm_family));
}

static int ask_way(struct nl_sock *sock, const struct prefix *host, unsigned flags, netlink_fn fn,
		   struct lookup *lookup)
{
	struct rtmsg head = {.rtm_family = (uint8_t)host->family,
			     .rtm_dst_len = (uint8_t)prefix_max(host->family),
			     .rtm_flags = flags};
	struct nl_msg *msg = netlink_request(RTM_GETROUTE, 0, &head, sizeof head);

	if (!msg || nla_put(msg, RTA_DST, (int)prefix_size(host->family), host->addr) < 0) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return netlink_ask(sock, msg, fn, lookup);
}

struct scan {
	const struct prefix *host;
	int avoid;
	struct route_hop *hop;
	uint32_t metric;
	bool found;
};

static void scan_route(void *arg, struct nlmsghdr *message)
{
	struct scan *scan = arg;
	struct route_hop *hop = scan->hop;
	struct route route;

	if (!route_parse(message, &route) || route.table != RT_TABLE_MAIN || route.ifindex == 0 ||
	    route.ifindex == scan->avoid || route.attrs[RTA_MULTIPATH] ||
	    !prefix_overlaps(&route.dst, scan->host))
		return;
	if (scan->found && (route.dst.len < hop->matched_len ||
			    (route.dst.len == hop->matched_len && route.metric >= scan->metric)))
		return;
	scan->found = true;
	scan->metric = route.metric;
	*hop = (struct route_hop){.host = *scan->host,
				  .ifindex = route.ifindex,
				  .onlink = (route.head.rtm_flags & RTNH_F_ONLINK) != 0,
				  .table = RT_TABLE_MAIN,
				  .matched_len = route.dst.len,
				  .matched_protocol = route.head.rtm_protocol};
	hop_from_attrs(hop, route.attrs, route.head.rtm_family);
}

// The kernel would use the very interface to avoid (the party's network holds the relay's address):
// read the whole table and choose by prefix and metric among the rest.
static int scan_table(struct nl_sock *sock, const struct prefix *host, int avoid, struct route_hop *out)
{
	struct rtmsg head = {.rtm_family = (uint8_t)host->family};
	struct scan scan = {.host = host, .avoid = avoid, .hop = out};
	int result;

	result = netlink_ask(sock, netlink_request(RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head), scan_route,
			     &scan);
	if (result < 0)
		return result;
	return scan.found ? 0 : -ENETUNREACH;
}

int route_lookup(struct nl_sock *sock, const struct prefix *host, int avoid, struct route_hop *out)
{
	struct lookup lookup = {.hop = out};
	int result;

	*out = (struct route_hop){.host = *host, .table = RT_TABLE_MAIN};
	out->host.len = (uint8_t)prefix_max(host->family);
	result = ask_way(sock, host, 0, take_way, &lookup);
	if (result < 0)
		return result;
	if (!lookup.found)
		return -ENETUNREACH;
	if (out->local)
		return 0;
	if (out->ifindex == avoid)
		return scan_table(sock, host, avoid, out);
	// A second question, for the table entry behind the answer (multipath is decided in the first).
	result = ask_way(sock, host, RTM_F_FIB_MATCH, take_match, &lookup);
	return result == -EINVAL || result == -EOPNOTSUPP ? 0 : result;
}

bool route_hop_same_way(const struct route_hop *a, const struct route_hop *b)
{
	return prefix_same_addr(&a->host, &b->host) && a->local == b->local && a->ifindex == b->ifindex &&
	       a->via_family == b->via_family && memcmp(a->via, b->via, sizeof a->via) == 0;
}

static struct nl_msg *host_request(int type, int flags, const struct route_hop *hop)
{
	int family = hop->host.family;
	struct rtmsg head = {.rtm_family = (uint8_t)family,
			     .rtm_dst_len = hop->host.len,
			     .rtm_table = hop->table < 256 ? (uint8_t)hop->table : RT_TABLE_UNSPEC,
			     .rtm_protocol = ROUTE_PROTOCOL,
			     .rtm_scope = RT_SCOPE_UNIVERSE,
			     .rtm_type = RTN_UNICAST,
			     .rtm_flags = hop->onlink ? RTNH_F_ONLINK : 0};
	struct nl_msg *msg;
	bool bad;

	if (family == AF_INET && hop->via_family == 0)
		head.rtm_scope = RT_SCOPE_LINK;
	msg = netlink_request(type, flags, &head, sizeof head);
	bad = !msg || nla_put_u32(msg, RTA_TABLE, hop->table) < 0 ||
	      nla_put_u32(msg, RTA_OIF, (uint32_t)hop->ifindex) < 0 ||
	      nla_put(msg, RTA_DST, (int)prefix_size(family), hop->host.addr) < 0 ||
	      (family == AF_INET6 && nla_put_u32(msg, RTA_PRIORITY, HOST_METRIC_IPV6) < 0);
	if (!bad && hop->via_family == family)
		bad = nla_put(msg, RTA_GATEWAY, (int)prefix_size(family), hop->via) < 0;
	else if (!bad && hop->via_family != 0) {
		uint8_t via[sizeof(uint16_t) + 16];
		uint16_t via_family = (uint16_t)hop->via_family;
		memcpy(via, &via_family, sizeof via_family);
		memcpy(via + sizeof via_family, hop->via, 16);
		bad = nla_put(msg, RTA_VIA, sizeof via, via) < 0;
	}
	if (!bad && type == RTM_NEWROUTE && hop->source.family != 0)
		bad = nla_put(msg, RTA_PREFSRC, (int)prefix_size(family), hop->source.addr) < 0;
	if (bad) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

int route_add_host(struct nl_sock *sock, const struct route_hop *hop)
{
	return netlink_ask(sock, host_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, hop), NULL, NULL);
}

int route_remove_host(struct nl_sock *sock, const struct route_hop *hop)
{
	return netlink_ask(sock, host_request(RTM_DELROUTE, 0, hop), NULL, NULL);
}
