// A room: its members, their announced MACs, and what was learned behind its gateway. No I/O.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctrl/msg.h"
#include "proto/guard.h"
#include "proto/repeats.h"
#include "relay/station.h"

struct relay_peer;

struct relay_room {
	struct relay_room *next;
	char code[SL_ROOM_MAX + 1];
	uint64_t id;                 // never used again while the relay runs
	struct relay_peer *gateway;  // NULL: none
	struct relay_peer **members; // in the order of joining, the gateway among them
	size_t count, capacity;
	struct relay_stations stations;
	uint32_t relaxed;          // the safety rules that are switched off (proto/policy.h)
	struct sl_guard guard;     // follows the membership, whether its rule is on or not
	struct sl_repeats repeats; // of broadcast and multicast: a loop may have begun
	uint64_t probed_ns;        // when loop probes last went to all clients
	// Since the room was opened. Each ingress frame that was forwarded counts once; `dropped` counts
	// what was dropped on the way in and each copy that could not leave.
	uint64_t frames, bytes, dropped;
};

// NULL: out of memory. `code` is valid.
struct relay_room *relay_room_new(const char *code, uint64_t id, const uint64_t hash_key[2]);
void relay_room_free(struct relay_room *room); // has no members any more; NULL is fine

// The member whose place a newcomer wants: the gateway, or the client that announced this MAC.
struct relay_peer *relay_room_occupant(const struct relay_room *room, enum sl_role role,
				       const struct sl_mac *mac);

// Makes the peer a member (and the gateway, or indexes its MAC). SL_OK, SL_ERR_EXISTS (the place is
// taken) or SL_ERR_NOMEM; on failure nothing has changed.
int relay_room_add(struct relay_room *room, struct relay_peer *peer);
// Membership and MAC index end (RELAY-13); with a client goes what it claimed, with the gateway what was
// learned behind it.
void relay_room_remove(struct relay_room *room, struct relay_peer *peer);
