// Frames in two parts (PROTO-1): how they are cut, and how they are joined again, whatever comes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "proto/split.h"

#define MS SL_NS_PER_MS
#define SOURCES 200

struct world {
	struct sl_split_pool pool;
	struct sl_split_source source[SOURCES];
	unsigned lost[SOURCES];
	size_t lost_count;
	uint64_t now_ns;
	struct sl_overlay frame; // the last one that was joined
};

static void on_lost(void *arg, struct sl_split_source *source)
{
	struct world *w = arg;

	w->lost[source - w->source]++;
	w->lost_count++;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now_ns = 1000 * MS;
	sl_split_init(&w->pool, on_lost, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	sl_split_fini(&w->pool);
	free(w);
	return 0;
}

static uint8_t filler(unsigned seed, size_t at)
{
	return (uint8_t)(seed * 31 + at * 7 + (at >> 8));
}

// The part [from, to) of the frame `seed`.
static int part(struct world *w, unsigned source, unsigned id, enum sl_overlay_type type, unsigned seed,
		size_t from, size_t to)
{
	uint8_t *bytes = malloc(to - from); // exact, and gone afterwards: the pool has a copy
	struct sl_overlay overlay = {
		.type = type, .peer_id = 1, .frame_id = (uint16_t)id, .frame = bytes, .frame_len = to - from};
	int rc;

	assert_non_null(bytes);
	for (size_t i = from; i < to; i++)
		bytes[i - from] = filler(seed, i);
	rc = sl_split_join(&w->pool, &w->source[source], &overlay, w->now_ns);
	free(bytes);
	if (rc == SL_OK)
		w->frame = overlay;
	return rc;
}

static int first(struct world *w, unsigned source, unsigned id, size_t len)
{
	return part(w, source, id, SL_OVERLAY_FIRST, id, 0, len);
}

static int rest(struct world *w, unsigned source, unsigned id, size_t from, size_t to)
{
	return part(w, source, id, SL_OVERLAY_REST, id, from, to);
}

static void expect_frame(const struct world *w, unsigned seed, size_t len)
{
	assert_int_equal(w->frame.type, SL_OVERLAY_ETHERNET);
	assert_int_equal(w->frame.frame_len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(w->frame.frame[i], filler(seed, i));
}

// ---- cutting

static void split_first_part_is_as_long_as_the_path_allows(void **state)
{
	(void)state;
	assert_int_equal(sl_split_first(1514, 1400), 1394);
	assert_int_equal(sl_split_first(1518, 1398), 1392);
	assert_int_equal(sl_split_first(1514, 1168), 1162);
	// The least budget carries the longest frame, and nothing less does.
	assert_int_equal(sl_split_first(SL_SPLIT_FRAME_MAX, SL_SPLIT_BUDGET_MIN), 759);
	assert_int_equal(sl_split_first(SL_SPLIT_FRAME_MAX, SL_SPLIT_BUDGET_MIN - 1), 0);
	assert_int_equal(sl_split_first(SL_SPLIT_FRAME_MAX + 1, 1400), 0);
	for (size_t limit = 0; limit <= SL_OVERLAY_PART_HEADER; limit++)
		assert_int_equal(sl_split_first(1514, limit), 0);
}

static void split_every_frame_that_does_not_go_whole_goes_in_two(void **state)
{
	(void)state;
	for (size_t limit = SL_SPLIT_BUDGET_MIN; limit < 1530; limit++) {
		for (size_t len = 14; len <= SL_SPLIT_FRAME_MAX; len++) {
			size_t cut = sl_split_first(len, limit);

			if (sl_overlay_check_budget(len, limit) == SL_OK)
				continue; // whole
			assert_true(cut > 0 && cut < len);
			assert_true(cut + SL_OVERLAY_PART_HEADER == limit);
			assert_true(len - cut + SL_OVERLAY_PART_HEADER <= limit);
		}
	}
}

// ---- joining

static void split_joins_in_either_order(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1394), SL_ERR_AGAIN);
	assert_int_equal(rest(w, 0, 1, 1394, 1514), SL_OK);
	expect_frame(w, 1, 1514);
	assert_int_equal(rest(w, 0, 2, 1394, 1514), SL_ERR_AGAIN);
	assert_int_equal(first(w, 0, 2, 1394), SL_OK);
	expect_frame(w, 2, 1514);
	assert_int_equal(w->pool.waiting, 0);
	assert_int_equal(w->lost_count, 0);
}

static void split_joins_frames_that_are_interleaved(void **state)
{
	struct world *w = *state;

	for (unsigned id = 0; id < SL_SPLIT_WAITING_MAX; id++)
		assert_int_equal(id % 2 ? first(w, 0, id, 1000 + id) : rest(w, 0, id, 1000 + id, 1500),
				 SL_ERR_AGAIN);
	assert_int_equal(w->pool.waiting, SL_SPLIT_WAITING_MAX);
	for (unsigned n = 0; n < SL_SPLIT_WAITING_MAX; n++) {
		unsigned id = n * 13 % SL_SPLIT_WAITING_MAX;

		assert_int_equal(id % 2 ? rest(w, 0, id, 1000 + id, 1500) : first(w, 0, id, 1000 + id),
				 SL_OK);
		expect_frame(w, id, 1500);
	}
	assert_int_equal(w->pool.waiting, 0);
	assert_int_equal(w->lost_count, 0);
}

static void split_every_length_up_to_the_longest(void **state)
{
	struct world *w = *state;
	static const size_t cuts[] = {1, 2, 700, 758, 759, 760, 1516, 1517};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		for (size_t len = cuts[i] + 1; len <= SL_SPLIT_FRAME_MAX; len += len < 1500 ? 97 : 1) {
			unsigned id = (unsigned)(len + i);

			assert_int_equal(first(w, 0, id, cuts[i]), SL_ERR_AGAIN);
			assert_int_equal(rest(w, 0, id, cuts[i], len), SL_OK);
			expect_frame(w, id, len);
			assert_int_equal(rest(w, 0, id, cuts[i], len), SL_ERR_AGAIN);
			assert_int_equal(first(w, 0, id, cuts[i]), SL_OK);
			expect_frame(w, id, len);
		}
	}
	assert_int_equal(w->lost_count, 0);
	assert_int_equal(w->pool.chunk_count, 1); // one place is enough
}

// Together above 1518: both halves are gone. Alone: nothing else is.
static void split_too_long(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1394), SL_ERR_AGAIN);
	assert_int_equal(rest(w, 0, 1, 1394, 1519), SL_ERR_TOO_LARGE);
	assert_int_equal(w->lost_count, 1);
	assert_int_equal(rest(w, 0, 2, 1, 1519),
			 SL_ERR_TOO_LARGE); // 1518 bytes: the first part would be empty
	assert_int_equal(first(w, 0, 2, 1518), SL_ERR_TOO_LARGE);
	assert_int_equal(first(w, 0, 2, 2000), SL_ERR_TOO_LARGE);
	assert_int_equal(w->pool.waiting, 0);
	assert_int_equal(rest(w, 0, 3, 2, 1519), SL_ERR_AGAIN); // 1517 bytes
	assert_int_equal(first(w, 0, 3, 2), SL_ERR_TOO_LARGE);
	assert_int_equal(w->lost_count, 2);
	assert_int_equal(rest(w, 0, 4, 1, 1518), SL_ERR_AGAIN);
	assert_int_equal(first(w, 0, 4, 1), SL_OK);
	expect_frame(w, 4, 1518);
}

// A repeated part is dropped, whatever it holds; the one that came first counts.
static void split_repeated_parts_are_dropped(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1000), SL_ERR_AGAIN);
	assert_int_equal(first(w, 0, 1, 1000), SL_ERR_EXISTS);
	assert_int_equal(part(w, 0, 1, SL_OVERLAY_FIRST, 99, 0, 1200), SL_ERR_EXISTS); // contradicts it
	assert_int_equal(rest(w, 0, 1, 1000, 1500), SL_OK);
	expect_frame(w, 1, 1500);
	assert_int_equal(rest(w, 0, 2, 1000, 1500), SL_ERR_AGAIN);
	assert_int_equal(part(w, 0, 2, SL_OVERLAY_REST, 99, 0, 3), SL_ERR_EXISTS);
	assert_int_equal(first(w, 0, 2, 1000), SL_OK);
	expect_frame(w, 2, 1500);
	// Repeated after the frame was joined: it is the first of a frame that never comes.
	assert_int_equal(first(w, 0, 2, 1000), SL_ERR_AGAIN);
	w->now_ns += 200 * MS;
	assert_true(sl_split_expire(&w->pool, w->now_ns) == SL_TIME_NEVER);
	assert_int_equal(w->lost_count, 1);
}

static void split_sources_are_apart(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1000), SL_ERR_AGAIN);
	assert_int_equal(rest(w, 1, 1, 1000, 1500), SL_ERR_AGAIN);
	assert_int_equal(part(w, 1, 1, SL_OVERLAY_FIRST, 1, 0, 1000), SL_OK);
	expect_frame(w, 1, 1500);
	assert_int_equal(w->source[0].waiting, 1);
	assert_int_equal(w->source[1].waiting, 0);
}

// ---- limits

static void split_the_33rd_evicts_the_oldest(void **state)
{
	struct world *w = *state;

	for (unsigned id = 0; id < 100; id++)
		assert_int_equal(first(w, 7, id, 1000), SL_ERR_AGAIN);
	assert_int_equal(w->source[7].waiting, SL_SPLIT_WAITING_MAX);
	assert_int_equal(w->lost[7], 100 - SL_SPLIT_WAITING_MAX);
	assert_int_equal(rest(w, 7, 100 - SL_SPLIT_WAITING_MAX, 1000, 1500),
			 SL_OK); // the oldest that is left
	expect_frame(w, 100 - SL_SPLIT_WAITING_MAX, 1500);
	assert_int_equal(rest(w, 7, 99, 1000, 1500), SL_OK);
	expect_frame(w, 99, 1500);
	assert_int_equal(w->lost[7], 100 - SL_SPLIT_WAITING_MAX);
	assert_int_equal(rest(w, 7, 0, 1000, 1500), SL_ERR_AGAIN); // its first part is gone
	assert_int_equal(w->pool.chunk_count, 1);
}

static void split_parts_wait_for_200_ms(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1000), SL_ERR_AGAIN);
	w->now_ns += 50 * MS;
	assert_int_equal(first(w, 1, 2, 1000), SL_ERR_AGAIN);
	w->now_ns += 150 * MS - 1;
	assert_true(sl_split_expire(&w->pool, w->now_ns) == w->now_ns + 1);
	assert_int_equal(w->lost_count, 0);
	w->now_ns++;
	assert_true(sl_split_expire(&w->pool, w->now_ns) == w->now_ns + 50 * MS);
	assert_int_equal(w->lost[0], 1);
	assert_int_equal(w->lost_count, 1);
	w->now_ns += 50 * MS - 1;
	assert_int_equal(rest(w, 1, 2, 1000, 1500), SL_OK); // just in time
	expect_frame(w, 2, 1500);
	assert_true(sl_split_expire(&w->pool, w->now_ns) == SL_TIME_NEVER);
	assert_int_equal(w->lost_count, 1);
}

// The timer may be late: what is too old is joined with nothing all the same.
static void split_a_late_timer_joins_nothing_old(void **state)
{
	struct world *w = *state;

	assert_int_equal(first(w, 0, 1, 1000), SL_ERR_AGAIN);
	w->now_ns += 200 * MS;
	assert_int_equal(rest(w, 0, 1, 1000, 1500), SL_ERR_AGAIN);
	assert_int_equal(w->lost_count, 1);
	assert_int_equal(w->source[0].waiting, 1);
}

static void split_a_source_that_leaves_is_forgotten(void **state)
{
	struct world *w = *state;

	for (unsigned id = 0; id < 5; id++) {
		assert_int_equal(first(w, 0, id, 1000), SL_ERR_AGAIN);
		assert_int_equal(first(w, 1, id, 1000), SL_ERR_AGAIN);
	}
	sl_split_forget(&w->pool, &w->source[0]);
	sl_split_forget(&w->pool, &w->source[0]);
	assert_int_equal(w->lost[0], 5);
	assert_int_equal(w->lost_count, 5);
	assert_int_equal(w->pool.waiting, 5);
	for (unsigned id = 0; id < 5; id++)
		assert_int_equal(rest(w, 1, id, 1000, 1500), SL_OK);
	assert_true(sl_split_expire(&w->pool, w->now_ns) == SL_TIME_NEVER);
}

// Floods of all sources: the memory is bounded, everything that was lost is reported, and who sends the two
// parts one after the other gets through all the same.
static void split_memory_is_bounded_by_4_mib(void **state)
{
	struct world *w = *state;
	size_t sent = 0, most;

	for (unsigned round = 0; round < 100; round++) {
		for (unsigned source = 0; source < SOURCES - 1; source++, sent++)
			assert_int_equal(first(w, source, round, 1394), SL_ERR_AGAIN);
		assert_int_equal(first(w, SOURCES - 1, round, 1394), SL_ERR_AGAIN);
		assert_int_equal(rest(w, SOURCES - 1, round, 1394, 1514), SL_OK);
		expect_frame(w, round, 1514);
		assert_int_equal(w->pool.waiting + w->lost_count, sent);
	}
	most = w->pool.chunk_count * SL_SPLIT_WAITING_MAX;
	assert_in_range(most * SL_SPLIT_FRAME_MAX, SL_SPLIT_POOL_BYTES * 9 / 10, SL_SPLIT_POOL_BYTES);
	assert_in_range(w->pool.waiting, most - 1, most);
	assert_int_equal(w->lost[SOURCES - 1], 0);
	w->now_ns += 200 * MS;
	assert_true(sl_split_expire(&w->pool, w->now_ns) == SL_TIME_NEVER);
	assert_int_equal(w->lost_count, sent);
	for (unsigned source = 0; source < SOURCES; source++)
		assert_int_equal(w->source[source].waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_first_part_is_as_long_as_the_path_allows),
		cmocka_unit_test(split_every_frame_that_does_not_go_whole_goes_in_two),
		cmocka_unit_test_setup_teardown(split_joins_in_either_order, setup, teardown),
		cmocka_unit_test_setup_teardown(split_joins_frames_that_are_interleaved, setup, teardown),
		cmocka_unit_test_setup_teardown(split_every_length_up_to_the_longest, setup, teardown),
		cmocka_unit_test_setup_teardown(split_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(split_repeated_parts_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(split_sources_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(split_the_33rd_evicts_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(split_parts_wait_for_200_ms, setup, teardown),
		cmocka_unit_test_setup_teardown(split_a_late_timer_joins_nothing_old, setup, teardown),
		cmocka_unit_test_setup_teardown(split_a_source_that_leaves_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(split_memory_is_bounded_by_4_mib, setup, teardown),
	};
	return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
