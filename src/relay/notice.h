// What a client is told of its own frames (control message `notice`), so that its `status` can say it: what
// only the relay knows, and what a client that doesn't judge for itself would never hear of. At most one
// message for each reason in 10 s.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"
#include "proto/guard.h"

struct relay_peer;

struct relay_notices {
	struct {
		uint64_t next_ns; // not before then
		uint64_t frames;  // that the client has not heard of
	} of[SL_DROP_COUNT];
	bool waiting;               // there are such frames
	char detail[SL_GUARD_TEXT]; // what the guard said last
};

// A frame of the client was dropped. `detail`: what the guard said, or "".
void relay_notice_drop(struct relay_peer *peer, enum sl_drop reason, const char *detail);
// Tells the client whether it is isolated now.
void relay_notice_isolation(struct relay_peer *peer);
// Once a second: what had to wait. False: nothing waits any more.
bool relay_notice_tick(struct relay_peer *peer);
