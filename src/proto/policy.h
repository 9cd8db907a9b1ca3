// The safety rules that can be switched off, by the names of their drop reasons: for a room in relay.conf
// (rooms: policy), and at a gateway or a client, each for itself, in its own file (policy). All hold by
// default.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"

// A set of rules that are switched off is a uint32_t with the bit SL_POLICY_BIT(reason) of each; 0 is the
// safe one.
#define SL_POLICY_BIT(reason) ((uint32_t)1 << (reason))
_Static_assert(SL_DROP_COUNT <= 32, "a policy has a bit for each reason");

// X(enumerator, name, what it protects): the rules of the filter …
#define SL_FILTER_RULES(X)                                                                                   \
	X(INVALID_SOURCE, invalid_source, "Drop frames whose source MAC is a group address or zero.")        \
	X(FORGED_SOURCE, forged_source,                                                                      \
	  "Drop a player's frames with a source MAC that is not the player's.")                              \
	X(SWITCH_CONTROL, switch_control,                                                                    \
	  "Drop spanning tree, LLDP, LACP, pause, CDP: nobody steers a switch.")                             \
	X(VLAN_TAG, vlan_tag, "Drop tagged frames of players: nobody gets into another VLAN.")               \
	X(DHCP_SERVER, dhcp_server, "Drop DHCP answers of players: no rogue DHCP server.")                   \
	X(DHCPV6_SERVER, dhcpv6_server, "Drop DHCPv6 answers of players: no rogue DHCPv6 server.")           \
	X(ROUTER_ADVERTISEMENT, router_advertisement,                                                        \
	  "Drop router advertisements of players: no rogue router.")                                         \
	X(REDIRECT, redirect, "Drop ICMP redirects of players: nobody bends the LAN's routes.")              \
	X(MULTICAST_QUERY, multicast_query,                                                                  \
	  "Drop IGMP and MLD queries of players: the LAN's querier stays.")                                  \
	X(IPV6_FRAGMENT, ipv6_fragment, "Drop IPv6 fragments of players: nothing hides in the later ones.")  \
	X(HEADER_CHAIN, header_chain, "Drop players' IP packets whose headers cannot be followed to the end.")

// … and those that need to remember: relay and gateway have them.
#define SL_GUARD_RULES(X)                                                                                    \
	X(ARP_GUARD, arp_guard, "Drop players' claims to the router's address, or to another player's.")     \
	X(LOOP, loop, "Find and isolate a player whose machine bridges the room back into the LAN.")

#define SL_POLICY_RULES(X) SL_FILTER_RULES(X) SL_GUARD_RULES(X)

// As configured: true, the rule holds.
struct sl_policy {
#define X(id, name, help) bool name;
	SL_POLICY_RULES(X)
#undef X
};

// The rules that are switched off.
static inline uint32_t sl_policy_relaxed(const struct sl_policy *policy)
{
	uint32_t relaxed = 0;

#define X(id, name, help) relaxed |= policy->name ? 0 : SL_POLICY_BIT(SL_DROP_##id);
	SL_POLICY_RULES(X)
#undef X
	return relaxed;
}

// The names of the rules in the set, for people: "dhcp_server, loop"; "" for none. Returns `out`.
#define SL_POLICY_NAMES 512
const char *sl_policy_names(uint32_t relaxed, char out[static SL_POLICY_NAMES]);
