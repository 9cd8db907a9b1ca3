#include "client/route_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/route.h"

#define SCOPE "route"
#define RECHECK_NS SL_NS_PER_S // after the machine's routes have changed
#define BACKUPS 32             // default routes of other interfaces that are remembered

struct route_guard {
	struct sl_env *env;
	char tap[IFNAMSIZ];
	int tap_ifindex;
	struct nl_sock *sock;
	struct netlink_watch *watch;
	struct sl_timer *recheck;
	bool ways_changed; // for the recheck: a default route came or went
	enum route_pin pin;
	struct route_hop hop;  // the pinned way
	struct route_hop told; // the one that the log has named last
	struct sl_addr relay;  // len 0: no pin asked for
	struct nlmsghdr *backups[BACKUPS];
	unsigned own_deletes; // of host routes, whose events are still to come
	uint64_t removed;
	struct sl_log_limit limit;
};

static const char *const pin_names[] = {"none", "own", "existing", "local"};

// ---- default routes of other interfaces: kept in mind, for the case that one is replaced ----

static bool same_slot(const struct route *a, const struct route *b)
{
	return prefix_equal(&a->dst, &b->dst) && a->table == b->table && a->metric == b->metric &&
	       a->head.rtm_tos == b->head.rtm_tos;
}

static void backup_drop(struct route_guard *guard, size_t i)
{
	free(guard->backups[i]);
	guard->backups[i] = NULL;
}

static bool same_hop(const struct route *a, const struct route *b)
{
	struct nlattr *x = a->attrs[RTA_GATEWAY], *y = b->attrs[RTA_GATEWAY];

	if (a->ifindex != b->ifindex || !x != !y)
		return false;
	return !x || (nla_len(x) == nla_len(y) && memcmp(nla_data(x), nla_data(y), (size_t)nla_len(x)) == 0);
}

static void backup_forget(struct route_guard *guard, const struct route *route, bool whole_slot)
{
	for (size_t i = 0; i < BACKUPS; i++) {
		struct route old;
		if (guard->backups[i] && route_parse(guard->backups[i], &old) && same_slot(&old, route) &&
		    (whole_slot || same_hop(&old, route)))
			backup_drop(guard, i);
	}
}

static void backup_remember(struct route_guard *guard, const struct route *route,
			    const struct nlmsghdr *message)
{
	backup_forget(guard, route, (message->nlmsg_flags & NLM_F_REPLACE) != 0);
	for (size_t i = 0; i < BACKUPS; i++) {
		if (guard->backups[i])
			continue;
		guard->backups[i] = malloc(message->nlmsg_len);
		if (guard->backups[i])
			memcpy(guard->backups[i], message, message->nlmsg_len);
		return;
	}
}

// `ip route replace default … dev TAP` has taken the place of the machine's own default route.
static void backup_restore(struct route_guard *guard, const struct route *taken)
{
	for (size_t i = 0; i < BACKUPS; i++) {
		struct route old;
		int result;
		if (!guard->backups[i] || !route_parse(guard->backups[i], &old) || !same_slot(&old, taken))
			continue;
		result = route_restore(guard->sock, &old);
		if (result == 0)
			sl_info(guard->env->log, SCOPE,
				"the machine's own default route is back in its place");
		else if (result != -EEXIST)
			sl_err(guard->env->log, SCOPE, "cannot put the machine's own default route back (%s)",
			       strerror(-result));
	}
}

static void remove_default(struct route_guard *guard, const struct route *route, bool replaced)
{
	char text[PREFIX_TEXT];
	uint64_t held_back;
	int result = route_remove_from(guard->sock, route, guard->tap_ifindex);

	if (result == -ESRCH || result == -ENOENT || result == -ENODEV)
		return; // gone by itself
	if (result < 0) {
		sl_err(guard->env->log, SCOPE, "cannot remove the default route %s from %s (%s)",
		       prefix_format(&route->dst, text), guard->tap, strerror(-result));
		return;
	}
	guard->removed++;
	if (replaced)
		backup_restore(guard, route);
	if (sl_log_every(&guard->limit, guard->env->now_ns, &held_back))
		sl_info(guard->env->log, SCOPE,
			"removed a default route from %s, destination %s table %u metric %u, %llu more since "
			"the last line "
			"(the internet stays where it was)",
			guard->tap, prefix_format(&route->dst, text), route->table, route->metric,
			(unsigned long long)held_back);
}

static void recheck_soon(struct route_guard *guard, bool ways_changed)
{
	guard->ways_changed |= ways_changed;
	if (guard->relay.len != 0)
		guard->env->ops->timer_set(guard->recheck, guard->env->now_ns + RECHECK_NS);
}

static void on_route(void *arg, struct nlmsghdr *message)
{
	struct route_guard *guard = arg;
	struct route route;
	bool only;

	if (!route_parse(message, &route))
		return;
	if (message->nlmsg_type == RTM_DELROUTE && prefix_equal(&route.dst, &guard->hop.host)) {
		if (guard->own_deletes > 0 && route.head.rtm_protocol == ROUTE_PROTOCOL)
			guard->own_deletes--;
		else
			recheck_soon(guard, false);
	}
	if (!prefix_is_default(&route.dst))
		return;
	if (message->nlmsg_type == RTM_DELROUTE) {
		if (route.ifindex != guard->tap_ifindex) {
			backup_forget(guard, &route, false);
			recheck_soon(guard, true);
		}
	} else if (route_leaves_by(&route, guard->tap_ifindex, &only)) {
		remove_default(guard, &route, (message->nlmsg_flags & NLM_F_REPLACE) != 0);
	} else {
		if (route.dst.len == 0)
			backup_remember(guard, &route, message);
		recheck_soon(guard, true);
	}
}

static void read_routes(struct route_guard *guard)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	guard->own_deletes = 0;
	for (size_t i = 0; i < BACKUPS; i++)
		backup_drop(guard, i);
	for (size_t i = 0; i < sizeof families; i++) {
		struct rtmsg head = {.rtm_family = families[i]};
		int result;
		// A second socket: routes are removed on guard->sock while this dump goes on.
		struct nl_sock *sock = netlink_open(NULL);
		if (!sock)
			return;
		result = netlink_ask(sock, netlink_request(RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head),
				     on_route, guard);
		nl_socket_free(sock);
		if (result < 0 && result != -EAFNOSUPPORT && result != -EOPNOTSUPP)
			sl_warn(guard->env->log, SCOPE, "cannot read the routes (%s)", strerror(-result));
	}
}

// Events were missed: of the default routes and perhaps of the pin's removal.
static void on_lost(void *arg)
{
	read_routes(arg);
	recheck_soon(arg, true);
}

// ---- the pin ----

static int remove_host(struct route_guard *guard, const struct route_hop *hop)
{
	int result = route_remove_host(guard->sock, hop);

	if (result == 0)
		guard->own_deletes++;
	return result;
}

static void unpin(struct route_guard *guard)
{
	if (guard->pin == ROUTE_PIN_OWN) {
		int result = remove_host(guard, &guard->hop);
		if (result < 0 && result != -ESRCH && result != -ENODEV && result != -ENOENT)
			sl_warn(guard->env->log, SCOPE, "cannot remove the relay's host route (%s)",
				strerror(-result));
	}
	guard->pin = ROUTE_PIN_NONE;
}

static void hop_texts(const struct route_hop *hop, struct route_guard_status *out)
{
	if (!inet_ntop(hop->host.family, hop->host.addr, out->relay, sizeof out->relay))
		out->relay[0] = '\0';
	if (hop->ifindex == 0 || !if_indextoname((unsigned)hop->ifindex, out->interface))
		out->interface[0] = '\0';
	if (hop->via_family == 0 || !inet_ntop(hop->via_family, hop->via, out->gateway, sizeof out->gateway))
		out->gateway[0] = '\0';
}

static int find_way(struct route_guard *guard, const struct prefix *host, struct route_hop *hop)
{
	int result = route_lookup(guard->sock, host, guard->tap_ifindex, hop);

	// A pin that a killed run has left, or another client's: it may be stale, so make it new.
	if (result == 0 && !hop->local && hop->matched_len == host->len &&
	    hop->matched_protocol == ROUTE_PROTOCOL) {
		remove_host(guard, hop);
		result = route_lookup(guard->sock, host, guard->tap_ifindex, hop);
	}
	return result;
}

static int pin_now(struct route_guard *guard, struct sl_error *error)
{
	struct route_guard_status text;
	struct prefix host;
	struct route_hop hop;
	bool again;
	int result;

	unpin(guard);
	if (!prefix_host(&host, &guard->relay))
		return sl_fail(error, SL_ERR_INVALID, "the relay's address is neither IPv4 nor IPv6");
	if (!prefix_equal(&guard->hop.host, &host))
		guard->own_deletes = 0; // those to come name the old host
	guard->hop = (struct route_hop){.host = host};
	if (prefix_is_link_local(&host) && host.family == AF_INET6) {
		guard->pin = ROUTE_PIN_LOCAL; // its scope names the interface already
		return SL_OK;
	}
	result = find_way(guard, &host, &hop);
	hop.host = host;
	hop_texts(&hop, &text);
	if (result < 0)
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "no route to the relay at %s (%s); check this machine's network connection",
			       text.relay, strerror(-result));
	guard->hop = hop;
	if (hop.local || strcmp(text.interface, "lo") == 0) {
		guard->pin = ROUTE_PIN_LOCAL;
		return SL_OK;
	}
	result = hop.matched_len == host.len ? -EEXIST : route_add_host(guard->sock, &hop);
	if (result < 0 && result != -EEXIST)
		return sl_fail(error, SL_ERR_SYSTEM, "cannot pin the route to the relay at %s by %s (%s)",
			       text.relay, text.interface, strerror(-result));
	guard->pin = result == 0 ? ROUTE_PIN_OWN : ROUTE_PIN_EXISTING;
	// A reconnect that finds the same way is no news.
	again = route_hop_same_way(&hop, &guard->told);
	guard->told = hop;
	sl_log_write(guard->env->log, again ? SL_LOG_DEBUG : SL_LOG_INFO, SCOPE,
		     "relay %s goes by %s%s%s (%s)", text.relay, text.interface,
		     text.gateway[0] ? " via " : "", text.gateway,
		     result == 0 ? "host route pinned" : "host route was there already");
	return SL_OK;
}

// The machine's routes have changed: is the relay still on its host route, and is that the best way?
static void on_recheck(void *arg)
{
	struct route_guard *guard = arg;
	struct sl_error error = {0};
	struct route_hop hop;
	bool ways_changed = guard->ways_changed;

	guard->ways_changed = false;
	if (guard->relay.len == 0 || guard->pin == ROUTE_PIN_LOCAL)
		return;
	// Another client of this machine has put its own pin in the place of ours: the same way will do. To
	// replace it would make that client do the same, for ever.
	if (guard->pin == ROUTE_PIN_OWN && !ways_changed &&
	    route_lookup(guard->sock, &guard->hop.host, guard->tap_ifindex, &hop) == 0 &&
	    hop.matched_len == guard->hop.host.len && hop.matched_protocol == ROUTE_PROTOCOL &&
	    route_hop_same_way(&hop, &guard->hop))
		return;
	if (guard->pin == ROUTE_PIN_OWN) {
		// Without the pin for the moment of two requests: what would the machine choose now?
		bool there = remove_host(guard, &guard->hop) == 0;
		int result = route_lookup(guard->sock, &guard->hop.host, guard->tap_ifindex, &hop);
		if (result == 0 && route_hop_same_way(&hop, &guard->hop) &&
		    hop.matched_len < guard->hop.host.len) {
			result = route_add_host(guard->sock, &guard->hop);
			if (!there && result == 0)
				sl_info(guard->env->log, SCOPE,
					"the relay's host route had been removed, it is back");
			if (result == 0 || result == -EEXIST)
				return;
		}
	}
	if (pin_now(guard, &error) != SL_OK)
		sl_warn(guard->env->log, SCOPE, "%s", error.text);
}

int route_guard_pin(struct route_guard *guard, const struct sl_addr *relay, struct sl_error *error)
{
	// The old pin is taken away while guard->hop still names it.
	unpin(guard);
	guard->relay = *relay;
	guard->env->ops->timer_set(guard->recheck, SL_TIME_NEVER);
	return pin_now(guard, error);
}

// ---- life ----

int route_guard_verify(struct route_guard *guard, struct sl_error *error)
{
	(void)guard, (void)error;
	return SL_OK;
}

int route_guard_new(struct sl_loop *loop, const struct route_guard_config *config, struct route_guard **out,
		    struct sl_error *error)
{
	static const int groups[] = {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0};
	struct route_guard *guard = calloc(1, sizeof *guard);
	int result = SL_ERR_SYSTEM;

	*out = NULL;
	if (!guard)
		return sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->tap);
	guard->env = sl_loop_env(loop);
	guard->tap_ifindex = config->tap_ifindex;
	snprintf(guard->tap, sizeof guard->tap, "%s", config->tap);
	guard->sock = netlink_open(error);
	if (!guard->sock)
		goto out;
	guard->recheck = guard->env->ops->timer_new(guard->env, on_recheck, guard);
	if (!guard->recheck) {
		result = sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->tap);
		goto out;
	}
	result = netlink_watch_new(loop, groups, on_route, on_lost, guard, &guard->watch, error);
	if (result != SL_OK)
		goto out;
	read_routes(guard);
	*out = guard;
	guard = NULL;
out:
	route_guard_free(guard);
	return result;
}

void route_guard_free(struct route_guard *guard)
{
	if (!guard)
		return;
	if (guard->sock)
		unpin(guard);
	netlink_watch_free(guard->watch);
	if (guard->recheck)
		guard->env->ops->timer_free(guard->recheck);
	for (size_t i = 0; i < BACKUPS; i++)
		backup_drop(guard, i);
	if (guard->sock)
		nl_socket_free(guard->sock);
	free(guard);
}

void route_guard_status(const struct route_guard *guard, struct route_guard_status *out)
{
	memset(out, 0, sizeof *out);
	out->pin = guard->pin;
	out->pin_name = pin_names[guard->pin];
	out->defaults_removed = guard->removed;
	if (guard->relay.len != 0)
		hop_texts(&guard->hop, out);
}
