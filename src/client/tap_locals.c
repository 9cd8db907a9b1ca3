#include "client/tap_locals.h"

#include <stdio.h>
#include <string.h>

#define SCOPE "tap"

static int addr_rank(const struct prefix *prefix)
{
	return (prefix_is_link_local(prefix) ? 2 : 0) + (prefix->family == AF_INET6 ? 1 : 0);
}

static bool clash_with_locals(const struct tap_locals *locals, const struct tap_locals_view *view,
			      struct tap_net_status *status, const struct prefix *party)
{
	char party_text[PREFIX_TEXT], local_text[PREFIX_TEXT], name[64];

	for (size_t i = 0; i < locals->count; i++) {
		const struct tap_local *local = &locals->list[i];
		if (!local->usable || local->interface_id == view->tap ||
		    !prefix_overlaps(&local->subnet, party))
			continue;
		snprintf(status->clash, sizeof status->clash,
			 "the party's network %s on %s overlaps the local network of %s (%s): hosts of one "
			 "of the two "
			 "cannot be reached; give one of them another address range",
			 prefix_format_net(party, party_text), view->name,
			 view->interface_name(local->interface_id, name, sizeof(name)) ? name
										       : "another interface",
			 prefix_format(&local->prefix, local_text));
		return true;
	}
	return false;
}

static void find_clash(const struct tap_locals *locals, const struct tap_locals_view *view,
		       struct tap_net_status *status)
{
	status->clash[0] = '\0';
	for (size_t i = 0; i < locals->count; i++) {
		const struct tap_local *local = &locals->list[i];
		if (local->usable && local->interface_id == view->tap &&
		    clash_with_locals(locals, view, status, &local->subnet))
			return;
	}
	if (view->config->address.family != 0 &&
	    clash_with_locals(locals, view, status, &view->config->address))
		return;
	for (size_t i = 0; i < view->config->route_count; i++)
		if (clash_with_locals(locals, view, status, &view->config->routes[i]))
			return;
}

static bool has_addr(const struct tap_net_status *status, const struct prefix *addr)
{
	for (size_t i = 0; i < status->addr_count; i++)
		if (prefix_equal(&status->addrs[i], addr))
			return true;
	return false;
}

static bool log_addr_changes(const struct tap_locals_view *view, const struct tap_net_status *from,
			     const struct tap_net_status *to, const char *what)
{
	char text[PREFIX_TEXT];
	bool any = false;

	for (size_t i = 0; i < from->addr_count; i++) {
		if (has_addr(to, &from->addrs[i]))
			continue;
		any = true;
		sl_info(view->log, SCOPE, "address %s %s %s", prefix_format(&from->addrs[i], text), what,
			view->name);
	}
	return any;
}

bool tap_locals_judge(const struct tap_locals *locals, const struct tap_locals_view *view,
		      struct tap_net_status *status)
{
	struct tap_net_status old = *status;
	bool changed;

	status->addr_count = 0;
	status->preferred = -1;
	for (size_t i = 0; i < locals->count; i++) {
		const struct tap_local *local = &locals->list[i];
		size_t n = status->addr_count;
		if (local->interface_id != view->tap || n == TAP_NET_ADDRS)
			continue;
		status->addrs[n] = local->prefix;
		status->addr_count++;
		if (status->preferred < 0 ||
		    addr_rank(&local->prefix) < addr_rank(&status->addrs[status->preferred]))
			status->preferred = (int)n;
	}
	find_clash(locals, view, status);

	changed = log_addr_changes(view, status, &old, "came to");
	changed |= log_addr_changes(view, &old, status, "left");
	if (strcmp(old.clash, status->clash) != 0) {
		changed = true;
		if (status->clash[0])
			sl_warn(view->log, SCOPE, "%s", status->clash);
		else
			sl_info(view->log, SCOPE, "the party's network overlaps no local network any more");
	}
	return changed;
}
