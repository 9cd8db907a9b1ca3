// The ARP and neighbor guard of one room: who holds which address (rule `arp_guard`). A client may not claim
// the LAN router's address, nor another client's once that one has been seen; and what it claims must name
// its own MAC. Relay and gateway each keep one, on their own account. Pure; no allocation per frame but for
// the first sight of an address.
//
// Claims are: an ARP sender address (RFC 826; a probe with sender 0.0.0.0 claims nothing, RFC 5227), the
// target of a Neighbor Advertisement, and the source of a Neighbor or Router Solicitation that is not :: (RFC
// 4861 sections 4.1, 4.3, 4.4). Whoever claims a group address is refused, and a neighbor message that is
// cut off, or an option in it, or an ARP message that an 802.3 length cuts off. A message that only some
// receivers take is judged as if all did.
//
// Routers are learned from the LAN: the router option of DHCP OFFER and ACK (RFC 2132 section 3.5) and the
// source of a Router Advertisement with a lifetime. A router wins over a client that holds its address. A
// DHCP ACK for a client (chaddr) gives it the address, whoever claimed it before: leases move. What could
// come from outside the LAN is not believed: a DHCP answer must be a broadcast (to 255.255.255.255), or be
// about a client, go to that client's MAC and address, and come from an address as the LAN has them. Nobody
// is his own router.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"
#include "proto/filter.h"

struct sl_guard_owner; // a client

// Addresses, the one that was seen longest ago first: it makes room for a new one. Each is 16 bytes, IPv4 as
// ::ffff:a.b.c.d.
#define SL_GUARD_ADDRESSES_MAX 16 // routers of a room; claims of one client
struct sl_guard_addresses {
	uint8_t address[SL_GUARD_ADDRESSES_MAX][16];
	size_t count;
};

struct sl_guard {
	struct sl_map owners;     // MAC -> struct sl_guard_owner
	struct sl_map by_address; // 16 bytes -> struct sl_guard_owner: exactly what the owners' claims are
	struct sl_guard_addresses routers;
};

void sl_guard_init(struct sl_guard *guard, const uint64_t hash_key[2]);
void sl_guard_fini(struct sl_guard *guard);

// A client has come (SL_OK, SL_ERR_EXISTS, SL_ERR_NOMEM) or gone: its claims end with it.
int sl_guard_join(struct sl_guard *guard, const struct sl_mac *mac);
void sl_guard_leave(struct sl_guard *guard, const struct sl_mac *mac);
void sl_guard_forget_routers(struct sl_guard *guard); // the gateway has left

// A frame from the LAN that passed the filter: learns routers and leases.
void sl_guard_lan(struct sl_guard *guard, const struct sl_view *view);
// A frame of a client (`mac` is its announced MAC) that passed the filter. False: it is a claim that this
// client may not make. One that it may make is remembered; of a client that never joined, or when memory is
// out, it is only judged. `what` (may be NULL) is set to a few words on the refusal, else "": "the router's
// address 192.168.1.1", "the address of another player, fe80::1".
#define SL_GUARD_TEXT 96
bool sl_guard_allows(struct sl_guard *guard, const struct sl_mac *mac, const struct sl_view *view,
		     char what[SL_GUARD_TEXT]);
