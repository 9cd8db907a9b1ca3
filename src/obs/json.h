// Numbers and counters as JSON, in the shape that `stats`, `peers` and the control protocol share.
#pragma once

#include <jansson.h>

#include <stdbool.h>

#include "common/counters.h"
#include "net/env.h"

// At most 2^53 - 1, which every JSON reader keeps exactly (RFC 8259 section 6). NULL: out of memory.
json_t *sl_json_number(uint64_t value);

// {reason:n} of those that are not zero (`all`: every one). NULL: out of memory.
json_t *sl_drops_json(const uint64_t drops[static SL_DROP_COUNT], bool all);

// {"rx_frames":…, …, "drops":{…}} with every counter present and `drops` as above. NULL: out of memory.
json_t *sl_counters_json(const struct sl_counters *counters, bool all);

// The socket's counters, each under its name in struct sl_udp_stats. NULL: out of memory.
json_t *sl_udp_json(const struct sl_udp_stats *udp);
