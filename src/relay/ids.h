// Peer ids: 1 to 65535, unique over the whole relay and not used again for 60 s after they were
// given back, so that a late datagram is never taken for one of another peer.
#pragma once

#include <stdint.h>

#include "common/time.h"

#define RELAY_ID_HOLD_NS (60 * SL_NS_PER_S)

struct relay_ids {
	uint64_t *free_ns; // by id: when it may be used (again); SL_TIME_NEVER: in use
	uint16_t cursor;   // the id given out last
};

int relay_ids_init(struct relay_ids *ids); // SL_OK or SL_ERR_NOMEM
void relay_ids_fini(struct relay_ids *ids);
uint16_t relay_ids_take(struct relay_ids *ids, uint64_t now_ns); // 0: none is free
void relay_ids_give(struct relay_ids *ids, uint16_t id, uint64_t now_ns);
