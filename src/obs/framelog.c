#include "obs/framelog.h"

#include <stdio.h>

static const char *action_name(enum sl_drop drop)
{
	if (drop == SL_DROP_NONE)
		return "forwarded";
	if (sl_drop_is_filter(drop))
		return "filtered";
	return sl_drop_is_rate(drop) ? "rate_limited" : "dropped";
}

void sl_framelog_write(struct sl_log *log, const struct sl_framelog *entry)
{
	char src[SL_MAC_TEXT], dst[SL_MAC_TEXT];
	char addresses[96] = "";
	const char *reason = entry->reason;

	if (entry->eth != NULL) {
		const struct sl_eth *eth = entry->eth;

		sl_mac_format(&eth->src, src);
		sl_mac_format(&eth->dst, dst);
		if (eth->type >= SL_ETHERTYPE_MIN)
			snprintf(addresses, sizeof(addresses), " src %s dst %s ethertype 0x%04x", src, dst,
				 eth->type);
		else
			snprintf(addresses, sizeof(addresses), " src %s dst %s length %u", src, dst,
				 eth->type);
	}
	if (reason == NULL && entry->drop != SL_DROP_NONE)
		reason = sl_drop_name(entry->drop);
	sl_info(log, entry->scope, "frame, direction %s room %s peer %u%s len %zu action %s%s%s targets %u",
		entry->direction, entry->room != NULL ? entry->room : "-", entry->peer, addresses,
		entry->frame_len, action_name(entry->drop), reason != NULL ? " reason=" : "",
		reason != NULL ? reason : "", entry->targets);
}
