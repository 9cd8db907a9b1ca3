#include "proto/filter.h"

#include <string.h>

#include "common/bytes.h"
#include "common/err.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define IPV6_STEP 8     // an extension header is at least so long (RFC 8200 section 4)
#define TRANSPORT_MIN 8 // ports or type, and what every transport header named below has at least
#define UDP_HEADER 8
#define LLC_HEADER 3
#define SNAP_HEADER 5 // OUI and protocol

// Protocol numbers of IPv6 extension headers (RFC 8200 section 4, RFC 6275, RFC 7401, RFC 5533, RFC 4302).
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_NONE 59
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

static enum sl_drop unless(uint32_t relaxed, enum sl_drop reason)
{
	return (relaxed & SL_POLICY_BIT(reason)) != 0 ? SL_DROP_NONE : reason;
}

// ---- what the frame carries

static bool type_is_switch_control(uint16_t type)
{
	switch (type) {
	case 0x8808: // MAC control: pause (IEEE 802.3 annex 31A)
	case 0x8809: // slow protocols: LACP, OAM (IEEE 802.3 annex 57A)
	case 0x888e: // EAPOL (IEEE 802.1X)
	case 0x8899: // Realtek's remote control of small switches (RRCP), and their loop detection
	case 0x88cc: // LLDP (IEEE 802.1AB)
	case 0x88f5: // MVRP (IEEE 802.1Q)
	case 0x88f6: // MMRP
	case 0x8902: // CFM (IEEE 802.1ag)
	case 0x9000: // loop test of Ethernet 2, Cisco's loopback
		return true;
	default:
		return false;
	}
}

static bool destination_is_switch_control(const struct sl_mac *dst)
{
	static const uint8_t bridge_group[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	static const uint8_t cisco[4] = {0x01, 0x00, 0x0c, 0xcc};
	uint8_t last = dst->b[5];

	// IEEE 802.1Q tables 8-1 and 10-1: 00 to 0f and 20 to 2f.
	if (memcmp(dst->b, bridge_group, sizeof(bridge_group)) == 0)
		return (last & 0xd0) == 0;
	if (memcmp(dst->b, cisco, 3) != 0)
		return false;
	if (dst->b[3] == 0xcc)
		return dst->b[4] == 0xcc && (last == 0xcc || last == 0xcd);
	if (dst->b[3] == 0xdd)
		return dst->b[4] == 0xdd && last == 0xdd;
	return dst->b[3] == 0xcd && dst->b[4] == 0xcd && (last == 0xcd || last == 0xd0);
}

static bool cisco_is_switch_control(uint16_t protocol)
{
	switch (protocol) {
	case 0x0104: // PAgP
	case 0x010b: // PVST+
	case 0x010c: // VLAN bridge
	case 0x0111: // UDLD
	case 0x2000: // CDP
	case 0x2001: // CGMP
	case 0x2003: // VTP
	case 0x2004: // DTP
		return true;
	default:
		return false;
	}
}

// Is it LLC to or from the spanning tree's address? The lowest bits say group and response, and do not count.
// A length that cuts the header off does not hide the addresses that it leaves.
static bool llc_is_switch_control(const uint8_t *llc, size_t len)
{
	return (len > 0 && (llc[0] & 0xfe) == 0x42) || (len > 1 && (llc[1] & 0xfe) == 0x42);
}

// Looks behind an 802.3 length: LLC (IEEE 802.2), SNAP (IEEE 802, RFC 1042). Finds the ethertype of an
// encapsulated frame, and whether LLC or SNAP are for switches. False: the length cuts the headers off. Of an
// LLC header, receivers look at DSAP and at the control field's length, and at little else; so do we.
static bool look_into_llc(struct sl_view *view, bool *for_switches)
{
	const uint8_t *llc = view->eth.payload, *snap;
	size_t len = view->eth.type; // what follows is padding
	size_t header;

	*for_switches = llc_is_switch_control(llc, len);
	if (len < LLC_HEADER)
		return false;
	// Section 5.2: unnumbered, or numbered.
	header = (llc[2] & 0x03) == 0x03 ? LLC_HEADER : LLC_HEADER + 1;
	if ((llc[0] & 0xfe) == 0x06) { // RFC 948: IP straight over LLC
		if (header > len)
			header = len; // IP of no bytes
		view->protocol = SL_ETHERTYPE_IPV4;
		view->network = llc + header;
		view->network_len = len - header;
	}
	if ((llc[0] & 0xfe) != 0xaa)
		return true;
	if (len < header + SNAP_HEADER)
		return false;
	snap = llc + header;
	if (memcmp(snap, "\x00\x00\x0c", 3) == 0)
		*for_switches = *for_switches || cisco_is_switch_control(sl_get16(snap + 3));
	if (memcmp(snap, "\x00\x00\x00", 3) != 0 && memcmp(snap, "\x00\x00\xf8", 3) != 0)
		return true;
	view->protocol = sl_get16(snap + 3);
	view->network = snap + SNAP_HEADER;
	view->network_len = len - header - SNAP_HEADER;
	return true;
}

// The type that leads to what the frame carries, behind tags and encapsulation. False: that is cut off.
static bool look_inside(struct sl_view *view, bool *for_switches)
{
	*for_switches = false;
	if (view->eth.type < SL_ETHERTYPE_MIN)
		return look_into_llc(view, for_switches);
	view->protocol = view->eth.type;
	view->network = view->eth.payload;
	view->network_len = view->eth.payload_len;
	return true;
}

// ---- IP

// A packet's transport header. Of those that the rules and a reader of ports know, enough must be there.
static enum sl_drop set_transport(struct sl_view *view, uint8_t type, const uint8_t *bytes, size_t len,
				  bool known)
{
	if (known && len < TRANSPORT_MIN)
		return SL_DROP_HEADER_CHAIN;
	view->transport_type = type;
	view->transport = bytes;
	view->transport_len = len;
	return SL_DROP_NONE;
}

// RFC 791 section 3.1. Later fragments have no transport header; a first one must show its own.
static enum sl_drop follow_ipv4(struct sl_view *view)
{
	const uint8_t *ip = view->network;
	size_t header, total;
	uint8_t type;

	if (view->network_len < IPV4_HEADER || ip[0] >> 4 != 4)
		return SL_DROP_HEADER_CHAIN;
	header = (size_t)(ip[0] & 0x0f) * 4;
	total = sl_get16(ip + 2);
	if (header < IPV4_HEADER || header > total || total > view->network_len)
		return SL_DROP_HEADER_CHAIN;
	view->network_len = total;
	if ((sl_get16(ip + 6) & 0x1fff) != 0)
		return SL_DROP_NONE;
	type = ip[9];
	return set_transport(view, type, ip + header, total - header,
			     type == SL_IPPROTO_ICMP || type == SL_IPPROTO_IGMP || type == SL_IPPROTO_TCP ||
				     type == SL_IPPROTO_UDP || type == SL_IPPROTO_UDPLITE);
}

// The length of an extension header; 0: it is none, the chain ends here.
static size_t extension_len(uint8_t type, const uint8_t *bytes)
{
	switch (type) {
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_DESTINATION:
	case NEXT_MOBILITY:
	case NEXT_HIP:
	case NEXT_SHIM6:
		return ((size_t)bytes[1] + 1) * 8;
	case NEXT_AUTHENTICATION: // RFC 4302 section 2.2
		return ((size_t)bytes[1] + 2) * 4;
	case NEXT_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static bool is_extension(uint8_t type)
{
	static const uint8_t any[2];

	return extension_len(type, any) != 0;
}

// RFC 8200 sections 3 and 4. Each step takes at least 8 bytes, so the frame's length bounds the walk.
static enum sl_drop follow_ipv6(struct sl_view *view, uint32_t relaxed)
{
	const uint8_t *ip = view->network, *at;
	size_t left, step;
	uint8_t type;

	if (view->network_len < IPV6_HEADER || ip[0] >> 4 != 6)
		return SL_DROP_HEADER_CHAIN;
	left = sl_get16(ip + 4);
	if (left > view->network_len - IPV6_HEADER)
		return SL_DROP_HEADER_CHAIN;
	view->network_len = IPV6_HEADER + left;
	type = ip[6];
	at = ip + IPV6_HEADER;
	while (is_extension(type)) {
		if (type == NEXT_FRAGMENT && unless(relaxed, SL_DROP_IPV6_FRAGMENT) != SL_DROP_NONE)
			return SL_DROP_IPV6_FRAGMENT;
		if (left < IPV6_STEP)
			return SL_DROP_HEADER_CHAIN;
		step = extension_len(type, at);
		if (step < IPV6_STEP || step > left)
			return SL_DROP_HEADER_CHAIN;
		if (type == NEXT_FRAGMENT && (sl_get16(at + 2) & 0xfff8) != 0)
			return SL_DROP_NONE;
		type = at[0];
		at += step;
		left -= step;
	}
	if (type == NEXT_NONE)
		return SL_DROP_NONE;
	return set_transport(view, type, at, left,
			     type == SL_IPPROTO_ICMPV6 || type == SL_IPPROTO_TCP || type == SL_IPPROTO_UDP ||
				     type == SL_IPPROTO_UDPLITE);
}

// HEADER_CHAIN, IPV6_FRAGMENT, or NONE: the transport header is found, or there is none to be found.
static enum sl_drop follow(struct sl_view *view, uint32_t relaxed)
{
	if (view->protocol == SL_ETHERTYPE_IPV4)
		return follow_ipv4(view);
	return view->protocol == SL_ETHERTYPE_IPV6 ? follow_ipv6(view, relaxed) : SL_DROP_NONE;
}

// ---- what a remote may not say

// A server speaks from its port, or to the client's; and whatever its port, a relay agent on the LAN's router
// would hand on what is a server's message. Its first byte says that (BOOTP's op, RFC 951 section 3).
static enum sl_drop judge_dhcp(const struct sl_view *view)
{
	uint16_t from = sl_get16(view->transport), to = sl_get16(view->transport + 2);

	if (from == 67 || to == 68) // RFC 2131 section 4.1
		return SL_DROP_DHCP_SERVER;
	if (to != 67)
		return SL_DROP_NONE;
	if (view->transport_len <= UDP_HEADER)
		return SL_DROP_HEADER_CHAIN;
	return view->transport[UDP_HEADER] == 2 ? SL_DROP_DHCP_SERVER : SL_DROP_NONE;
}

// RFC 8415 sections 7.2 and 7.3: advertise, reply, reconfigure, relay-reply.
static enum sl_drop judge_dhcpv6(const struct sl_view *view)
{
	uint16_t from = sl_get16(view->transport), to = sl_get16(view->transport + 2);

	if (from == 547 || to == 546)
		return SL_DROP_DHCPV6_SERVER;
	if (to != 547)
		return SL_DROP_NONE;
	if (view->transport_len <= UDP_HEADER)
		return SL_DROP_HEADER_CHAIN;
	switch (view->transport[UDP_HEADER]) {
	case 2:
	case 7:
	case 10:
	case 13:
		return SL_DROP_DHCPV6_SERVER;
	default:
		return SL_DROP_NONE;
	}
}

static enum sl_drop judge_ipv4(const struct sl_view *view)
{
	const uint8_t *transport = view->transport;

	if (transport == NULL)
		return SL_DROP_NONE;
	switch (view->transport_type) {
	case SL_IPPROTO_UDP:
		return judge_dhcp(view);
	case SL_IPPROTO_ICMP:
		if (transport[0] == 5) // RFC 792
			return SL_DROP_REDIRECT;
		return transport[0] == 9 ? SL_DROP_ROUTER_ADVERTISEMENT : SL_DROP_NONE; // RFC 1256
	case SL_IPPROTO_IGMP:
		return transport[0] == 0x11 ? SL_DROP_MULTICAST_QUERY : SL_DROP_NONE; // RFC 9776 section 4
	default:
		return SL_DROP_NONE;
	}
}

static enum sl_drop judge_ipv6(const struct sl_view *view)
{
	const uint8_t *transport = view->transport;

	if (transport == NULL)
		return SL_DROP_NONE;
	if (view->transport_type == SL_IPPROTO_UDP)
		return judge_dhcpv6(view);
	if (view->transport_type != SL_IPPROTO_ICMPV6)
		return SL_DROP_NONE;
	switch (transport[0]) {
	case 130: // RFC 9777 section 5
		return SL_DROP_MULTICAST_QUERY;
	case 134: // RFC 4861 section 4.2
		return SL_DROP_ROUTER_ADVERTISEMENT;
	case 137: // RFC 4861 section 4.5
		return SL_DROP_REDIRECT;
	default:
		return SL_DROP_NONE;
	}
}

// The type of a tag, or of another way into a VLAN.
static bool leads_into_vlan(uint16_t type)
{
	return sl_eth_is_tag(type) || type == 0x88e7 || type == 0x8926 || type == 0x893f;
}

static enum sl_drop judge_remote(struct sl_view *view, uint32_t relaxed)
{
	enum sl_drop drop;

	if (view->eth.tags > 0 || leads_into_vlan(view->protocol)) {
		drop = unless(relaxed, SL_DROP_VLAN_TAG);
		if (drop != SL_DROP_NONE)
			return drop;
	}
	drop = follow(view, relaxed);
	if (drop == SL_DROP_NONE && view->protocol == SL_ETHERTYPE_IPV4)
		drop = judge_ipv4(view);
	else if (drop == SL_DROP_NONE && view->protocol == SL_ETHERTYPE_IPV6)
		drop = judge_ipv6(view);
	return unless(relaxed, drop);
}

// Any direction: who sent it, and is it for switches?
static enum sl_drop judge_frame(struct sl_view *view, const struct sl_filter_input *input)
{
	const struct sl_eth *eth = &view->eth;
	bool remote = input->direction == SL_FROM_REMOTE, for_switches, whole;

	if ((sl_mac_is_multicast(&eth->src) || sl_mac_is_zero(&eth->src)) &&
	    unless(input->relaxed, SL_DROP_INVALID_SOURCE) != SL_DROP_NONE)
		return SL_DROP_INVALID_SOURCE;
	if (remote && input->announced != NULL && !sl_mac_equal(&eth->src, input->announced) &&
	    unless(input->relaxed, SL_DROP_FORGED_SOURCE) != SL_DROP_NONE)
		return SL_DROP_FORGED_SOURCE;

	whole = look_inside(view, &for_switches);
	if ((for_switches || destination_is_switch_control(&eth->dst) ||
	     type_is_switch_control(view->protocol)) &&
	    unless(input->relaxed, SL_DROP_SWITCH_CONTROL) != SL_DROP_NONE)
		return SL_DROP_SWITCH_CONTROL;
	return remote && !whole ? SL_DROP_MALFORMED : SL_DROP_NONE;
}

// Most telling reason first: what cannot be read (FILTER-9), who sent it (FILTER-1, FILTER-2), what it
// is (FILTER-3 to FILTER-7), and only then how large it is (FILTER-8).
enum sl_drop sl_filter_check(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			     struct sl_view *view)
{
	const struct sl_eth *eth = &view->eth;
	enum sl_drop drop;

	memset(view, 0, sizeof(*view));
	if (sl_eth_parse(frame, len, &view->eth) != SL_OK)
		return len < SL_ETH_HEADER ? SL_DROP_RUNT : SL_DROP_MALFORMED;
	// IEEE 802.3 section 3.2.6: a length counts the bytes that follow, of which there are at most
	// 1500; fewer than it says is a frame that was cut. (More is padding.)
	if (eth->type < SL_ETHERTYPE_MIN && (eth->type > SL_ETH_MAX_PAYLOAD || eth->type > eth->payload_len))
		return SL_DROP_MALFORMED;

	drop = judge_frame(view, input);
	if (drop == SL_DROP_NONE && input->direction == SL_FROM_REMOTE)
		drop = judge_remote(view, input->relaxed);
	else if (drop == SL_DROP_NONE)
		(void)follow(view, 0); // not judged: the guard learns from it
	if (drop != SL_DROP_NONE)
		return drop;

	// The payload begins behind the tags, so each of them is 4 bytes that do not count.
	if (eth->payload_len > SL_ETH_MAX_PAYLOAD)
		return SL_DROP_JUMBO;
	if (input->mtu != 0 && eth->payload_len > input->mtu)
		return SL_DROP_OVER_MTU;
	return SL_DROP_NONE;
}
