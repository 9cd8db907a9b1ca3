#include "quic/egress.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#define CHUNK_SLOTS 64
#define QUANTUM 1514 // bytes a flow may send in its turn: one frame of the usual size
// So many turns of new flows, then one of an old flow: who makes a new flow of each packet starves nobody.
#define FRESH_TURNS 8

struct sl_slot {
	struct sl_slot *next;
	uint64_t put_ns;
	uint32_t len;
	bool rest; // of the datagram before it
	uint8_t data[SL_EGRESS_DATAGRAM_MAX];
};

// Lives while it has datagrams, and until its next turn would come: so its deficit is remembered.
struct sl_egress_flow {
	uint32_t number;
	int32_t deficit;
	size_t count, bytes;
	uint64_t standing_ns;                      // since when it stands; 0: it does not
	uint64_t aged_ns;                          // when something of it was last dropped for its age
	struct sl_slot *head, **tail;              // datagrams
	struct sl_egress_flow *next, *same_bucket; // in its list, and in its bucket
};

// A flow is made with a datagram, so there are never more of them than slots, but for those that are empty
// and wait for their turn to be removed. Each chunk brings as many of both.
struct chunk {
	struct chunk *next;
	struct sl_egress_flow flows[CHUNK_SLOTS];
	struct sl_slot slots[CHUNK_SLOTS];
};

void sl_egress_pool_init(struct sl_egress_pool *pool, size_t max_slots)
{
	*pool = (struct sl_egress_pool){.max_slots = max_slots};
}

void sl_egress_pool_fini(struct sl_egress_pool *pool)
{
	struct chunk *chunk = pool->chunks, *next;

	for (; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	pool->chunks = NULL;
	pool->free_slots = NULL;
	pool->free_flows = NULL;
	pool->slots = 0;
}

static int grow(struct sl_egress_pool *pool)
{
	struct chunk *chunk;

	if (pool->slots + CHUNK_SLOTS > pool->max_slots)
		return SL_ERR_AGAIN;
	chunk = malloc(sizeof(*chunk));
	if (chunk == NULL)
		return SL_ERR_NOMEM;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->slots += CHUNK_SLOTS;
	for (size_t i = CHUNK_SLOTS; i-- > 0;) {
		chunk->slots[i].next = pool->free_slots;
		pool->free_slots = &chunk->slots[i];
		chunk->flows[i].next = pool->free_flows;
		pool->free_flows = &chunk->flows[i];
	}
	return SL_OK;
}

// ---- lists

static void list_init(struct sl_egress_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void append(struct sl_egress_list *list, struct sl_egress_flow *flow)
{
	flow->next = NULL;
	*list->end = flow;
	list->end = &flow->next;
}

static struct sl_egress_flow *take_first(struct sl_egress_list *list)
{
	struct sl_egress_flow *flow = list->first;

	list->first = flow->next;
	if (list->first == NULL)
		list->end = &list->first;
	return flow;
}

static struct sl_egress_flow **bucket_of(struct sl_egress *egress, uint32_t number)
{
	return &egress->buckets[number % SL_EGRESS_BUCKETS];
}

static struct sl_egress_flow *find_flow(struct sl_egress *egress, uint32_t number)
{
	struct sl_egress_flow *flow = *bucket_of(egress, number);

	while (flow != NULL && flow->number != number)
		flow = flow->same_bucket;
	return flow;
}

static struct sl_egress_flow *make_flow(struct sl_egress *egress, uint32_t number)
{
	struct sl_egress_flow *flow = egress->pool->free_flows, **bucket = bucket_of(egress, number);

	if (flow == NULL)
		return NULL;
	egress->pool->free_flows = flow->next;
	*flow = (struct sl_egress_flow){.number = number, .deficit = QUANTUM, .same_bucket = *bucket};
	flow->tail = &flow->head;
	*bucket = flow;
	append(&egress->fresh, flow);
	return flow;
}

// It is empty and in no list any more.
static void forget_flow(struct sl_egress *egress, struct sl_egress_flow *flow)
{
	struct sl_egress_flow **at = bucket_of(egress, flow->number);

	while (*at != flow)
		at = &(*at)->same_bucket;
	*at = flow->same_bucket;
	flow->next = egress->pool->free_flows;
	egress->pool->free_flows = flow;
}

static void drop_head(struct sl_egress *egress, struct sl_egress_flow *flow)
{
	struct sl_slot *slot = flow->head;

	flow->head = slot->next;
	if (flow->head == NULL)
		flow->tail = &flow->head;
	flow->count--;
	flow->bytes -= slot->len;
	egress->count--;
	slot->next = egress->pool->free_slots;
	egress->pool->free_slots = slot;
}

// With what belongs to it.
static void drop_frame(struct sl_egress *egress, struct sl_egress_flow *flow)
{
	do
		drop_head(egress, flow);
	while (flow->head != NULL && flow->head->rest);
}

// ---- the queue

void sl_egress_init(struct sl_egress *egress, struct sl_egress_pool *pool, size_t max_count)
{
	memset(egress, 0, sizeof(*egress));
	egress->pool = pool;
	egress->max_count = max_count;
	list_init(&egress->fresh);
	list_init(&egress->old);
}

void sl_egress_clear(struct sl_egress *egress)
{
	struct sl_egress_list *lists[] = {&egress->fresh, &egress->old};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		while (lists[i]->first != NULL) {
			struct sl_egress_flow *flow = take_first(lists[i]);

			while (flow->count > 0)
				drop_head(egress, flow);
			forget_flow(egress, flow);
		}
}

static struct sl_egress_flow *fattest(const struct sl_egress *egress)
{
	struct sl_egress_flow *found = NULL;
	const struct sl_egress_list *lists[] = {&egress->fresh, &egress->old};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (struct sl_egress_flow *flow = lists[i]->first; flow != NULL; flow = flow->next)
			if (found == NULL || flow->bytes > found->bytes)
				found = flow;
	return found;
}

static bool has_slots(const struct sl_egress_pool *pool, size_t count)
{
	const struct sl_slot *slot = pool->free_slots;

	for (; count > 0 && slot != NULL; count--)
		slot = slot->next;
	return count == 0 && pool->free_flows != NULL;
}

// Room for `count` more datagrams of `flow` (NULL: a new one).
static int make_room(struct sl_egress *egress, const struct sl_egress_flow *flow, size_t count)
{
	for (;;) {
		struct sl_egress_flow *victim;
		int rc = SL_ERR_AGAIN;

		if (egress->count + count <= egress->max_count) {
			if (has_slots(egress->pool, count))
				return SL_OK;
			rc = grow(egress->pool);
			if (rc == SL_OK)
				return SL_OK;
		}
		victim = fattest(egress);
		if (victim == NULL || victim == flow || victim->count < 2)
			return rc;
		drop_frame(egress, victim);
		egress->evicted++;
	}
}

bool sl_egress_room(struct sl_egress *egress, uint32_t flow, size_t count)
{
	return make_room(egress, find_flow(egress, flow), count) == SL_OK;
}

int sl_egress_put(struct sl_egress *egress, uint32_t flow_number, const void *head, size_t head_len,
		  const void *body, size_t body_len, bool rest, uint64_t now_ns)
{
	struct sl_egress_flow *flow = find_flow(egress, flow_number);
	struct sl_slot *slot;
	int rc;

	if (head_len > SL_EGRESS_DATAGRAM_MAX || body_len > SL_EGRESS_DATAGRAM_MAX - head_len)
		return SL_ERR_TOO_LARGE;
	rc = make_room(egress, flow, 1);
	if (rc != SL_OK)
		return rc;
	if (flow == NULL)
		flow = make_flow(egress, flow_number);
	if (flow == NULL)
		return SL_ERR_NOMEM;
	slot = egress->pool->free_slots;
	egress->pool->free_slots = slot->next;
	slot->next = NULL;
	slot->put_ns = now_ns;
	slot->len = (uint32_t)(head_len + body_len);
	slot->rest = rest;
	if (head_len > 0)
		memcpy(slot->data, head, head_len);
	if (body_len > 0)
		memcpy(slot->data + head_len, body, body_len);
	*flow->tail = slot;
	flow->tail = &slot->next;
	flow->count++;
	flow->bytes += slot->len;
	egress->count++;
	return SL_OK;
}

// The flow whose turn it is, its deficit positive; NULL: there is none with a datagram.
static struct sl_egress_flow *next_flow(struct sl_egress *egress, bool fresh_only)
{
	for (;;) {
		bool fresh = egress->fresh.first != NULL &&
			     (egress->fresh_turns < FRESH_TURNS || egress->old.first == NULL || fresh_only);
		struct sl_egress_list *list = fresh ? &egress->fresh : &egress->old;
		struct sl_egress_flow *flow = list->first;

		if (flow == NULL || (fresh_only && !fresh))
			return NULL;
		if (flow->count > 0 && flow->deficit > 0)
			return flow;
		take_first(list);
		if (fresh)
			egress->fresh_turns++;
		else if (flow->count > 0)
			egress->fresh_turns = 0;
		if (flow->count > 0)
			flow->deficit += QUANTUM;
		// An empty new flow goes to the old ones first: else it would be new again with its next
		// packet, and always go first.
		if (flow->count > 0 || fresh)
			append(&egress->old, flow);
		else
			forget_flow(egress, flow);
	}
}

// How long may the head of a flow have waited? Notes whether its queue stands.
static uint64_t bound_of(struct sl_egress_flow *flow, const struct sl_egress_bounds *bounds)
{
	uint64_t standing, halvings, bound;

	if (bounds->now_ns - flow->head->put_ns > SL_EGRESS_TARGET_NS) {
		if (flow->standing_ns == 0)
			flow->standing_ns = bounds->now_ns;
	} else if (bounds->now_ns - flow->aged_ns > SL_EGRESS_HALVING_NS) {
		flow->standing_ns = 0; // short by itself, not because the rest was dropped
	}
	// Once the first part of a frame has left, the rest is worth its while. And on a slow line a single
	// frame takes longer than the target: two stay in any case.
	if (flow->standing_ns == 0 || flow->head->rest || flow->bytes <= (size_t)2 * QUANTUM)
		return bounds->age_ns;
	standing = bounds->now_ns - flow->standing_ns;
	if (standing < bounds->patience_ns)
		return bounds->age_ns;
	halvings = 1 + (standing - bounds->patience_ns) / SL_EGRESS_HALVING_NS;
	bound = halvings < 32 ? bounds->age_ns >> halvings : 0;
	return bound > SL_EGRESS_TARGET_NS ? bound : SL_EGRESS_TARGET_NS;
}

bool sl_egress_head(struct sl_egress *egress, const struct sl_egress_bounds *bounds,
		    struct sl_egress_head *out, struct sl_egress_drops *drops)
{
	struct sl_egress_flow *flow;

	while ((flow = next_flow(egress, bounds->fresh_only)) != NULL) {
		const struct sl_slot *slot = flow->head;

		if (bounds->now_ns - slot->put_ns > bound_of(flow, bounds)) {
			drops->aged++;
			flow->aged_ns = bounds->now_ns;
		} else if (slot->len > bounds->max_len) {
			drops->too_large++;
		} else {
			egress->found = flow;
			out->data = slot->data;
			out->len = slot->len;
			out->next_len = slot->next != NULL ? slot->next->len : 0;
			return true;
		}
		drop_frame(egress, flow);
	}
	return false;
}

void sl_egress_pop(struct sl_egress *egress)
{
	struct sl_egress_flow *flow = egress->found;

	flow->deficit -= (int32_t)flow->head->len;
	drop_head(egress, flow);
}
