#include "common/counters.h"

#include <string.h>

static const char *const drop_names[SL_DROP_COUNT] = {
#define X(id, name) name,
	SL_DROP_REASONS(X)
#undef X
};

const char *sl_drop_name(enum sl_drop reason)
{
	if ((unsigned)reason < SL_DROP_COUNT)
		return drop_names[reason];
	return reason == SL_DROP_NONE ? "none" : "unknown";
}

enum sl_drop sl_drop_from_name(const char *name)
{
	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		if (strcmp(drop_names[i], name) == 0)
			return (enum sl_drop)i;
	return SL_DROP_NONE;
}

bool sl_drop_is_filter(enum sl_drop reason)
{
	// FILTER-1 to FILTER-7 and the jumbo half of FILTER-8. A frame above the room's MTU is a
	// drop (RELAY-6), and so is one that cannot be read (FILTER-9): neither is a policy.
	switch (reason) {
	case SL_DROP_INVALID_SOURCE:
	case SL_DROP_FORGED_SOURCE:
	case SL_DROP_SWITCH_CONTROL:
	case SL_DROP_VLAN_TAG:
	case SL_DROP_DHCP_SERVER:
	case SL_DROP_DHCPV6_SERVER:
	case SL_DROP_ROUTER_ADVERTISEMENT:
	case SL_DROP_REDIRECT:
	case SL_DROP_MULTICAST_QUERY:
	case SL_DROP_IPV6_FRAGMENT:
	case SL_DROP_HEADER_CHAIN:
	case SL_DROP_ARP_GUARD:
	case SL_DROP_JUMBO:
		return true;
	default:
		return false;
	}
}

bool sl_drop_is_rate(enum sl_drop reason)
{
	return reason == SL_DROP_RATE_BROADCAST || reason == SL_DROP_RATE_UNKNOWN_UNICAST ||
	       reason == SL_DROP_RATE_BANDWIDTH;
}

uint64_t sl_counters_dropped(const struct sl_counters *counters)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		sum += counters->drops[i];
	return sum;
}

void sl_counters_add(struct sl_counters *to, const struct sl_counters *from)
{
#define X(field) to->field += from->field;
	SL_COUNTER_FIELDS(X)
#undef X
	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		to->drops[i] += from->drops[i];
}
