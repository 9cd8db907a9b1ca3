// The TAP as a network interface: link, MTU, address and routes by netlink (LIN-1), its addresses as
// they come and go, and the clash between the party's network and a local one (LIN-3). On Windows by IP
// Helper (WIN-7, WIN-8, WIN-10), and the DHCP client is the system's own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/prefix.h"
#include "common/mac.h"
#include "net/loop.h"

#define TAP_NET_ADDRS 16

struct tap_net;

struct tap_net_config {
	const char *name;
	int ifindex;           // Linux
	uint64_t luid;         // Windows
	const char *undo_file; // Windows: see undo.h; one that no other client uses
	struct sl_mac mac;
	struct prefix address;       // family 0: none, the party's DHCP gives one
	const struct prefix *routes; // on-link; must outlive the object
	size_t route_count;
	uint32_t metric; // of these routes; Windows: of the interface, see tap_overrides.h
};

struct tap_net_status {
	bool up;
	size_t mtu;
	struct prefix addrs[TAP_NET_ADDRS];
	size_t addr_count;
	int preferred;     // index of the one to show: IPv4 first, link-local last (OBS-5); -1: none
	char clash[256];   // a sentence, or ""
	char warning[256]; // what did not work as it should (MTU, IPv6), or ""
};

// Starts watching; the link stays as it is. Writes accept_ra_defrtr=0 for this interface (LIN-4). On Windows
// it first undoes what a run that was killed has left. The strings are copied. `changed` (may be NULL) is
// called from the loop when an address or the clash has changed.
int tap_net_new(struct sl_loop *loop, const struct tap_net_config *config, void (*changed)(void *arg),
		void *arg, struct tap_net **out, struct sl_error *error);
void tap_net_free(struct tap_net *net); // undoes what is not undone; NULL is fine

// MAC, MTU, link up, address, routes: what is as it should be already is left as it is. A failure of
// the link, the address or a route is an error; of the MTU or of IPv6, a warning in the status (LIN-2).
int tap_net_up(struct tap_net *net, size_t mtu, struct sl_error *error);
// After the carrier has come on. On Windows the address and the routes go in now: they hold only while the
// cable is plugged. On Linux there is nothing to do.
int tap_net_plugged(struct tap_net *net, struct sl_error *error);
int tap_net_down(struct tap_net *net, struct sl_error *error); // standby: the device and its MAC stay

// Looks at the link and at the machine's addresses now, without waiting for an event.
void tap_net_refresh(struct tap_net *net);
void tap_net_status(const struct tap_net *net, struct tap_net_status *out);
