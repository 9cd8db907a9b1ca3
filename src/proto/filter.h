// The L2 safety filter: (frame, direction, policy) -> verdict and reason. One implementation for
// relay, gateway and client, each on its own account. Pure, one pass, no allocation.
//
// Here so far: FILTER-1 (invalid source), FILTER-2 (forged source), FILTER-8 (jumbo, over MTU),
// FILTER-9 (runt, malformed). The other rows plug into sl_filter_check.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "proto/eth.h"

enum sl_direction {
	SL_FROM_REMOTE, // sent by a peer of role client
	SL_FROM_LAN,    // sent by a host on the gateway's LAN
};

struct sl_filter_input {
	enum sl_direction direction;
	const struct sl_mac *announced; // FROM_REMOTE: the sender's announced MAC; NULL: not checked
	size_t mtu; // the room's effective TAP MTU; 0: not agreed yet, only `jumbo` applies
};

// Judges the frame. Returns SL_DROP_NONE (let it pass) or the reason to drop it. *eth is filled in
// either case as far as the bytes go, so that the caller looks the destination up without parsing
// again. FILTER-8 allows 4 bytes more per VLAN tag.
enum sl_drop sl_filter_check(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			     struct sl_eth *eth);
