#include "common/queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#define FIRST_CAPACITY ((size_t)16 * 1024)
#define ALIGNMENT sizeof(uint64_t)

// Stands in the ring before each record's bytes; records begin at multiples of ALIGNMENT.
struct record_header {
	uint64_t put_ns;
	uint32_t len;
	uint16_t tag;
};

// The ring holds [head, tail), or, when `wrap` is not 0, [head, wrap) and then [0, tail).

static size_t record_size(size_t len)
{
	return (sizeof(struct record_header) + len + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void sl_queue_init(struct sl_queue *queue, size_t max_count, size_t max_bytes)
{
	memset(queue, 0, sizeof(*queue));
	queue->max_count = max_count;
	queue->max_bytes = max_bytes & ~(ALIGNMENT - 1);
}

void sl_queue_fini(struct sl_queue *queue)
{
	free(queue->ring);
	queue->ring = NULL;
	queue->capacity = 0;
	sl_queue_clear(queue);
}

// Finds `need` free bytes in one piece in the ring as it is.
static bool reserve(struct sl_queue *queue, size_t need)
{
	if (queue->wrap != 0)
		return queue->head - queue->tail >= need;
	if (queue->capacity - queue->tail >= need)
		return true;
	if (queue->head < need)
		return false;
	queue->wrap = queue->tail;
	queue->tail = 0;
	return true;
}

static int grow(struct sl_queue *queue, size_t need)
{
	size_t upper = (queue->wrap != 0 ? queue->wrap : queue->tail) - queue->head;
	size_t lower = queue->wrap != 0 ? queue->tail : 0;
	size_t capacity = queue->capacity;
	uint8_t *ring;

	do {
		if (capacity >= queue->max_bytes)
			return SL_ERR_AGAIN;
		capacity = capacity == 0 ? FIRST_CAPACITY : capacity * 2;
		if (capacity > queue->max_bytes || capacity < queue->capacity)
			capacity = queue->max_bytes;
	} while (capacity - upper - lower < need);

	ring = malloc(capacity);
	if (ring == NULL)
		return SL_ERR_NOMEM;
	if (upper > 0)
		memcpy(ring, queue->ring + queue->head, upper);
	if (lower > 0)
		memcpy(ring + upper, queue->ring, lower);
	free(queue->ring);
	queue->ring = ring;
	queue->capacity = capacity;
	queue->head = 0;
	queue->tail = upper + lower;
	queue->wrap = 0;
	return SL_OK;
}

int sl_queue_put(struct sl_queue *queue, const void *head, size_t head_len, const void *body, size_t body_len,
		 uint64_t now_ns, uint16_t tag)
{
	struct record_header header = {.put_ns = now_ns, .tag = tag};
	size_t len, need;
	uint8_t *at;
	int rc;

	if (queue->count >= queue->max_count)
		return SL_ERR_AGAIN;
	if (head_len > queue->max_bytes || body_len > queue->max_bytes - head_len ||
	    head_len + body_len > UINT32_MAX - 2 * sizeof(header))
		return SL_ERR_AGAIN;
	len = head_len + body_len;
	need = record_size(len);
	if (need > queue->max_bytes)
		return SL_ERR_AGAIN;
	if (!reserve(queue, need)) {
		rc = grow(queue, need);
		if (rc != SL_OK)
			return rc;
	}
	header.len = (uint32_t)len;
	at = queue->ring + queue->tail;
	memcpy(at, &header, sizeof(header));
	at += sizeof(header);
	if (head_len > 0)
		memcpy(at, head, head_len);
	if (body_len > 0)
		memcpy(at + head_len, body, body_len);
	queue->tail += need;
	queue->count++;
	queue->bytes += len;
	return SL_OK;
}

bool sl_queue_peek(const struct sl_queue *queue, struct sl_record *out)
{
	struct record_header header;

	if (queue->count == 0)
		return false;
	memcpy(&header, queue->ring + queue->head, sizeof(header));
	out->data = queue->ring + queue->head + sizeof(header);
	out->len = header.len;
	out->put_ns = header.put_ns;
	out->tag = header.tag;
	return true;
}

void sl_queue_pop(struct sl_queue *queue)
{
	struct record_header header;

	if (queue->count == 0)
		return;
	memcpy(&header, queue->ring + queue->head, sizeof(header));
	queue->head += record_size(header.len);
	queue->bytes -= header.len;
	queue->count--;
	if (queue->count == 0) {
		sl_queue_clear(queue);
	} else if (queue->head == queue->wrap) {
		queue->head = 0;
		queue->wrap = 0;
	}
}

void sl_queue_clear(struct sl_queue *queue)
{
	queue->head = 0;
	queue->tail = 0;
	queue->wrap = 0;
	queue->count = 0;
	queue->bytes = 0;
}
