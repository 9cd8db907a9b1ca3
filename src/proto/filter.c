#include "proto/filter.h"

#include "common/err.h"

// Most telling reason first: what cannot be read (FILTER-9), who sent it (FILTER-1, FILTER-2), what it
// is, and only then how large it is (FILTER-8).
enum sl_drop sl_filter_check(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			     struct sl_eth *eth)
{
	if (sl_eth_parse(frame, len, eth) != SL_OK)
		return len < SL_ETH_HEADER ? SL_DROP_RUNT : SL_DROP_MALFORMED;
	// IEEE 802.3 section 3.2.6: a length counts the bytes that follow, of which there are at most
	// 1500; fewer than it says is a frame that was cut. (More is padding.)
	if (eth->type < SL_ETHERTYPE_MIN && (eth->type > SL_ETH_MAX_PAYLOAD || eth->type > eth->payload_len))
		return SL_DROP_MALFORMED;

	if (sl_mac_is_multicast(&eth->src) || sl_mac_is_zero(&eth->src))
		return SL_DROP_INVALID_SOURCE;
	if (input->direction == SL_FROM_REMOTE && input->announced != NULL &&
	    !sl_mac_equal(&eth->src, input->announced))
		return SL_DROP_FORGED_SOURCE;

	// The payload begins behind the tags, so each of them is 4 bytes that do not count.
	if (eth->payload_len > SL_ETH_MAX_PAYLOAD)
		return SL_DROP_JUMBO;
	if (input->mtu != 0 && eth->payload_len > input->mtu)
		return SL_DROP_OVER_MTU;
	return SL_DROP_NONE;
}
