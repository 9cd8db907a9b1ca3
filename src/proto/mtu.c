#include "proto/mtu.h"

#include "proto/eth.h"
#include "proto/overlay.h"

#define OVERHEAD (SL_OVERLAY_HEADER + SL_ETH_HEADER)

_Static_assert(SL_BUDGET_MIN == SL_MTU_MIN + OVERHEAD, "the budget of the least MTU");

size_t sl_mtu_from_budget(size_t budget)
{
	if (budget < SL_BUDGET_MIN)
		return 0;
	if (budget > SL_MTU_MAX + OVERHEAD)
		return SL_MTU_MAX;
	return budget - OVERHEAD;
}

size_t sl_budget_from_mtu(size_t mtu)
{
	return mtu + OVERHEAD;
}

size_t sl_frame_from_mtu(size_t mtu)
{
	return mtu + SL_ETH_HEADER;
}
