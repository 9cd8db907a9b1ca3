// Loop safety without spanning tree (rule `loop`): a client whose machine bridges the room back into the
// gateway's LAN is found by the probe that was sent to it alone (proto/probe.h), and cut off from the room
// until no probe has come back for 10 s. Nobody else is touched.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/time.h"

#define RELAY_LOOP_CLEAR_NS (10 * SL_NS_PER_S)
#define RELAY_PROBE_PAUSE_NS                                                                                 \
	(250 * SL_NS_PER_MS)                  // at least so long between two probes, whatever is suspected
#define RELAY_PROBE_AGE_NS (10 * SL_NS_PER_S) // an older one proves nothing about the LAN of today

struct relay_peer;
struct relay_room;
struct sl_view;

// What is known of one client.
struct relay_isolation {
	bool isolated;
	bool told;        // what the client was told last
	uint64_t seen_ns; // when a probe to it last came back
};

// The peer has joined: probes go out at once, to it or, when it is the gateway, to all clients.
void relay_loop_joined(struct relay_peer *peer);
// Once a second: probes to all clients of the room, isolations that have ended. False: there is nothing to
// be done here until something changes (relay_tick_start).
bool relay_loop_tick(struct relay_room *room, uint64_t now_ns);
// A broadcast or multicast frame that will be forwarded. One that came before, a moment ago, may be going
// round: probes go out at once. (The tick alone would be late: on a path of 30 ms a frame goes round 33 times
// a second, too slowly for the gateway to call it an excess.)
void relay_loop_watch(struct relay_room *room, const uint8_t *frame, size_t len, uint64_t now_ns);
// A frame came in. True: it is a loop probe, which is forwarded by nobody, whoever's it is; one of this
// room's that comes back from its gateway isolates the client that it was sent to.
bool relay_loop_probe(struct relay_peer *ingress, const struct sl_view *view);
