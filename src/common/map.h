// A hash table from short byte keys (a MAC, a connection id, a peer id) to pointers.
// Keys come from the network, so the hash is SipHash-2-4 under a key of the caller's
// (random in production, fixed in a simulation).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_MAP_KEY_MAX 20

struct sl_map_slot;
struct sl_map {
	struct sl_map_slot *slots;
	size_t capacity; // a power of two, or 0 before the first insert
	size_t count;
	uint64_t key[2];
};

uint64_t sl_siphash(const uint64_t key[2], const void *data, size_t len);

void sl_map_init(struct sl_map *map, const uint64_t hash_key[2]);
void sl_map_fini(struct sl_map *map); // the values stay the caller's

// SL_OK, SL_ERR_EXISTS (nothing changed), SL_ERR_INVALID (key_len 0 or > SL_MAP_KEY_MAX, or NULL
// value) or SL_ERR_NOMEM.
int sl_map_put(struct sl_map *map, const void *key, size_t key_len, void *value);
void *sl_map_get(const struct sl_map *map, const void *key, size_t key_len); // NULL: not there
void *sl_map_remove(struct sl_map *map, const void *key, size_t key_len);    // NULL: was not there

// Walks all entries in no order: start with *cursor = 0, NULL at the end. Nothing may be put
// while walking; the entry just returned may be removed.
void *sl_map_next(const struct sl_map *map, size_t *cursor);
