#include "client/relay_pin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SCOPE "route"
#define ADDRESSES 256
#define TAP_ROUTES 256

static const char *host_text(const struct prefix *host, char out[static INET6_ADDRSTRLEN])
{
	if (!inet_ntop(host->family, host->addr, out, INET6_ADDRSTRLEN))
		out[0] = '\0';
	return out;
}

static bool is_loopback(const struct prefix *host)
{
	static const uint8_t one[16] = {[15] = 1};

	return host->family == AF_INET ? host->addr[0] == 127 : memcmp(host->addr, one, sizeof one) == 0;
}

static int is_local(const struct relay_pin *pin, const struct prefix *host, bool *local,
		    struct sl_error *error)
{
	struct os_address list[ADDRESSES];
	size_t count;
	int result;

	// A link-local address's scope names the interface already.
	*local = is_loopback(host) || (host->family == AF_INET6 && prefix_is_link_local(host));
	if (*local)
		return SL_OK;
	result = pin->tables->addresses(pin->tables->arg, list, ADDRESSES, &count, error);
	for (size_t i = 0; result == SL_OK && i < count; i++)
		*local |= prefix_same_addr(&list[i].prefix, host);
	return result;
}

static bool is_host_route(const struct os_route *route)
{
	return route->dst.len == prefix_max(route->dst.family);
}

static int best_way(const struct relay_pin *pin, uint64_t except, struct os_way *way, struct sl_error *error)
{
	char text[INET6_ADDRSTRLEN];
	int result = pin->tables->best_way(pin->tables->arg, &pin->host, except, way, error);

	if (result != SL_ERR_NOT_FOUND)
		return result;
	return sl_fail(error, SL_ERR_NOT_FOUND,
		       "no route to the relay at %s; check this machine's network connection",
		       host_text(&pin->host, text));
}

// Adds the host route for pin->way. The plan is on disk before.
static int add_route(struct relay_pin *pin, struct sl_error *error)
{
	struct undo_step step = {.kind = UNDO_ROUTE, .route = pin->way};
	int number = undo_plan(pin->undo, &step, error), result;

	if (number < 0)
		return number;
	result = undo_write(pin->undo, error);
	if (result == SL_OK)
		result = pin->tables->route_add(pin->tables->arg, &pin->way, error);
	if (result == SL_OK)
		undo_made(pin->undo, number);
	else
		undo_back(pin->undo, (size_t)number);
	return result;
}

static int verify(struct relay_pin *pin, struct sl_error *error)
{
	char pinned[OS_ROUTE_TEXT], found[OS_ROUTE_TEXT], host[INET6_ADDRSTRLEN];
	struct os_way way;
	int result = best_way(pin, 0, &way, error);

	if (result == SL_ERR_NOT_FOUND)
		return sl_fail(error, result,
			       "the relay's route %s is no way any more, and there is no other",
			       os_route_format(pin->tables, &pin->way, pinned));
	if (result != SL_OK || (is_host_route(&way.route) && os_route_same_way(&way.route, &pin->way)))
		return result;
	return sl_fail(
		error, SL_ERR_CLOSED,
		"the way to the relay at %s is not the pinned one: pinned is %s, but the machine takes %s "
		"metric %u; is another VPN changing routes?",
		host_text(&pin->host, host), os_route_format(pin->tables, &pin->way, pinned),
		os_route_format(pin->tables, &way.route, found),
		(unsigned)(way.route.metric + way.interface_metric));
}

static void tell(struct relay_pin *pin, const struct os_way *way)
{
	char text[OS_ROUTE_TEXT], source[INET6_ADDRSTRLEN] = "", matched[PREFIX_TEXT];
	// A reconnect that finds the same way is no news.
	bool again = os_route_equal(&pin->told, &pin->way);

	if (way->source.family != 0)
		host_text(&way->source, source);
	pin->told = pin->way;
	sl_log_write(pin->log, again ? SL_LOG_DEBUG : SL_LOG_INFO, SCOPE,
		     "relay %s, source %s, matched %s metric %u (%s)",
		     os_route_format(pin->tables, &pin->way, text), source[0] ? source : "not known",
		     prefix_format(&way->route.dst, matched),
		     (unsigned)(way->route.metric + way->interface_metric),
		     pin->pin == ROUTE_PIN_OWN ? "host route pinned" : "host route was there already");
}

void relay_pin_clear(struct relay_pin *pin)
{
	undo_back(pin->undo, 0);
	pin->pin = ROUTE_PIN_NONE;
	pin->host = (struct prefix){0};
}

int relay_pin_set(struct relay_pin *pin, const struct sl_addr *relay, struct sl_error *error)
{
	struct prefix host;
	struct os_way way;
	bool local;
	int result;

	relay_pin_clear(pin);
	if (!prefix_host(&host, relay))
		return sl_fail(error, SL_ERR_INVALID, "the relay's address is neither IPv4 nor IPv6");
	pin->host = host;
	result = is_local(pin, &host, &local, error);
	if (result != SL_OK || local) {
		if (result == SL_OK)
			pin->pin = ROUTE_PIN_LOCAL;
		return result;
	}
	result = best_way(pin, pin->tap, &way, error);
	if (result != SL_OK)
		return result;
	// Metric 0 is the best that a route can have, and nothing is more specific than a host route.
	pin->way = (struct os_route){.dst = host, .via = way.route.via, .luid = way.route.luid};
	pin->pin = ROUTE_PIN_EXISTING;
	if (!is_host_route(&way.route)) {
		result = add_route(pin, error);
		if (result == SL_OK)
			pin->pin = ROUTE_PIN_OWN;
		else if (result != SL_ERR_EXISTS) // or it came in this moment
			goto failed;
	}
	result = verify(pin, error);
	if (result != SL_OK)
		goto failed;
	tell(pin, &way);
	return SL_OK;
failed:
	undo_back(pin->undo, 0);
	pin->pin = ROUTE_PIN_NONE;
	return result;
}

int relay_pin_check(struct relay_pin *pin, struct sl_error *error)
{
	char text[OS_ROUTE_TEXT];
	struct os_way way;
	int result;

	if (pin->pin == ROUTE_PIN_NONE || pin->pin == ROUTE_PIN_LOCAL)
		return SL_OK;
	result = best_way(pin, 0, &way, NULL);
	if (result != SL_OK || is_host_route(&way.route) || !os_route_same_way(&way.route, &pin->way))
		return verify(pin, error);
	undo_back(pin->undo, 0); // its step is of a route that is gone
	result = add_route(pin, error);
	if (result != SL_OK && result != SL_ERR_EXISTS)
		return result;
	pin->pin = result == SL_OK ? ROUTE_PIN_OWN : ROUTE_PIN_EXISTING;
	sl_info(pin->log, SCOPE, "the relay's host route had been removed, it is back (%s)",
		os_route_format(pin->tables, &pin->way, text));
	return verify(pin, error);
}

void relay_pin_clear_tap(struct relay_pin *pin, uint64_t now_ns)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct os_tables *tables = pin->tables;
	struct os_route routes[TAP_ROUTES];
	char text[OS_ROUTE_TEXT];
	uint64_t held_back;

	for (size_t f = 0; f < 2; f++) {
		struct sl_error error = {0};
		uint32_t settings[OS_SETTINGS];
		size_t count = 0;
		bool kept_out =
			tables->settings(tables->arg, pin->tap, families[f], settings, NULL) == SL_OK &&
			settings[OS_DEFAULT_ROUTES] == 0;
		if (tables->routes(tables->arg, pin->tap, families[f], routes, TAP_ROUTES, &count, NULL) !=
		    SL_OK)
			continue; // this family is not there
		for (size_t i = 0; i < count; i++) {
			if (!prefix_is_default(&routes[i].dst) || (kept_out && routes[i].dst.len == 0))
				continue;
			int result = tables->route_delete(tables->arg, &routes[i], &error);
			if (result == SL_OK)
				pin->defaults_removed++;
			if (result == SL_ERR_NOT_FOUND || !sl_log_every(&pin->limit, now_ns, &held_back))
				continue;
			if (result == SL_OK)
				sl_info(pin->log, SCOPE,
					"removed a default route from the TAP, %s, %llu more since the last "
					"line "
					"(the internet stays where it was)",
					os_route_format(tables, &routes[i], text),
					(unsigned long long)held_back);
			else
				sl_err(pin->log, SCOPE, "cannot remove a default route from the TAP: %s",
				       error.text);
		}
	}
}
