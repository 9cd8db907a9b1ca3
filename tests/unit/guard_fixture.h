// A guard with two clients in it, the frames that it hears, and the way of each frame through the filter, as
// it runs. For the guard's tests.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/err.h"
#include "proto/guard.h"

static const uint64_t hash_key[2] = {3, 4};
static const struct sl_mac alice = {{0x02, 0, 0, 0, 0, 0x0a}};
static const struct sl_mac bob = {{0x02, 0, 0, 0, 0, 0x0b}};
static const struct sl_mac lan_router = {{0x00, 0x11, 0x22, 0, 0, 1}};
static const struct sl_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
#define LINK_LOCAL "fe80::a"
#define ROUTER6 "fe80::1"

static inline int setup(void **state)
{
	struct sl_guard *guard = malloc(sizeof(*guard));

	if (guard == NULL)
		return -1;
	sl_guard_init(guard, hash_key);
	assert_int_equal(sl_guard_join(guard, &alice), SL_OK);
	assert_int_equal(sl_guard_join(guard, &bob), SL_OK);
	*state = guard;
	return 0;
}

static inline int teardown(void **state)
{
	sl_guard_fini(*state);
	free(*state);
	return 0;
}

// ---- frames

struct frame {
	uint8_t bytes[1514];
	size_t len;
};

static inline void put_header(struct frame *frame, const struct sl_mac *src, uint16_t type)
{
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->bytes, broadcast.b, 6);
	memcpy(frame->bytes + 6, src->b, 6);
	sl_put16(frame->bytes + 12, type);
	frame->len = 14;
}

static inline void add(struct frame *frame, const void *bytes, size_t len)
{
	memcpy(frame->bytes + frame->len, bytes, len);
	frame->len += len;
}

static inline void add4(struct frame *frame, const char *address)
{
	assert_int_equal(inet_pton(AF_INET, address, frame->bytes + frame->len), 1);
	frame->len += 4;
}

static inline void add6(struct frame *frame, const char *address)
{
	assert_int_equal(inet_pton(AF_INET6, address, frame->bytes + frame->len), 1);
	frame->len += 16;
}

static inline void arp(struct frame *frame, const struct sl_mac *src, unsigned operation,
		       const struct sl_mac *sender, const char *address)
{
	put_header(frame, src, SL_ETHERTYPE_ARP);
	add(frame, "\x00\x01\x08\x00\x06\x04\x00", 7);
	frame->bytes[frame->len++] = (uint8_t)operation;
	add(frame, sender->b, 6);
	add4(frame, address);
	add(frame, "\0\0\0\0\0", 6);
	add4(frame, "192.168.1.99");
}

static inline void ipv6(struct frame *frame, const struct sl_mac *src, const char *source, uint8_t next)
{
	put_header(frame, src, SL_ETHERTYPE_IPV6);
	add(frame, "\x60\0\0\0\0\0", 6);
	frame->bytes[frame->len++] = next;
	frame->bytes[frame->len++] = 255;
	add6(frame, source);
	add6(frame, "ff02::1");
}

static inline void finish_ipv6(struct frame *frame)
{
	sl_put16(frame->bytes + 18, (uint16_t)(frame->len - 54));
}

// A neighbor message of this type. `target`: NULL, it has none. `option`: 0, it has none.
static inline void neighbor(struct frame *frame, const struct sl_mac *src, const char *source, uint8_t type,
			    const char *target, uint8_t option, const struct sl_mac *named)
{
	ipv6(frame, src, source, SL_IPPROTO_ICMPV6);
	frame->bytes[frame->len] = type;
	frame->len += 8;
	if (target != NULL)
		add6(frame, target);
	if (option != 0) {
		frame->bytes[frame->len++] = option;
		frame->bytes[frame->len++] = 1;
		add(frame, named->b, 6);
	}
	finish_ipv6(frame);
}

static inline void advertisement(struct frame *frame, const char *source, unsigned lifetime_s)
{
	ipv6(frame, &lan_router, source, SL_IPPROTO_ICMPV6);
	frame->bytes[frame->len] = 134;
	sl_put16(frame->bytes + frame->len + 6, (uint16_t)lifetime_s);
	frame->len += 16;
	finish_ipv6(frame);
}

#define DHCP_OFFER 2
#define DHCP_ACK 5

// A DHCP answer up to its options.
static inline void dhcp(struct frame *frame, const char *to, const struct sl_mac *client, const char *address)
{
	put_header(frame, &lan_router, SL_ETHERTYPE_IPV4);
	add(frame, "\x45\0\0\0\0\0\0\0\x40\x11\0", 12);
	add4(frame, "192.168.1.1");
	add4(frame, to);
	add(frame, "\0\x43\0\x44\0\0\0", 8);
	add(frame, "\x02\x01\x06", 3);
	frame->len += 13;
	add4(frame, address); // yiaddr
	frame->len += 8;
	add(frame, client->b, 6);
	frame->len += 202;
	add(frame, "\x63\x82\x53\x63", 4);
}

static inline void finish_dhcp(struct frame *frame)
{
	frame->bytes[frame->len++] = 255;
	sl_put16(frame->bytes + 16, (uint16_t)(frame->len - 14));
	sl_put16(frame->bytes + 38, (uint16_t)(frame->len - 34));
}

static inline void dhcp_plain(struct frame *frame, uint8_t type, const struct sl_mac *client,
			      const char *address, const char *router)
{
	dhcp(frame, "255.255.255.255", client, address);
	add(frame, (uint8_t[]){0, 53, 1, type}, 4);
	add(frame, "\x01\x04\xff\xff\xff\x00", 6);
	if (router != NULL) {
		add(frame, "\x03\x04", 2);
		add4(frame, router);
	}
	finish_dhcp(frame);
}

// ---- through the filter, as it runs

static inline bool allows_frame(struct sl_guard *guard, const struct sl_mac *mac, const struct frame *frame,
				char what[SL_GUARD_TEXT])
{
	const struct sl_filter_input input = {.direction = SL_FROM_REMOTE,
					      .announced = mac,
					      .mtu = 1500,
					      .relaxed = SL_POLICY_BIT(SL_DROP_ROUTER_ADVERTISEMENT)};
	uint8_t *exact = malloc(frame->len); // so that a byte too far is found
	struct sl_view view;
	bool allowed;

	assert_non_null(exact);
	memcpy(exact, frame->bytes, frame->len);
	assert_int_equal(sl_filter_check(exact, frame->len, &input, &view), SL_DROP_NONE);
	allowed = sl_guard_allows(guard, mac, &view, what);
	free(exact);
	return allowed;
}

static inline void hear(struct sl_guard *guard, const struct frame *frame)
{
	const struct sl_filter_input input = {.direction = SL_FROM_LAN, .mtu = 1500};
	uint8_t *exact = malloc(frame->len);
	struct sl_view view;

	assert_non_null(exact);
	memcpy(exact, frame->bytes, frame->len);
	assert_int_equal(sl_filter_check(exact, frame->len, &input, &view), SL_DROP_NONE);
	sl_guard_lan(guard, &view);
	free(exact);
}

static inline bool says_arp(struct sl_guard *guard, const struct sl_mac *mac, const char *address)
{
	struct frame frame;

	arp(&frame, mac, 1, mac, address);
	return allows_frame(guard, mac, &frame, NULL);
}

static inline bool says_na(struct sl_guard *guard, const struct sl_mac *mac, const char *address)
{
	struct frame frame;

	neighbor(&frame, mac, "fe80::77", 136, address, 2, mac);
	return allows_frame(guard, mac, &frame, NULL);
}

static inline void hear_dhcp(struct sl_guard *guard, uint8_t type, const struct sl_mac *client,
			     const char *address, const char *router)
{
	struct frame frame;

	dhcp_plain(&frame, type, client, address, router);
	hear(guard, &frame);
}

static inline void hear_ra(struct sl_guard *guard, const char *source, unsigned lifetime_s)
{
	struct frame frame;

	advertisement(&frame, source, lifetime_s);
	hear(guard, &frame);
}
