#include "port/supers.h"

#include <errno.h>
#include <string.h>

#define SCOPE "port"                          // in the log
#define HEADERS_MAX (SL_ETH_HEADER + 40 + 60) // of what is merged: Ethernet, IPv6, TCP with all its options

void sl_supers_sent(struct sl_port_stats *stats, unsigned segments)
{
	stats->tx_frames += segments;
	if (segments > 1) {
		stats->tx_super++;
		stats->tx_segments += segments;
	}
}

// Short of memory or of room in the interface's queue: nothing against the next one.
static bool passing(int why)
{
	return why == ENOBUFS || why == ENOMEM;
}

bool sl_supers_refused(int why)
{
	return passing(why) || why == EINVAL || why == EMSGSIZE || why == EOPNOTSUPP ||
	       why == EPROTONOSUPPORT;
}

void sl_supers_cut(struct sl_coalesce *coalesce, struct sl_log *log, const char *interface, int why,
		   const struct sl_super *super, sl_frame_fn send, void *arg)
{
	unsigned kind = SL_COALESCE_KIND(super->vnet.gso);
	uint8_t scratch[HEADERS_MAX];

	if (!passing(why) && (coalesce->kinds & kind) != 0) {
		coalesce->kinds &= ~kind;
		sl_info(log, SCOPE, "%s super-frames are not taken, interface %s, single frames instead (%s)",
			super->vnet.gso == SL_GSO_UDP_L4 ? "UDP" : "TCP", interface, strerror(why));
	}
	// The coalescer has made the headers: they are whole, and fit.
	(void)sl_offload_segment(&super->vnet, super->frame, super->len, scratch, sizeof(scratch), send, arg);
}
