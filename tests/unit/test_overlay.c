#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/err.h"
#include "proto/overlay.h"

// PROTO-1: header and frame survive the way there and back.
static void overlay_round_trip(void **state)
{
	uint8_t datagram[SL_OVERLAY_HEADER + 60];
	struct sl_overlay overlay;

	(void)state;
	memset(datagram, 0xee, sizeof(datagram));
	sl_overlay_encode_header(datagram, 0xabcd);
	assert_memory_equal(datagram, "\x11\x00\xab\xcd\xee", 5);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), false, &overlay), SL_OK);
	assert_int_equal(overlay.peer_id, 0xabcd);
	assert_ptr_equal(overlay.frame, datagram + 4);
	assert_int_equal(overlay.frame_len, 60);
	for (unsigned id = 1; id <= 65535; id++) {
		sl_overlay_encode_header(datagram, (uint16_t)id);
		assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), false, &overlay), SL_OK);
		assert_int_equal(overlay.peer_id, id);
	}
}

// PROTO-1: exact length checks; an empty frame is the filter's affair.
static void overlay_lengths(void **state)
{
	const uint8_t datagram[4] = {0x11, 0, 0, 1};
	struct sl_overlay overlay;

	(void)state;
	for (size_t len = 0; len < 4; len++)
		assert_int_equal(sl_overlay_decode(datagram, len, false, &overlay), SL_ERR_INVALID);
	assert_int_equal(sl_overlay_decode(datagram, 4, false, &overlay), SL_OK);
	assert_int_equal(overlay.frame_len, 0);
}

// PROTO-1, PROTO-2: of all first and second bytes only one pair is good; peer id 0 is not.
static void overlay_malformed(void **state)
{
	uint8_t datagram[64] = {0};
	struct sl_overlay overlay;

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned flags = 0; flags < 256; flags++) {
			datagram[0] = (uint8_t)first;
			datagram[1] = (uint8_t)flags;
			datagram[3] = 1;
			assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), false, &overlay),
					 first == 0x11 && flags == 0 ? SL_OK : SL_ERR_INVALID);
		}
	}
	memcpy(datagram, "\x11\x00\x00\x00", 4);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), false, &overlay), SL_ERR_INVALID);
}

// PROTO-1: parts, where `split` was agreed on; their header survives the way there and back.
static void overlay_parts(void **state)
{
	uint8_t datagram[SL_OVERLAY_PART_HEADER + 3];
	struct sl_overlay overlay;

	(void)state;
	memset(datagram, 0xee, sizeof(datagram));
	sl_overlay_encode_part(datagram, SL_OVERLAY_FIRST, 0xabcd, 0x0102);
	assert_memory_equal(datagram, "\x12\x00\xab\xcd\x01\x02\xee", 7);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), true, &overlay), SL_OK);
	assert_int_equal(overlay.type, SL_OVERLAY_FIRST);
	assert_int_equal(overlay.peer_id, 0xabcd);
	assert_int_equal(overlay.frame_id, 0x0102);
	assert_ptr_equal(overlay.frame, datagram + 6);
	assert_int_equal(overlay.frame_len, 3);
	sl_overlay_encode_part(datagram, SL_OVERLAY_REST, 1, 65535);
	assert_memory_equal(datagram, "\x13\x00\x00\x01\xff\xff\xee", 7);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), true, &overlay), SL_OK);
	assert_int_equal(overlay.type, SL_OVERLAY_REST);
	assert_int_equal(overlay.frame_id, 65535);
	// Neither part is empty.
	for (size_t len = 0; len <= SL_OVERLAY_PART_HEADER; len++)
		assert_int_equal(sl_overlay_decode(datagram, len, true, &overlay), SL_ERR_INVALID);
	assert_int_equal(sl_overlay_decode(datagram, 7, true, &overlay), SL_OK);
	// A whole frame is still one.
	sl_overlay_encode_header(datagram, 7);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), true, &overlay), SL_OK);
	assert_int_equal(overlay.type, SL_OVERLAY_ETHERNET);
	assert_int_equal(overlay.frame_len, sizeof(datagram) - 4);
}

// PROTO-1, PROTO-2: parts of peers that did not agree on them are malformed, and so is every other type.
static void overlay_malformed_parts(void **state)
{
	uint8_t datagram[64] = {0};
	struct sl_overlay overlay;

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned flags = 0; flags < 256; flags++) {
			bool good = flags == 0 && first >= 0x11 && first <= 0x13;

			datagram[0] = (uint8_t)first;
			datagram[1] = (uint8_t)flags;
			datagram[3] = 1;
			assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), true, &overlay),
					 good ? SL_OK : SL_ERR_INVALID);
		}
	}
	memcpy(datagram, "\x12\x00\x00\x00", 4);
	assert_int_equal(sl_overlay_decode(datagram, sizeof(datagram), true, &overlay), SL_ERR_INVALID);
}

// PROTO-3: frame and header against the budget.
static void overlay_budget(void **state)
{
	(void)state;
	assert_int_equal(sl_overlay_check_budget(1396, 1400), SL_OK);
	assert_int_equal(sl_overlay_check_budget(1397, 1400), SL_ERR_TOO_LARGE);
	assert_int_equal(sl_overlay_check_budget(0, 4), SL_OK);
	assert_int_equal(sl_overlay_check_budget(0, 3), SL_ERR_TOO_LARGE);
	assert_int_equal(sl_overlay_check_budget(0, 0), SL_ERR_TOO_LARGE);
	assert_int_equal(sl_overlay_check_budget(SIZE_MAX, 1400), SL_ERR_TOO_LARGE);
	assert_int_equal(sl_overlay_check_budget(SIZE_MAX - 2, SIZE_MAX), SL_ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlay_round_trip),      cmocka_unit_test(overlay_lengths),
		cmocka_unit_test(overlay_malformed),       cmocka_unit_test(overlay_parts),
		cmocka_unit_test(overlay_malformed_parts), cmocka_unit_test(overlay_budget),
	};
	return cmocka_run_group_tests_name("overlay", tests, NULL, NULL);
}
