// For test_client_protect: the system's tables in memory, as strict as Windows. Every call is logged and can
// be made to fail, or to be the last one that the process makes. The state can live in shared memory.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/os_tables.h"

#define ETH 1001u // the machine's own interface, metric 25
#define TAP 1002u // metric 35
#define FAKE_ROUTES 32
#define FAKE_ADDRESSES 16

struct fake_interface {
	const char *name;
	uint64_t luid;
	bool absent[2]; // IPv4, IPv6
	uint32_t settings[2][OS_SETTINGS];
	uint32_t automatic; // the metric in force when the system chooses
};

// What is compared before and after.
struct fake_state {
	struct fake_interface interfaces[2];
	struct os_route routes[FAKE_ROUTES];
	size_t route_count;
	struct os_address addresses[FAKE_ADDRESSES];
	size_t address_count;
};

struct fake {
	struct fake_state state;
	unsigned calls;   // so many so far
	unsigned fail_at; // this one fails, from 1; 0: none
	int fail_code;
	bool fail_ipv6;  // every change of IPv6's settings fails
	unsigned die_at; // the process ends at this call …
	bool die_after;  // … when it is done, or before
	char log[8192];  // changes only: one line each
	char failed[64]; // the name of the call that was made to fail
};

static const char *const fake_settings[] = {"default_routes", "metric", "mtu"};

__attribute__((format(printf, 2, 3))) static void fake_log(struct fake *fake, const char *format, ...)
{
	size_t len = strlen(fake->log);
	va_list args;

	va_start(args, format);
	vsnprintf(fake->log + len, sizeof fake->log - len, format, args);
	va_end(args);
}

static struct fake_interface *fake_find(struct fake *fake, uint64_t luid)
{
	for (size_t i = 0; i < 2; i++) {
		if (fake->state.interfaces[i].luid == luid)
			return &fake->state.interfaces[i];
	}
	return NULL;
}

static int fake_fail(const char *call, uint64_t luid, int code, struct sl_error *error)
{
	return sl_fail(error, code, "%s on %s: %s", call,
		       luid == TAP   ? "softlan"
		       : luid == ETH ? "Ethernet"
				     : "?",
		       sl_strerror(code));
}

// At the entry of each call: SL_OK or the failure that was ordered.
static int fake_enter(struct fake *fake, const char *call, uint64_t luid, struct sl_error *error)
{
	fake->calls++;
	if (fake->calls == fake->die_at && !fake->die_after)
		_exit(0);
	if (fake->calls != fake->fail_at)
		return SL_OK;
	snprintf(fake->failed, sizeof fake->failed, "%s", call);
	return fake_fail(call, luid, fake->fail_code, error);
}

static int fake_leave(struct fake *fake, int result)
{
	if (fake->calls == fake->die_at && fake->die_after)
		_exit(0);
	return result;
}

static uint32_t fake_metric(const struct fake_interface *interface, int family)
{
	uint32_t metric = interface->settings[family == AF_INET6][OS_METRIC];

	return metric == OS_METRIC_AUTOMATIC ? interface->automatic : metric;
}

static int fake_best_way(void *arg, const struct prefix *host, uint64_t except, struct os_way *out,
			 struct sl_error *error)
{
	struct fake *fake = arg;
	int result = fake_enter(fake, "best_way", 0, error);
	bool found = false;

	if (result != SL_OK)
		return result;
	*out = (struct os_way){0};
	for (size_t i = 0; i < fake->state.route_count; i++) {
		const struct os_route *route = &fake->state.routes[i];
		struct fake_interface *interface = fake_find(fake, route->luid);
		uint32_t total = route->metric + fake_metric(interface, host->family);
		if (route->luid == except || !prefix_overlaps(&route->dst, host) ||
		    (route->dst.len == 0 &&
		     interface->settings[host->family == AF_INET6][OS_DEFAULT_ROUTES] == 0))
			continue;
		if (found && (route->dst.len < out->route.dst.len ||
			      (route->dst.len == out->route.dst.len &&
			       total >= out->route.metric + out->interface_metric)))
			continue;
		out->route = *route;
		out->interface_metric = fake_metric(interface, host->family);
		found = true;
	}
	return fake_leave(fake, found ? SL_OK : fake_fail("best_way", 0, SL_ERR_NOT_FOUND, error));
}

static int fake_routes(void *arg, uint64_t luid, int family, struct os_route *out, size_t max, size_t *count,
		       struct sl_error *error)
{
	struct fake *fake = arg;
	int result = fake_enter(fake, "routes", luid, error);

	*count = 0;
	for (size_t i = 0; result == SL_OK && i < fake->state.route_count && *count < max; i++) {
		const struct os_route *route = &fake->state.routes[i];
		if (route->luid == luid && route->dst.family == family)
			out[(*count)++] = *route;
	}
	return fake_leave(fake, result);
}

static size_t fake_route_at(struct fake *fake, const struct os_route *route)
{
	size_t i = 0;

	while (i < fake->state.route_count && !os_route_equal(&fake->state.routes[i], route))
		i++;
	return i;
}

static int fake_route_add(void *arg, const struct os_route *route, struct sl_error *error)
{
	struct fake *fake = arg;
	char dst[PREFIX_TEXT];
	int result = fake_enter(fake, "route_add", route->luid, error);

	if (result != SL_OK)
		return result;
	if (fake_route_at(fake, route) < fake->state.route_count)
		return fake_fail("route_add", route->luid, SL_ERR_EXISTS, error);
	fake->state.routes[fake->state.route_count++] = *route;
	fake_log(fake, "route+ %s %llu\n", prefix_format(&route->dst, dst), (unsigned long long)route->luid);
	return fake_leave(fake, SL_OK);
}

static int fake_route_delete(void *arg, const struct os_route *route, struct sl_error *error)
{
	struct fake *fake = arg;
	char dst[PREFIX_TEXT];
	size_t at;
	int result = fake_enter(fake, "route_delete", route->luid, error);

	if (result != SL_OK)
		return result;
	at = fake_route_at(fake, route);
	if (at == fake->state.route_count)
		return fake_fail("route_delete", route->luid, SL_ERR_NOT_FOUND, error);
	fake->state.route_count--;
	memmove(&fake->state.routes[at], &fake->state.routes[at + 1],
		(fake->state.route_count - at) * sizeof fake->state.routes[0]);
	memset(&fake->state.routes[fake->state.route_count], 0, sizeof fake->state.routes[0]);
	fake_log(fake, "route- %s %llu\n", prefix_format(&route->dst, dst), (unsigned long long)route->luid);
	return fake_leave(fake, SL_OK);
}

static int fake_get(void *arg, uint64_t luid, int family, uint32_t out[static OS_SETTINGS],
		    struct sl_error *error)
{
	struct fake *fake = arg;
	struct fake_interface *interface = fake_find(fake, luid);
	int result = fake_enter(fake, family == AF_INET ? "settings4" : "settings6", luid, error);

	if (result != SL_OK)
		return result;
	if (!interface || interface->absent[family == AF_INET6])
		return fake_fail("settings", luid, SL_ERR_NOT_FOUND, error);
	memcpy(out, interface->settings[family == AF_INET6], sizeof interface->settings[0]);
	return fake_leave(fake, SL_OK);
}

static int fake_set(void *arg, uint64_t luid, int family, enum os_setting setting, uint32_t value,
		    struct sl_error *error)
{
	struct fake *fake = arg;
	struct fake_interface *interface = fake_find(fake, luid);
	char call[32];
	int result;

	snprintf(call, sizeof call, "set%d %s", family == AF_INET ? 4 : 6, fake_settings[setting]);
	result = fake_enter(fake, call, luid, error);
	if (result != SL_OK)
		return result;
	if (fake->fail_ipv6 && family == AF_INET6)
		return fake_fail(call, luid, SL_ERR_PERMISSION, error);
	if (!interface || interface->absent[family == AF_INET6])
		return fake_fail(call, luid, SL_ERR_NOT_FOUND, error);
	interface->settings[family == AF_INET6][setting] = value;
	fake_log(fake, "%s %u\n", call, (unsigned)value);
	return fake_leave(fake, SL_OK);
}

static int fake_addresses(void *arg, struct os_address *out, size_t max, size_t *count,
			  struct sl_error *error)
{
	struct fake *fake = arg;
	int result = fake_enter(fake, "addresses", 0, error);

	*count = 0;
	for (size_t i = 0; result == SL_OK && i < fake->state.address_count && i < max; i++)
		out[(*count)++] = fake->state.addresses[i];
	return fake_leave(fake, result);
}

static size_t fake_address_at(struct fake *fake, uint64_t luid, const struct prefix *address)
{
	size_t i = 0;

	while (i < fake->state.address_count &&
	       (fake->state.addresses[i].luid != luid ||
		!prefix_same_addr(&fake->state.addresses[i].prefix, address)))
		i++;
	return i;
}

static int fake_address_add(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error)
{
	struct fake *fake = arg;
	char text[PREFIX_TEXT];
	int result = fake_enter(fake, "address_add", luid, error);

	if (result != SL_OK)
		return result;
	if (fake_address_at(fake, luid, address) < fake->state.address_count)
		return fake_fail("address_add", luid, SL_ERR_EXISTS, error);
	fake->state.addresses[fake->state.address_count].prefix = *address;
	fake->state.addresses[fake->state.address_count].usable = true;
	fake->state.addresses[fake->state.address_count++].luid = luid;
	fake_log(fake, "address+ %s\n", prefix_format(address, text));
	return fake_leave(fake, SL_OK);
}

static int fake_address_delete(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error)
{
	struct fake *fake = arg;
	char text[PREFIX_TEXT];
	size_t at;
	int result = fake_enter(fake, "address_delete", luid, error);

	if (result != SL_OK)
		return result;
	at = fake_address_at(fake, luid, address);
	if (at == fake->state.address_count)
		return fake_fail("address_delete", luid, SL_ERR_NOT_FOUND, error);
	fake->state.address_count--;
	memmove(&fake->state.addresses[at], &fake->state.addresses[at + 1],
		(fake->state.address_count - at) * sizeof fake->state.addresses[0]);
	memset(&fake->state.addresses[fake->state.address_count], 0, sizeof fake->state.addresses[0]);
	fake_log(fake, "address- %s\n", prefix_format(address, text));
	return fake_leave(fake, SL_OK);
}

static bool fake_name(void *arg, uint64_t luid, char out[static OS_NAME])
{
	struct fake_interface *interface = fake_find(arg, luid);

	snprintf(out, OS_NAME, "%s", interface ? interface->name : "?");
	return interface != NULL;
}

static struct prefix fake_prefix(const char *text)
{
	struct prefix prefix;

	if (!prefix_parse(text, &prefix))
		fail_msg("%s", text);
	return prefix;
}

static void fake_route(struct fake *fake, const char *dst, const char *via, uint64_t luid, uint32_t metric)
{
	struct os_route *route = &fake->state.routes[fake->state.route_count++];

	route->dst = fake_prefix(dst);
	if (via)
		route->via = fake_prefix(via);
	route->luid = luid;
	route->metric = metric;
}

static void fake_address(struct fake *fake, const char *address, uint64_t luid)
{
	struct os_address *entry = &fake->state.addresses[fake->state.address_count++];

	entry->prefix = fake_prefix(address);
	entry->luid = luid;
	entry->usable = true;
}

// The machine: Ethernet with 192.0.2.10/24 and a default route by .1, IPv6 too; a TAP as it was installed.
static void fake_init(struct fake *fake, struct os_tables *tables)
{
	static const uint32_t settings[OS_SETTINGS] = {1, OS_METRIC_AUTOMATIC, 1500};

	memset(fake, 0, sizeof *fake);
	for (size_t i = 0; i < 2; i++) {
		struct fake_interface *interface = &fake->state.interfaces[i];
		interface->name = i == 0 ? "Ethernet" : "softlan";
		interface->luid = i == 0 ? ETH : TAP;
		interface->automatic = i == 0 ? 25 : 35;
		memcpy(interface->settings[0], settings, sizeof settings);
		memcpy(interface->settings[1], settings, sizeof settings);
	}
	fake_route(fake, "0.0.0.0/0", "192.0.2.1/32", ETH, 0);
	fake_route(fake, "192.0.2.0/24", NULL, ETH, 256);
	fake_route(fake, "::/0", "2001:db8:1::1/128", ETH, 0);
	fake_address(fake, "192.0.2.10/24", ETH);
	fake_address(fake, "2001:db8:1::10/64", ETH);
	*tables = (struct os_tables){
		.arg = fake,
		.best_way = fake_best_way,
		.routes = fake_routes,
		.route_add = fake_route_add,
		.route_delete = fake_route_delete,
		.settings = fake_get,
		.setting_set = fake_set,
		.addresses = fake_addresses,
		.address_add = fake_address_add,
		.address_delete = fake_address_delete,
		.name = fake_name,
	};
}
