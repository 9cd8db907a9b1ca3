// Finds frames that go round and round: identical ones that come more than SL_REPEATS_ALLOWED times again
// within 100 ms (rule `loop`). For broadcast and multicast only: a game may well send the same unicast
// packet many times. Bounded memory, one hash for each frame.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/time.h"

#define SL_REPEATS_ALLOWED 3
#define SL_REPEATS_WINDOW_NS (100 * SL_NS_PER_MS)
#define SL_REPEATS_SLOTS 1024

struct sl_repeats {
	uint64_t key[2];
	struct sl_repeats_slot {
		uint64_t hash;
		uint64_t first_ns;
		uint32_t seen; // 0: free
	} slots[SL_REPEATS_SLOTS];
};

void sl_repeats_init(struct sl_repeats *repeats, const uint64_t hash_key[2]);
// Takes note of the frame. Returns how often it had come before within the window, up to
// SL_REPEATS_ALLOWED + 1.
unsigned sl_repeats_seen(struct sl_repeats *repeats, const uint8_t *frame, size_t len, uint64_t now_ns);
// Likewise. True: it has been repeated too often, drop it.
static inline bool sl_repeats_excess(struct sl_repeats *repeats, const uint8_t *frame, size_t len,
				     uint64_t now_ns)
{
	return sl_repeats_seen(repeats, frame, len, now_ns) > SL_REPEATS_ALLOWED;
}
