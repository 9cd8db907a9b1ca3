// The MAC index of a room: one look-up tells where a destination is. A station is announced (a
// client's own MAC) or learned (a host seen behind the gateway, RELAY-5). Learned ones are bounded,
// age out, and never stand in for an announced one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mac.h"
#include "common/map.h"
#include "common/time.h"

#define RELAY_LEARNED_MAX 4096 // per room
#define RELAY_LEARNED_CHUNK 256
#define RELAY_LEARNED_AGE_NS (300 * SL_NS_PER_S)

struct relay_peer;

struct relay_station {
	struct relay_peer *peer; // whose announced MAC it is; NULL: learned behind the gateway
	struct sl_mac mac;
	bool used;        // learned: seen again since the clock's hand passed
	uint64_t seen_ns; // learned: when a frame last came from it
};

struct relay_stations {
	struct sl_map by_mac;
	// Learned stations, in chunks so that their addresses stay; `learned` of them are in use.
	struct relay_station *chunks[RELAY_LEARNED_MAX / RELAY_LEARNED_CHUNK];
	size_t learned;
	size_t hand; // of the clock
};

void relay_stations_init(struct relay_stations *stations, const uint64_t hash_key[2]);
void relay_stations_fini(struct relay_stations *stations);

// Announces a client's MAC; a learned station of that MAC gives way. `station` (with peer and mac set)
// is the caller's and must stay until it is withdrawn. SL_OK, SL_ERR_EXISTS, SL_ERR_NOMEM.
int relay_stations_announce(struct relay_stations *stations, struct relay_station *station);
void relay_stations_withdraw(struct relay_stations *stations, const struct relay_station *station);

// NULL: neither announced nor learned (or learned too long ago).
struct relay_station *relay_stations_find(const struct relay_stations *stations, const struct sl_mac *mac,
					  uint64_t now_ns);

// A frame came from `mac` behind the gateway. `known` is what relay_stations_find gave for it. An
// announced MAC is left alone.
void relay_stations_learn(struct relay_stations *stations, struct relay_station *known,
			  const struct sl_mac *mac, uint64_t now_ns);
void relay_stations_forget_learned(struct relay_stations *stations); // the gateway has left
// How many learned stations are known now. (`learned` has those that have aged out, too: their slots
// wait for the next ones.)
size_t relay_stations_count_learned(const struct relay_stations *stations, uint64_t now_ns);
