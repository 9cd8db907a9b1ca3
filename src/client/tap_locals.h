// The machine's addresses as the client sees them: which are the TAP's, which of those to show (OBS-5), and
// whether the party's network overlaps a local one (LIN-3). The system's table is read by tap_addrs.c and
// tap_net_windows.c.
#pragma once

#include "client/tap_net.h"

#define TAP_LOCALS 256

struct tap_local {
	struct prefix prefix; // address as it is, with its network's length
	struct prefix subnet;
	uint64_t interface_id; // Linux: its index; Windows: its LUID
	bool usable;           // a network that can clash: not loopback, not link-local
};

struct tap_locals {
	struct tap_local list[TAP_LOCALS];
	size_t count;
};

struct tap_locals_view {
	struct sl_log *log;
	const char *name; // the TAP's
	uint64_t tap;     // its interface_id
	const struct tap_net_config *config;
	// The name of an interface; false: none.
	bool (*interface_name)(uint64_t interface_id, char *out, size_t size);
};

// Writes addresses and clash into `status`, logs what has changed. True: something has.
bool tap_locals_judge(const struct tap_locals *locals, const struct tap_locals_view *view,
		      struct tap_net_status *status);
