#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/filter.h"

static const struct sl_mac remote = {{0x02, 0, 0, 0, 0, 0x11}};
static const struct sl_mac other = {{0x02, 0, 0, 0, 0, 0x22}};

struct frame {
	uint8_t bytes[4096];
	size_t len;
};

// A frame with this source, ethertype and payload length, behind `tags` tags.
static void build(struct frame *frame, const struct sl_mac *src, unsigned tags, uint16_t type, size_t payload)
{
	size_t at = 12;

	memset(frame->bytes, 0xff, 6);
	memcpy(frame->bytes + 6, src->b, 6);
	for (unsigned i = 0; i < tags; i++, at += 4)
		memcpy(frame->bytes + at, "\x81\x00\x00\x05", 4);
	frame->bytes[at] = (uint8_t)(type >> 8);
	frame->bytes[at + 1] = (uint8_t)type;
	memset(frame->bytes + at + 2, 0x5a, payload);
	frame->len = at + 2 + payload;
}

static enum sl_drop check(const struct frame *frame, enum sl_direction direction,
			  const struct sl_mac *announced, size_t mtu)
{
	const struct sl_filter_input input = {.direction = direction, .announced = announced, .mtu = mtu};
	struct sl_view view;

	return sl_filter_check(frame->bytes, frame->len, &input, &view);
}

static void filter_passes_good_frames(void **state)
{
	const struct sl_filter_input input = {.direction = SL_FROM_REMOTE, .announced = &remote, .mtu = 1382};
	struct frame frame;
	struct sl_view view;

	(void)state;
	build(&frame, &remote, 0, 0x88b5, 46);
	assert_int_equal(sl_filter_check(frame.bytes, frame.len, &input, &view), SL_DROP_NONE);
	assert_true(sl_mac_is_multicast(&view.eth.dst));
	assert_true(sl_mac_equal(&view.eth.src, &remote));
	assert_int_equal(view.eth.type, 0x88b5);
	assert_int_equal(view.eth.payload_len, 46);
	build(&frame, &remote, 0, 0x8137, 28); // IPX over Ethernet II, not padded by a TAP
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_NONE);
	build(&frame, &remote, 0, 0x0030, 0x30); // IPX over raw 802.3
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_NONE);
	build(&frame, &remote, 0, 0x0003, 46); // 802.3 with padding
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_NONE);
	build(&frame, &remote, 0, 0x88b5, 0);
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_NONE);
}

static void filter_1_invalid_source(void **state)
{
	static const struct sl_mac bad[] = {
		{{0, 0, 0, 0, 0, 0}},       {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{{0x01, 0, 0x5e, 0, 0, 1}}, {{0x33, 0x33, 0, 0, 0, 1}},
		{{0x03, 0, 0, 0, 0, 0x11}},
	};
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		build(&frame, &bad[i], 0, 0x88b5, 46);
		assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_INVALID_SOURCE);
		assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_INVALID_SOURCE);
		assert_int_equal(check(&frame, SL_FROM_REMOTE, NULL, 0), SL_DROP_INVALID_SOURCE);
	}
}

static void filter_2_forged_source(void **state)
{
	struct frame frame;

	(void)state;
	build(&frame, &other, 0, 0x88b5, 46);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_FORGED_SOURCE);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &other, 1382), SL_DROP_NONE);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, NULL, 1382), SL_DROP_NONE);
	assert_int_equal(check(&frame, SL_FROM_LAN, &remote, 1382), SL_DROP_NONE);
	for (unsigned byte = 0; byte < 6; byte++) { // every byte counts
		build(&frame, &remote, 0, 0x88b5, 46);
		frame.bytes[6 + byte] ^= 0x40;
		assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_FORGED_SOURCE);
	}
}

// FILTER-8, RELAY-6: exact bounds, 4 bytes more for each tag.
static void filter_8_jumbo_and_over_mtu(void **state)
{
	struct frame frame;

	(void)state;
	for (unsigned tags = 0; tags <= 2; tags++) {
		static const struct {
			size_t payload, mtu;
			enum sl_drop expected;
		} cases[] = {
			{1382, 1382, SL_DROP_NONE},     {1383, 1382, SL_DROP_OVER_MTU},
			{1500, 1382, SL_DROP_OVER_MTU}, {1501, 1382, SL_DROP_JUMBO},
			{1500, 1500, SL_DROP_NONE},     {1501, 1500, SL_DROP_JUMBO},
			{1500, 0, SL_DROP_NONE},        {1501, 0, SL_DROP_JUMBO},
			{4000, 0, SL_DROP_JUMBO},
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			build(&frame, &remote, tags, 0x88b5, cases[i].payload);
			if (tags == 0) // a remote may send none (FILTER-4)
				assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, cases[i].mtu),
						 cases[i].expected);
			assert_int_equal(check(&frame, SL_FROM_LAN, NULL, cases[i].mtu), cases[i].expected);
		}
	}
}

static void filter_9_runt_and_malformed(void **state)
{
	struct frame frame;

	(void)state;
	build(&frame, &remote, 0, 0x88b5, 46);
	for (frame.len = 0; frame.len < 14; frame.len++)
		assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_RUNT);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_NONE);

	build(&frame, &remote, 1, 0x88b5, 46);
	for (frame.len = 14; frame.len < 18; frame.len++)
		assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_MALFORMED);
	build(&frame, &remote, 3, 0x88b5, 46);
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_MALFORMED);

	build(&frame, &remote, 0, 47, 46); // an 802.3 frame that was cut
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_MALFORMED);
	build(&frame, &remote, 0, 1501, 1501); // neither a length nor an ethertype
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 1382), SL_DROP_MALFORMED);
	build(&frame, &remote, 0, 0x05ff, 1500);
	assert_int_equal(check(&frame, SL_FROM_LAN, NULL, 0), SL_DROP_MALFORMED);
}

// The most telling reason wins.
static void filter_order(void **state)
{
	static const struct sl_mac zero;
	struct frame frame;

	(void)state;
	build(&frame, &zero, 3, 0x88b5, 2000);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_MALFORMED);
	build(&frame, &zero, 0, 0x88b5, 2000);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_INVALID_SOURCE);
	build(&frame, &other, 0, 0x88b5, 2000);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_FORGED_SOURCE);
	build(&frame, &remote, 0, 0x88b5, 2000);
	assert_int_equal(check(&frame, SL_FROM_REMOTE, &remote, 1382), SL_DROP_JUMBO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_passes_good_frames),   cmocka_unit_test(filter_1_invalid_source),
		cmocka_unit_test(filter_2_forged_source),      cmocka_unit_test(filter_8_jumbo_and_over_mtu),
		cmocka_unit_test(filter_9_runt_and_malformed), cmocka_unit_test(filter_order),
	};
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
