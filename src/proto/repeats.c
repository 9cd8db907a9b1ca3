#include "proto/repeats.h"

#include <string.h>

#include "common/map.h"

// A frame may stand in any slot of its set, so that two frames that go round at once do not push each other
// out all the time.
#define WAYS 4
_Static_assert(SL_REPEATS_SLOTS % WAYS == 0, "sets are whole");

void sl_repeats_init(struct sl_repeats *repeats, const uint64_t hash_key[2])
{
	memset(repeats, 0, sizeof(*repeats));
	repeats->key[0] = hash_key[0];
	repeats->key[1] = hash_key[1];
}

static bool is_over(const struct sl_repeats_slot *slot, uint64_t now_ns)
{
	return slot->seen == 0 || now_ns - slot->first_ns >= SL_REPEATS_WINDOW_NS;
}

// Is `a` a better slot to lose than `b`? One whose time is over, then the one that was repeated less, then
// the one that began first.
static bool rather_lose(const struct sl_repeats_slot *a, const struct sl_repeats_slot *b, uint64_t now_ns)
{
	if (is_over(a, now_ns) != is_over(b, now_ns))
		return is_over(a, now_ns);
	if (a->seen != b->seen)
		return a->seen < b->seen;
	return a->first_ns < b->first_ns;
}

// The whole hash is compared and a stranger's count is never taken over: where there are more frames than
// slots, a repeated one may be missed, but one that was not repeated is never dropped.
unsigned sl_repeats_seen(struct sl_repeats *repeats, const uint8_t *frame, size_t len, uint64_t now_ns)
{
	uint64_t hash = sl_siphash(repeats->key, frame, len);
	struct sl_repeats_slot *set = &repeats->slots[hash % (SL_REPEATS_SLOTS / WAYS) * WAYS];
	struct sl_repeats_slot *use = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].seen != 0 && set[i].hash == hash) {
			use = &set[i];
			break;
		}
		if (rather_lose(&set[i], use, now_ns))
			use = &set[i];
	}
	if (use->hash != hash || is_over(use, now_ns))
		*use = (struct sl_repeats_slot){.hash = hash, .first_ns = now_ns};
	return use->seen > SL_REPEATS_ALLOWED ? use->seen : use->seen++;
}
