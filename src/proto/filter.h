// The L2 safety filter: (frame, direction, policy) -> verdict and reason (FILTER-1 to FILTER-9). One
// implementation for relay, gateway and client, each on its own account. Pure, one pass, no allocation,
// bounded work for any input. The rules, with their reasons, are in docs/filter.md.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "proto/eth.h"
#include "proto/policy.h"

enum sl_direction {
	SL_FROM_REMOTE, // sent by a peer of role client
	SL_FROM_LAN,    // sent by a host on the gateway's LAN
};

struct sl_filter_input {
	enum sl_direction direction;
	const struct sl_mac *announced; // FROM_REMOTE: the sender's announced MAC; NULL: not checked
	size_t mtu;       // the room's effective TAP MTU; 0: not agreed yet, only `jumbo` applies
	uint32_t relaxed; // the rules that are switched off; 0: all hold
};

// What one pass found, for whoever looks further (the guard). Points into the frame.
struct sl_view {
	struct sl_eth eth;
	// The ethertype behind tags, LLC and SNAP; 0: none (plain LLC, raw 802.3). `network` is what it
	// carries, for IPv4 and IPv6 without padding; NULL: nothing that can be read.
	uint16_t protocol;
	const uint8_t *network;
	size_t network_len;
	// IP: the protocol at the end of the header chain, and its bytes. NULL: there is none (a later
	// fragment, no next header, a chain that can't be followed).
	uint8_t transport_type;
	const uint8_t *transport;
	size_t transport_len;
};

#define SL_IPPROTO_ICMP 1
#define SL_IPPROTO_IGMP 2
#define SL_IPPROTO_TCP 6
#define SL_IPPROTO_UDP 17
#define SL_IPPROTO_ICMPV6 58
#define SL_IPPROTO_UDPLITE 136

// Judges the frame. Returns SL_DROP_NONE (let it pass) or the reason to drop it, never one that
// `relaxed` has. *view is filled in either case as far as the bytes go, so that the caller looks the
// destination up without parsing again. FILTER-8 allows 4 bytes more per VLAN tag.
enum sl_drop sl_filter_check(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			     struct sl_view *view);
