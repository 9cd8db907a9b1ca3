#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/queue.h"

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static void queue_keeps_order_and_fields(void **state)
{
	struct sl_queue queue;
	struct sl_record record;

	(void)state;
	sl_queue_init(&queue, 10, 65536);
	assert_true(sl_queue_empty(&queue));
	assert_false(sl_queue_peek(&queue, &record));
	sl_queue_pop(&queue);
	assert_null(queue.ring); // no memory before the first record
	assert_int_equal(sl_queue_put(&queue, "head", 4, "body!", 5, 77, 9), SL_OK);
	assert_int_equal(sl_queue_put(&queue, NULL, 0, "x", 1, 78, 65535), SL_OK);
	assert_int_equal(sl_queue_put(&queue, NULL, 0, NULL, 0, UINT64_MAX, 0), SL_OK);
	assert_int_equal(queue.count, 3);
	assert_int_equal(queue.bytes, 10);

	assert_true(sl_queue_peek(&queue, &record));
	assert_int_equal(record.len, 9);
	assert_memory_equal(record.data, "headbody!", 9);
	assert_int_equal(record.put_ns, 77);
	assert_int_equal(record.tag, 9);
	sl_queue_pop(&queue);
	assert_true(sl_queue_peek(&queue, &record));
	assert_int_equal(record.len, 1);
	assert_int_equal(record.data[0], 'x');
	assert_int_equal(record.tag, 65535);
	sl_queue_pop(&queue);
	assert_true(sl_queue_peek(&queue, &record));
	assert_int_equal(record.len, 0);
	assert_true(record.put_ns == UINT64_MAX);
	sl_queue_pop(&queue);
	assert_true(sl_queue_empty(&queue));
	assert_int_equal(queue.bytes, 0);
	sl_queue_fini(&queue);
	sl_queue_fini(&queue);
}

// RELAY-7, the egress queue's bound: by count and by bytes, and being full changes nothing.
static void queue_is_bounded(void **state)
{
	static uint8_t body[100000];
	struct sl_queue queue;
	struct sl_record record;
	size_t n = 0;

	(void)state;
	sl_queue_init(&queue, 3, 1 << 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sl_queue_put(&queue, NULL, 0, body, 1400, 0, 0), SL_OK);
	assert_int_equal(sl_queue_put(&queue, NULL, 0, body, 1400, 0, 0), SL_ERR_AGAIN);
	assert_int_equal(queue.count, 3);
	sl_queue_fini(&queue);

	sl_queue_init(&queue, 1000, 40000); // not a power of two
	body[0] = 1;
	while (sl_queue_put(&queue, NULL, 0, body, 1400, n, 0) == SL_OK)
		n++;
	assert_int_equal(n, 40000 / 1416);
	assert_int_equal(queue.count, n);
	assert_in_range(queue.capacity, 1, 40000);
	assert_true(sl_queue_peek(&queue, &record));
	assert_int_equal(record.put_ns, 0);
	assert_int_equal(sl_queue_put(&queue, NULL, 0, body, sizeof(body), 0, 0), SL_ERR_AGAIN);
	assert_int_equal(sl_queue_put(&queue, body, SIZE_MAX, body, SIZE_MAX, 0, 0), SL_ERR_AGAIN);
	assert_int_equal(sl_queue_put(&queue, body, 1, body, SIZE_MAX, 0, 0), SL_ERR_AGAIN);
	sl_queue_clear(&queue);
	assert_true(sl_queue_empty(&queue));
	assert_int_equal(sl_queue_put(&queue, NULL, 0, body, 40000 - 16, 0, 0), SL_OK);
	sl_queue_fini(&queue);

	sl_queue_init(&queue, 1000, 10); // smaller than one record
	assert_int_equal(sl_queue_put(&queue, NULL, 0, body, 1, 0, 0), SL_ERR_AGAIN);
	sl_queue_fini(&queue);
}

// The ring starts at 16 KiB, doubles, and is kept.
static void queue_grows_by_doubling(void **state)
{
	static const uint8_t body[1000];
	struct sl_queue queue;
	size_t last = 0;

	(void)state;
	sl_queue_init(&queue, 10000, 1 << 20);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(sl_queue_put(&queue, NULL, 0, body, sizeof(body), 0, 0), SL_OK);
		assert_true(queue.capacity == last || queue.capacity == (last == 0 ? 16384 : last * 2));
		last = queue.capacity;
	}
	while (!sl_queue_empty(&queue))
		sl_queue_pop(&queue);
	assert_int_equal(queue.capacity, 1 << 20);
	sl_queue_fini(&queue);
}

#define MODEL_MAX 64

// Random puts and pops against a plain array of copies: order, bytes, fields and alignment.
static void queue_model(void **state)
{
	static uint8_t copy[MODEL_MAX][4096];
	static uint8_t bytes[4096];

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct {
			size_t len;
			uint64_t put_ns;
			uint16_t tag;
		} model[MODEL_MAX];
		uint64_t random = seed;
		size_t first = 0, count = 0, total = 0, refused = 0;
		size_t max_bytes = 20000 + seed * 4001;
		struct sl_queue queue;
		struct sl_record record;

		sl_queue_init(&queue, MODEL_MAX, max_bytes);
		for (uint64_t step = 0; step < 20000; step++) {
			bool fill = (step / 500) % 2 == 0;

			if (next_random(&random) % 8 < (fill ? 5u : 3u)) {
				size_t len = next_random(&random) % (step % 3 == 0 ? 4096 : 200);
				size_t head_len = len == 0 ? 0 : next_random(&random) % len;
				size_t at = (first + count) % MODEL_MAX;
				int rc;

				for (size_t i = 0; i < len; i++)
					bytes[i] = (uint8_t)(step + i * 31);
				rc = sl_queue_put(&queue, bytes, head_len, bytes + head_len, len - head_len,
						  step, (uint16_t)(step * 3));
				if (rc == SL_ERR_AGAIN) {
					// Refused only when nearly full: a record never needs more than
					// its own size of waste at the end of the ring.
					assert_true(count == MODEL_MAX ||
						    total + count * 24 + 2 * (len + 24) + 4120 > max_bytes);
					refused++;
				} else {
					assert_int_equal(rc, SL_OK);
					memcpy(copy[at], bytes, len);
					model[at].len = len;
					model[at].put_ns = step;
					model[at].tag = (uint16_t)(step * 3);
					count++;
					total += len;
				}
			} else {
				assert_int_equal(sl_queue_peek(&queue, &record), count > 0);
				if (count > 0) {
					assert_int_equal(record.len, model[first].len);
					assert_memory_equal(record.data, copy[first], record.len);
					assert_true(record.put_ns == model[first].put_ns);
					assert_int_equal(record.tag, model[first].tag);
					assert_int_equal((uintptr_t)record.data % 8, 0);
					total -= record.len;
					first = (first + 1) % MODEL_MAX;
					count--;
				}
				sl_queue_pop(&queue);
			}
			assert_int_equal(queue.count, count);
			assert_int_equal(queue.bytes, total);
			assert_true(queue.capacity <= max_bytes);
		}
		assert_true(refused > 0);
		sl_queue_fini(&queue);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_keeps_order_and_fields),
		cmocka_unit_test(queue_is_bounded),
		cmocka_unit_test(queue_grows_by_doubling),
		cmocka_unit_test(queue_model),
	};
	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
