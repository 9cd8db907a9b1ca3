#include "proto/guard_read.h"

#include <string.h>

#include "common/bytes.h"

#define ARP_LEN 28 // RFC 826 over Ethernet, for IPv4
#define IPV4_SOURCE_AT 12
#define IPV4_DESTINATION_AT 16
#define IPV6_HOP_LIMIT_AT 7
#define IPV6_SOURCE_AT 8

// Neighbor Discovery (RFC 4861 section 4).
#define ND_ROUTER_SOLICITATION 133
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_NEIGHBOR_SOLICITATION 135
#define ND_NEIGHBOR_ADVERTISEMENT 136
#define ND_TARGET_AT 8
#define ND_OPTION_SOURCE_MAC 1
#define ND_OPTION_TARGET_MAC 2
#define ND_OPTION_UNIT 8

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_ipv4(const uint8_t *address, uint8_t out[SL_GUARD_ADDRESS])
{
	memcpy(out, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out + sizeof(mapped_prefix), address, 4);
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

// ---- claims

// Says whether the MAC named is the sender's own.
static bool own_mac(const struct sl_mac *mac, const uint8_t *named, struct sl_guard_claim *out)
{
	if (memcmp(named, mac->b, SL_MAC_LEN) == 0)
		return true;
	memcpy(out->named.b, named, SL_MAC_LEN);
	out->kind = SL_GUARD_FOREIGN_MAC;
	return false;
}

// RFC 826. What counts is what receivers take: Linux takes hardware type 6 (IEEE 802) for Ethernet, small
// stacks look at the lengths only, or at the types only, and learn from any operation. And the wire fills a
// short frame up with zeros, so one that is cut off in the target's fields arrives whole. What an 802.3
// length cuts off need not be zeros: there are receivers that take the frame's own length.
static void read_arp(const struct sl_mac *mac, const struct sl_view *view, struct sl_guard_claim *out)
{
	uint8_t arp[ARP_LEN] = {0};
	unsigned hardware;
	bool by_type, by_length;

	if (view->network_len < ARP_LEN && view->eth.type < SL_ETHERTYPE_MIN) {
		out->kind = SL_GUARD_MALFORMED;
		return;
	}
	memcpy(arp, view->network, view->network_len < ARP_LEN ? view->network_len : ARP_LEN);
	hardware = sl_get16(arp);
	by_type = (hardware == 1 || hardware == 6) && sl_get16(arp + 2) == SL_ETHERTYPE_IPV4;
	by_length = arp[4] == SL_MAC_LEN && arp[5] == 4;
	if ((!by_type && !by_length) || !own_mac(mac, arp + 8, out))
		return;
	if (all_zero(arp + 14, 4)) // RFC 5227 section 2.1.1: a probe
		return;
	map_ipv4(arp + 14, out->address);
	out->kind = SL_GUARD_CLAIM;
}

// RFC 4861 section 4.6. False: they are malformed, or name another MAC.
static bool read_options(const struct sl_mac *mac, const uint8_t *at, size_t left, struct sl_guard_claim *out)
{
	while (left > 0) {
		size_t len = left < ND_OPTION_UNIT ? 0 : (size_t)at[1] * ND_OPTION_UNIT;

		if (len == 0 || len > left) {
			out->kind = SL_GUARD_MALFORMED;
			return false;
		}
		if ((at[0] == ND_OPTION_SOURCE_MAC || at[0] == ND_OPTION_TARGET_MAC) &&
		    !own_mac(mac, at + 2, out))
			return false;
		at += len;
		left -= len;
	}
	return true;
}

// Hop limit, code and checksum are not looked at: receivers refuse the message when they are wrong, but for
// ones that don't, and whoever claims what is his has nothing to fear.
static void read_neighbor(const struct sl_mac *mac, const struct sl_view *view, struct sl_guard_claim *out)
{
	const uint8_t *message = view->transport;
	const uint8_t *address = view->network + IPV6_SOURCE_AT;
	size_t fixed;

	switch (message[0]) {
	case ND_ROUTER_SOLICITATION:
		fixed = 8;
		break;
	case ND_ROUTER_ADVERTISEMENT: // where the filter's rule is switched off
		fixed = 16;
		break;
	case ND_NEIGHBOR_SOLICITATION:
		fixed = 24;
		break;
	case ND_NEIGHBOR_ADVERTISEMENT:
		fixed = 24;
		address = message + ND_TARGET_AT;
		break;
	default:
		return;
	}
	if (view->transport_len < fixed) {
		out->kind = SL_GUARD_MALFORMED;
		return;
	}
	if (!read_options(mac, message + fixed, view->transport_len - fixed, out))
		return;
	if (all_zero(address, SL_GUARD_ADDRESS)) // RFC 4862 section 5.4: is it still free?
		return;
	memcpy(out->address, address, SL_GUARD_ADDRESS);
	out->kind = SL_GUARD_CLAIM;
}

void sl_guard_read_claim(const struct sl_mac *mac, const struct sl_view *view, struct sl_guard_claim *out)
{
	out->kind = SL_GUARD_NO_CLAIM;
	if (view->network == NULL)
		return;
	if (view->protocol == SL_ETHERTYPE_ARP)
		read_arp(mac, view, out);
	else if (view->protocol == SL_ETHERTYPE_IPV6 && view->transport != NULL &&
		 view->transport_type == SL_IPPROTO_ICMPV6)
		read_neighbor(mac, view, out);
}

// ---- what the LAN says

static void add_router(struct sl_guard_lesson *out, const uint8_t *ipv4)
{
	if (out->router_count < SL_GUARD_ADDRESSES_MAX && !all_zero(ipv4, 4))
		map_ipv4(ipv4, out->routers[out->router_count++]);
}

// RFC 4861 section 6.1.2: a valid one has hop limit 255, so that no router forwarded it.
static bool read_advertisement(const struct sl_view *view, struct sl_guard_lesson *out)
{
	const uint8_t *source = view->network + IPV6_SOURCE_AT;
	const uint8_t *message = view->transport;

	if (view->transport_len < 16 || message[1] != 0 || view->network[IPV6_HOP_LIMIT_AT] != 255 ||
	    source[0] != 0xfe || (source[1] & 0xc0) != 0x80)
		return false;
	memcpy(out->routers[0], source, SL_GUARD_ADDRESS);
	out->router_count = 1;
	out->routers_gone = sl_get16(message + 6) == 0;
	out->on_link = true;
	return true;
}

// A BOOTP message (RFC 2131 section 2): where its fields are, and how long those are that may hold options.
#define BOOTP_CIADDR_AT 12
#define BOOTP_YIADDR_AT 16
#define BOOTP_CHADDR_AT 28
#define BOOTP_SNAME_AT 44
#define BOOTP_FILE_AT 108
#define BOOTP_COOKIE_AT 236
#define BOOTP_OPTIONS_AT 240
#define DHCP_PAD 0
#define DHCP_ROUTER 3
#define DHCP_OVERLOAD 52
#define DHCP_TYPE 53
#define DHCP_END 255
#define DHCP_OFFER 2
#define DHCP_ACK 5

struct dhcp_options {
	uint8_t type, overload;
};

// RFC 2132: code, length, bytes; pad and end are alone.
static void read_dhcp_options(const uint8_t *at, size_t left, struct dhcp_options *options,
			      struct sl_guard_lesson *out)
{
	while (left > 0 && at[0] != DHCP_END) {
		size_t len;

		if (at[0] == DHCP_PAD) {
			at++;
			left--;
			continue;
		}
		if (left < 2 || (size_t)at[1] + 2 > left)
			return;
		len = at[1];
		if (at[0] == DHCP_TYPE && len == 1)
			options->type = at[2];
		else if (at[0] == DHCP_OVERLOAD && len == 1)
			options->overload = at[2];
		for (size_t i = 0; at[0] == DHCP_ROUTER && i + 4 <= len; i += 4)
			add_router(out, at + 2 + i);
		at += len + 2;
		left -= len + 2;
	}
}

// RFC 1918 and RFC 3927.
static bool is_private(const uint8_t *ipv4)
{
	return ipv4[0] == 10 || (ipv4[0] == 172 && (ipv4[1] & 0xf0) == 16) ||
	       (ipv4[0] == 192 && ipv4[1] == 168) || (ipv4[0] == 169 && ipv4[1] == 254);
}

// RFC 2131 section 4.1: an answer to one machine goes to the MAC in chaddr and to the address that this
// machine has (ciaddr) or gets (yiaddr). One that a client ordered from a server of its own out there, and
// that came in through the LAN's NAT, has a source that no LAN with these addresses has.
static bool is_for_client(const struct sl_view *view, const uint8_t *bootp)
{
	const uint8_t *from = view->network + IPV4_SOURCE_AT, *to = view->network + IPV4_DESTINATION_AT;
	size_t at = all_zero(bootp + BOOTP_YIADDR_AT, 4) ? BOOTP_CIADDR_AT : BOOTP_YIADDR_AT;

	if (memcmp(view->eth.dst.b, bootp + BOOTP_CHADDR_AT, SL_MAC_LEN) != 0 ||
	    memcmp(to, bootp + at, 4) != 0)
		return false;
	return (is_private(from) && is_private(to)) || memcmp(from, to, 2) == 0;
}

static bool read_dhcp(const struct sl_view *view, struct sl_guard_lesson *out)
{
	const uint8_t *udp = view->transport, *bootp = udp + 8;
	struct dhcp_options options = {0};
	unsigned to = sl_get16(udp + 2);
	size_t len = sl_get16(udp + 4);

	if ((to != 67 && to != 68) || len > view->transport_len || len < 8 + BOOTP_OPTIONS_AT)
		return false;
	len -= 8;
	if (bootp[0] != 2 || memcmp(bootp + BOOTP_COOKIE_AT, "\x63\x82\x53\x63", 4) != 0)
		return false;
	read_dhcp_options(bootp + BOOTP_OPTIONS_AT, len - BOOTP_OPTIONS_AT, &options, out);
	if ((options.overload & 1) != 0) // RFC 2132 section 9.3
		read_dhcp_options(bootp + BOOTP_FILE_AT, BOOTP_COOKIE_AT - BOOTP_FILE_AT, &options, out);
	if ((options.overload & 2) != 0)
		read_dhcp_options(bootp + BOOTP_SNAME_AT, BOOTP_FILE_AT - BOOTP_SNAME_AT, &options, out);
	if (options.type != DHCP_OFFER && options.type != DHCP_ACK)
		return false;

	out->on_link = memcmp(view->network + IPV4_DESTINATION_AT, "\xff\xff\xff\xff", 4) == 0;
	out->has_client =
		bootp[1] == 1 && bootp[2] == SL_MAC_LEN && (out->on_link || is_for_client(view, bootp));
	memcpy(out->client.b, bootp + BOOTP_CHADDR_AT, SL_MAC_LEN);
	out->has_lease = options.type == DHCP_ACK && !all_zero(bootp + BOOTP_YIADDR_AT, 4);
	map_ipv4(bootp + BOOTP_YIADDR_AT, out->leased);
	return true;
}

bool sl_guard_read_lesson(const struct sl_view *view, struct sl_guard_lesson *out)
{
	bool dhcp, advertisement;

	// What is said in another VLAN is no word about this LAN.
	if (view->transport == NULL || view->eth.tags > 1 || (view->eth.outer_tci & 0x0fff) != 0)
		return false;
	dhcp = view->protocol == SL_ETHERTYPE_IPV4 && view->transport_type == SL_IPPROTO_UDP &&
	       sl_get16(view->transport) == 67;
	advertisement = view->protocol == SL_ETHERTYPE_IPV6 && view->transport_type == SL_IPPROTO_ICMPV6 &&
			view->transport[0] == ND_ROUTER_ADVERTISEMENT;
	if (!dhcp && !advertisement)
		return false;
	memset(out, 0, sizeof(*out));
	return dhcp ? read_dhcp(view, out) : read_advertisement(view, out);
}
