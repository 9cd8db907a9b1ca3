// The tunnel's own way: the relay's host route by the interface that the machine reached it by before the TAP
// was up (WIN-5, WIN-6), and no default route on the TAP. On the system's tables (os_tables.h).
#pragma once

#include "client/os_tables.h"
#include "client/route_guard.h"
#include "client/undo.h"

struct relay_pin {
	const struct os_tables *tables;
	struct sl_log *log;
	struct undo *undo;
	uint64_t tap; // never the way to the relay

	enum route_pin pin;
	struct prefix host;   // family 0: no pin asked for
	struct os_route way;  // of OWN and EXISTING: the host route
	struct os_route told; // the one that the log has named last
	uint64_t defaults_removed;
	struct sl_log_limit limit;
};

// Finds the best way to the relay that is not by the TAP, pins it with a host route in the place of an
// earlier pin, and looks that it is the way that the machine takes now. A host route that is there already is
// used and left alone; for a relay on this machine there is nothing to pin. SL_OK or a code with a sentence;
// then nothing is pinned.
int relay_pin_set(struct relay_pin *pin, const struct sl_addr *relay, struct sl_error *error);

// Is the best way still the pinned one? A host route that has gone while the way is the same is put back.
// SL_OK, or a code with a sentence that names both ways; the caller ends the connection then.
int relay_pin_check(struct relay_pin *pin, struct sl_error *error);

// Takes away default routes of the TAP, also the halves of one, that the interface's setting does not keep
// out.
void relay_pin_clear_tap(struct relay_pin *pin, uint64_t now_ns);

void relay_pin_clear(struct relay_pin *pin); // removes its own host route
