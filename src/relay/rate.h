// The limits on what a peer may send (RELAY-10): group frames and frames to unknown destinations by number,
// the copies that leave by their bits. A burst may be what the rate gives in one second.
#pragma once

#include <stdint.h>

#include "common/bucket.h"
#include "common/counters.h"

struct relay_config;
struct relay_peer;
struct relay_verdict;

// As configured; 0: no limit.
struct relay_rates {
	uint64_t broadcast_pps, unknown_unicast_pps, bandwidth_bps; // of each client
	uint64_t lan_broadcast_pps;                                 // of each room's gateway
};
void relay_rates_take(struct relay_rates *rates, const struct relay_config *config);

struct relay_buckets {
	struct sl_bucket broadcast, unknown_unicast, bandwidth;
};

// May this frame, which is to be forwarded, leave now? SL_DROP_NONE, or the limit that it is above. Takes
// nothing: the frame may yet be dropped for another reason.
enum sl_drop relay_rate_check(struct relay_peer *ingress, const struct relay_verdict *verdict);
// It is forwarded: it counts once, whatever the number of its copies.
void relay_rate_count(struct relay_peer *ingress, const struct relay_verdict *verdict);
// Its copies have left, `bytes` in all: known only now, so the next frame may have to wait for this one.
void relay_rate_left(struct relay_peer *ingress, uint64_t bytes);
