#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/map.h"

static const uint64_t hash_key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

// RELAY-2: the MAC index's hash is SipHash-2-4, checked against the vectors of its paper.
static void map_siphash_vectors(void **state)
{
	uint8_t in[15];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	assert_true(sl_siphash(hash_key, in, 0) == UINT64_C(0x726fdb47dd0e0e31));
	assert_true(sl_siphash(hash_key, in, 8) == UINT64_C(0x93f5f5799a932462));
	assert_true(sl_siphash(hash_key, in, 15) == UINT64_C(0xa129ca6149be45e5));
}

static void map_put_get_remove(void **state)
{
	struct sl_map map;
	char a, b;

	(void)state;
	sl_map_init(&map, hash_key);
	assert_null(sl_map_get(&map, "abc", 3));
	assert_null(sl_map_remove(&map, "abc", 3));
	assert_int_equal(sl_map_put(&map, "abc", 3, &a), SL_OK);
	assert_int_equal(sl_map_put(&map, "abc", 3, &b), SL_ERR_EXISTS);
	assert_int_equal(sl_map_put(&map, "ab", 2, &b), SL_OK);
	assert_ptr_equal(sl_map_get(&map, "abc", 3), &a);
	assert_ptr_equal(sl_map_get(&map, "ab", 2), &b);
	assert_int_equal(map.count, 2);
	assert_ptr_equal(sl_map_remove(&map, "abc", 3), &a);
	assert_null(sl_map_get(&map, "abc", 3));
	assert_null(sl_map_remove(&map, "abc", 3));
	assert_ptr_equal(sl_map_get(&map, "ab", 2), &b);
	assert_int_equal(map.count, 1);
	sl_map_fini(&map);
}

static void map_refuses_bad_keys(void **state)
{
	uint8_t key[SL_MAP_KEY_MAX + 1] = {0};
	struct sl_map map;
	char value;

	(void)state;
	sl_map_init(&map, hash_key);
	assert_int_equal(sl_map_put(&map, key, 0, &value), SL_ERR_INVALID);
	assert_int_equal(sl_map_put(&map, key, SL_MAP_KEY_MAX + 1, &value), SL_ERR_INVALID);
	assert_int_equal(sl_map_put(&map, key, 4, NULL), SL_ERR_INVALID);
	assert_int_equal(sl_map_put(&map, key, SL_MAP_KEY_MAX, &value), SL_OK);
	assert_null(sl_map_get(&map, key, 0));
	assert_null(sl_map_get(&map, key, SL_MAP_KEY_MAX + 1));
	assert_null(sl_map_remove(&map, key, SL_MAP_KEY_MAX + 1));
	assert_int_equal(map.count, 1);
	sl_map_fini(&map);
}

#define MODEL_KEYS 700

// RELAY-2: 200,000 random operations against a plain array.
static void map_model(void **state)
{
	static int values[MODEL_KEYS];
	bool present[MODEL_KEYS] = {false};
	uint64_t random = 42;
	struct sl_map map;
	size_t count = 0;

	(void)state;
	sl_map_init(&map, hash_key);
	for (int step = 0; step < 200000; step++) {
		// Tides of filling and emptying, so that the runs grow long and short again.
		uint32_t range = (step / 20000) % 2 == 0 ? MODEL_KEYS : MODEL_KEYS / 10;
		uint32_t k = next_random(&random) % range;
		uint32_t op = next_random(&random) % 8;

		if (op < ((step / 10000) % 2 == 0 ? 4u : 2u)) {
			int rc = sl_map_put(&map, &k, sizeof(k), &values[k]);

			assert_int_equal(rc, present[k] ? SL_ERR_EXISTS : SL_OK);
			count += !present[k];
			present[k] = true;
		} else if (op < 6) {
			assert_ptr_equal(sl_map_remove(&map, &k, sizeof(k)), present[k] ? &values[k] : NULL);
			count -= present[k];
			present[k] = false;
		} else {
			assert_ptr_equal(sl_map_get(&map, &k, sizeof(k)), present[k] ? &values[k] : NULL);
		}
		assert_int_equal(map.count, count);
	}
	for (uint32_t k = 0; k < MODEL_KEYS; k++)
		assert_ptr_equal(sl_map_get(&map, &k, sizeof(k)), present[k] ? &values[k] : NULL);
	sl_map_fini(&map);
}

// Walking visits every entry once, whatever part of those returned is removed on the way; what
// was not removed stays. Thousands of small tables under many hash keys, full to the limit, so that
// runs wrap around the end.
static void map_walk_and_remove(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct {
			uint32_t key;
			unsigned visits;
			bool removed;
		} entries[24] = {0};
		const uint64_t key[2] = {next_random(&random), next_random(&random)};
		size_t n = next_random(&random) % 25;
		uint32_t keep = next_random(&random) % 4;
		struct sl_map map;
		size_t cursor = 0, left = n, walked = 0;
		void *value;

		sl_map_init(&map, key);
		for (size_t i = 0; i < n; i++) {
			entries[i].key = (uint32_t)i;
			assert_int_equal(sl_map_put(&map, &entries[i].key, 4, &entries[i]), SL_OK);
		}
		while ((value = sl_map_next(&map, &cursor)) != NULL) {
			size_t i = (size_t)((char *)value - (char *)entries) / sizeof(entries[0]);

			assert_in_range(++walked, 1, n);
			entries[i].visits++;
			if (next_random(&random) % 4 < keep)
				continue;
			assert_ptr_equal(sl_map_remove(&map, &entries[i].key, 4), value);
			entries[i].removed = true;
			left--;
		}
		assert_null(sl_map_next(&map, &cursor)); // stays at the end
		assert_int_equal(map.count, left);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(entries[i].visits, 1);
			assert_ptr_equal(sl_map_get(&map, &entries[i].key, 4),
					 entries[i].removed ? NULL : (void *)&entries[i]);
		}
		sl_map_fini(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_siphash_vectors),  cmocka_unit_test(map_put_get_remove),
		cmocka_unit_test(map_refuses_bad_keys), cmocka_unit_test(map_model),
		cmocka_unit_test(map_walk_and_remove),
	};
	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
