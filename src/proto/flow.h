// Which conversation does a frame belong to? A hash over addresses, protocol and ports, for queues that are
// fair between flows (quic/egress.h). Pure.
#pragma once

#include <stdint.h>

#include "proto/filter.h"

// From what sl_filter_check found. Never 0, which means "no flow known". Frames of one TCP connection in one
// direction give one value; so do all fragments of a pair of hosts, and all frames without IP of a pair of
// MACs and an ethertype. `key` is the process's own, so that nobody outside can make flows collide on
// purpose.
uint32_t sl_flow_of(const struct sl_view *view, uint64_t key);
