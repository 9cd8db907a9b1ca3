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

static const char *reason(const struct sl_framelog *entry)
{
	if (entry->reason == NULL && entry->drop != SL_DROP_NONE)
		return sl_drop_name(entry->drop);
	return entry->reason;
}

struct sl_log_about sl_framelog_about(const struct sl_framelog *entry)
{
	return (struct sl_log_about){
		.room = entry->room,
		.peer = entry->peer,
		.mac = entry->eth != NULL ? &entry->eth->src : NULL,
		.reason = reason(entry),
	};
}

const char *sl_framelog_text(const struct sl_framelog *entry, char out[static SL_FRAMELOG_TEXT])
{
	char src[SL_MAC_TEXT], dst[SL_MAC_TEXT];
	char addresses[96] = "";
	const char *why = reason(entry);

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
	snprintf(out, SL_FRAMELOG_TEXT,
		 "frame, direction %s room %s peer %u%s len %zu action %s%s%s targets %u", entry->direction,
		 entry->room != NULL ? entry->room : "-", entry->peer, addresses, entry->frame_len,
		 sl_framelog_action(entry->drop), why != NULL ? " reason=" : "", why != NULL ? why : "",
		 entry->targets);
	return out;
}

void sl_framelog_write(struct sl_log *log, const struct sl_framelog *entry)
{
	char text[SL_FRAMELOG_TEXT];

	const struct sl_log_about about = sl_framelog_about(entry);

	if (sl_log_on(log, SL_LOG_INFO))
		sl_log_write_about(log, SL_LOG_INFO, entry->scope, &about, "%s",
				   sl_framelog_text(entry, text));
}
