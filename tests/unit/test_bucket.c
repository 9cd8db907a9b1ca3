// The token bucket under every rate limit (RELAY-10): exact at any rate, in debt, over any time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bucket.h"
#include "common/time.h"

#define S SL_NS_PER_S

// How many tokens it gives when it is asked every `step` nanoseconds, from `from` up to before `to`.
static uint64_t taken(struct sl_bucket *bucket, uint64_t rate, uint64_t from, uint64_t to, uint64_t step)
{
	uint64_t count = 0;

	for (uint64_t now = from; now < to; now += step)
		count += sl_bucket_take(bucket, now, rate);
	return count;
}

static uint64_t taken_at_once(struct sl_bucket *bucket, uint64_t rate, uint64_t now)
{
	uint64_t count = 0;

	while (count < 100000 && sl_bucket_take(bucket, now, rate))
		count++;
	return count;
}

static void a_burst_is_one_second(void **state)
{
	struct sl_bucket bucket = {0};

	(void)state;
	assert_int_equal(taken_at_once(&bucket, 500, 7 * S), 500);
	assert_int_equal(taken_at_once(&bucket, 500, 7 * S + S / 10), 50);
	assert_int_equal(taken_at_once(&bucket, 500, 9 * S), 500); // not more, however long it was quiet
	assert_int_equal(taken_at_once(&bucket, 500, 9 * S + S / 500 - 1), 0);
	assert_int_equal(taken_at_once(&bucket, 500, 9 * S + S / 500), 1);
	bucket = (struct sl_bucket){0};
	assert_int_equal(taken_at_once(&bucket, 1, 7 * S), 1);
}

static void nothing_is_lost_at_odd_rates(void **state)
{
	static const uint64_t rates[] = {2, 3, 7, 13, 499, 997, 3001};
	static const uint64_t steps[] = {1, 142858, 333333, 1700000, 499999993};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
		for (size_t s = 1; s < sizeof(steps) / sizeof(steps[0]); s++) {
			struct sl_bucket bucket = {0};
			uint64_t rate = rates[r], start = 5 * S, now = start, count = 0;

			assert_int_equal(taken_at_once(&bucket, rate, now), rate);
			// Asked at odd moments, and in the end it has given exactly what the time gave.
			while (now + steps[s] < start + 20 * S) {
				now += steps[s];
				count += taken_at_once(&bucket, rate, now);
			}
			count += taken_at_once(&bucket, rate, start + 20 * S);
			assert_int_equal(count, 20 * rate);
		}
	// Asked at every nanosecond, at the fastest rate that gives less than one for each.
	struct sl_bucket bucket = {.refill_ns = 1};

	assert_int_equal(taken(&bucket, 999999937, 1, 1000002, steps[0]), 999999);
}

static void debt_is_paid_first(void **state)
{
	struct sl_bucket bucket = {0};

	(void)state;
	assert_true(sl_bucket_ready(&bucket, S, 1000));
	sl_bucket_charge(&bucket, 999);
	assert_true(sl_bucket_ready(&bucket, S, 1000)); // one is left, and pays for anything
	sl_bucket_charge(&bucket, 3001);
	assert_false(sl_bucket_ready(&bucket, S, 1000));
	assert_false(sl_bucket_ready(&bucket, 4 * S, 1000));
	assert_false(sl_bucket_ready(&bucket, 4 * S + 999999, 1000));
	assert_true(sl_bucket_ready(&bucket, 4 * S + 1000000, 1000));
	assert_int_equal(taken_at_once(&bucket, 1000, 4 * S + 1000000), 1);

	// A debt that no lifetime pays back neither overflows nor becomes a credit.
	for (int i = 0; i < 10; i++)
		sl_bucket_charge(&bucket, UINT64_MAX);
	assert_false(sl_bucket_ready(&bucket, 1000 * S, 1000));
	assert_false(sl_bucket_ready(&bucket, 1000000 * S, SL_BUCKET_RATE_MAX / 1000000));
}

static void time_may_leap(void **state)
{
	struct sl_bucket bucket = {0};

	(void)state;
	assert_int_equal(taken_at_once(&bucket, 500, 0), 500); // time may begin at 0
	assert_int_equal(taken_at_once(&bucket, 500, 1), 0);
	assert_int_equal(taken_at_once(&bucket, 500, UINT64_MAX), 500);
	assert_int_equal(taken_at_once(&bucket, 500, 5 * S), 0); // and never goes back
	assert_int_equal(taken_at_once(&bucket, 500, UINT64_MAX), 0);

	bucket = (struct sl_bucket){0};
	assert_true(sl_bucket_take(&bucket, S, SL_BUCKET_RATE_MAX));
	sl_bucket_charge(&bucket, SL_BUCKET_RATE_MAX);
	assert_false(sl_bucket_ready(&bucket, S, SL_BUCKET_RATE_MAX));
	assert_true(sl_bucket_ready(&bucket, 2 * S - 1, SL_BUCKET_RATE_MAX));
	assert_int_equal(bucket.tokens, (SL_BUCKET_RATE_MAX - 1) * 1000 - SL_BUCKET_RATE_MAX / 1000000);
	assert_true(sl_bucket_ready(&bucket, UINT64_MAX, UINT64_MAX)); // taken for the largest rate
	assert_int_equal(bucket.tokens, SL_BUCKET_RATE_MAX * 1000);
}

static void no_rate_is_no_limit(void **state)
{
	struct sl_bucket bucket = {0};

	(void)state;
	assert_int_equal(taken_at_once(&bucket, 0, S), 100000);
	assert_int_equal(taken_at_once(&bucket, 10, S), 10); // what was free is not a debt
}

static void the_rate_may_change(void **state)
{
	struct sl_bucket bucket = {0};

	(void)state;
	assert_true(sl_bucket_take(&bucket, S, 500));
	assert_int_equal(taken_at_once(&bucket, 20, S), 20); // what it had is cut to the new burst
	assert_int_equal(taken_at_once(&bucket, 500, S), 0); // a higher rate gives nothing for the past
	assert_int_equal(taken_at_once(&bucket, 500, S + S / 10), 50);
	assert_int_equal(taken_at_once(&bucket, 0, S + S / 10), 100000);
	assert_int_equal(taken_at_once(&bucket, 500, S + S / 5), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_one_second), cmocka_unit_test(nothing_is_lost_at_odd_rates),
		cmocka_unit_test(debt_is_paid_first),    cmocka_unit_test(time_may_leap),
		cmocka_unit_test(no_rate_is_no_limit),   cmocka_unit_test(the_rate_may_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
