// What the client sets on the TAP's own interface, and takes back (WIN-7, WIN-10): default routes disabled,
// the metric, the MTU; the static address and the on-link routes of tap.address and tap.routes. On
// os_tables.h.
//
// The interface's metric is tap.metric. The default, 9000, is safe: Windows asks the DNS servers of the
// interface with the best metric first, and prefers it where the party's network and a local one overlap, so
// with a better metric than the machine's own network card the internet's names would depend on the party. A
// packet to 255.255.255.255, with which old games look for each other, leaves by the best interface only: who
// plays such a game sets tap.metric to 1 for it. Routes of tap.routes have metric 0, to which the interface's
// is added.
#pragma once

#include "client/os_tables.h"
#include "client/undo.h"
#include "common/log.h"

struct tap_overrides {
	const struct os_tables *tables;
	struct sl_log *log;
	struct undo *undo;
	uint64_t luid;
	uint32_t metric;
	struct prefix address;       // family 0: none
	const struct prefix *routes; // the caller's
	size_t route_count;

	size_t mtu; // 0: nothing is set
	bool addressed;
	bool told_defaults;
	bool ipv6_failed;  // not tried again until the next tap_overrides_set
	char warning[256]; // what of IPv6 did not work, or ""
};

// Sets the interface's settings, IPv4's first; those that are right are left alone. To be called before the
// cable is plugged, again when the MTU is another. A failure of IPv4's is an error, and all is undone; one of
// IPv6's is a warning.
int tap_overrides_set(struct tap_overrides *overrides, size_t mtu, struct sl_error *error);
// Adds the address and the routes; those that are there already are left alone now and at the end. To be
// called when the cable is plugged. On failure they are undone, and the settings too.
int tap_overrides_address(struct tap_overrides *overrides, struct sl_error *error);
// Sets again what somebody has changed since (Windows itself does that to metrics), and logs it.
void tap_overrides_check(struct tap_overrides *overrides);
// Undoes all, newest first.
void tap_overrides_undo(struct tap_overrides *overrides);
