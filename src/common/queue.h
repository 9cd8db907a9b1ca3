// A bounded first-in first-out queue of byte records (frames), in one ring of memory that is
// allocated at the first put, grows by doubling up to its bound, and is kept. Bounded in records
// and in bytes of memory; the caller bounds the age, by put_ns. Putting copies the record once; nothing is
// allocated per record.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_queue {
	uint8_t *ring;
	size_t capacity, max_bytes; // of the ring, the records' own headers (16 bytes) included
	size_t head, tail;          // byte offsets of the oldest record and of the free space
	size_t count, max_count;
	size_t bytes; // payload bytes held
	size_t wrap;  // where the ring was left early to keep a record in one piece; 0: was not
};

// A record: `data` points into the ring and is valid until the next put or pop.
struct sl_record {
	const uint8_t *data;
	size_t len;
	uint64_t put_ns; // when it was put
	uint16_t tag;    // the caller's
};

void sl_queue_init(struct sl_queue *queue, size_t max_count, size_t max_bytes);
void sl_queue_fini(struct sl_queue *queue);

// Copies head and then body as one record (`head` may be NULL with head_len 0).
// SL_OK, SL_ERR_AGAIN (full, or larger than the whole ring may get: nothing changed) or SL_ERR_NOMEM.
int sl_queue_put(struct sl_queue *queue, const void *head, size_t head_len, const void *body, size_t body_len,
		 uint64_t now_ns, uint16_t tag);
bool sl_queue_peek(const struct sl_queue *queue, struct sl_record *out); // false: empty
void sl_queue_pop(struct sl_queue *queue);                               // drops the oldest; no-op when empty
void sl_queue_clear(struct sl_queue *queue);

static inline bool sl_queue_empty(const struct sl_queue *queue)
{
	return queue->count == 0;
}
