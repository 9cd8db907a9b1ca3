// Time is uint64_t nanoseconds everywhere (names end in _ns); never a floating point number.
#pragma once

#include <stdint.h>

#define SL_NS_PER_US UINT64_C(1000)
#define SL_NS_PER_MS UINT64_C(1000000)
#define SL_NS_PER_S UINT64_C(1000000000)
#define SL_TIME_NEVER UINT64_MAX
