// The rules of docs/filter.md on Ethernet itself (FILTER-1 to FILTER-4, FILTER-8, FILTER-9).
#include "filter_rows.h"

// ---- FILTER-3

static void filter_3_switch_control(void **state)
{
	static const char *const texts[] = {
		"to=01:80:c2:00:00:00 llc=424203 data=35",          // spanning tree
		"to=01:80:c2:00:00:00 type=88b5",                   // the address alone
		"to=01:80:c2:00:00:08 llc=424203 data=35",          // of a provider bridge
		"to=01:80:c2:00:00:21 llc=424203 data=20",          // GVRP
		"to=01:80:c2:00:00:0e type=88cc data=46",           // LLDP
		"to=02:00:00:00:00:22 type=88cc data=46",           // whatever the address
		"type=8808 data=46",                                // pause
		"to=01:80:c2:00:00:02 type=8809 data=110",          // LACP
		"type=888e data=4",                                 // EAPOL
		"to=01:00:0c:cc:cc:cc type=88b5",                   // CDP, VTP, DTP
		"to=01:00:0c:cc:cc:cd ip6 none",                    // PVST+
		"to=01:00:0c:cd:cd:cd ip6 none",                    // uplink fast
		"to=01:00:0c:cd:cd:d0 ip6 none",                    // tunnelled
		"to=01:00:0c:dd:dd:dd type=88b5",                   // CGMP
		"type=8899 data=46",                                // Realtek's control
		"to=02:00:00:00:00:22 llc=424203 data=35",          // DSAP and SSAP
		"llc=43aa03 data=35",                               // the group bit does not count
		"llc=e04303 data=35",                               // SSAP alone, a response
		"llc=aa4203 hex=0000008137 data=20",                // likewise, over SNAP
		"snap type=88cc data=40",                           // SNAP
		"snap=0000f8 type=8809 data=40",                    //
		"llc=abab03 hex=0000009000 data=40",                // SNAP whose group bits are set
		"llc=aa0000 hex=00000000888e data=40",              // SNAP with a control field of two bytes
		"llc=42aa03",                                       //
		"llc=aaaa03 hex=00000c0104 data=40",                // PAgP
		"llc=aaaa03 hex=00000c010b data=40",                // PVST+
		"llc=aaaa03 hex=00000c010c data=40",                // VLAN bridge
		"llc=aaaa03 hex=00000c0111 data=40",                // UDLD
		"llc=aaaa03 hex=00000c2000 data=40",                // CDP
		"llc=aaaa03 hex=00000c2001 data=40",                // CGMP
		"llc=aaaa03 hex=00000c2003 data=40",                // VTP
		"llc=aaaa03 hex=00000c2004 data=40",                // DTP
		"to=01:80:c2:00:00:00 llc=ffff data=30 end pad=16", // raw IPX to the bridges
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct row row = {texts[i], SL_DROP_SWITCH_CONTROL, PASS};
		char text[256];

		check_plain(texts[i], &row, SL_DROP_SWITCH_CONTROL);
		expect(texts[i], "the LAN's rule off",
		       judge_text(texts[i], SL_FROM_LAN, SL_POLICY_BIT(SL_DROP_SWITCH_CONTROL)), PASS);
		snprintf(text, sizeof(text), "tag=8100.0005 tag=9100.0006 %s", texts[i]);
		expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), SL_DROP_SWITCH_CONTROL);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), SL_DROP_SWITCH_CONTROL);
	}
}

// Not one address more, and not one less.
static void filter_3_addresses(void **state)
{
	static const struct {
		const char *prefix;
		const char *last;
	} blocks[] = {
		{"01:80:c2:00:00", "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 20 21 22 23 24 25 26 27 "
				   "28 29 2a 2b 2c 2d 2e "
				   "2f"},
		{"01:00:0c:cc:cc", "cc cd"},
		{"01:00:0c:cd:cd", "cd d0"},
		{"01:00:0c:dd:dd", "dd"},
		{"01:00:0c:dd:dc", ""},
		{"01:80:c2:00:01", ""},
		{"01:80:c3:00:00", ""},
		{"03:80:c2:00:00", ""},
		{"00:80:c2:00:00", ""},
		{"01:00:0c:cc:cd", ""},
		{"01:00:0c:cd:cc", ""},
		{"01:00:0d:cc:cc", ""},
		{"ff:ff:ff:ff:ff", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(blocks); i++)
		for (unsigned last = 0; last < 256; last++) {
			char text[64], digits[3];
			enum sl_drop wanted;

			snprintf(digits, sizeof(digits), "%02x", last);
			snprintf(text, sizeof(text), "to=%s:%s type=88b5 data=46", blocks[i].prefix, digits);
			wanted = strstr(blocks[i].last, digits) != NULL ? SL_DROP_SWITCH_CONTROL : PASS;
			expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), wanted);
			expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), wanted);
		}
}

// FILTER-3, FILTER-4: every ethertype there is, in Ethernet II and in SNAP.
static void filter_3_4_all_types(void **state)
{
	static const uint16_t control[] = {0x8808, 0x8809, 0x888e, 0x8899, 0x88cc,
					   0x88f5, 0x88f6, 0x8902, 0x9000};
	static const uint16_t vlan[] = {0x8100, 0x88a8, 0x9100, 0x9200, 0x9300, 0x88e7, 0x8926, 0x893f};

	(void)state;
	for (unsigned type = 0x0600; type <= 0xffff; type++) {
		enum sl_drop wanted = PASS, lan;
		char text[64];

		for (size_t i = 0; i < COUNT(control); i++)
			wanted = control[i] == type ? SL_DROP_SWITCH_CONTROL : wanted;
		lan = wanted;
		for (size_t i = 0; i < COUNT(vlan); i++)
			wanted = vlan[i] == type ? SL_DROP_VLAN_TAG : wanted;
		if (type == 0x0800 || type == 0x86dd) // zeros are no packet
			wanted = SL_DROP_HEADER_CHAIN;
		snprintf(text, sizeof(text), "type=%04x data=46", type);
		// Behind a tag there are zeros: an 802.3 length too short for LLC.
		expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), lan);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0),
		       sl_eth_is_tag((uint16_t)type) ? SL_DROP_MALFORMED : wanted);
		snprintf(text, sizeof(text), "snap type=%04x data=46", type);
		expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), lan);
		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), wanted);
	}
}

static void filter_3_what_is_not_switch_control(void **state)
{
	static const struct row rows[] = {
		{"llc=e0e003 data=30", PASS, PASS},                // IPX over 802.2
		{"llc=f0f003 data=30", PASS, PASS},                // NetBEUI
		{"llc=ffff data=28", PASS, PASS},                  // raw IPX
		{"llc=404003 data=30", PASS, PASS},                //
		{"llc=444003 data=30", PASS, PASS},                //
		{"llc=aaaa03 hex=00000c2002 data=30", PASS, PASS}, // another protocol of Cisco's
		{"llc=aaaa03 hex=00000d2000 data=30", PASS, PASS}, // another owner
		{"llc=aaaa03 hex=080007809b data=30", PASS, PASS}, // AppleTalk
		{"snap type=8137 data=30", PASS, PASS},            // IPX over SNAP
		{"llc=e0e003 hex=88cc data=30", PASS, PASS},       // 88cc where no type is
		{"type=88b5 hex=88cc data=30", PASS, PASS},        //
		{"to=01:00:5e:00:00:fb ip4 udp=5353.5353 data=30", PASS, PASS},
		{"to=33:33:00:00:00:fb ip6 udp=5353.5353 data=30", PASS, PASS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_plain(rows[i].text, &rows[i], PASS);
}

// Switch control let through is no way around the other rules; a header cut off is no way around this one.
static void filter_3_combined(void **state)
{
	const uint32_t off = SL_POLICY_BIT(SL_DROP_SWITCH_CONTROL);

	(void)state;
	assert_int_equal(judge_text("llc=aa4203 hex=0000000800 ip4 udp=67.68", SL_FROM_REMOTE, off),
			 SL_DROP_DHCP_SERVER);
	assert_int_equal(judge_text("to=01:80:c2:00:00:00 ip6 icmp6=134", SL_FROM_REMOTE, off),
			 SL_DROP_ROUTER_ADVERTISEMENT);
	assert_int_equal(judge_text("to=01:80:c2:00:00:00 llc=4242 end pad=46", SL_FROM_LAN, 0),
			 SL_DROP_SWITCH_CONTROL);
	assert_int_equal(judge_text("to=01:00:0c:cc:cc:cc llc=aaaa03 hex=00000c", SL_FROM_LAN, 0),
			 SL_DROP_SWITCH_CONTROL);
	assert_int_equal(judge_text("llc=aa4203 hex=0000", SL_FROM_LAN, 0), SL_DROP_SWITCH_CONTROL);
	assert_int_equal(judge_text("llc=42 end pad=45", SL_FROM_LAN, 0), SL_DROP_SWITCH_CONTROL);
	assert_int_equal(judge_text("llc=0043 end pad=44", SL_FROM_REMOTE, 0), SL_DROP_SWITCH_CONTROL);
	assert_int_equal(judge_text("llc=aa4203 hex=0000", SL_FROM_REMOTE, off), SL_DROP_MALFORMED);
	assert_int_equal(judge_text("llc=42", SL_FROM_REMOTE, off), SL_DROP_MALFORMED);
}

// ---- FILTER-4

static void filter_4_vlan_tags(void **state)
{
	static const char *const texts[] = {
		"tag=8100.0005 type=88b5 data=46",
		"tag=8100.0000 type=88b5 data=46", // VLAN 0, a priority
		"tag=8100.e000 arp",
		"tag=88a8.0005 ip4 udp=1.2",
		"tag=9100.0005 ip6 none",
		"tag=9200.0005 type=0600 data=46",
		"tag=9300.0fff type=88b5",
		"tag=88a8.0005 tag=8100.0006 arp",
		"tag=8100.0005 llc=e0e003 data=30",
		"snap type=8100 hex=00050806 data=40",
		"snap=0000f8 type=88a8 data=46",
		"snap type=9100 data=46",
		"type=88e7 data=46",
		"type=8926 data=46",
		"type=893f data=46",
		"snap type=893f data=46",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct row row = {texts[i], SL_DROP_VLAN_TAG, PASS};

		check_plain(texts[i], &row, PASS);
	}
	assert_int_equal(
		judge_text("tag=8100.0005 tag=8100.0005 tag=8100.0005 arp", SL_FROM_REMOTE, ALL_RULES),
		SL_DROP_MALFORMED);
}

// ---- FILTER-9

static void filter_9_llc(void **state)
{
	static const char *const texts[] = {
		"llc=",
		"llc=aa",
		"llc=aaaa end pad=46",
		"llc=0606",
		"llc=aaaa03 end pad=46",
		"llc=aaaa03 hex=00000008",
		"llc=aaaa00 hex=0000000800", // its control field has two bytes
		"llc=abab03 hex=00000c20 end pad=46",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		expect(texts[i], "remote", judge_text(texts[i], SL_FROM_REMOTE, 0), SL_DROP_MALFORMED);
		expect(texts[i], "all off", judge_text(texts[i], SL_FROM_REMOTE, ALL_RULES),
		       SL_DROP_MALFORMED);
		expect(texts[i], "LAN", judge_text(texts[i], SL_FROM_LAN, 0), PASS);
	}
	assert_int_equal(judge_text("llc=aaaa0000 hex=0000000800 ip4 udp=67.68", SL_FROM_REMOTE, 0),
			 SL_DROP_DHCP_SERVER);
	assert_int_equal(judge_text("llc=ab0013 hex=0000000800 ip4 udp=67.68", SL_FROM_REMOTE, 0),
			 SL_DROP_DHCP_SERVER);
}

// ---- FILTER-1, FILTER-2, FILTER-8

static void filter_1_2_8_policy(void **state)
{
	static const struct row rows[] = {
		{"from=01:00:5e:00:00:01 type=88b5 data=46", SL_DROP_INVALID_SOURCE, SL_DROP_FORGED_SOURCE},
		{"from=00:00:00:00:00:00 type=88b5 data=46", SL_DROP_INVALID_SOURCE, SL_DROP_FORGED_SOURCE},
		{"from=02:00:00:00:00:12 type=88b5 data=46", SL_DROP_FORGED_SOURCE, PASS},
		{"from=02:00:00:00:00:12 ip4 udp=67.68", SL_DROP_FORGED_SOURCE, SL_DROP_DHCP_SERVER},
		{"from=ff:ff:ff:ff:ff:ff type=88cc", SL_DROP_INVALID_SOURCE, SL_DROP_FORGED_SOURCE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *text = rows[i].text;
		uint32_t bit = SL_POLICY_BIT(rows[i].drop);

		expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), rows[i].drop);
		expect(text, "rule off", judge_text(text, SL_FROM_REMOTE, bit), when_off(&rows[i]));
		expect(text, "other rules off", judge_text(text, SL_FROM_REMOTE, ALL_RULES & ~bit),
		       rows[i].drop);
		expect(text, "all off", judge_text(text, SL_FROM_REMOTE, ALL_RULES), PASS);
	}
	// Size cannot be switched off.
	assert_int_equal(judge_text("type=88b5 data=1501", SL_FROM_REMOTE, ALL_RULES), SL_DROP_JUMBO);
	assert_int_equal(judge_text("type=88b5 data=1501", SL_FROM_LAN, ALL_RULES), SL_DROP_JUMBO);
	assert_int_equal(judge_text("ip4 udp=67.68 data=1473", SL_FROM_REMOTE, 0), SL_DROP_DHCP_SERVER);
}

// ---- what a look further finds

static void filter_view(void **state)
{
	static const struct {
		const char *text;
		uint16_t protocol;
		size_t network_at, network_len; // 0: NULL
		uint8_t transport_type;
		size_t transport_at, transport_len; // 0: NULL
	} cases[] = {
		{"arp pad=18", 0x0806, 14, 46, 0, 0, 0},
		{"snap arp", 0x0806, 22, 28, 0, 0, 0},
		{"snap arp end pad=10", 0x0806, 22, 28, 0, 0, 0},
		{"llc=e0e003 data=30", 0, 0, 0, 0, 0, 0},
		{"ip4 udp=1.2 data=5 pad=9", 0x0800, 14, 33, 17, 34, 13},
		{"ip4=2 tcp=1.2 pad=9", 0x0800, 14, 48, 6, 42, 20},
		{"ip4 off=3 proto=17 data=8", 0x0800, 14, 28, 0, 0, 0},
		{"ip4 proto=47 data=3", 0x0800, 14, 23, 47, 34, 3},
		{"tag=8100.0005 ip4 udp=67.68", 0x0800, 18, 28, 17, 38, 8},
		{"ip6 hbh dst=1 icmp6=134 data=8 pad=7", 0x86dd, 14, 80, 58, 78, 16},
		{"ip6 none data=4", 0x86dd, 14, 44, 0, 0, 0},
		{"ip6 frag=0001 udp=1.2", 0x86dd, 14, 56, 0, 0, 0},
		{"snap=0000f8 ip6 udp=1.2 end pad=3", 0x86dd, 22, 48, 17, 62, 8},
	};
	const struct sl_filter_input input = {.direction = SL_FROM_LAN};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text_frame frame;
		struct sl_view view;

		text_frame_make(&frame, cases[i].text);
		assert_int_equal(sl_filter_check(frame.bytes, frame.len, &input, &view), PASS);
		assert_int_equal(view.protocol, cases[i].protocol);
		assert_ptr_equal(view.network,
				 cases[i].network_at != 0 ? frame.bytes + cases[i].network_at : NULL);
		assert_int_equal(view.network_len, cases[i].network_len);
		assert_int_equal(view.transport_type, cases[i].transport_type);
		assert_ptr_equal(view.transport,
				 cases[i].transport_at != 0 ? frame.bytes + cases[i].transport_at : NULL);
		assert_int_equal(view.transport_len, cases[i].transport_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_3_switch_control),
		cmocka_unit_test(filter_3_addresses),
		cmocka_unit_test(filter_3_4_all_types),
		cmocka_unit_test(filter_3_what_is_not_switch_control),
		cmocka_unit_test(filter_3_combined),
		cmocka_unit_test(filter_4_vlan_tags),
		cmocka_unit_test(filter_9_llc),
		cmocka_unit_test(filter_1_2_8_policy),
		cmocka_unit_test(filter_view),
	};
	return cmocka_run_group_tests_name("filter_rules", tests, NULL, NULL);
}
