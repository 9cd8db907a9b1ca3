#include <time.h>

#include "net/internal.h"

#define DISTANCE_NS (100 * SL_NS_PER_US)
#define PATIENCE 16

void sl_pace(struct sl_pace *pace)
{
	uint64_t now = sl_clock_ns(CLOCK_MONOTONIC), gap = now - pace->last_ns;

	pace->last_ns = now;
	pace->close = gap < 2 * DISTANCE_NS ? pace->close + 1 : 0;
	if (pace->close <= PATIENCE || gap >= DISTANCE_NS)
		return;
	const struct timespec rest = {0, (long)(DISTANCE_NS - gap)};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
	pace->last_ns = sl_clock_ns(CLOCK_MONOTONIC);
}
