// What the guard reads in frames: claims to an address, routers, leases. Pure; bounded by the frame.
#pragma once

#include "proto/guard.h"

// An address as the guard keeps it: IPv6, or IPv4 as ::ffff:a.b.c.d.
#define SL_GUARD_ADDRESS 16

enum sl_guard_kind {
	SL_GUARD_NO_CLAIM,
	SL_GUARD_CLAIM,       // `address` is claimed
	SL_GUARD_FOREIGN_MAC, // names another MAC than the sender's, `named`
	SL_GUARD_MALFORMED,   // a neighbor message or an option in it is cut off; or ARP, by a length
};

struct sl_guard_claim {
	enum sl_guard_kind kind;
	uint8_t address[SL_GUARD_ADDRESS];
	struct sl_mac named;
};

// What a client with this MAC says with the frame.
void sl_guard_read_claim(const struct sl_mac *mac, const struct sl_view *view, struct sl_guard_claim *out);

struct sl_guard_lesson {
	uint8_t routers[SL_GUARD_ADDRESSES_MAX][SL_GUARD_ADDRESS];
	size_t router_count;
	bool routers_gone;    // they are none any more (a Router Advertisement with lifetime 0)
	bool on_link;         // nobody outside the LAN can have sent it
	bool has_client;      // DHCP, sent to all or to `client`
	struct sl_mac client; // its chaddr: the one that it is for
	bool has_lease;       // DHCP ACK: and `leased` its address
	uint8_t leased[SL_GUARD_ADDRESS];
};

// What a frame from the LAN teaches. False: nothing.
bool sl_guard_read_lesson(const struct sl_view *view, struct sl_guard_lesson *out);
