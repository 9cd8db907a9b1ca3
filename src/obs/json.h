// Counters as JSON, in the shape that `stats`, `peers` and the control protocol share.
#pragma once

#include <jansson.h>

#include <stdbool.h>

#include "common/counters.h"

// {"rx_frames":…, …, "drops":{reason:n}} with every counter present, and in `drops` only those that
// are not zero (`all`: every one). NULL: out of memory.
json_t *sl_counters_json(const struct sl_counters *counters, bool all);
