// `stats --prometheus`: the counters in Prometheus' text exposition format.
#pragma once

#include <jansson.h>
#include <stdio.h>

// `status` tells whose counters `stats` has: each metric bears the label daemon="relay". What a daemon does
// not count is left out, as is what this softlanctl does not know. 0, or -1: a document of another shape.
int ctl_print_prometheus(FILE *out, const json_t *status, const json_t *stats);
