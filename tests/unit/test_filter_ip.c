// The rules of docs/filter.md on IP (FILTER-5, FILTER-6, FILTER-7): each row in many clothes.
#include "filter_rows.h"

// Padding and a second packet behind the frame change nothing; nor does cutting let it pass.
static void check_length(const char *text, const struct row *row)
{
	struct text_frame frame, second;
	size_t len;

	text_frame_make(&frame, text);
	len = frame.len;
	text_frame_make(&second, "ip4 udp=67.68 data=20");
	for (size_t extra = 1; extra <= second.len - 14 && len + extra <= 1514; extra++) {
		expect(text, "padded", judge(frame.bytes, len + extra, SL_FROM_REMOTE, 0), row->drop);
		memcpy(frame.bytes + len, second.bytes + 14, extra);
		expect(text, "a packet behind", judge(frame.bytes, len + extra, SL_FROM_REMOTE, 0),
		       row->drop);
		memset(frame.bytes + len, 0, extra);
	}
	for (size_t cut = 0; cut < len; cut++) {
		(void)judge(frame.bytes, cut, SL_FROM_LAN, 0);
		if (judge(frame.bytes, cut, SL_FROM_REMOTE, 0) == PASS && row->drop != PASS)
			fail_msg("\"%s\" passes when cut to %zu bytes", text, cut);
	}
}

// Rows for IP over Ethernet: also encapsulated in SNAP (RFC 1042, 802.1H) and, IPv4, over LLC; and behind
// tags where these are allowed.
static void check_ip_rows(const struct row *rows, size_t count)
{
	static const char *const clothes[] = {
		"", "snap ", "snap=0000f8 ", "llc=060603 ", "llc=070003 ", "llc=06060000 ",
	};
	static const char *const tags[] = {"tag=8100.0005 ", "tag=88a8.0000 tag=8100.e000 "};

	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < COUNT(clothes); c++) {
			char text[256];

			if (c >= 3 && strstr(rows[i].text, "ip4") == NULL)
				continue;
			snprintf(text, sizeof(text), "%s%s", clothes[c], rows[i].text);
			check_plain(text, &rows[i], PASS);
			check_length(text, &rows[i]);
			for (size_t t = 0; t < COUNT(tags); t++) {
				snprintf(text, sizeof(text), "%s%s%s", tags[t], clothes[c], rows[i].text);
				expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), SL_DROP_VLAN_TAG);
				expect(text, "tags allowed",
				       judge_text(text, SL_FROM_REMOTE, SL_POLICY_BIT(SL_DROP_VLAN_TAG)),
				       rows[i].drop);
				expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), PASS);
			}
		}
	}
}

// ---- FILTER-5

static void filter_5_dhcp_server(void **state)
{
	static const struct row rows[] = {
		{"ip4 udp=67.68 data=240", SL_DROP_DHCP_SERVER, PASS},
		{"to=02:00:00:00:00:22 ip4 udp=67.68 data=240", SL_DROP_DHCP_SERVER, PASS}, // unicast
		{"ip4 udp=67.67", SL_DROP_DHCP_SERVER, PASS}, // to a relay agent
		{"ip4 udp=67.4000", SL_DROP_DHCP_SERVER, PASS},
		{"ip4 udp=4000.68", SL_DROP_DHCP_SERVER, PASS},
		{"ip4 udp=68.68", SL_DROP_DHCP_SERVER, PASS},
		{"ip4=1 udp=67.68", SL_DROP_DHCP_SERVER, PASS},
		{"ip4=10 udp=67.68", SL_DROP_DHCP_SERVER, PASS},
		{"ip4 mf udp=67.68 data=8", SL_DROP_DHCP_SERVER, PASS}, // the first fragment has the ports
		{"ip4=10 mf udp=4000.68", SL_DROP_DHCP_SERVER, PASS},
		{"ip4 udp=67.68 set=6.4000", SL_DROP_DHCP_SERVER, PASS},  // don't fragment
		{"ip4 udp=67.68 set=6.8000", SL_DROP_DHCP_SERVER, PASS},  // the reserved flag
		{"ip4 udp=67.68 set=24.0000", SL_DROP_DHCP_SERVER, PASS}, // a UDP length of 0
		{"ip4 udp=68.67 data=240", PASS, PASS},                   // a client
		{"ip4=10 udp=68.67 data=240", PASS, PASS},
		{"ip4 udp=66.69", PASS, PASS},
		{"ip4 udp=68.66", PASS, PASS},
		{"ip4 udp=17152.17408", PASS, PASS}, // 67 and 68, the wrong way round
		{"ip4 tcp=67.68", PASS, PASS},
		{"ip4 udplite=67.68", PASS, PASS},
		{"ip4 off=1 proto=17 hex=0043004400100000", PASS, PASS}, // a later fragment
		{"ip4 off=4096 proto=17 hex=0043004400100000", PASS, PASS},
		{"ip4 off=185 mf proto=17 data=1000", PASS, PASS},
		{"ip4 mf udp=27015.27015 data=1000", PASS, PASS},
		{"ip4 proto=47 hex=0043004400100000", PASS, PASS},
		{"ip4 udp=68.67 data=4 end hex=4500001c00000000401100000a000001ffffffff0043004400080000",
		 PASS, PASS},
		{"ip4 udp=68.67 hex=0101", PASS, PASS},                // BOOTP's op: a request,
		{"ip4 udp=68.67 hex=0201", SL_DROP_DHCP_SERVER, PASS}, // a reply for a relay agent
		{"ip4=2 udp=5000.67 hex=02", SL_DROP_DHCP_SERVER, PASS},
		{"ip4 mf udp=5000.67", SL_DROP_HEADER_CHAIN, PASS}, // one that a first fragment hides
	};

	(void)state;
	check_ip_rows(rows, COUNT(rows));
}

static void filter_5_icmp_and_igmp(void **state)
{
	static const struct row rows[] = {
		{"ip4 icmp=5 data=20", SL_DROP_REDIRECT, PASS},
		{"ip4=10 icmp=5", SL_DROP_REDIRECT, PASS},
		{"ip4 mf icmp=5", SL_DROP_REDIRECT, PASS},
		{"ip4 icmp=9 data=8", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip4=3 icmp=9", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip4 igmp=17", SL_DROP_MULTICAST_QUERY, PASS},
		{"ip4=1 igmp=17 data=4", SL_DROP_MULTICAST_QUERY, PASS}, // router alert, as they all have
		{"ip4=1 mf igmp=17", SL_DROP_MULTICAST_QUERY, PASS},
		{"ip4 off=1 proto=1 hex=0500000000000000", PASS, PASS},
		{"ip4 icmp6=134", PASS, PASS}, // ICMPv6 where IPv4 has none
	};

	(void)state;
	check_ip_rows(rows, COUNT(rows));
	for (unsigned type = 0; type < 256; type++) {
		char text[64];

		snprintf(text, sizeof(text), "ip4 icmp=%u", type);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0),
		       type == 5   ? SL_DROP_REDIRECT
		       : type == 9 ? SL_DROP_ROUTER_ADVERTISEMENT
				   : PASS);
		snprintf(text, sizeof(text), "ip4=1 igmp=%u", type);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0),
		       type == 17 ? SL_DROP_MULTICAST_QUERY : PASS);
	}
}

// FILTER-5, FILTER-6: every port.
static void filter_5_6_all_ports(void **state)
{
	(void)state;
	for (unsigned port = 0; port <= 0xffff; port++) {
		enum sl_drop from4 = port == 67 ? SL_DROP_DHCP_SERVER : PASS;
		enum sl_drop to4 = port == 68 ? SL_DROP_DHCP_SERVER : PASS;
		enum sl_drop from6 = port == 547 ? SL_DROP_DHCPV6_SERVER : PASS;
		enum sl_drop to6 = port == 546 ? SL_DROP_DHCPV6_SERVER : PASS;
		char text[64];

		snprintf(text, sizeof(text), "ip4 udp=%u.9", port);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), from4);
		snprintf(text, sizeof(text), "ip4 udp=9.%u data=1", port);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), to4);
		snprintf(text, sizeof(text), "ip6 udp=%u.9", port);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), from6);
		snprintf(text, sizeof(text), "ip6 udp=9.%u data=1", port);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), to6);
	}
}

// ---- FILTER-6

static void filter_6_dhcpv6_and_icmpv6(void **state)
{
	static const struct row rows[] = {
		{"ip6 udp=547.546 data=60", SL_DROP_DHCPV6_SERVER, PASS},
		{"ip6 udp=547.547 data=60", SL_DROP_DHCPV6_SERVER, PASS}, // a relay's answer
		{"ip6 udp=4000.546", SL_DROP_DHCPV6_SERVER, PASS},
		{"ip6 hbh udp=547.546", SL_DROP_DHCPV6_SERVER, PASS},
		{"ip6 icmp6=134 data=8", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 icmp6=137 data=32", SL_DROP_REDIRECT, PASS},
		{"ip6 icmp6=130 data=16", SL_DROP_MULTICAST_QUERY, PASS},
		{"ip6 hbh icmp6=130 data=20", SL_DROP_MULTICAST_QUERY, PASS},
		{"ip6 dst icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 rt=4 icmp6=137", SL_DROP_REDIRECT, PASS},
		{"ip6 mob icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 hip icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 shim icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 ah icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 ah=4 icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS}, // 24 bytes
		{"ip6 ah=1 icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS}, // 12: not a multiple of 8
		{"ip6 shim hip mob dst rt hbh ah udp=547.546", SL_DROP_DHCPV6_SERVER, PASS},
		{"ip6 hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh hbh icmp6=134",
		 SL_DROP_ROUTER_ADVERTISEMENT, PASS},
		{"ip6 dst=150 icmp6=134", SL_DROP_ROUTER_ADVERTISEMENT, PASS}, // 1208 bytes of options
		{"ip6 hbh=7 rt=6 dst=5 hbh=4 icmp6=137", SL_DROP_REDIRECT, PASS},
		{"ip6 udp=546.547 data=60", PASS, PASS}, // a client
		{"ip6 hbh dst udp=546.547 data=4", PASS, PASS},
		{"ip6 hbh udp=546.547", SL_DROP_HEADER_CHAIN, PASS},          // what kind of message?
		{"ip6 udp=546.547 hex=01", PASS, PASS},                       // solicit
		{"ip6 udp=546.547 hex=02", SL_DROP_DHCPV6_SERVER, PASS},      // advertise
		{"ip6 udp=546.547 hex=07", SL_DROP_DHCPV6_SERVER, PASS},      // reply
		{"ip6 udp=5000.547 hex=0a", SL_DROP_DHCPV6_SERVER, PASS},     // reconfigure
		{"ip6 udp=546.547 hex=0c", PASS, PASS},                       // relay-forward
		{"ip6 dst udp=5000.547 hex=0d", SL_DROP_DHCPV6_SERVER, PASS}, // relay-reply
		{"ip6 icmp6=133", PASS, PASS},                                // router solicitation
		{"ip6 hbh icmp6=143 data=20", PASS, PASS},                    // MLD report
		{"ip6 tcp=547.546", PASS, PASS},
		{"ip6 udplite=547.546", PASS, PASS},
		{"ip6 icmp=9", PASS, PASS},                    // ICMPv4 where IPv6 has none
		{"ip6 none hex=8600000000000000", PASS, PASS}, // nobody looks behind "no next header"
		{"ip6 esp hex=8600000000000000", PASS, PASS},
		{"ip6 proto=253 data=3", PASS, PASS},
		{"ip6 dst=150 udp=1.2", PASS, PASS},
	};

	(void)state;
	check_ip_rows(rows, COUNT(rows));
}

// FILTER-6, FILTER-7: every ICMPv6 type; every next header, with zeros in it (which say: hop-by-hop, 8
// bytes).
static void filter_6_7_all_types(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		enum sl_drop wanted = PASS;
		char text[64];

		snprintf(text, sizeof(text), "ip6 hbh icmp6=%u", n);
		wanted = n == 130   ? SL_DROP_MULTICAST_QUERY
			 : n == 134 ? SL_DROP_ROUTER_ADVERTISEMENT
			 : n == 137 ? SL_DROP_REDIRECT
				    : PASS;
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), wanted);
		snprintf(text, sizeof(text), "ip6 proto=%u data=64", n);
		wanted = n == 44 ? SL_DROP_IPV6_FRAGMENT
			 : n == 0 || n == 43 || n == 51 || n == 60 || n == 135 || n == 139 || n == 140
				 ? SL_DROP_HEADER_CHAIN
				 : PASS;
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), wanted);
	}
}

// ---- FILTER-7

static void filter_7_fragments(void **state)
{
	static const struct row rows[] = {
		{"ip6 frag=0000 udp=1.2", SL_DROP_IPV6_FRAGMENT, PASS}, // whole in one fragment
		{"ip6 frag=0001 udp=1.2 data=8", SL_DROP_IPV6_FRAGMENT, PASS},
		{"ip6 frag=0008 proto=17 data=8", SL_DROP_IPV6_FRAGMENT, PASS},
		{"ip6 frag=fff8 proto=58 data=1", SL_DROP_IPV6_FRAGMENT, PASS},
		{"ip6 frag=0006 udp=1.2", SL_DROP_IPV6_FRAGMENT, PASS}, // reserved bits are no offset
		{"ip6 hbh dst frag=0001 udp=1.2", SL_DROP_IPV6_FRAGMENT, PASS},
		{"ip6 proto=44", SL_DROP_IPV6_FRAGMENT, SL_DROP_HEADER_CHAIN}, // cut off
		{"ip6 proto=44 data=7", SL_DROP_IPV6_FRAGMENT, SL_DROP_HEADER_CHAIN},
		// Switched off, a first fragment is judged as a whole packet is.
		{"ip6 frag=0001 icmp6=134", SL_DROP_IPV6_FRAGMENT, SL_DROP_ROUTER_ADVERTISEMENT},
		{"ip6 frag=0006 icmp6=134", SL_DROP_IPV6_FRAGMENT, SL_DROP_ROUTER_ADVERTISEMENT},
		{"ip6 hbh frag=0001 dst udp=547.546", SL_DROP_IPV6_FRAGMENT, SL_DROP_DHCPV6_SERVER},
		{"ip6 frag=0000 frag=0001 icmp6=137", SL_DROP_IPV6_FRAGMENT, SL_DROP_REDIRECT},
		{"ip6 frag=0001 proto=17 data=7", SL_DROP_IPV6_FRAGMENT, SL_DROP_HEADER_CHAIN},
		{"ip6 frag=0001 proto=60", SL_DROP_IPV6_FRAGMENT, SL_DROP_HEADER_CHAIN}, // RFC 7112
	};

	(void)state;
	check_ip_rows(rows, COUNT(rows));
}

static void filter_7_header_chain(void **state)
{
	static const struct row rows[] = {
		{"ip4 udp=1.2 set=0.35", SL_DROP_HEADER_CHAIN, PASS}, // version
		{"ip4 udp=1.2 set=0.65", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 udp=1.2 set=0.44", SL_DROP_HEADER_CHAIN, PASS},     // a header of 16 bytes
		{"ip4 udp=67.68 set=0.40", SL_DROP_HEADER_CHAIN, PASS},   // of none
		{"ip4 udp=67.68 set=0.48", SL_DROP_HEADER_CHAIN, PASS},   // longer than the packet
		{"ip4 udp=67.68 set=2.0000", SL_DROP_HEADER_CHAIN, PASS}, // "the NIC will fill it in"
		{"ip4 udp=67.68 set=2.0013", SL_DROP_HEADER_CHAIN, PASS}, // total below the header
		{"ip4 udp=67.68 set=2.0014", SL_DROP_HEADER_CHAIN, PASS}, // the ports behind the packet's end
		{"ip4 udp=67.68 set=2.001b", SL_DROP_HEADER_CHAIN, PASS}, // 7 bytes of UDP
		{"ip4=10 udp=67.68 set=2.003c", SL_DROP_HEADER_CHAIN, PASS}, // behind options
		{"ip4 mf proto=17 data=4", SL_DROP_HEADER_CHAIN, PASS},      // a tiny first fragment
		{"ip4 mf proto=17", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 proto=6 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 proto=1 hex=05", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 proto=2 hex=11", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 proto=136 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip4 proto=17 data=8", PASS, PASS},
		{"ip4 off=1 proto=17", PASS, PASS}, // nothing hides in it
		{"ip4 proto=47", PASS, PASS},
		{"ip4=10 proto=253", PASS, PASS},
		{"ip6 none set=0.40", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 none set=0.70", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 udp=547.546 set=4.0000", SL_DROP_HEADER_CHAIN, PASS}, // a jumbogram (RFC 2675)
		{"ip6 hbh udp=547.546 set=4.0000", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 icmp6=134 set=4.0007", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 dst icmp6=134 set=4.0008", SL_DROP_HEADER_CHAIN, PASS}, // the chain runs past the end
		{"ip6 dst icmp6=134 set=4.000f", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 dst icmp6=134 set=41.01", SL_DROP_HEADER_CHAIN, PASS}, // swallows the message
		{"ip6 dst icmp6=134 set=41.ff", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=0", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=43 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=60 hex=3b00000000000000", PASS, PASS},
		{"ip6 proto=60 hex=3b01000000000000", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=51 hex=3b00000000000000", PASS, PASS}, // 8 bytes
		{"ip6 proto=51 hex=3b0100000000000000000000", PASS, PASS},
		{"ip6 proto=51 hex=3b0200000000000000000000", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=58 hex=86000000000000", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=17 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 proto=6 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 hbh proto=136 data=7", SL_DROP_HEADER_CHAIN, PASS},
		{"ip6 hbh none", PASS, PASS},
		{"ip6 none", PASS, PASS},
	};

	(void)state;
	check_ip_rows(rows, COUNT(rows));
}

// A packet that says that it is longer than the frame, and one cut within its header.
static void filter_7_cut_packets(void **state)
{
	static const char *const texts[] = {
		"type=0800",
		"type=86dd",
		"ip4 udp=67.68 len=33",
		"ip4 udp=67.68 len=35",
		"ip4 udp=67.68 len=41",
		"ip4 off=1 proto=17 data=8 len=41",
		"ip4 udp=1.2 set=2.001d",
		"ip4 udp=1.2 set=2.ffff",
		"ip6 none len=53",
		"ip6 icmp6=134 len=54",
		"ip6 icmp6=134 len=61",
		"ip6 icmp6=134 set=4.0009",
		"ip6 none set=4.0001",
		"ip6 none set=4.ffff",
		"snap ip4 udp=67.68 data=4 set=2.0021",
		"snap=0000f8 ip6 icmp6=134 set=4.0009",
		"snap ip4 udp=1.2 set=2.001d end pad=20", // what is behind the 802.3 length does not count
		"llc=060603 ip4 udp=1.2 set=2.001d pad=20",
		"llc=060603",
		"llc=060600", // its control field is cut off
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct row row = {texts[i], SL_DROP_HEADER_CHAIN, PASS};

		check_plain(texts[i], &row, PASS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_5_dhcp_server),  cmocka_unit_test(filter_5_icmp_and_igmp),
		cmocka_unit_test(filter_5_6_all_ports),  cmocka_unit_test(filter_6_dhcpv6_and_icmpv6),
		cmocka_unit_test(filter_6_7_all_types),  cmocka_unit_test(filter_7_fragments),
		cmocka_unit_test(filter_7_header_chain), cmocka_unit_test(filter_7_cut_packets),
	};
	return cmocka_run_group_tests_name("filter_ip", tests, NULL, NULL);
}
