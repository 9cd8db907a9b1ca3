#include "proto/split.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#define CHUNK_PARTS SL_SPLIT_WAITING_MAX
#define PART_MAX (SL_SPLIT_FRAME_MAX - 1) // neither part is empty

// Two lists run through the parts that wait, oldest first: one of its source, one of all. They are apart from
// the bytes, so that a walk stays within a few cache lines.
struct sl_split_part {
	struct sl_split_part *older, *newer; // of all; `newer` also links the unused ones
	struct sl_split_part *source_older, *source_newer;
	struct sl_split_source *source;
	uint64_t put_ns;
	uint8_t *frame; // SL_SPLIT_FRAME_MAX bytes: a first part stands at their beginning, a rest at their
			// end
	uint16_t frame_id, len;
	bool first;
};

struct sl_split_chunk {
	struct sl_split_chunk *next;
	struct sl_split_part parts[CHUNK_PARTS];
	uint8_t frames[CHUNK_PARTS][SL_SPLIT_FRAME_MAX];
};

#define CHUNKS_MAX (SL_SPLIT_POOL_BYTES / sizeof(struct sl_split_chunk))

size_t sl_split_first(size_t len, size_t limit)
{
	size_t most;

	if (limit <= SL_OVERLAY_PART_HEADER || len > SL_SPLIT_FRAME_MAX)
		return 0;
	most = limit - SL_OVERLAY_PART_HEADER;
	return len > most && len - most <= most ? most : 0;
}

void sl_split_init(struct sl_split_pool *pool, sl_split_lost_fn lost, void *arg)
{
	*pool = (struct sl_split_pool){.lost = lost, .arg = arg};
}

void sl_split_fini(struct sl_split_pool *pool)
{
	struct sl_split_chunk *next;

	for (struct sl_split_chunk *chunk = pool->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*pool = (struct sl_split_pool){.lost = pool->lost, .arg = pool->arg};
}

// ---- the lists

static void put_unused(struct sl_split_pool *pool, struct sl_split_part *part)
{
	part->newer = pool->unused;
	pool->unused = part;
}

static void append(struct sl_split_pool *pool, struct sl_split_part *part)
{
	struct sl_split_source *source = part->source;

	part->older = pool->newest;
	part->newer = NULL;
	*(pool->newest != NULL ? &pool->newest->newer : &pool->oldest) = part;
	pool->newest = part;
	pool->waiting++;
	part->source_older = source->newest;
	part->source_newer = NULL;
	*(source->newest != NULL ? &source->newest->source_newer : &source->oldest) = part;
	source->newest = part;
	source->waiting++;
}

// Its bytes stay as they are until the next one is put.
static void take_out(struct sl_split_pool *pool, struct sl_split_part *part)
{
	struct sl_split_source *source = part->source;

	*(part->older != NULL ? &part->older->newer : &pool->oldest) = part->newer;
	*(part->newer != NULL ? &part->newer->older : &pool->newest) = part->older;
	pool->waiting--;
	*(part->source_older != NULL ? &part->source_older->source_newer : &source->oldest) =
		part->source_newer;
	*(part->source_newer != NULL ? &part->source_newer->source_older : &source->newest) =
		part->source_older;
	source->waiting--;
	put_unused(pool, part);
}

static void lose(struct sl_split_pool *pool, struct sl_split_part *part)
{
	struct sl_split_source *source = part->source;

	take_out(pool, part);
	pool->lost(pool->arg, source);
}

static bool add_chunk(struct sl_split_pool *pool)
{
	struct sl_split_chunk *chunk = pool->chunk_count < CHUNKS_MAX ? malloc(sizeof(*chunk)) : NULL;

	if (chunk == NULL)
		return false;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	pool->chunk_count++;
	for (size_t i = CHUNK_PARTS; i-- > 0;) {
		chunk->parts[i].frame = chunk->frames[i];
		put_unused(pool, &chunk->parts[i]);
	}
	return true;
}

// A place for one more part of the source. When all memory is in use, the oldest part of all gives way: an
// honest sender's two parts come one right after the other, so it is hardly ever one of those.
static struct sl_split_part *place_for(struct sl_split_pool *pool, struct sl_split_source *source)
{
	struct sl_split_part *part;

	if (source->waiting >= SL_SPLIT_WAITING_MAX)
		lose(pool, source->oldest);
	if (pool->unused == NULL && !add_chunk(pool)) {
		if (pool->oldest == NULL)
			return NULL;
		lose(pool, pool->oldest);
	}
	part = pool->unused;
	pool->unused = part->newer;
	return part;
}

// ---- joining

// The part of this frame that waits. Its other half mostly follows at once, so the newest are looked at
// first.
static struct sl_split_part *find(const struct sl_split_source *source, uint16_t frame_id)
{
	struct sl_split_part *part = source->newest;

	while (part != NULL && part->frame_id != frame_id)
		part = part->source_older;
	return part;
}

static int wait_for_other(struct sl_split_pool *pool, struct sl_split_source *source,
			  const struct sl_overlay *part, uint64_t now_ns)
{
	struct sl_split_part *place = place_for(pool, source);

	if (place == NULL)
		return SL_ERR_NOMEM;
	place->source = source;
	place->put_ns = now_ns;
	place->frame_id = part->frame_id;
	place->len = (uint16_t)part->frame_len;
	place->first = part->type == SL_OVERLAY_FIRST;
	memcpy(place->frame + (place->first ? 0 : SL_SPLIT_FRAME_MAX - part->frame_len), part->frame,
	       part->frame_len);
	append(pool, place);
	return SL_ERR_AGAIN;
}

static void complete(struct sl_split_pool *pool, struct sl_split_part *waiting, struct sl_overlay *part)
{
	uint8_t *rest = waiting->frame + SL_SPLIT_FRAME_MAX - waiting->len; // if it is the rest that waited
	uint8_t *frame = waiting->first ? waiting->frame : rest - part->frame_len;

	memcpy(waiting->first ? waiting->frame + waiting->len : frame, part->frame, part->frame_len);
	part->type = SL_OVERLAY_ETHERNET;
	part->frame_id = 0;
	part->frame = frame;
	part->frame_len += waiting->len;
	take_out(pool, waiting);
}

int sl_split_join(struct sl_split_pool *pool, struct sl_split_source *source, struct sl_overlay *part,
		  uint64_t now_ns)
{
	struct sl_split_part *waiting;

	if (part->frame_len > PART_MAX)
		return SL_ERR_TOO_LARGE;
	waiting = find(source, part->frame_id);
	// The timer is coarse, and a frame id may come round within 200 ms of its timeout.
	if (waiting != NULL && now_ns - waiting->put_ns >= SL_SPLIT_AGE_NS) {
		lose(pool, waiting);
		waiting = NULL;
	}
	if (waiting == NULL)
		return wait_for_other(pool, source, part, now_ns);
	if (waiting->first == (part->type == SL_OVERLAY_FIRST))
		return SL_ERR_EXISTS;
	if (waiting->len + part->frame_len > SL_SPLIT_FRAME_MAX) {
		lose(pool, waiting);
		return SL_ERR_TOO_LARGE;
	}
	complete(pool, waiting, part);
	return SL_OK;
}

uint64_t sl_split_expire(struct sl_split_pool *pool, uint64_t now_ns)
{
	while (pool->oldest != NULL && now_ns - pool->oldest->put_ns >= SL_SPLIT_AGE_NS)
		lose(pool, pool->oldest);
	return pool->oldest != NULL ? pool->oldest->put_ns + SL_SPLIT_AGE_NS : SL_TIME_NEVER;
}

void sl_split_forget(struct sl_split_pool *pool, struct sl_split_source *source)
{
	while (source->oldest != NULL)
		lose(pool, source->oldest);
}
