// What waits to leave on one connection: datagrams in flows that are served in turn (deficit round robin with
// a list for new flows, as in RFC 8290, FQ-CoDel). A flow that sends little finds the queue as if it were
// empty: a game's packet or a ping never waits behind a download. Bounded in datagrams, in memory and in
// time.
//
// Time: a datagram may wait for `age_ns`, long enough to ride out a round trip or two without a window. A
// flow whose queue stands, that is, whose head has been older than SL_EGRESS_TARGET_NS without a pause for as
// long as `patience_ns`, is being sent faster than the path carries. Then its bound is halved with each
// further SL_EGRESS_HALVING_NS, down to the target: TCP has slowed down long before that, and what does not
// slow down is kept short.
//
// The datagrams lie in slots of one pool for the whole endpoint, taken and given back last in, first out, so
// that a busy endpoint works in warm memory. Nothing is allocated per datagram.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/time.h"

#define SL_EGRESS_DATAGRAM_MAX 1560 // bytes; more than any path of 1500 bytes carries
#define SL_EGRESS_TARGET_NS (4 * SL_NS_PER_MS)
#define SL_EGRESS_HALVING_NS (50 * SL_NS_PER_MS)

// ---- the pool

struct sl_slot;
struct sl_egress_flow;

struct sl_egress_pool {
	struct sl_slot *free_slots;
	struct sl_egress_flow *free_flows;
	void *chunks; // what was allocated, as a list
	size_t slots, max_slots;
};

void sl_egress_pool_init(struct sl_egress_pool *pool, size_t max_slots);
void sl_egress_pool_fini(struct sl_egress_pool *pool); // all queues of it are gone

// ---- a connection's queue

#define SL_EGRESS_BUCKETS 32

struct sl_egress_list {
	struct sl_egress_flow *first, **end;
};

struct sl_egress {
	struct sl_egress_pool *pool;
	size_t count, max_count; // datagrams
	struct sl_egress_list fresh, old;
	struct sl_egress_flow *found;                      // the one that sl_egress_head has chosen
	size_t evicted;                                    // since the caller last set it to 0
	unsigned fresh_turns;                              // of new flows, one after the other
	struct sl_egress_flow *buckets[SL_EGRESS_BUCKETS]; // to find a flow by its number
};

// A datagram that is to be sent. `data` is valid until it is popped, or until the queue is cleared.
struct sl_egress_head {
	const uint8_t *data;
	size_t len;
	size_t next_len; // of the one that its flow has after it; 0: none
};

struct sl_egress_bounds {
	uint64_t now_ns, age_ns, patience_ns;
	size_t max_len;  // what the path carries now
	bool fresh_only; // only flows that send little
};

// What sl_egress_head dropped on its way.
struct sl_egress_drops {
	uint64_t aged, too_large;
};

void sl_egress_init(struct sl_egress *egress, struct sl_egress_pool *pool, size_t max_count);
void sl_egress_clear(struct sl_egress *egress); // gives everything back to the pool

// Copies head and then body (`head` may be NULL with head_len 0) as one datagram of a flow, any number.
// SL_OK; SL_ERR_AGAIN: full, and this flow has the most of it; SL_ERR_TOO_LARGE; SL_ERR_NOMEM.
// `rest`: of the frame whose first part was put just before it; the two are dropped together, and count as
// one. When it is full and another flow has more, that flow's oldest datagram makes room, and `evicted`
// counts it.
int sl_egress_put(struct sl_egress *egress, uint32_t flow, const void *head, size_t head_len,
		  const void *body, size_t body_len, bool rest, uint64_t now_ns);

// Is there room for `count` more datagrams of a flow, or can it be made at the cost of a flow that has more?
// Then it is made: that many calls of sl_egress_put succeed, but for want of memory.
bool sl_egress_room(struct sl_egress *egress, uint32_t flow, size_t count);

// The datagram whose turn it is; what is too old or too large before it is dropped and counted in *drops.
// False: nothing is left. It stays the same until it is popped, or something is put or cleared.
bool sl_egress_head(struct sl_egress *egress, const struct sl_egress_bounds *bounds,
		    struct sl_egress_head *out, struct sl_egress_drops *drops);
void sl_egress_pop(struct sl_egress *egress); // that one; only after sl_egress_head has found it

static inline bool sl_egress_empty(const struct sl_egress *egress)
{
	return egress->count == 0;
}
