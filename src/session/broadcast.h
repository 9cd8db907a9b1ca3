// Do broadcasts cross in both directions (OBS-3, OBS-4)? Games find each other by them, and a firewall or a
// switch may let them pass one way only.
#pragma once

#include <jansson.h>

#include <stdint.h>

struct sl_broadcast {
	uint64_t out,
		in; // since the last joining: broadcast and multicast frames into the room, and out of it
	const char *here; // "this computer", "the LAN"
};

// {"out":n,"in":n,"flow":"both"|"out_only"|"in_only"|"none"}. NULL: out of memory.
json_t *sl_broadcast_json(const struct sl_broadcast *broadcast);

#define SL_BROADCAST_SENTENCE 160
// The same for people. Returns `out`.
const char *sl_broadcast_sentence(const struct sl_broadcast *broadcast,
				  char out[static SL_BROADCAST_SENTENCE]);
