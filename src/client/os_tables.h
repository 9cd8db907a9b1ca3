// The operating system's tables of routes, addresses and interface settings, as far as the client reads and
// changes them on Windows: one small interface, so that the order, the undoing and every failure can be
// tested anywhere. os_tables_windows.c is the real one.
//
// Functions that return int give SL_OK or a code of common/err.h, of which callers tell apart
// SL_ERR_EXISTS (it is there already) and SL_ERR_NOT_FOUND (no such entry, interface or way), and then fill
// `error` (may be NULL): which function of the system failed, for what, on which interface, and why.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/prefix.h"
#include "common/err.h"

#define OS_NAME 128 // bytes of an interface's name

struct os_route {
	struct prefix dst;
	struct prefix via; // a host's address; family 0: on-link
	uint64_t luid;     // the interface
	uint32_t metric;   // the route's own; the interface's is added to it
};

struct os_way {
	struct os_route route;     // what the address matched
	struct prefix source;      // family 0: not known
	uint32_t interface_metric; // what is added to the route's
};

struct os_address {
	struct prefix prefix; // the address as it is, with its network's length
	uint64_t luid;
	bool usable; // not tentative and not a duplicate
};

// Settings of an interface for one family.
enum os_setting { OS_DEFAULT_ROUTES, OS_METRIC, OS_MTU, OS_SETTINGS };
#define OS_METRIC_AUTOMATIC UINT32_MAX // the system chooses the metric; OS_DEFAULT_ROUTES: 1 used, 0 not

struct os_tables {
	void *arg;
	// The best way to `host`, never by the interface `except` (0: any).
	int (*best_way)(void *arg, const struct prefix *host, uint64_t except, struct os_way *out,
			struct sl_error *error);
	// The routes of one interface and family: at most `max`, *count of them.
	int (*routes)(void *arg, uint64_t luid, int family, struct os_route *out, size_t max, size_t *count,
		      struct sl_error *error);
	int (*route_add)(void *arg, const struct os_route *route, struct sl_error *error);
	int (*route_delete)(void *arg, const struct os_route *route, struct sl_error *error);
	int (*settings)(void *arg, uint64_t luid, int family, uint32_t out[static OS_SETTINGS],
			struct sl_error *error);
	int (*setting_set)(void *arg, uint64_t luid, int family, enum os_setting setting, uint32_t value,
			   struct sl_error *error);
	// The addresses of all interfaces but the loopback: at most `max`, *count of them.
	int (*addresses)(void *arg, struct os_address *out, size_t max, size_t *count,
			 struct sl_error *error);
	int (*address_add)(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error);
	int (*address_delete)(void *arg, uint64_t luid, const struct prefix *address, struct sl_error *error);
	// What people call the interface. False: there is none, and the name is a number.
	bool (*name)(void *arg, uint64_t luid, char out[static OS_NAME]);
};

bool os_route_equal(const struct os_route *a, const struct os_route *b);    // whatever the metrics
bool os_route_same_way(const struct os_route *a, const struct os_route *b); // interface and next hop
// "203.0.113.5/32 by Ethernet via 192.168.0.1".
#define OS_ROUTE_TEXT (OS_NAME + 2 * PREFIX_TEXT + 16)
char *os_route_format(const struct os_tables *tables, const struct os_route *route,
		      char out[static OS_ROUTE_TEXT]);
