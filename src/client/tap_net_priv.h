// What tap_net.c (link, address, routes) and tap_addrs.c (the machine's addresses, the clash) share.
#pragma once

#include <net/if.h>

#include "client/netlink.h"
#include "client/tap_locals.h"

#define TAP_NET_SCOPE "tap"

struct tap_net {
	struct sl_env *env;
	struct tap_net_config config;
	char name[IFNAMSIZ];
	struct nl_sock *sock;
	struct netlink_watch *watch;
	struct sl_timer *timer;
	void (*changed)(void *arg);
	void *arg;
	struct tap_net_status status;
	struct tap_locals locals;
};

// What the link is now: MTU and state into the status, its MAC into *mac. 0 or a negative libnl code.
int tap_net_read_link(struct tap_net *net, struct sl_mac *mac);

// Address events, for netlink_watch_new and the timer.
void tap_addrs_event(void *net, struct nlmsghdr *message);
void tap_addrs_lost(void *net);
void tap_addrs_settled(void *net);
