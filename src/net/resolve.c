// Name look-ups without blocking: what all systems share.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/lookup.h"

static void resolve_free(struct sl_resolve *resolve)
{
	struct sl_resolve **at = &resolve->loop->resolves;

	while (*at && *at != resolve)
		at = &(*at)->next;
	if (*at)
		*at = resolve->next;
	if (resolve->done)
		event_free(resolve->done);
	free(resolve);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct sl_resolve *resolve = arg;
	struct sl_loop *loop = resolve->loop;
	struct sl_addr addrs[SL_LOOKUP_ADDRS];
	char error[sizeof(resolve->error)];
	size_t count = resolve->count;
	sl_resolve_fn fn = resolve->fn;
	void *fn_arg = resolve->arg;

	(void)fd;
	(void)what;
	sl_loop_wake(loop);
	memcpy(addrs, resolve->addrs, sizeof(addrs));
	memcpy(error, resolve->error, sizeof(error));
	resolve_free(resolve);
	fn(fn_arg, addrs, count, count ? NULL : error);
}

static void finish(struct sl_resolve *resolve)
{
	struct timeval now = {0};

	event_add(resolve->done, &now);
}

// The order that getaddrinfo gives where it matters here (RFC 6724 section 6, rules 1 and 6): what can
// be reached comes first, and then IPv6 before IPv4; else the name server's order stays.
static void sort(struct sl_resolve *resolve)
{
	struct sl_addr sorted[SL_LOOKUP_ADDRS];
	unsigned rank[SL_LOOKUP_ADDRS];
	size_t n = 0;

	for (size_t i = 0; i < resolve->count; i++)
		rank[i] = (sl_lookup_reachable(&resolve->addrs[i]) ? 0u : 2u) +
			  (resolve->addrs[i].sa.sa_family == AF_INET6 ? 0u : 1u);
	for (unsigned r = 0; r < 4; r++) {
		for (size_t i = 0; i < resolve->count; i++) {
			if (rank[i] == r)
				sorted[n++] = resolve->addrs[i];
		}
	}
	memcpy(resolve->addrs, sorted, n * sizeof(sorted[0]));
}

static void add(struct sl_resolve *resolve, const struct sl_addr *addr)
{
	for (size_t i = 0; i < resolve->count; i++) {
		if (sl_addr_equal(&resolve->addrs[i], addr))
			return;
	}
	if (resolve->count < SL_LOOKUP_ADDRS)
		resolve->addrs[resolve->count++] = *addr;
}

void sl_lookup_found(struct sl_resolve *resolve, const struct sockaddr *from, size_t len)
{
	struct sl_addr addr;

	if ((from->sa_family != AF_INET && from->sa_family != AF_INET6) || len > sizeof(addr.in6))
		return;
	memset(&addr, 0, sizeof(addr));
	memcpy(&addr.sa, from, len);
	addr.len = (socklen_t)len;
	sl_addr_set_port(&addr, resolve->host.port);
	add(resolve, &addr);
}

void sl_lookup_answered(struct sl_resolve *resolve, const char *why)
{
	resolve->request = NULL;
	if (resolve->cancelled) {
		resolve_free(resolve);
		return;
	}
	if (resolve->count)
		sort(resolve);
	else
		snprintf(resolve->error, sizeof(resolve->error), "can't look up %s: %s", resolve->host.name,
			 why);
	finish(resolve);
}

struct sl_resolve *sl_resolve_start(struct sl_env *env, const struct sl_host *host, sl_resolve_fn fn,
				    void *arg)
{
	struct sl_loop *loop = sl_loop_of(env);
	struct sl_resolve *resolve = calloc(1, sizeof(*resolve));
	struct sl_addr addr;

	if (!resolve)
		return NULL;
	resolve->loop = loop;
	resolve->host = *host;
	resolve->fn = fn;
	resolve->arg = arg;
	resolve->done = evtimer_new(loop->base, on_done, resolve);
	if (!resolve->done) {
		free(resolve);
		return NULL;
	}
	resolve->next = loop->resolves;
	loop->resolves = resolve;
	if (!host->literal) {
		sl_lookup_start(resolve);
	} else {
		if (sl_addr_literal(host->name, host->port, &addr))
			add(resolve, &addr);
		else
			snprintf(resolve->error, sizeof(resolve->error),
				 "%s: this machine has no such interface as the address names", host->name);
		finish(resolve);
	}
	return resolve;
}

void sl_resolve_cancel(struct sl_resolve *resolve)
{
	if (!resolve || resolve->cancelled)
		return;
	resolve->cancelled = true;
	if (resolve->request) {
		event_del(resolve->done);
		sl_lookup_cancel(resolve); // sl_lookup_answered frees it
	} else {
		resolve_free(resolve);
	}
}

void sl_resolve_fini(struct sl_loop *loop)
{
	for (struct sl_resolve *r = loop->resolves; r; r = r->next) {
		r->cancelled = true;
		event_del(r->done);
	}
	sl_lookup_fini(loop);
	while (loop->resolves)
		resolve_free(loop->resolves);
}
