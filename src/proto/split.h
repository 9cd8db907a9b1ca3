// Frames that cross in two parts (the feature `split`, docs/protocol.md): how a sender cuts one, and how a
// receiver joins it again. Pure: no I/O, the caller's clock.
//
// The parts of all sources wait in one pool, whose memory is bounded whatever the sources do: parts that
// nobody completes are pushed out, by the source's own next ones or by everybody's, or expire.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/time.h"
#include "proto/overlay.h"

#define SL_SPLIT_FRAME_MAX 1518               // of both parts together: a full frame with one VLAN tag
#define SL_SPLIT_BUDGET_MIN 765               // the least budget that carries such a frame in two parts
#define SL_SPLIT_WAITING_MAX 32               // parts of one source
#define SL_SPLIT_POOL_BYTES (4 * 1024 * 1024) // of memory, for the parts of all sources
#define SL_SPLIT_AGE_NS (200 * SL_NS_PER_MS)  // a part waits so long for the other one

// ---- the sender's side

// How long is the first part of a frame of `len` bytes that goes in two datagrams of at most `limit` bytes
// each? As long as they allow. 0: it cannot go so. `len` is above what one datagram of that size carries
// whole.
size_t sl_split_first(size_t len, size_t limit);

// ---- the receiver's side

struct sl_split_part;
struct sl_split_chunk;

// One peer whose parts are joined; zero-initialise. Its frame ids are its own.
struct sl_split_source {
	struct sl_split_part *oldest, *newest;
	unsigned waiting;
};

// The part of this source that waited was given up: it is too old, a newer one needed its place, or its other
// half did not fit it. Count it as `split_timeout`. Nothing of the pool may be called from here.
typedef void (*sl_split_lost_fn)(void *arg, struct sl_split_source *source);

struct sl_split_pool {
	struct sl_split_chunk *chunks;
	size_t chunk_count, waiting;
	struct sl_split_part *oldest, *newest, *unused;
	sl_split_lost_fn lost;
	void *arg;
};

void sl_split_init(struct sl_split_pool *pool, sl_split_lost_fn lost, void *arg);
void sl_split_fini(struct sl_split_pool *pool); // what waits is not reported

// Takes a part (type FIRST or REST, as decoded; it is copied). When it completes a frame, `part` becomes that
// frame: type ETHERNET, its bytes valid until the next call with this pool. Constant time but for a look at
// the at most 32 parts of the source; allocates only when more parts wait than ever before.
//   SL_OK             the frame is whole
//   SL_ERR_AGAIN      the part waits
//   SL_ERR_EXISTS     this part waits already; the new one is dropped (count it as `split_timeout`)
//   SL_ERR_TOO_LARGE  longer than a frame may be, alone or with its other half, which is lost then too
//   (`malformed`) SL_ERR_NOMEM      there is no memory for it (`split_timeout`)
int sl_split_join(struct sl_split_pool *pool, struct sl_split_source *source, struct sl_overlay *part,
		  uint64_t now_ns);

// Gives up what has waited for SL_SPLIT_AGE_NS. Returns when to be called again; SL_TIME_NEVER: nothing
// waits.
uint64_t sl_split_expire(struct sl_split_pool *pool, uint64_t now_ns);

// The source goes away: what waits is lost (and reported).
void sl_split_forget(struct sl_split_pool *pool, struct sl_split_source *source);
