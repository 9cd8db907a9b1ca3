// From root to the daemon's own user, for one that was started by hand. Under systemd the unit has done all
// this.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/log.h"

#define SL_CAPABILITY(number) (UINT64_C(1) << (number)) // of CAP_… in <linux/capability.h>
#define SL_CAPABILITY_NET_ADMIN SL_CAPABILITY(12) // CAP_NET_ADMIN, for programs that other systems have too

struct sl_privileges {
	const char *user;      // "" or NULL: stay as we are
	bool may_lack;         // there may be no such user: then a warning, and all stays as it is
	const char *group;     // that has the control socket: kept as a supplementary group, if there is one
	uint64_t capabilities; // the ones that the daemon's work takes
	const char *directory[2]; // below run and state directory, made for the user where they are missing
};

// Root only, all others: SL_OK at once. Changes to the user and its group, keeps the capabilities and gives
// up all others for good (bounding set, no_new_privs: prctl(2)). To be called before any file, socket or
// device of the configuration is opened, so that what can be opened at the start can be opened at a reload.
// SL_OK, or a code with a sentence: SL_ERR_INVALID (there is no such user), SL_ERR_SYSTEM.
int sl_privileges_drop(const struct sl_privileges *wanted, struct sl_log *log, struct sl_error *error);
