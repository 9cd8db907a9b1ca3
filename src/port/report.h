// A port's statistics as JSON, for `stats`.
#pragma once

#include <jansson.h>

#include "port/port.h"

// One member for each field of struct sl_port_stats. NULL: out of memory.
json_t *sl_port_json(struct sl_port *port);
