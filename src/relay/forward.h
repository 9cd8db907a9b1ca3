// Forwarding: one decision for each frame, then copies into the targets' queues.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "proto/filter.h"
#include "proto/overlay.h"
#include "relay/room.h"

enum relay_targets {
	RELAY_TO_NONE,
	RELAY_TO_ONE,    // `target`
	RELAY_TO_OTHERS, // all members but the ingress peer
};

struct relay_verdict {
	enum sl_drop drop; // SL_DROP_NONE: forward it
	enum relay_targets targets;
	struct relay_peer *target;
	bool group;                   // broadcast or multicast
	bool unknown;                 // unicast to a destination that is neither announced nor learned
	bool learn;                   // the source MAC is a host's behind the gateway
	struct relay_station *source; // learn: its station so far, or NULL
	bool evidence;                // a loop probe from the LAN
	struct sl_view view;
};

// Judges one frame from a member of the room by what needs no memory (RELAY-4, RELAY-5, RELAY-6, RELAY-9).
// Changes nothing.
void relay_decide(const struct relay_room *room, const struct relay_peer *ingress, const uint8_t *frame,
		  size_t len, uint64_t now_ns, struct relay_verdict *out);

// One datagram from a joined peer: budget, header, its other part if it is one, verdict, loops, guard,
// limits, copies; all counted.
void relay_forward(struct relay_peer *ingress, const uint8_t *datagram, size_t len);
