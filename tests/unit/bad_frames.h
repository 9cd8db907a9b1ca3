// One frame for each reason of the filter (docs/filter.md), and what the guard looks at, for the tests of the
// bridges. That the filter knows each of its rules in full is another test's to show.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/bytes.h"
#include "proto/checksum.h"
#include "proto/filter.h"

#define BAD_FRAME_MAX 2048
#define BAD_FRAME_MTU 1382 // what `over_mtu` is above

// Is it a reason for frames of the LAN too?
static inline bool bad_from_lan(enum sl_drop reason)
{
	return reason == SL_DROP_INVALID_SOURCE || reason == SL_DROP_SWITCH_CONTROL ||
	       reason == SL_DROP_JUMBO || reason == SL_DROP_OVER_MTU || reason == SL_DROP_RUNT ||
	       reason == SL_DROP_MALFORMED;
}

static inline uint8_t *eth_put(uint8_t *at, const uint8_t dst[6], const struct sl_mac *src, uint16_t type)
{
	memcpy(at, dst, 6);
	memcpy(at + 6, src->b, 6);
	sl_put16(at + 12, type);
	return at + 14;
}

// A header without options; `len` bytes follow it.
static inline uint8_t *ipv4_put(uint8_t *at, uint8_t protocol, size_t len)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	sl_put16(at + 2, (uint16_t)(20 + len));
	at[8] = 64;
	at[9] = protocol;
	memcpy(at + 12, "\xc0\xa8\x01\x37\xff\xff\xff\xff", 8);
	sl_put16(at + 10, sl_sum_finish(sl_sum_add(0, at, 20)));
	return at + 20;
}

// From fe80::`from` to ff02::1.
static inline uint8_t *ipv6_put(uint8_t *at, uint8_t next, uint8_t from, size_t len)
{
	memset(at, 0, 40);
	at[0] = 0x60;
	sl_put16(at + 4, (uint16_t)len);
	at[6] = next;
	at[7] = 255;
	at[8] = 0xfe;
	at[9] = 0x80;
	at[23] = from;
	at[24] = 0xff;
	at[25] = 0x02;
	at[39] = 1;
	return at + 40;
}

static inline void udp_put(uint8_t *at, uint16_t from, uint16_t to, size_t len)
{
	sl_put16(at, from);
	sl_put16(at + 2, to);
	sl_put16(at + 4, (uint16_t)len);
	sl_put16(at + 6, 0);
}

// The checksum of an ICMPv6 message behind its header (RFC 4443 section 2.3).
static inline void icmpv6_sum(const uint8_t *ip, uint8_t *message, size_t len)
{
	uint8_t last[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 58};
	uint64_t sum = sl_sum_add(0, ip + 8, 32);

	sl_put16(message + 2, 0);
	sl_put16(message + 2, sl_sum_finish(sl_sum_add(sl_sum_add(sum, last, 8), message, len)));
}

static inline size_t icmpv6_frame(uint8_t *out, const struct sl_mac *src, uint8_t type, size_t len)
{
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t *ip = eth_put(out, all_nodes, src, SL_ETHERTYPE_IPV6), *message = ipv6_put(ip, 58, 1, len);

	memset(message, 0, len);
	message[0] = type;
	icmpv6_sum(ip, message, len);
	return 14 + 40 + len;
}

// Gives the length; `src` does not count for invalid_source and forged_source. 0: no reason of the filter's.
static inline size_t bad_frame(enum sl_drop reason, const struct sl_mac *src, uint8_t out[BAD_FRAME_MAX])
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t bridges[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	static const struct sl_mac group = {{0x03, 0, 0, 0, 0, 9}}, other = {{0x02, 0xee, 0, 0, 0, 9}};
	uint8_t *at;

	memset(out, 0, BAD_FRAME_MAX);
	switch (reason) {
	case SL_DROP_INVALID_SOURCE:
		eth_put(out, all, &group, 0x8137);
		return 60;
	case SL_DROP_FORGED_SOURCE:
		eth_put(out, all, &other, 0x8137);
		return 60;
	case SL_DROP_SWITCH_CONTROL: // spanning tree
		memcpy(eth_put(out, bridges, src, 38), "\x42\x42\x03", 3);
		return 60;
	case SL_DROP_VLAN_TAG:
		memcpy(eth_put(out, all, src, SL_ETHERTYPE_VLAN), "\x00\x05\x81\x37", 4);
		return 64;
	case SL_DROP_DHCP_SERVER:
		at = ipv4_put(eth_put(out, all, src, SL_ETHERTYPE_IPV4), SL_IPPROTO_UDP, 308);
		udp_put(at, 67, 68, 308);
		return 14 + 20 + 308;
	case SL_DROP_DHCPV6_SERVER:
		at = ipv6_put(eth_put(out, all, src, SL_ETHERTYPE_IPV6), SL_IPPROTO_UDP, 1, 40);
		udp_put(at, 547, 546, 40);
		return 14 + 40 + 40;
	case SL_DROP_ROUTER_ADVERTISEMENT:
		return icmpv6_frame(out, src, 134, 16);
	case SL_DROP_REDIRECT:
		return icmpv6_frame(out, src, 137, 40);
	case SL_DROP_MULTICAST_QUERY:
		at = ipv4_put(eth_put(out, all, src, SL_ETHERTYPE_IPV4), SL_IPPROTO_IGMP, 8);
		at[0] = 0x11;
		return 60;
	case SL_DROP_IPV6_FRAGMENT: // a later one
		at = ipv6_put(eth_put(out, all, src, SL_ETHERTYPE_IPV6), 44, 1, 16);
		at[0] = SL_IPPROTO_UDP;
		sl_put16(at + 2, 8);
		return 14 + 40 + 16;
	case SL_DROP_HEADER_CHAIN: // a total length above what there is
		ipv4_put(eth_put(out, all, src, SL_ETHERTYPE_IPV4), SL_IPPROTO_UDP, 500);
		return 60;
	case SL_DROP_JUMBO:
		eth_put(out, all, src, 0x8137);
		return 14 + 1501;
	case SL_DROP_OVER_MTU:
		eth_put(out, all, src, 0x8137);
		return 14 + BAD_FRAME_MTU + 1;
	case SL_DROP_RUNT:
		eth_put(out, all, src, 0x8137);
		return 13;
	case SL_DROP_MALFORMED: // an 802.3 length above what follows
		eth_put(out, all, src, 100);
		return 60;
	default:
		return 0;
	}
}

// Can this reason be switched off?
static inline bool bad_is_rule(enum sl_drop reason)
{
#define X(id, name, help) || reason == SL_DROP_##id
	return false SL_FILTER_RULES(X);
#undef X
}

// `claimer` says in a broadcast ARP reply that 192.168.1.`host` is at its MAC.
static inline size_t arp_claim(uint8_t out[BAD_FRAME_MAX], const struct sl_mac *claimer, uint8_t host)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t *at = eth_put(out, all, claimer, SL_ETHERTYPE_ARP);

	memset(at, 0, 46);
	memcpy(at, "\x00\x01\x08\x00\x06\x04\x00\x02", 8);
	memcpy(at + 8, claimer->b, 6);
	memcpy(at + 14, "\xc0\xa8\x01", 3);
	at[17] = host;
	memcpy(at + 18, all, 6);
	memcpy(at + 24, at + 14, 4);
	return 60;
}

// A Neighbor Advertisement to all: fe80::`host` is `claimer`.
static inline size_t neighbor_claim(uint8_t out[BAD_FRAME_MAX], const struct sl_mac *claimer, uint8_t host)
{
	size_t len = icmpv6_frame(out, claimer, 136, 32);
	uint8_t *message = out + 14 + 40;

	message[4] = 0x20; // override
	message[8] = 0xfe;
	message[9] = 0x80;
	message[23] = host;
	message[24] = 2; // target link-layer address
	message[25] = 1;
	memcpy(message + 26, claimer->b, 6);
	icmpv6_sum(out + 14, message, 32);
	return len;
}

// The LAN's DHCP server acknowledges 192.168.1.`host` to `client`; the router is 192.168.1.1.
static inline size_t dhcp_ack(uint8_t out[BAD_FRAME_MAX], const struct sl_mac *server,
			      const struct sl_mac *client, uint8_t host)
{
	size_t len = bad_frame(SL_DROP_DHCP_SERVER, server, out);
	uint8_t *message = out + 14 + 20 + 8, *options = message + 236;

	memcpy(message, "\x02\x01\x06\x00", 4);
	memcpy(message + 16, "\xc0\xa8\x01", 3);
	message[19] = host;
	memcpy(message + 28, client->b, 6);
	memcpy(options, "\x63\x82\x53\x63\x35\x01\x05\x03\x04\xc0\xa8\x01\x01\xff", 14);
	return len;
}

// fe80::1 is a router for half an hour.
static inline size_t router_advertisement(uint8_t out[BAD_FRAME_MAX], const struct sl_mac *router)
{
	size_t len = icmpv6_frame(out, router, 134, 16);

	sl_put16(out + 14 + 40 + 6, 1800);
	icmpv6_sum(out + 14, out + 14 + 40, 16);
	return len;
}
