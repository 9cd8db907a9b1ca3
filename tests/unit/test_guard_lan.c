#include "guard_fixture.h"

#include <stdio.h>

// ---- routers

static void guard_router_wins_over_a_client(void **state)
{
	struct sl_guard *guard = *state;

	assert_true(says_arp(guard, &alice, "192.168.1.1"));
	assert_true(says_na(guard, &alice, ROUTER6));
	hear_dhcp(guard, DHCP_ACK, &bob, "192.168.1.51", "192.168.1.1");
	hear_ra(guard, ROUTER6, 1);
	assert_false(says_arp(guard, &alice, "192.168.1.1"));
	assert_false(says_na(guard, &alice, ROUTER6));
	assert_int_equal(guard->by_address.count, 1); // bob's lease
	hear_dhcp(guard, DHCP_ACK, &alice, "192.168.1.1", NULL);
	assert_false(says_arp(guard, &alice, "192.168.1.1"));
	hear_ra(guard, ROUTER6, 0);
	assert_true(says_na(guard, &alice, ROUTER6));
	sl_guard_forget_routers(guard);
	assert_true(says_arp(guard, &bob, "192.168.1.1")); // alice was never given it
}

static void guard_router_advertisement_must_be_valid(void **state)
{
	struct sl_guard *guard = *state;
	struct frame frame;

	advertisement(&frame, ROUTER6, 1800);
	frame.bytes[21] = 254; // came over a router
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	advertisement(&frame, ROUTER6, 1800);
	frame.bytes[55] = 1;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	advertisement(&frame, "fec0::1", 1800); // not link-local
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	advertisement(&frame, "2080::1", 1800);
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	advertisement(&frame, ROUTER6, 1800);
	frame.len--;
	finish_ipv6(&frame);
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	hear_ra(guard, ROUTER6, 0);
	assert_int_equal(guard->routers.count, 0);
	advertisement(&frame, ROUTER6, 1800);
	memmove(frame.bytes + 16, frame.bytes + 12, frame.len - 12); // another VLAN's
	memcpy(frame.bytes + 12, "\x81\x00\xe0\x14", 4);
	frame.len += 4;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	memcpy(frame.bytes + 12, "\x81\x00\xe0\x00", 4); // a mere priority
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 1);
	advertisement(&frame, "fe80::2", 1800); // a priority, and then a VLAN
	memmove(frame.bytes + 20, frame.bytes + 12, frame.len - 12);
	memcpy(frame.bytes + 12, "\x81\x00\xe0\x00\x81\x00\x00\x14", 8);
	frame.len += 8;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 1);
	hear_ra(guard, "febf::1", 9000);
	assert_int_equal(guard->routers.count, 2);
	assert_false(says_na(guard, &alice, "febf::1"));
}

static void guard_dhcp_every_router_of_the_option(void **state)
{
	struct sl_guard *guard = *state;
	struct frame frame;

	dhcp(&frame, "255.255.255.255", &bob, "192.168.1.51");
	add(&frame, "\x03\x09", 2);
	add4(&frame, "192.168.1.1");
	add4(&frame, "192.168.1.2");
	add(&frame, "\x07", 1);
	add(&frame, "\x35\x01\x02", 3); // the type comes last
	finish_dhcp(&frame);
	hear(guard, &frame);
	assert_false(says_arp(guard, &alice, "192.168.1.1"));
	assert_false(says_arp(guard, &alice, "192.168.1.2"));
	assert_int_equal(guard->routers.count, 2);
	assert_true(says_arp(guard, &alice, "192.168.1.51")); // an offer is no lease

	dhcp(&frame, "255.255.255.255", &bob, "192.168.1.52");
	add(&frame, "\x35\x01\x05\x03\x78", 5); // 30 of them: as many as there is room for
	for (uint8_t i = 1; i <= 30; i++)
		add(&frame, (uint8_t[]){10, 0, 0, i}, 4);
	finish_dhcp(&frame);
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, SL_GUARD_ADDRESSES_MAX);
	assert_false(says_arp(guard, &alice, "10.0.0.16"));
	assert_true(says_arp(guard, &alice, "10.0.0.17"));
	assert_false(says_arp(guard, &alice, "192.168.1.52"));
}

// RFC 2132 section 9.3: options in `file` and `sname`.
static void guard_dhcp_overload(void **state)
{
	struct sl_guard *guard = *state;
	struct frame frame;

	for (uint8_t overload = 0; overload <= 3; overload++) {
		sl_guard_forget_routers(guard);
		dhcp(&frame, "255.255.255.255", &bob, "192.168.1.51");
		add(&frame, (uint8_t[]){52, 1, overload, 53, 1, DHCP_OFFER}, 6);
		finish_dhcp(&frame);
		memcpy(frame.bytes + 42 + 108, "\x03\x04\xc0\xa8\x01\x01\xff", 7); // file
		memcpy(frame.bytes + 42 + 44, "\x03\x04\xc0\xa8\x01\x02\xff", 7);  // sname
		hear(guard, &frame);
		assert_int_equal(says_arp(guard, &alice, "192.168.1.1"), (overload & 1) == 0);
		assert_int_equal(says_arp(guard, &alice, "192.168.1.2"), (overload & 2) == 0);
	}
}

// Options that run past the end, cut messages: nothing is read beyond, and no router is made of it.
static void guard_dhcp_malformed(void **state)
{
	struct sl_guard *guard = *state;
	struct frame good, frame;

	dhcp_plain(&good, DHCP_ACK, &alice, "192.168.1.50", "192.168.1.1");
	for (size_t udp_len = 0; udp_len < good.len - 34 - 1; udp_len++) { // the UDP length, and the packet's
		frame = good;
		sl_put16(frame.bytes + 38, (uint16_t)udp_len);
		hear(guard, &frame);
		frame.len = 34 + (udp_len < 8 ? 8 : udp_len);
		sl_put16(frame.bytes + 16, (uint16_t)(frame.len - 14));
		hear(guard, &frame);
		assert_int_equal(guard->routers.count, 0);
	}
	for (unsigned more = 1; more < 600; more++) { // a UDP length above the packet's
		frame = good;
		sl_put16(frame.bytes + 38, (uint16_t)(frame.len - 34 + more));
		hear(guard, &frame);
		assert_int_equal(guard->routers.count, 0);
	}
	frame = good; // the end comes before the router
	frame.bytes[frame.len - 13] = 255;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	for (unsigned len = 5; len < 256; len++) { // the router option's length
		frame = good;
		frame.bytes[frame.len - 6] = (uint8_t)len;
		hear(guard, &frame);
		assert_true(len == 5 || guard->routers.count == 0);
		sl_guard_forget_routers(guard);
	}
	sl_guard_leave(guard, &alice); // and with it the lease
	assert_int_equal(sl_guard_join(guard, &alice), SL_OK);
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {
		{35, 0x44},     // UDP source 68
		{37, 0x45},     // to port 69
		{42, 1},        // BOOTREQUEST
		{42 + 236, 0},  // the cookie
		{42 + 243, 6},  // NAK
		{42 + 242, 2},  // the type's length
		{42 + 240, 53}, // a length 53 that hides all
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		frame = good;
		frame.bytes[wrong[i].at] = wrong[i].value;
		hear(guard, &frame);
		assert_int_equal(guard->routers.count, 0);
		assert_int_equal(guard->by_address.count, 0);
	}
	hear(guard, &good);
	assert_int_equal(guard->routers.count, 1);
	assert_int_equal(guard->by_address.count, 1);
}

// "The router is 192.168.1.1", to one machine, the way a server on the LAN sends it.
static void ack_to(struct frame *frame, const struct sl_mac *client, const char *address)
{
	dhcp(frame, address, client, address);
	memcpy(frame->bytes, client->b, 6);
	add(frame, "\x35\x01\x05\x03\x04\xc0\xa8\x01\x01", 9);
	finish_dhcp(frame);
}

static void set4(struct frame *frame, size_t at, const char *address)
{
	assert_int_equal(inet_pton(AF_INET, address, frame->bytes + at), 1);
}

#define IP_SOURCE 26
#define CIADDR (42 + 12)
#define YIADDR (42 + 16)

// A DHCP answer to one machine teaches nothing, unless it is for a client of the room.
static void guard_dhcp_for_a_stranger(void **state)
{
	static const struct sl_mac stranger = {{0x02, 0, 0, 0, 0, 0x0c}};
	struct sl_guard *guard = *state;
	struct frame frame;

	ack_to(&frame, &stranger, "192.168.1.77");
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	ack_to(&frame, &bob, "192.168.1.51");
	frame.bytes[42 + 2] = 5; // a hardware address of another kind
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	frame.bytes[42 + 2] = 6;
	frame.bytes[42 + 1] = 6;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	assert_int_equal(guard->by_address.count, 0);
	frame.bytes[42 + 1] = 1;
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 1);
	assert_false(says_arp(guard, &alice, "192.168.1.51"));
	sl_guard_forget_routers(guard);
	set4(&frame, YIADDR, "0.0.0.0"); // answers DHCPINFORM
	set4(&frame, CIADDR, "192.168.1.51");
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 1);
}

// What a client orders from a server of its own, out there behind the LAN's NAT, moves nobody's address and
// makes no router.
static void guard_dhcp_through_the_nat(void **state)
{
	static const char *const afar[] = {"203.0.113.9", "172.32.0.1",  "172.15.0.1", "192.169.0.1",
					   "11.0.0.1",    "169.253.0.1", "100.64.0.1"};
	static const char *const near[] = {"192.168.1.1", "192.168.200.1", "10.0.0.1",
					   "172.16.0.1",  "172.31.0.1",    "169.254.0.1"};
	struct sl_guard *guard = *state;
	struct frame frame;

	assert_true(says_arp(guard, &alice, "192.168.1.50"));
	ack_to(&frame, &bob, "192.168.1.51");
	set4(&frame, YIADDR, "192.168.1.50"); // "alice's address is yours", to bob's
	hear(guard, &frame);
	set4(&frame, 30,
	     "192.168.1.50"); // with alice's as the request's source: the router sends it to alice
	memcpy(frame.bytes, alice.b, 6);
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	assert_false(says_arp(guard, &bob, "192.168.1.50"));
	for (size_t i = 0; i < sizeof(afar) / sizeof(afar[0]); i++) {
		ack_to(&frame, &bob, "192.168.1.51");
		set4(&frame, IP_SOURCE, afar[i]);
		hear(guard, &frame);
		assert_int_equal(guard->routers.count, 0);
	}
	assert_int_equal(guard->by_address.count, 1);
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		ack_to(&frame, &bob, "192.168.1.51");
		set4(&frame, IP_SOURCE, near[i]);
		hear(guard, &frame);
		assert_int_equal(guard->routers.count, 1);
		sl_guard_forget_routers(guard);
	}
	ack_to(&frame, &bob, "198.51.100.51"); // a LAN of public addresses
	set4(&frame, IP_SOURCE, "198.52.100.1");
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 0);
	set4(&frame, IP_SOURCE, "198.51.200.1");
	hear(guard, &frame);
	assert_int_equal(guard->routers.count, 1);
}

static void guard_nobody_is_his_own_router(void **state)
{
	struct sl_guard *guard = *state;

	hear_dhcp(guard, DHCP_ACK, &bob, "192.168.1.51", "192.168.1.51");
	assert_int_equal(guard->routers.count, 0);
	assert_true(says_arp(guard, &bob, "192.168.1.51"));
	assert_false(says_arp(guard, &alice, "192.168.1.51"));
}

static void guard_routers_are_bounded(void **state)
{
	struct sl_guard *guard = *state;
	char address[32];

	for (int i = 1; i <= 100; i++) {
		snprintf(address, sizeof(address), "10.0.0.%d", i);
		hear_dhcp(guard, DHCP_OFFER, &bob, "0.0.0.0", address);
		if (i % 10 == 1)
			hear_dhcp(guard, DHCP_OFFER, &bob, "0.0.0.0", "192.168.1.1");
		assert_false(says_arp(guard, &alice, "192.168.1.1"));
		hear_dhcp(guard, DHCP_OFFER, &bob, "0.0.0.0", "0.0.0.0");
	}
	assert_int_equal(guard->routers.count, SL_GUARD_ADDRESSES_MAX);
	assert_false(says_arp(guard, &alice, "192.168.1.1"));
	assert_false(says_arp(guard, &alice, "10.0.0.86"));
	assert_true(says_arp(guard, &alice, "10.0.0.85"));
}

// ---- leases

static void guard_lease_moves_an_address(void **state)
{
	struct sl_guard *guard = *state;

	assert_true(says_arp(guard, &alice, "192.168.1.50")); // alice squats
	assert_false(says_arp(guard, &bob, "192.168.1.50"));
	hear_dhcp(guard, DHCP_ACK, &bob, "192.168.1.50", NULL);
	assert_true(says_arp(guard, &bob, "192.168.1.50"));
	assert_false(says_arp(guard, &alice, "192.168.1.50"));
	hear_dhcp(guard, DHCP_ACK, &bob, "192.168.1.50", NULL); // renewed
	assert_int_equal(guard->by_address.count, 1);
	sl_guard_leave(guard, &alice);
	assert_false(says_arp(guard, &alice, "192.168.1.50"));
	hear_dhcp(guard, DHCP_ACK, &bob, "0.0.0.0", NULL); // answers DHCPINFORM
	assert_int_equal(guard->by_address.count, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(guard_router_wins_over_a_client),
		TEST(guard_router_advertisement_must_be_valid),
		TEST(guard_dhcp_every_router_of_the_option),
		TEST(guard_dhcp_overload),
		TEST(guard_dhcp_malformed),
		TEST(guard_dhcp_for_a_stranger),
		TEST(guard_dhcp_through_the_nat),
		TEST(guard_nobody_is_his_own_router),
		TEST(guard_routers_are_bounded),
		TEST(guard_lease_moves_an_address),
	};
	return cmocka_run_group_tests_name("guard_lan", tests, NULL, NULL);
}
