// Names are asked for by libevent's evdns, which reads /etc/resolv.conf and /etc/hosts.
#include <event2/dns.h>
#include <event2/util.h>
#include <unistd.h>

#include "net/lookup.h"

static const char *why_not(int code)
{
	switch (code) {
	case 0:
	case EVUTIL_EAI_NONAME:
	case EVUTIL_EAI_NODATA:
		return "no address is known for this name; check its spelling";
	case EVUTIL_EAI_AGAIN:
		return "the name servers do not answer; check the network connection and /etc/resolv.conf";
	case EVUTIL_EAI_FAIL:
		return "the name servers could not be asked or refused; check /etc/resolv.conf";
	default:
		return evutil_gai_strerror(code);
	}
}

static void on_answer(int code, struct evutil_addrinfo *answer, void *arg)
{
	struct sl_resolve *resolve = arg;

	resolve->loop->lookups--;
	for (struct evutil_addrinfo *ai = code == 0 ? answer : NULL; ai; ai = ai->ai_next)
		sl_lookup_found(resolve, ai->ai_addr, ai->ai_addrlen);
	if (answer)
		evutil_freeaddrinfo(answer);
	sl_lookup_answered(resolve, why_not(code)); // may free it
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
	// Without the file, or without a name server in it, the resolver on this machine is asked, as
	// resolv.conf(5) says; evdns does that by itself.
	(void)evdns_base_resolv_conf_parse(loop->dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE,
					   loop->resolv_conf);
	(void)evdns_base_load_hosts(loop->dns, loop->hosts);
	// The session tries again by itself, so one look-up need not wait long. Random letter case in
	// questions is not understood by every home router.
	evdns_base_set_option(loop->dns, "timeout:", "2");
	evdns_base_set_option(loop->dns, "attempts:", "3");
	evdns_base_set_option(loop->dns, "randomize-case:", "0");
	return true;
}

void sl_lookup_start(struct sl_resolve *resolve)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_DGRAM,
					.ai_protocol = IPPROTO_UDP,
					.ai_flags = EVUTIL_AI_ADDRCONFIG};
	struct evdns_getaddrinfo_request *request;

	if (!prepare_dns(resolve->loop)) {
		sl_lookup_answered(resolve, why_not(EVUTIL_EAI_MEMORY));
		return;
	}
	resolve->loop->lookups++;
	// NULL: on_answer has been called already. What was not cancelled is not freed there.
	request = evdns_getaddrinfo(resolve->loop->dns, resolve->host.name, NULL, &hints, on_answer, resolve);
	if (request)
		resolve->request = request;
}

void sl_lookup_cancel(struct sl_resolve *resolve)
{
	// evdns calls on_answer, at once or later from the loop.
	struct evdns_getaddrinfo_request *request = resolve->request;

	resolve->request = NULL;
	evdns_getaddrinfo_cancel(request);
}

void sl_lookup_fini(struct sl_loop *loop)
{
	if (!loop->dns)
		return;
	// Requests that were cancelled, or never answered, are given back by their callbacks.
	evdns_base_free(loop->dns, 1);
	event_base_loop(loop->base, EVLOOP_NONBLOCK);
	loop->dns = NULL;
}

bool sl_lookup_reachable(const struct sl_addr *addr)
{
	int fd = socket(addr->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	bool ok;

	if (fd < 0)
		return false;
	ok = connect(fd, &addr->sa, addr->len) == 0;
	close(fd);
	return ok;
}
