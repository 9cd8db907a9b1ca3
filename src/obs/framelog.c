#include "obs/framelog.h"

#include <stdio.h>

const char *sl_framelog_action(enum sl_drop drop)
{
	if (drop == SL_DROP_NONE)
		return "forwarded";
	if (sl_drop_is_filter(drop))
		return "filtered";
	return sl_drop_is_rate(drop) ? "rate_limited" : "dropped";
}

const char *sl_framelog_text(const struct sl_framelog *entry, char out[static SL_FRAMELOG_TEXT])
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
	snprintf(out, SL_FRAMELOG_TEXT,
		 "frame, direction %s room %s peer %u%s len %zu action %s%s%s targets %u", entry->direction,
		 entry->room != NULL ? entry->room : "-", entry->peer, addresses, entry->frame_len,
		 sl_framelog_action(entry->drop), reason != NULL ? " reason=" : "",
		 reason != NULL ? reason : "", entry->targets);
	return out;
}

void sl_framelog_write(struct sl_log *log, const struct sl_framelog *entry)
{
	char text[SL_FRAMELOG_TEXT];

	if (sl_log_on(log, SL_LOG_INFO))
		sl_info(log, entry->scope, "%s", sl_framelog_text(entry, text));
}
