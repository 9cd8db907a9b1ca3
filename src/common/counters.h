// The one set of tunnel counters (OBS-2), shared by `stats` messages, `softlanctl`, logs
// (reason=…) and, later, Prometheus. The names are fixed: the drop reasons' order is the enum's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// X(enumerator, name)
#define SL_DROP_REASONS(X)                                                                                   \
	X(INVALID_SOURCE, "invalid_source")                                                                  \
	X(FORGED_SOURCE, "forged_source")                                                                    \
	X(SWITCH_CONTROL, "switch_control")                                                                  \
	X(VLAN_TAG, "vlan_tag")                                                                              \
	X(DHCP_SERVER, "dhcp_server")                                                                        \
	X(DHCPV6_SERVER, "dhcpv6_server")                                                                    \
	X(ROUTER_ADVERTISEMENT, "router_advertisement")                                                      \
	X(REDIRECT, "redirect")                                                                              \
	X(MULTICAST_QUERY, "multicast_query")                                                                \
	X(IPV6_FRAGMENT, "ipv6_fragment")                                                                    \
	X(HEADER_CHAIN, "header_chain")                                                                      \
	X(ARP_GUARD, "arp_guard")                                                                            \
	X(JUMBO, "jumbo")                                                                                    \
	X(OVER_MTU, "over_mtu")                                                                              \
	X(RUNT, "runt")                                                                                      \
	X(MALFORMED, "malformed")                                                                            \
	X(UNKNOWN_UNICAST, "unknown_unicast")                                                                \
	X(NO_GATEWAY, "no_gateway")                                                                          \
	X(MISDIRECTED, "misdirected")                                                                        \
	X(REFLECTED, "reflected")                                                                            \
	X(LOOP, "loop")                                                                                      \
	X(DATAGRAM_BUDGET, "datagram_budget")                                                                \
	X(SPLIT_TIMEOUT, "split_timeout")                                                                    \
	X(UNKNOWN_PEER, "unknown_peer")                                                                      \
	X(RATE_BROADCAST, "rate_broadcast")                                                                  \
	X(RATE_UNKNOWN_UNICAST, "rate_unknown_unicast")                                                      \
	X(RATE_BANDWIDTH, "rate_bandwidth")                                                                  \
	X(EGRESS_FULL, "egress_full")                                                                        \
	X(EGRESS_AGE, "egress_age")

enum sl_drop {
#define X(id, name) SL_DROP_##id,
	SL_DROP_REASONS(X)
#undef X
		SL_DROP_COUNT,
	SL_DROP_NONE = SL_DROP_COUNT, // not dropped
};

// X(field)
#define SL_COUNTER_FIELDS(X)                                                                                 \
	X(rx_frames)                                                                                         \
	X(tx_frames)                                                                                         \
	X(rx_bytes)                                                                                          \
	X(tx_bytes)                                                                                          \
	X(rx_datagrams)                                                                                      \
	X(tx_datagrams)                                                                                      \
	X(split_tx)                                                                                          \
	X(split_rx)

// Cumulative. At an endpoint and for a relay's peer alike, rx_* is what came in over the tunnel
// from that side and tx_* what went out: rx_frames/rx_bytes count accepted Ethernet frames and their
// bytes (without the overlay header), rx_datagrams every overlay datagram, good or bad.
struct sl_counters {
#define X(field) uint64_t field;
	SL_COUNTER_FIELDS(X)
#undef X
	uint64_t drops[SL_DROP_COUNT];
};

// "egress_full" and so on; never NULL.
const char *sl_drop_name(enum sl_drop reason);
// SL_DROP_NONE when there is no such name.
enum sl_drop sl_drop_from_name(const char *name);
// Is this a safety-policy reject, logged as `filtered` (RELAY-9), or a rate limit (`rate_limited`)?
bool sl_drop_is_filter(enum sl_drop reason);
bool sl_drop_is_rate(enum sl_drop reason);
uint64_t sl_counters_dropped(const struct sl_counters *counters); // the sum of all reasons
void sl_counters_add(struct sl_counters *to, const struct sl_counters *from);
