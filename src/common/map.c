#include "common/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#define FIRST_CAPACITY 16

// Open addressing with linear probing. Removing shifts the entries behind back, so there are no
// tombstones and a table never wears out. An empty slot has a NULL value.
struct sl_map_slot {
	void *value;
	uint64_t hash;
	uint8_t key_len;
	uint8_t key[SL_MAP_KEY_MAX];
};

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t load_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static void sip_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate_left(v[1], 13) ^ v[0];
		v[0] = rotate_left(v[0], 32);
		v[2] += v[3];
		v[3] = rotate_left(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate_left(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate_left(v[1], 17) ^ v[2];
		v[2] = rotate_left(v[2], 32);
	}
}

// SipHash-2-4 (Aumasson and Bernstein, 2012).
uint64_t sl_siphash(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t last = (uint64_t)(len & 0xff) << 56;
	const uint8_t *p = data;
	unsigned shift = 0;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word = load_le64(p);

		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	for (; len > 0; len--, p++, shift += 8)
		last |= (uint64_t)*p << shift;
	v[3] ^= last;
	sip_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void sl_map_init(struct sl_map *map, const uint64_t hash_key[2])
{
	memset(map, 0, sizeof(*map));
	map->key[0] = hash_key[0];
	map->key[1] = hash_key[1];
}

void sl_map_fini(struct sl_map *map)
{
	free(map->slots);
	map->slots = NULL;
	map->capacity = 0;
	map->count = 0;
}

// The slot that holds the key, or the empty slot where it would go. There is always an empty one.
static struct sl_map_slot *find_slot(const struct sl_map *map, uint64_t hash, const void *key, size_t key_len)
{
	size_t mask = map->capacity - 1;
	size_t i = (size_t)hash & mask;

	for (;; i = (i + 1) & mask) {
		struct sl_map_slot *slot = &map->slots[i];

		if (slot->value == NULL)
			return slot;
		if (slot->hash == hash && slot->key_len == key_len && memcmp(slot->key, key, key_len) == 0)
			return slot;
	}
}

static int grow(struct sl_map *map)
{
	size_t capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity * 2;
	struct sl_map_slot *old = map->slots;
	size_t old_capacity = map->capacity;
	struct sl_map_slot *slots;

	slots = calloc(capacity, sizeof(*slots));
	if (slots == NULL)
		return SL_ERR_NOMEM;
	map->slots = slots;
	map->capacity = capacity;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].value != NULL)
			*find_slot(map, old[i].hash, old[i].key, old[i].key_len) = old[i];
	free(old);
	return SL_OK;
}

int sl_map_put(struct sl_map *map, const void *key, size_t key_len, void *value)
{
	struct sl_map_slot *slot;
	uint64_t hash;
	int rc;

	if (key_len == 0 || key_len > SL_MAP_KEY_MAX || value == NULL)
		return SL_ERR_INVALID;
	hash = sl_siphash(map->key, key, key_len);
	if (map->capacity != 0 && find_slot(map, hash, key, key_len)->value != NULL)
		return SL_ERR_EXISTS;
	if (map->count + 1 > map->capacity / 4 * 3) {
		rc = grow(map);
		if (rc != SL_OK)
			return rc;
	}
	slot = find_slot(map, hash, key, key_len);
	slot->value = value;
	slot->hash = hash;
	slot->key_len = (uint8_t)key_len;
	memcpy(slot->key, key, key_len);
	map->count++;
	return SL_OK;
}

void *sl_map_get(const struct sl_map *map, const void *key, size_t key_len)
{
	if (map->count == 0 || key_len == 0 || key_len > SL_MAP_KEY_MAX)
		return NULL;
	return find_slot(map, sl_siphash(map->key, key, key_len), key, key_len)->value;
}

void *sl_map_remove(struct sl_map *map, const void *key, size_t key_len)
{
	size_t mask = map->capacity - 1;
	struct sl_map_slot *slot;
	size_t hole;
	void *value;

	if (map->count == 0 || key_len == 0 || key_len > SL_MAP_KEY_MAX)
		return NULL;
	slot = find_slot(map, sl_siphash(map->key, key, key_len), key, key_len);
	value = slot->value;
	if (value == NULL)
		return NULL;

	// Fill the hole with the next entry of the run that may stand there, until the run ends. An
	// entry may move back as far as its home slot, not farther.
	hole = (size_t)(slot - map->slots);
	for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
		size_t home = (size_t)map->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].value = NULL;
	map->count--;
	return value;
}

// Removing an entry moves later entries of its run (cyclically) towards it. So the walk goes
// downwards: what moves has been visited. A run that wraps around the end of the table must be
// walked from its upper end, at the table's low slots, without a break; therefore the walk starts
// at the highest empty slot and goes down to 0 (phase 1), then from the top of the table down to that
// same slot (phase 2). In phase 2 the slots not yet visited are one full run, and a removal
// changes none of them: the first empty slot found is where the walk began.
//
// The cursor is (slots left to look at in this phase) << 2 | phase; phase 0 is the start.
#define PHASE_LOW 1
#define PHASE_HIGH 2
#define PHASE_END 3

void *sl_map_next(const struct sl_map *map, size_t *cursor)
{
	size_t phase = *cursor & 3;
	size_t left = *cursor >> 2;

	if (map->capacity == 0)
		return NULL;
	if (phase == 0) {
		left = map->capacity - 1;
		while (map->slots[left].value != NULL)
			left--;
		phase = PHASE_LOW;
	}
	if (phase == PHASE_LOW) {
		while (left > 0) {
			left--;
			if (map->slots[left].value != NULL) {
				*cursor = left << 2 | PHASE_LOW;
				return map->slots[left].value;
			}
		}
		phase = PHASE_HIGH;
		left = map->capacity;
	}
	if (phase == PHASE_HIGH && left > 0 && map->slots[left - 1].value != NULL) {
		left--;
		*cursor = left << 2 | PHASE_HIGH;
		return map->slots[left].value;
	}
	*cursor = PHASE_END;
	return NULL;
}
