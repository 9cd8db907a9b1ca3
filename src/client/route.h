// One route as netlink tells it, and the requests that take it away, put it back or make one. Linux only.
#pragma once

#include <linux/rtnetlink.h>

#include "client/netlink.h"
#include "client/prefix.h"

// Which routes are softlan's: rtm_protocol of those it makes (so that those of a run that was killed are
// known).
#define ROUTE_PROTOCOL 83

struct route {
	struct rtmsg head;
	struct prefix dst;
	uint32_t table, metric;
	int ifindex;                       // of the first next hop; 0: none
	struct nlattr *attrs[RTA_MAX + 1]; // valid while the message is
};

// False: not a unicast route of a table that matters (cloned, local, broken).
bool route_parse(struct nlmsghdr *message, struct route *out);

// Does any of its next hops leave by this interface? *only: do all of them?
bool route_leaves_by(const struct route *route, int ifindex, bool *only);

// Takes what leaves by `ifindex` out of the route; next hops on other interfaces stay. 0 or a negative errno.
int route_remove_from(struct nl_sock *sock, const struct route *route, int ifindex);
// Puts it back as it was.
int route_restore(struct nl_sock *sock, const struct route *route);

// The way to one host.
struct route_hop {
	struct prefix host; // the full length
	bool local;         // this machine itself: nothing to route
	int ifindex;
	int via_family; // 0: on-link
	uint8_t via[16];
	struct prefix source; // family 0: the kernel's choice
	bool onlink;          // RTNH_F_ONLINK
	uint32_t table;       // the table whose route matched
	uint8_t matched_len;  // and that route's prefix length
	uint8_t matched_protocol;
};

// Asks the kernel for the way to `host`, but not by `avoid` (an interface index). 0 or a negative errno.
int route_lookup(struct nl_sock *sock, const struct prefix *host, int avoid, struct route_hop *out);
bool route_hop_same_way(const struct route_hop *a, const struct route_hop *b);
int route_add_host(struct nl_sock *sock, const struct route_hop *hop);    // -EEXIST: there is one
int route_remove_host(struct nl_sock *sock, const struct route_hop *hop); // only softlan's own
