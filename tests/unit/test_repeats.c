#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/repeats.h"

static const uint64_t hash_key[2] = {1, 2};

static int setup(void **state)
{
	struct sl_repeats *repeats = malloc(sizeof(*repeats));

	if (repeats == NULL)
		return -1;
	sl_repeats_init(repeats, hash_key);
	*state = repeats;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool put(struct sl_repeats *repeats, uint64_t number, uint64_t now_ns)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	memcpy(frame + 14, &number, sizeof(number));
	return sl_repeats_excess(repeats, frame, sizeof(frame), now_ns);
}

// The first sight and three repeats pass, the rest of the 100 ms does not, at whatever time it comes.
static void repeats_allows_three(void **state)
{
	struct sl_repeats *repeats = *state;
	uint64_t now_ns = 77;

	for (int window = 0; window < 3; window++) {
		for (int i = 0; i < 4; i++)
			assert_false(put(repeats, 5, now_ns + (uint64_t)i));
		for (int i = 0; i < 50; i++)
			assert_true(put(repeats, 5, now_ns + 2 * SL_NS_PER_MS * (uint64_t)i));
		assert_true(put(repeats, 5, now_ns + SL_REPEATS_WINDOW_NS - 1));
		now_ns += SL_REPEATS_WINDOW_NS;
	}
}

// The window begins with the first copy, not with the last.
static void repeats_at_a_slow_pace_pass(void **state)
{
	struct sl_repeats *repeats = *state;

	for (uint64_t i = 0; i < 1000; i++)
		assert_false(put(repeats, 5, i * 26 * SL_NS_PER_MS));
}

static void repeats_counts_each_frame_apart(void **state)
{
	struct sl_repeats *repeats = *state;

	for (int copy = 0; copy < 4; copy++)
		for (uint64_t number = 0; number < 100; number++)
			assert_false(put(repeats, number, 0));
	for (uint64_t number = 0; number < 100; number++)
		assert_true(put(repeats, number, 1));
}

// Every bit and the length count.
static void repeats_compares_the_whole_frame(void **state)
{
	struct sl_repeats *repeats = *state;
	uint8_t frame[1514] = {0};

	for (int i = 0; i < 5; i++)
		assert_int_equal(sl_repeats_excess(repeats, frame, 1024, 0), i == 4);
	for (size_t len = 1024 - 30; len <= 1024 + 256; len++)
		assert_int_equal(sl_repeats_excess(repeats, frame, len, 0), len == 1024);
	for (size_t bit = 0; bit < 1024 * 8; bit += 13) {
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sl_repeats_excess(repeats, frame, 1024, 0));
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

// However many there are: what was not repeated passes.
static void repeats_never_drops_single_frames(void **state)
{
	struct sl_repeats *repeats = *state;

	for (uint64_t number = 0; number < 200000; number++)
		assert_false(put(repeats, number, number));
	for (int copy = 0; copy < 3; copy++) // 4 copies of each, far more frames than slots
		for (uint64_t number = 0; number < 20000; number++)
			assert_false(put(repeats, number, 200000 + number));
}

// A loop is found in the midst of other traffic, also when the table is full.
static void repeats_finds_a_loop_among_many(void **state)
{
	struct sl_repeats *repeats = *state;
	unsigned passed = 0;

	for (uint64_t i = 0; i < SL_REPEATS_SLOTS * 2; i++)
		(void)put(repeats, 1000 + i, i);
	for (uint64_t i = 0; i < 1000; i++) {
		(void)put(repeats, 1000000 + i, 10000 + i);
		passed += !put(repeats, 7, 10000 + i);
	}
	assert_in_range(passed, 4, 40);
}

// What goes round keeps its slot, however many others come once.
static void repeats_remembers_what_was_repeated(void **state)
{
	struct sl_repeats *repeats = *state;

	for (int i = 0; i < 4; i++)
		assert_false(put(repeats, 7, 0));
	for (uint64_t i = 0; i < SL_REPEATS_SLOTS * 8; i++)
		assert_false(put(repeats, 1000 + i, i));
	assert_true(put(repeats, 7, SL_REPEATS_WINDOW_NS - 1));
}

static void repeats_bears_a_clock_that_stands(void **state)
{
	struct sl_repeats *repeats = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(put(repeats, 1, UINT64_MAX), i >= 4);
	assert_false(put(repeats, 2, 0));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(repeats_allows_three),
		TEST(repeats_at_a_slow_pace_pass),
		TEST(repeats_counts_each_frame_apart),
		TEST(repeats_compares_the_whole_frame),
		TEST(repeats_never_drops_single_frames),
		TEST(repeats_finds_a_loop_among_many),
		TEST(repeats_remembers_what_was_repeated),
		TEST(repeats_bears_a_clock_that_stands),
	};
	return cmocka_run_group_tests_name("repeats", tests, NULL, NULL);
}
