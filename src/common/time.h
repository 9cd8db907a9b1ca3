// Time is uint64_t nanoseconds everywhere (names end in _ns); never a floating point number.
#pragma once

#include <stdint.h>
#include <time.h>

#define SL_NS_PER_US UINT64_C(1000)
#define SL_NS_PER_MS UINT64_C(1000000)
#define SL_NS_PER_S UINT64_C(1000000000)
#define SL_TIME_NEVER UINT64_MAX

// What a clock of the system says now (clock_gettime(2)).
static inline uint64_t sl_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
}
