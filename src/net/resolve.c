// Name look-ups without blocking: libevent's evdns, with the system's name servers and hosts file.
#include <event2/dns.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

#define MAX_ADDRS 16

struct sl_resolve {
	struct sl_loop *loop;
	struct sl_resolve *next;                   // all that are alive, in sl_loop
	struct evdns_getaddrinfo_request *request; // NULL: answered
	struct event *done; // the answer is always given from the loop, also when it is known at once
	bool pending, cancelled;
	struct sl_host host;
	sl_resolve_fn fn;
	void *arg;
	struct sl_addr addrs[MAX_ADDRS];
	size_t count;
	char error[SL_HOST_MAX + 160];
};

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
	struct sl_addr addrs[MAX_ADDRS];
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
	struct sl_addr sorted[MAX_ADDRS];
	unsigned rank[MAX_ADDRS];
	size_t n = 0;

	for (size_t i = 0; i < resolve->count; i++)
		rank[i] = (sl_resolve_reachable(&resolve->addrs[i]) ? 0u : 2u) +
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
	if (resolve->count < MAX_ADDRS)
		resolve->addrs[resolve->count++] = *addr;
}

static void describe_failure(struct sl_resolve *resolve, int code)
{
	const char *why, *where = "";

	switch (code) {
	case EVUTIL_EAI_NONAME:
	case EVUTIL_EAI_NODATA:
		why = "no address is known for this name; check its spelling";
		break;
	case EVUTIL_EAI_AGAIN:
		why = "the name servers do not answer; check the network connection and ";
		where = sl_resolve_place;
		break;
	case EVUTIL_EAI_FAIL:
		why = "the name servers could not be asked or refused; check ";
		where = sl_resolve_place;
		break;
	default:
		why = evutil_gai_strerror(code);
	}
	snprintf(resolve->error, sizeof(resolve->error), "can't look up %s: %s%s", resolve->host.name, why,
		 where);
}

static void on_answer(int code, struct evutil_addrinfo *answer, void *arg)
{
	struct sl_resolve *resolve = arg;

	resolve->request = NULL;
	resolve->pending = false;
	resolve->loop->lookups--;
	for (struct evutil_addrinfo *ai = code == 0 ? answer : NULL; ai; ai = ai->ai_next) {
		struct sl_addr addr;

		if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
		    ai->ai_addrlen > sizeof(addr.in6))
			continue;
		memset(&addr, 0, sizeof(addr));
		memcpy(&addr.sa, ai->ai_addr, ai->ai_addrlen);
		addr.len = (socklen_t)ai->ai_addrlen;
		sl_addr_set_port(&addr, resolve->host.port);
		add(resolve, &addr);
	}
	if (answer)
		evutil_freeaddrinfo(answer);
	if (resolve->cancelled) {
		resolve_free(resolve);
		return;
	}
	if (resolve->count)
		sort(resolve);
	else
		describe_failure(resolve, code ? code : EVUTIL_EAI_NODATA);
	finish(resolve);
}

// Reads the system's files anew whenever no other look-up is under way: a laptop's name servers come
// and go, and evdns would keep asking the old ones.
static bool prepare_dns(struct sl_loop *loop)
{
	if (loop->dns && loop->lookups > 0)
		return true;
	if (loop->dns)
		evdns_base_free(loop->dns, 0);
	loop->dns = evdns_base_new(loop->base, 0);
	if (!loop->dns)
		return false;
	sl_resolve_configure(loop);
	// The session tries again by itself, so one look-up need not wait long. Random letter case in
	// questions is not understood by every home router.
	evdns_base_set_option(loop->dns, "timeout:", "2");
	evdns_base_set_option(loop->dns, "attempts:", "3");
	evdns_base_set_option(loop->dns, "randomize-case:", "0");
	return true;
}

static void ask(struct sl_resolve *resolve)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_DGRAM,
					.ai_protocol = IPPROTO_UDP,
					.ai_flags = EVUTIL_AI_ADDRCONFIG};
	struct evdns_getaddrinfo_request *request;

	if (!prepare_dns(resolve->loop)) {
		describe_failure(resolve, EVUTIL_EAI_MEMORY);
		finish(resolve);
		return;
	}
	resolve->loop->lookups++;
	resolve->pending = true;
	request = evdns_getaddrinfo(resolve->loop->dns, resolve->host.name, NULL, &hints, on_answer, resolve);
	if (resolve->pending)
		resolve->request = request;
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
		ask(resolve);
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
		// evdns calls on_answer, at once or later from the loop; that frees it.
		struct evdns_getaddrinfo_request *request = resolve->request;

		event_del(resolve->done);
		resolve->request = NULL;
		evdns_getaddrinfo_cancel(request);
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
	if (loop->dns) {
		// Requests that were cancelled, or never answered, are given back by their callbacks.
		evdns_base_free(loop->dns, 1);
		event_base_loop(loop->base, EVLOOP_NONBLOCK);
		loop->dns = NULL;
	}
	while (loop->resolves)
		resolve_free(loop->resolves);
}
