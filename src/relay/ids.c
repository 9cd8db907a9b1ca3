#include "relay/ids.h"

#include <stdlib.h>

#include "common/err.h"

int relay_ids_init(struct relay_ids *ids)
{
	ids->cursor = 0;
	// Untouched pages of it cost no memory: a small relay uses one.
	ids->free_ns = calloc(UINT16_MAX + 1, sizeof(*ids->free_ns));
	return ids->free_ns ? SL_OK : SL_ERR_NOMEM;
}

void relay_ids_fini(struct relay_ids *ids)
{
	free(ids->free_ns);
	ids->free_ns = NULL;
}

uint16_t relay_ids_take(struct relay_ids *ids, uint64_t now_ns)
{
	for (unsigned tries = 0; tries < UINT16_MAX; tries++) {
		ids->cursor = ids->cursor == UINT16_MAX ? 1 : (uint16_t)(ids->cursor + 1);
		if (ids->free_ns[ids->cursor] <= now_ns) {
			ids->free_ns[ids->cursor] = SL_TIME_NEVER;
			return ids->cursor;
		}
	}
	return 0;
}

void relay_ids_give(struct relay_ids *ids, uint16_t id, uint64_t now_ns)
{
	if (id != 0)
		ids->free_ns[id] = now_ns + RELAY_ID_HOLD_NS;
}
