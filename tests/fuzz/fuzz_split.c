// The joiner of frames in two parts (PROTO-1): any sequence of parts of three sources, of waits and of
// leaves. What it joins is held against a slow model of the rules; what it does not join is reported once.
//
// Input, over and over: a byte `what` (bits 0-1: source, 3: all wait; bit 2: the part is the rest; bits 3-4:
// frame id; bits 5-7: how long), then as many bytes of the part as `what` says, each repeated.
#include <stdbool.h>

#include "common/err.h"
#include "fuzz.h"
#include "proto/split.h"

#define SOURCES 3
#define IDS 4
#define STEPS_MAX 20000

struct model_part {
	bool there, rest;
	uint8_t fill;
	size_t len;
	uint64_t put_ns, order;
};

struct model {
	struct sl_split_pool pool;
	struct sl_split_source source[SOURCES];
	struct model_part part[SOURCES][IDS];
	uint64_t now_ns, order;
	size_t lost, expected_lost, waiting;
};

static void on_lost(void *arg, struct sl_split_source *source)
{
	struct model *m = arg;

	CHECK(source >= m->source && source < m->source + SOURCES);
	m->lost++;
}

static void take_out(struct model *m, struct model_part *part, bool lost)
{
	CHECK(part->there);
	part->there = false;
	m->waiting--;
	m->expected_lost += lost;
}

static void wait_some(struct model *m, unsigned amount)
{
	uint64_t next;

	m->now_ns += amount * 40 * SL_NS_PER_MS;
	for (unsigned s = 0; s < SOURCES; s++)
		for (unsigned i = 0; i < IDS; i++)
			if (m->part[s][i].there && m->now_ns - m->part[s][i].put_ns >= SL_SPLIT_AGE_NS)
				take_out(m, &m->part[s][i], true);
	next = sl_split_expire(&m->pool, m->now_ns);
	CHECK((next == SL_TIME_NEVER) == (m->waiting == 0));
	CHECK(next > m->now_ns);
}

static void check_frame(const struct sl_overlay *frame, const struct model_part *a,
			const struct model_part *b)
{
	const struct model_part *first = a->rest ? b : a, *rest = a->rest ? a : b;

	CHECK(frame->type == SL_OVERLAY_ETHERNET && frame->frame_len == first->len + rest->len);
	CHECK(frame->frame_len <= SL_SPLIT_FRAME_MAX);
	for (size_t i = 0; i < frame->frame_len; i++)
		CHECK(frame->frame[i] == (i < first->len ? first->fill : rest->fill));
}

static void part(struct model *m, unsigned source, unsigned id, bool rest, uint8_t fill, size_t len)
{
	struct model_part *waiting = &m->part[source][id];
	struct model_part now = {.there = true, .rest = rest, .fill = fill, .len = len, .put_ns = m->now_ns};
	uint8_t *bytes = malloc(len);
	struct sl_overlay overlay = {.type = rest ? SL_OVERLAY_REST : SL_OVERLAY_FIRST,
				     .peer_id = 1,
				     .frame_id = (uint16_t)id,
				     .frame = bytes,
				     .frame_len = len};
	int rc;

	CHECK(bytes != NULL);
	memset(bytes, fill, len);
	rc = sl_split_join(&m->pool, &m->source[source], &overlay, m->now_ns);
	free(bytes); // it has been copied
	if (len >= SL_SPLIT_FRAME_MAX) {
		CHECK(rc == SL_ERR_TOO_LARGE);
	} else if (!waiting->there) {
		CHECK(rc == SL_ERR_AGAIN);
		*waiting = now;
		m->waiting++;
	} else if (waiting->rest == rest) {
		CHECK(rc == SL_ERR_EXISTS);
	} else if (waiting->len + len > SL_SPLIT_FRAME_MAX) {
		CHECK(rc == SL_ERR_TOO_LARGE);
		take_out(m, waiting, true);
	} else {
		CHECK(rc == SL_OK);
		check_frame(&overlay, waiting, &now);
		take_out(m, waiting, false);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t lengths[8] = {1, 2, 124, 759, 1000, 1394, 1517, 1518};
	struct model *m = calloc(1, sizeof(*m));

	CHECK(m != NULL);
	sl_split_init(&m->pool, on_lost, m);
	for (size_t i = 0; i < size && i < STEPS_MAX; i++) {
		unsigned what = data[i], source = what & 3;

		if (source == SOURCES && (what & 4) != 0) {
			source = (what >> 3) % SOURCES;
			for (unsigned id = 0; id < IDS; id++)
				if (m->part[source][id].there)
					take_out(m, &m->part[source][id], true);
			sl_split_forget(&m->pool, &m->source[source]);
		} else if (source == SOURCES) {
			wait_some(m, what >> 5);
		} else {
			part(m, source, what >> 3 & 3, (what & 4) != 0, (uint8_t)i, lengths[what >> 5]);
		}
		CHECK(m->lost == m->expected_lost);
		CHECK(m->pool.waiting == m->waiting);
	}
	sl_split_fini(&m->pool);
	free(m);
	return 0;
}
