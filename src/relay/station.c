#include "relay/station.h"

#include <stdlib.h>

#include "common/err.h"

// How many stations the clock's hand may pass for one eviction: a flood of new addresses costs a
// bounded time for each frame.
#define HAND_STEPS 16

void relay_stations_init(struct relay_stations *stations, const uint64_t hash_key[2])
{
	*stations = (struct relay_stations){0};
	sl_map_init(&stations->by_mac, hash_key);
}

void relay_stations_fini(struct relay_stations *stations)
{
	for (size_t i = 0; i < RELAY_LEARNED_MAX / RELAY_LEARNED_CHUNK; i++) {
		free(stations->chunks[i]);
		stations->chunks[i] = NULL;
	}
	sl_map_fini(&stations->by_mac);
}

static struct relay_station *slot(const struct relay_stations *stations, size_t i)
{
	return &stations->chunks[i / RELAY_LEARNED_CHUNK][i % RELAY_LEARNED_CHUNK];
}

static bool expired(const struct relay_station *station, uint64_t now_ns)
{
	return now_ns - station->seen_ns > RELAY_LEARNED_AGE_NS;
}

// Only its own entry: after an allocation failed, a station may be missing in the map, and another
// one may have come there since.
static void unmap(struct relay_stations *stations, const struct relay_station *station)
{
	if (sl_map_get(&stations->by_mac, station->mac.b, SL_MAC_LEN) == station)
		sl_map_remove(&stations->by_mac, station->mac.b, SL_MAC_LEN);
}

// Takes a learned station out; the last one fills its slot, so that the slots in use stay in a row.
static void forget(struct relay_stations *stations, struct relay_station *station)
{
	struct relay_station *last = slot(stations, stations->learned - 1);

	unmap(stations, station);
	if (station != last) {
		unmap(stations, last);
		*station = *last;
		// If the map has no memory, the station is merely unknown until it is next heard.
		(void)sl_map_put(&stations->by_mac, station->mac.b, SL_MAC_LEN, station);
	}
	stations->learned--;
}

int relay_stations_announce(struct relay_stations *stations, struct relay_station *station)
{
	struct relay_station *old = sl_map_get(&stations->by_mac, station->mac.b, SL_MAC_LEN);

	if (old && old->peer)
		return SL_ERR_EXISTS;
	if (old)
		forget(stations, old);
	return sl_map_put(&stations->by_mac, station->mac.b, SL_MAC_LEN, station);
}

void relay_stations_withdraw(struct relay_stations *stations, const struct relay_station *station)
{
	unmap(stations, station);
}

struct relay_station *relay_stations_find(const struct relay_stations *stations, const struct sl_mac *mac,
					  uint64_t now_ns)
{
	struct relay_station *station = sl_map_get(&stations->by_mac, mac->b, SL_MAC_LEN);

	if (station && !station->peer && expired(station, now_ns))
		return NULL;
	return station;
}

// Second chance: the hand passes stations that were heard again since its last visit, a few at most.
static struct relay_station *victim(struct relay_stations *stations, uint64_t now_ns)
{
	struct relay_station *station = NULL;

	for (unsigned step = 0; step < HAND_STEPS; step++) {
		station = slot(stations, stations->hand);
		stations->hand = (stations->hand + 1) % RELAY_LEARNED_MAX;
		if (!station->used || expired(station, now_ns))
			break;
		station->used = false;
	}
	return station;
}

static struct relay_station *new_slot(struct relay_stations *stations, uint64_t now_ns)
{
	struct relay_station *station;

	if (stations->learned == RELAY_LEARNED_MAX) {
		station = victim(stations, now_ns);
		unmap(stations, station);
		return station;
	}
	if (stations->learned % RELAY_LEARNED_CHUNK == 0) {
		struct relay_station **chunk = &stations->chunks[stations->learned / RELAY_LEARNED_CHUNK];

		if (!*chunk)
			*chunk = calloc(RELAY_LEARNED_CHUNK, sizeof(**chunk));
		if (!*chunk)
			return NULL;
	}
	return slot(stations, stations->learned++);
}

void relay_stations_learn(struct relay_stations *stations, struct relay_station *known,
			  const struct sl_mac *mac, uint64_t now_ns)
{
	struct relay_station *station = known;

	if (!station)
		station = sl_map_get(&stations->by_mac, mac->b, SL_MAC_LEN); // one that has expired?
	if (station) {
		if (station->peer)
			return;
		station->seen_ns = now_ns;
		station->used = true;
		return;
	}
	station = new_slot(stations, now_ns);
	if (!station)
		return; // out of memory: it stays unknown
	*station = (struct relay_station){.mac = *mac, .seen_ns = now_ns};
	if (sl_map_put(&stations->by_mac, mac->b, SL_MAC_LEN, station) != SL_OK)
		forget(stations, station);
}

void relay_stations_forget_learned(struct relay_stations *stations)
{
	for (size_t i = 0; i < stations->learned; i++)
		unmap(stations, slot(stations, i));
	stations->learned = 0;
	stations->hand = 0;
}

size_t relay_stations_count_learned(const struct relay_stations *stations, uint64_t now_ns)
{
	size_t count = 0;

	for (size_t i = 0; i < stations->learned; i++)
		count += !expired(slot(stations, i), now_ns);
	return count;
}
