// What waits to leave: order, fairness, and bounds in number and in time (quic/egress.h).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "quic/egress.h"

#define BULK 1
#define PING 2

struct world {
	struct sl_egress_pool pool;
	struct sl_egress egress;
	struct sl_egress_bounds bounds;
	struct sl_egress_drops drops;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	sl_egress_pool_init(&w->pool, 4096);
	sl_egress_init(&w->egress, &w->pool, 1024);
	w->bounds = (struct sl_egress_bounds){
		.now_ns = SL_NS_PER_S,
		.age_ns = 50 * SL_NS_PER_MS,
		.patience_ns = 200 * SL_NS_PER_MS,
		.max_len = 1400,
	};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	sl_egress_clear(&w->egress);
	assert_int_equal(w->egress.count, 0);
	sl_egress_pool_fini(&w->pool);
	free(w);
	return 0;
}

// A datagram of `len` bytes that begins with its flow and a number.
static int put(struct world *w, uint32_t flow, uint32_t number, size_t len)
{
	uint8_t body[SL_EGRESS_DATAGRAM_MAX] = {0};
	uint32_t head[2] = {flow, number};

	return sl_egress_put(&w->egress, flow, head, sizeof(head), body, len - sizeof(head), false,
			     w->bounds.now_ns);
}

// Sends one. Returns its flow, 0 when there is none; *number is its number.
static uint32_t take(struct world *w, uint32_t *number)
{
	struct sl_egress_head head;
	uint32_t bytes[2];

	if (!sl_egress_head(&w->egress, &w->bounds, &head, &w->drops))
		return 0;
	memcpy(bytes, head.data, sizeof(bytes));
	sl_egress_pop(&w->egress);
	if (number != NULL)
		*number = bytes[1];
	return bytes[0];
}

static void a_flow_stays_in_order(void **state)
{
	struct world *w = *state;
	uint32_t number, next[4] = {0};

	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(put(w, 1 + i % 3, i / 3, 100 + 400 * (i % 3)), SL_OK);
	for (unsigned i = 0; i < 300; i++) {
		uint32_t flow = take(w, &number);
		assert_in_range(flow, 1, 3);
		assert_int_equal(number, next[flow]++);
	}
	assert_int_equal(take(w, NULL), 0);
	assert_true(sl_egress_empty(&w->egress));
}

// A lone small packet leaves before the rest of a download that was there first.
static void a_sparse_flow_goes_first(void **state)
{
	struct world *w = *state;
	unsigned before = 0;

	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(put(w, BULK, i, 1400), SL_OK);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(take(w, NULL), BULK);
	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(put(w, PING, round, 98), SL_OK);
		before = 0;
		while (take(w, NULL) != PING)
			before++;
		assert_in_range(before, 0, 2);
		for (unsigned i = 0; i < 5; i++) // its next one comes later
			assert_int_equal(take(w, NULL), BULK);
	}
}

// Two downloads share by bytes, whatever the size of their packets.
static void greedy_flows_share_by_bytes(void **state)
{
	struct world *w = *state;
	size_t bytes[3] = {0};

	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(put(w, 1, i, 1400), SL_OK);
	for (uint32_t i = 0; i < 800; i++)
		assert_int_equal(put(w, 2, i, 350), SL_OK);
	for (unsigned i = 0; i < 400; i++) {
		uint32_t flow = take(w, NULL);
		bytes[flow] += flow == 1 ? 1400 : 350;
	}
	assert_in_range(bytes[1] * 100 / bytes[2], 95, 105);
}

// A sender that makes a new flow of each packet does not starve one that keeps to its own.
static void many_new_flows_starve_nobody(void **state)
{
	struct world *w = *state;
	unsigned bulk = 0;

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(put(w, BULK, i, 1400), SL_OK);
	assert_int_equal(take(w, NULL), BULK);
	assert_int_equal(take(w, NULL), BULK); // it is an old flow now
	for (uint32_t i = 0; i < 900; i++)
		assert_int_equal(put(w, 1000 + i, 0, 1400), SL_OK);
	for (unsigned i = 0; i < 450; i++)
		bulk += take(w, NULL) == BULK;
	assert_in_range(bulk, 40, 60);
}

// Full: the flow that has the most gives way; it is told when it is that flow itself that wants more.
static void full_takes_from_the_fattest(void **state)
{
	struct world *w = *state;
	uint32_t number;

	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(put(w, BULK, i, 1400), SL_OK);
	assert_int_equal(put(w, BULK, 1024, 1400), SL_ERR_AGAIN);
	assert_int_equal(w->egress.evicted, 0);
	assert_int_equal(put(w, PING, 0, 98), SL_OK);
	assert_int_equal(w->egress.evicted, 1);
	assert_int_equal(w->egress.count, 1024);
	assert_int_equal(take(w, &number), BULK);
	assert_int_equal(number, 1); // the oldest went
}

static void the_pool_is_bounded(void **state)
{
	struct world *w = *state;
	struct sl_egress other;
	uint8_t body[100] = {0};
	unsigned taken = 0;

	sl_egress_pool_fini(&w->pool);
	sl_egress_pool_init(&w->pool, 128);
	sl_egress_init(&other, &w->pool, 1024);
	while (put(w, BULK, taken, 500) == SL_OK)
		taken++;
	assert_int_equal(taken, 128);
	assert_int_equal(sl_egress_put(&other, 7, NULL, 0, body, sizeof(body), false, w->bounds.now_ns),
			 SL_ERR_AGAIN);
	assert_int_equal(take(w, NULL), BULK);
	assert_int_equal(sl_egress_put(&other, 7, NULL, 0, body, sizeof(body), false, w->bounds.now_ns),
			 SL_OK);
	sl_egress_clear(&other);
	assert_int_equal(put(w, BULK, 0, SL_EGRESS_DATAGRAM_MAX + 1), SL_ERR_TOO_LARGE);
}

// RELAY-7, the bound in time: what is older is of no use to a game.
static void what_is_old_is_dropped(void **state)
{
	struct world *w = *state;
	uint32_t number;

	assert_int_equal(put(w, BULK, 0, 1000), SL_OK);
	w->bounds.now_ns += 30 * SL_NS_PER_MS;
	assert_int_equal(put(w, BULK, 1, 1000), SL_OK);
	assert_int_equal(put(w, BULK, 2, 1401), SL_OK); // the path has shrunk meanwhile
	assert_int_equal(put(w, BULK, 3, 1400), SL_OK);
	w->bounds.now_ns += 21 * SL_NS_PER_MS;
	assert_int_equal(take(w, &number), BULK);
	assert_int_equal(number, 1);
	assert_int_equal(take(w, &number), BULK);
	assert_int_equal(number, 3);
	assert_int_equal(w->drops.aged, 1);
	assert_int_equal(w->drops.too_large, 1);
}

// Offered twice what leaves, for ten seconds: after its patience the queue is kept as short as the target; a
// short hole before that costs nothing.
static void a_standing_queue_is_kept_short(void **state)
{
	struct world *w = *state;
	uint64_t longest = 0, end;
	uint32_t number = 0, got = 0;

	for (; number < 100; number++) { // 100 ms without a window: within the bound, nothing is dropped
		put(w, BULK, number, 1000);
		w->bounds.now_ns += number < 49 ? SL_NS_PER_MS : 0;
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(take(w, NULL), BULK);
	assert_int_equal(w->drops.aged, 0);

	end = w->bounds.now_ns + 10 * SL_NS_PER_S;
	for (uint64_t start = w->bounds.now_ns; w->bounds.now_ns < end;
	     w->bounds.now_ns += SL_NS_PER_MS / 10) {
		uint32_t now_100us = (uint32_t)((w->bounds.now_ns - start) / (SL_NS_PER_MS / 10));

		put(w, BULK, now_100us, 1000);
		put(w, BULK, now_100us, 1000);
		assert_int_equal(take(w, &got), BULK);
		if (w->bounds.now_ns - start > SL_NS_PER_S && now_100us - got > longest)
			longest = now_100us - got;
	}
	assert_in_range(longest, 30, 41); // tenths of a millisecond

	// It empties, and has its whole patience again.
	while (take(w, NULL) != 0)
		continue;
	assert_int_equal(put(w, BULK, 1, 1000), SL_OK);
	w->bounds.now_ns += 40 * SL_NS_PER_MS;
	assert_int_equal(take(w, &got), BULK);
}

// Where no more may be under way, a flow that sends little still goes.
static void only_sparse_flows_pass_a_full_path(void **state)
{
	struct world *w = *state;
	struct sl_egress_head head;

	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(put(w, BULK, i, 1400), SL_OK);
	assert_int_equal(take(w, NULL), BULK);
	assert_int_equal(take(w, NULL), BULK); // it is an old flow now
	w->bounds.fresh_only = true;
	assert_int_equal(take(w, NULL), 0);
	assert_int_equal(put(w, PING, 0, 98), SL_OK);
	assert_int_equal(take(w, NULL), PING);
	assert_int_equal(take(w, NULL), 0);
	w->bounds.fresh_only = false;
	assert_true(sl_egress_head(&w->egress, &w->bounds, &head, &w->drops));
	assert_int_equal(head.next_len, 1400);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(take(w, NULL), BULK);
}

// RELAY-7: the two parts of a frame are dropped together and count as one; once the first has left, the rest
// is sent.
static void two_parts_are_one_frame(void **state)
{
	struct world *w = *state;
	uint8_t body[800] = {0};

	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(put(w, BULK, i, 1400), SL_OK);
		assert_int_equal(
			sl_egress_put(&w->egress, BULK, NULL, 0, body, 100 + i, true, w->bounds.now_ns),
			SL_OK);
		w->bounds.now_ns += 20 * SL_NS_PER_MS;
	}
	assert_int_equal(take(w, NULL), BULK); // two are too old by now
	assert_int_equal(w->drops.aged, 2);
	assert_int_equal(w->egress.count, 3);
	assert_true(sl_egress_room(&w->egress, BULK, 2));
	for (uint32_t i = 0; w->egress.count < 1023; i++)
		assert_int_equal(put(w, BULK, i, 200), SL_OK);
	assert_false(sl_egress_room(&w->egress, BULK, 2));
	assert_true(sl_egress_room(&w->egress, PING, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flow_stays_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sparse_flow_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(greedy_flows_share_by_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(many_new_flows_starve_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(full_takes_from_the_fattest, setup, teardown),
		cmocka_unit_test_setup_teardown(the_pool_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_old_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_standing_queue_is_kept_short, setup, teardown),
		cmocka_unit_test_setup_teardown(only_sparse_flows_pass_a_full_path, setup, teardown),
		cmocka_unit_test_setup_teardown(two_parts_are_one_frame, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
