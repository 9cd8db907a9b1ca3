// Keeps the machine's own way to the internet: the relay's host route is pinned, and a default route
// that anything puts on the TAP is taken away at once (LIN-4, WIN-5, WIN-6).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"

struct route_guard;

struct route_guard_config {
	const char *tap; // its name
	int tap_ifindex; // Linux
	// Windows:
	uint64_t tap_luid;
	const char *undo_file; // see undo.h; one that no other client uses
	// The relay's route is not the machine's best way to it any more, or cannot be looked up; called from
	// the loop, once for each pin, with a sentence. The frames that would go on flowing might carry
	// themselves: end the connection; the next route_guard_pin begins anew. On Linux the guard follows
	// such a change itself.
	void (*failed)(void *arg, const char *sentence);
	void *arg;
};

// Starts watching, and removes what is there already. On Windows it first undoes what a run that was killed
// has left. The strings are copied.
int route_guard_new(struct sl_loop *loop, const struct route_guard_config *config, struct route_guard **out,
		    struct sl_error *error);
// Removes its own host route. NULL is fine.
void route_guard_free(struct route_guard *guard);

// Looks up the way to the relay and pins it with a host route, in the place of an earlier pin. A host
// route that is there already is used and left alone; for a relay on this machine there is nothing to
// pin. Later changes of the machine's routes are followed. SL_OK or a code with a sentence.
int route_guard_pin(struct route_guard *guard, const struct sl_addr *relay, struct sl_error *error);
// After the TAP has come up: is the pinned way still the best one? SL_OK or a code with a sentence that names
// both (and `failed` is not called). On Windows it is looked at every 5 s by itself; on Linux whenever routes
// change, and always SL_OK.
int route_guard_verify(struct route_guard *guard, struct sl_error *error);

enum route_pin { ROUTE_PIN_NONE, ROUTE_PIN_OWN, ROUTE_PIN_EXISTING, ROUTE_PIN_LOCAL };

struct route_guard_status {
	enum route_pin pin;
	const char *pin_name; // "none", "own", "existing", "local"
	char relay[64];       // the pinned address, "" when none
	char interface[128];
	char gateway[64]; // "" when the relay is on-link
	uint64_t defaults_removed;
};
void route_guard_status(const struct route_guard *guard, struct route_guard_status *out);
