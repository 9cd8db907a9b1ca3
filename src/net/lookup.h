// A look-up in the making: resolve.c has what all systems share, resolve_evdns.c and resolve_windows.c ask.
#pragma once

#include "net/internal.h"

#define SL_LOOKUP_ADDRS 16

struct sl_resolve {
	struct sl_loop *loop;
	struct sl_resolve *next; // all that are alive, in sl_loop
	struct event *done;      // the answer is always given from the loop, also when it is known at once
	bool cancelled;
	struct sl_host host;
	sl_resolve_fn fn;
	void *arg;
	struct sl_addr addrs[SL_LOOKUP_ADDRS];
	size_t count;
	char error[SL_HOST_MAX + 160];
	void *request; // of the one that asks; NULL: not asked, or answered
};

// Asks for the name. Each address goes to sl_lookup_found, and at the end sl_lookup_answered is called once,
// from here or from the loop.
void sl_lookup_start(struct sl_resolve *resolve);
// The answer is not wanted any more; it is called once all the same, from here or from the loop. `request` is
// not NULL.
void sl_lookup_cancel(struct sl_resolve *resolve);
// Before the loop is freed. What has not been answered never will be.
void sl_lookup_fini(struct sl_loop *loop);
// Would the routing table take a packet there? Connecting a UDP socket asks, and sends nothing.
bool sl_lookup_reachable(const struct sl_addr *addr);

// An address (its port is put in here) of IPv4 or IPv6; others, doubles and too many are left out.
void sl_lookup_found(struct sl_resolve *resolve, const struct sockaddr *addr, size_t len);
// `why`: what to say if nothing was found.
void sl_lookup_answered(struct sl_resolve *resolve, const char *why);
