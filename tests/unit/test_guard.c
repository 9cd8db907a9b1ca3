#include "guard_fixture.h"

#include <stdio.h>

// ---- claims

static void guard_first_claim_holds_until_the_client_leaves(void **state)
{
	struct sl_guard *guard = *state;

	for (int round = 0; round < 3; round++) {
		assert_true(says_arp(guard, &alice, "192.168.1.50"));
		assert_true(says_arp(guard, &alice, "192.168.1.50"));
		assert_false(says_arp(guard, &bob, "192.168.1.50"));
		assert_true(says_arp(guard, &bob, "192.168.1.51"));
		assert_false(says_arp(guard, &alice, "192.168.1.51"));
		assert_true(says_na(guard, &alice, LINK_LOCAL));
		assert_false(says_na(guard, &bob, LINK_LOCAL));
		sl_guard_leave(guard, &alice);
		sl_guard_leave(guard, &alice);
		assert_true(says_arp(guard, &bob, "192.168.1.50"));
		assert_true(says_na(guard, &bob, LINK_LOCAL));
		assert_int_equal(sl_guard_join(guard, &bob), SL_ERR_EXISTS);
		sl_guard_leave(guard, &bob);
		assert_int_equal(guard->by_address.count, 0);
		assert_int_equal(sl_guard_join(guard, &alice), SL_OK);
		assert_int_equal(sl_guard_join(guard, &bob), SL_OK);
	}
}

static void guard_says_why(void **state)
{
	struct sl_guard *guard = *state;
	char what[SL_GUARD_TEXT];
	struct frame frame;

	hear_dhcp(guard, DHCP_OFFER, &bob, "192.168.1.51", "192.168.1.1");
	hear_ra(guard, ROUTER6, 1800);
	assert_true(says_arp(guard, &alice, "192.168.1.50"));
	assert_true(says_na(guard, &alice, LINK_LOCAL));
	arp(&frame, &bob, 2, &bob, "192.168.1.50");
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "the address of another player, 192.168.1.50");
	arp(&frame, &bob, 2, &bob, "192.168.1.1");
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "the router's address 192.168.1.1");
	neighbor(&frame, &bob, "fe80::b", 136, ROUTER6, 2, &bob);
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "the router's address fe80::1");
	neighbor(&frame, &bob, "fe80::b", 136, LINK_LOCAL, 0, NULL);
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "the address of another player, fe80::a");
	arp(&frame, &bob, 2, &alice, "192.168.1.51");
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "another MAC, 02:00:00:00:00:0a");
	arp(&frame, &bob, 2, &bob, "224.0.0.251");
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "a group address, 224.0.0.251");
	neighbor(&frame, &bob, "fe80::b", 136, "2001:db8::b", 2, &bob);
	frame.len -= 1;
	finish_ipv6(&frame);
	assert_false(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "a malformed neighbor message");
	arp(&frame, &bob, 1, &bob, "192.168.1.51");
	assert_true(allows_frame(guard, &bob, &frame, what));
	assert_string_equal(what, "");
}

static void guard_arp_probe_claims_nothing(void **state)
{
	struct sl_guard *guard = *state;

	assert_true(says_arp(guard, &alice, "0.0.0.0"));
	assert_true(says_arp(guard, &bob, "0.0.0.0"));
	assert_int_equal(guard->by_address.count, 0);
	assert_false(says_arp(guard, &alice, "255.255.255.255"));
	assert_false(says_arp(guard, &alice, "239.255.255.250"));
	assert_int_equal(guard->by_address.count, 0);
}

// Every form that some receiver takes is judged: any operation, hardware type 6, lengths or types alone.
static void guard_arp_evasions(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		bool judged;
	} cases[] = {
		{15, 6, true},    // IEEE 802: Linux takes it
		{15, 7, true},    // only the lengths fit
		{16, 0x10, true}, // trailers of 4.2BSD
		{18, 7, true},    // only the types fit
		{19, 5, true},    // likewise
		{21, 2, true},    {21, 3, true}, {21, 9, true}, {21, 0, true},
	};
	struct sl_guard *guard = *state;
	struct frame frame, other;

	assert_true(says_arp(guard, &alice, "192.168.1.50"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arp(&frame, &bob, 1, &bob, "192.168.1.50");
		frame.bytes[cases[i].at] = cases[i].value;
		assert_int_equal(allows_frame(guard, &bob, &frame, NULL), !cases[i].judged);
	}
	arp(&frame, &bob, 1, &bob, "192.168.1.50");
	frame.bytes[15] = 6; // only the types fit, and it is the other of the two
	frame.bytes[19] = 0;
	assert_false(allows_frame(guard, &bob, &frame, NULL));
	frame.bytes[15] = 24; // IEEE 1394, with its own layout: no receiver on Ethernet takes it
	frame.bytes[18] = 8;
	assert_true(allows_frame(guard, &bob, &frame, NULL));

	// The wire pads with zeros what is cut: the target, the sender's address (then it is another one),
	// the sender's MAC (then it is not bob's), all but the types.
	for (size_t len = 14; len < 14 + 28; len++) {
		arp(&frame, &bob, 2, &bob, "192.168.1.50");
		frame.len = len;
		assert_int_equal(allows_frame(guard, &bob, &frame, NULL),
				 len < 14 + 3 || (len >= 14 + 14 && len < 14 + 18));
	}
	// Over SNAP.
	arp(&frame, &bob, 1, &bob, "192.168.1.50");
	put_header(&other, &bob, 8 + 28);
	add(&other, "\xaa\xaa\x03\x00\x00\x00\x08\x06", 8);
	add(&other, frame.bytes + 14, 28);
	assert_false(allows_frame(guard, &bob, &other, NULL));
	// With a length that hides the address from whoever goes by it: never, whatever lies behind.
	for (uint8_t hidden = 1; hidden <= 28; hidden++) {
		other.bytes[13] = (uint8_t)(8 + 28 - hidden);
		assert_false(allows_frame(guard, &bob, &other, NULL));
	}
}

// RFC 4861: what NS, RS and NA claim, and what a duplicate address detection does not.
static void guard_neighbor_claims(void **state)
{
	static const struct {
		const char *source;
		uint8_t type;
		const char *target;
		bool allowed;
	} cases[] = {
		{"fe80::b", 136, LINK_LOCAL, false}, {"fe80::b", 136, "fe80::b", true},
		{LINK_LOCAL, 136, "fe80::b", true}, // NA: the target is what receivers learn
		{LINK_LOCAL, 135, "fe80::c", false}, {"fe80::b", 135, LINK_LOCAL, true},
		{LINK_LOCAL, 133, NULL, false},      {"fe80::b", 133, NULL, true},
		{"::", 135, LINK_LOCAL, true},       {"::", 133, NULL, true},
		{"fe80::b", 136, "ff02::1", false},  {"ff02::1", 135, "fe80::b", false},
	};
	struct sl_guard *guard = *state;
	struct frame frame;

	assert_true(says_na(guard, &alice, LINK_LOCAL));
	neighbor(&frame, &alice, "::", 135, LINK_LOCAL, 0, NULL);
	assert_true(allows_frame(guard, &alice, &frame, NULL));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (uint8_t option = 0; option < 3; option++) {
			neighbor(&frame, &bob, cases[i].source, cases[i].type, cases[i].target, option, &bob);
			assert_int_equal(allows_frame(guard, &bob, &frame, NULL), cases[i].allowed);
		}
	for (unsigned last = 0x0a; last <= 0x0b; last++) { // where the filter lets router advertisements pass
		ipv6(&frame, &bob, last == 0x0a ? LINK_LOCAL : "fe80::b", SL_IPPROTO_ICMPV6);
		add(&frame, "\x86\0\0\0\0\0\x07\x08\0\0\0\0\0\0\0\0\x01\x01\x02\0\0\0\0", 23);
		add(&frame, "\x0b", 1);
		finish_ipv6(&frame);
		assert_int_equal(allows_frame(guard, &bob, &frame, NULL), last == 0x0b);
	}
	ipv6(&frame, &bob, LINK_LOCAL, SL_IPPROTO_ICMPV6); // echo request: no claim
	add(&frame, "\x80\0\0\0\0\x01\0\x01", 8);
	finish_ipv6(&frame);
	assert_true(allows_frame(guard, &bob, &frame, NULL));
}

static void guard_neighbor_options(void **state)
{
	static const struct {
		uint8_t bytes[24];
		size_t len;
		bool allowed;
	} cases[] = {
		{{2, 1, 2, 0, 0, 0, 0, 0x0b}, 8, true},
		{{2, 1, 2, 0, 0, 0, 0, 0x0a}, 8, false},
		{{1, 1, 2, 0, 0, 0, 0, 0x0a}, 8, false},
		{{14, 1, 9, 9, 9, 9, 9, 9, 2, 1, 2, 0, 0, 0, 0, 0x0b}, 16, true},  // a nonce before it
		{{14, 1, 9, 9, 9, 9, 9, 9, 2, 1, 2, 0, 0, 0, 0, 0x0a}, 16, false}, // likewise
		{{2, 1, 2, 0, 0, 0, 0, 0x0b, 2, 1, 2, 0, 0, 0, 0, 0x0a}, 16, false},
		{{2, 2, 2, 0, 0, 0, 0, 0x0a}, 16, false}, // longer than Ethernet has it
		{{14, 0, 9, 9, 9, 9, 9, 9}, 8, false},    // RFC 4861 section 4.6: length 0
		{{14, 2, 9, 9, 9, 9, 9, 9}, 8, false},    // past the end
		{{14, 255, 9, 9, 9, 9, 9, 9}, 24, false},
		{{2}, 1, false},
		{{2, 1, 2, 0, 0, 0, 0}, 7, false},
		{{14, 1, 9, 9, 9, 9, 9, 9, 2, 1, 2}, 11, false},
	};
	struct sl_guard *guard = *state;
	struct frame frame;

	static const uint8_t types[] = {133, 135, 136};
	for (size_t t = 0; t < sizeof(types); t++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			neighbor(&frame, &bob, "fe80::b", types[t], types[t] == 133 ? NULL : "fe80::b", 0,
				 NULL);
			add(&frame, cases[i].bytes, cases[i].len);
			finish_ipv6(&frame);
			assert_int_equal(allows_frame(guard, &bob, &frame, NULL), cases[i].allowed);
		}
	for (size_t len = 8; len < 24; len++) { // cut within the target
		neighbor(&frame, &bob, "fe80::b", 136, "fe80::b", 0, NULL);
		frame.len = 54 + len;
		finish_ipv6(&frame);
		assert_false(allows_frame(guard, &bob, &frame, NULL));
	}
}

// Behind extension headers, over SNAP, with a hop limit or a code that only a careless receiver takes.
static void guard_neighbor_evasions(void **state)
{
	struct sl_guard *guard = *state;
	struct frame frame, other;

	assert_true(says_na(guard, &alice, LINK_LOCAL));
	neighbor(&frame, &bob, "fe80::b", 136, LINK_LOCAL, 2, &bob);
	frame.bytes[21] = 64;
	assert_false(allows_frame(guard, &bob, &frame, NULL));
	neighbor(&frame, &bob, "fe80::b", 136, LINK_LOCAL, 2, &bob);
	frame.bytes[55] = 1;
	assert_false(allows_frame(guard, &bob, &frame, NULL));

	neighbor(&frame, &bob, "fe80::b", 136, LINK_LOCAL, 2, &bob);
	ipv6(&other, &bob, "fe80::b", 60);
	add(&other, "\x2b\0\x01\x04\0\0\0", 8);     // destination options
	add(&other, "\x00\0\0\0\0\0\0", 8);         // routing
	add(&other, "\x3a\x00\x01\x04\0\0\0\0", 8); // hop-by-hop, out of its place
	add(&other, frame.bytes + 54, frame.len - 54);
	finish_ipv6(&other);
	assert_false(allows_frame(guard, &bob, &other, NULL));

	put_header(&other, &bob, (uint16_t)(8 + frame.len - 14));
	add(&other, "\xaa\xaa\x03\x00\x00\xf8\x86\xdd", 8);
	add(&other, frame.bytes + 14, frame.len - 14);
	assert_false(allows_frame(guard, &bob, &other, NULL));
}

// A client that claims the whole LAN locks nobody out of more than 16 addresses, and keeps what it uses.
static void guard_claims_are_bounded(void **state)
{
	struct sl_guard *guard = *state;
	char address[32];

	assert_true(says_arp(guard, &alice, "192.168.1.50"));
	for (int i = 0; i < 250; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		assert_true(says_arp(guard, &alice, address));
		if (i % 10 == 0)
			assert_true(says_arp(guard, &alice, "192.168.1.50"));
		assert_false(says_arp(guard, &bob, "192.168.1.50"));
		assert_in_range(guard->by_address.count, 2, SL_GUARD_ADDRESSES_MAX);
	}
	assert_int_equal(guard->by_address.count, SL_GUARD_ADDRESSES_MAX);
	assert_false(says_arp(guard, &bob, "192.168.1.50"));
	assert_false(says_arp(guard, &bob, "10.0.0.249"));
	assert_false(says_arp(guard, &bob, "10.0.0.235"));
	assert_true(says_arp(guard, &bob, "10.0.0.234"));
	sl_guard_leave(guard, &alice);
	assert_int_equal(guard->by_address.count, 1);
}

// A client that never joined is judged, and leaves no trace.
static void guard_stranger(void **state)
{
	static const struct sl_mac stranger = {{0x02, 0, 0, 0, 0, 0x0c}};
	struct sl_guard *guard = *state;

	hear_dhcp(guard, DHCP_OFFER, &bob, "192.168.1.51", "192.168.1.1");
	assert_true(says_arp(guard, &alice, "192.168.1.50"));
	assert_true(says_arp(guard, &stranger, "192.168.1.60"));
	assert_true(says_arp(guard, &bob, "192.168.1.60"));
	assert_false(says_arp(guard, &stranger, "192.168.1.1"));
	assert_false(says_arp(guard, &stranger, "192.168.1.50"));
	sl_guard_leave(guard, &stranger);
	hear_dhcp(guard, DHCP_ACK, &stranger, "192.168.1.61", NULL);
	assert_true(says_arp(guard, &bob, "192.168.1.61"));
}

// What belongs to what stays true whatever happens: random joins, leaves, claims, leases, routers.
static void guard_random_walk(void **state)
{
	struct sl_guard *guard = *state;
	uint64_t random = 5;

	for (int step = 0; step < 30000; step++) {
		uint32_t r = (uint32_t)((random = random * UINT64_C(6364136223846793005) + 1) >> 33);
		struct sl_mac mac = {{0x02, 0, 0, 0, 0, (uint8_t)(r % 5)}};
		char address[32];
		size_t claims = 0, cursor = 0;

		snprintf(address, sizeof(address), "10.0.0.%u", (r >> 8) % 40);
		if ((r >> 16) % 50 == 0)
			sl_guard_leave(guard, &mac);
		else if ((r >> 16) % 50 == 1)
			(void)sl_guard_join(guard, &mac);
		else if ((r >> 16) % 50 == 2)
			hear_dhcp(guard, DHCP_OFFER, &mac, "0.0.0.0", address);
		else if ((r >> 16) % 50 == 3)
			sl_guard_forget_routers(guard);
		else if ((r >> 16) % 50 < 10)
			hear_dhcp(guard, DHCP_ACK, &mac, address, NULL);
		else
			(void)says_arp(guard, &mac, address);
		while (sl_map_next(&guard->by_address, &cursor) != NULL)
			claims++;
		assert_int_equal(claims, guard->by_address.count);
		assert_in_range(claims, 0, guard->owners.count * SL_GUARD_ADDRESSES_MAX);
	}
	for (uint8_t last = 0; last < 16; last++)
		sl_guard_leave(guard, &(struct sl_mac){{0x02, 0, 0, 0, 0, last}});
	assert_int_equal(guard->by_address.count, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(guard_first_claim_holds_until_the_client_leaves),
		TEST(guard_says_why),
		TEST(guard_arp_probe_claims_nothing),
		TEST(guard_arp_evasions),
		TEST(guard_neighbor_claims),
		TEST(guard_neighbor_options),
		TEST(guard_neighbor_evasions),
		TEST(guard_claims_are_bounded),
		TEST(guard_stranger),
		TEST(guard_random_walk),
	};
	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
