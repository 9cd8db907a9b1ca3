#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/err.h"
#include "common/map.h"
#include "proto/filter.h"
#include "proto/probe.h"

static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
static const uint64_t other_key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0909)};
#define ROOM UINT64_C(0x8000000000000123)
#define PEER 0xfffe
#define SERIAL UINT64_C(0x1122334455667788)

static bool parse(const uint8_t *frame, size_t len, struct sl_probe *out)
{
	struct sl_eth eth;

	return sl_eth_parse(frame, len, &eth) == SL_OK && sl_probe_parse(&eth, out);
}

static void probe_is_what_the_header_says(void **state)
{
	static const uint8_t begin[36] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x53, 0x4c, 0x50, 0x52, 0x42,
		0x88, 0xb5, 'S',  'L',  'P',  '1',  0x80, 0,    0,    0,    0,    0,
		0x01, 0x23, 0xff, 0xfe, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	};
	uint8_t frame[SL_PROBE_LEN + 1], token[8];
	uint64_t expected = sl_siphash(key, begin + 14, 22);

	(void)state;
	memset(frame, 0xa5, sizeof(frame));
	sl_probe_build(frame, key, ROOM, PEER, SERIAL);
	for (int i = 0; i < 8; i++)
		token[i] = (uint8_t)(expected >> (56 - 8 * i));
	assert_memory_equal(frame, begin, sizeof(begin));
	assert_memory_equal(frame + 36, token, sizeof(token));
	assert_memory_equal(frame + 44, "softlan", 7);
	assert_int_equal(frame[SL_PROBE_LEN - 1], 0);
	assert_int_equal(frame[SL_PROBE_LEN], 0xa5);
}

static void probe_round_trip(void **state)
{
	uint8_t frame[SL_PROBE_LEN + 50] = {0};
	struct sl_probe probe;

	(void)state;
	sl_probe_build(frame, key, ROOM, PEER, SERIAL);
	for (size_t len = 0; len < SL_PROBE_LEN; len++)
		assert_false(parse(frame, len, &probe));
	for (size_t len = SL_PROBE_LEN; len <= sizeof(frame); len++) { // padded on its way
		memset(&probe, 0, sizeof(probe));
		assert_true(parse(frame, len, &probe));
		assert_true(probe.room_id == ROOM && probe.peer_id == PEER && probe.serial == SERIAL);
		assert_true(sl_probe_verify(&probe, key));
		assert_false(sl_probe_verify(&probe, other_key));
	}
}

// It comes back tagged, or with the source of a machine that bridges over Wi-Fi: still a probe.
static void probe_survives_the_way(void **state)
{
	uint8_t frame[SL_PROBE_LEN + 4];
	struct sl_probe probe;

	(void)state;
	sl_probe_build(frame + 4, key, ROOM, PEER, SERIAL);
	memmove(frame, frame + 4, 12);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x01", 6);
	memcpy(frame + 12, "\x81\x00\x00\x07", 4);
	assert_true(parse(frame, sizeof(frame), &probe));
	assert_true(sl_probe_verify(&probe, key));
	assert_int_equal(probe.peer_id, PEER);
}

// Whatever bit of what is signed changes: the token no longer fits.
static void probe_cannot_be_forged(void **state)
{
	uint8_t frame[SL_PROBE_LEN];
	struct sl_probe probe;

	(void)state;
	sl_probe_build(frame, key, ROOM, PEER, SERIAL);
	for (size_t bit = 12 * 8; bit < 44 * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit < 18 * 8) { // the type, the magic
			assert_false(parse(frame, sizeof(frame), &probe));
		} else {
			assert_true(parse(frame, sizeof(frame), &probe));
			assert_false(sl_probe_verify(&probe, key));
		}
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(parse(frame, sizeof(frame), &probe));
	assert_true(sl_probe_verify(&probe, key));
}

// The filter lets it pass both ways: the gateway and the relay must get to see it.
static void probe_passes_the_filter(void **state)
{
	struct sl_filter_input input = {.mtu = 1280};
	uint8_t frame[SL_PROBE_LEN];
	struct sl_view view;

	(void)state;
	sl_probe_build(frame, key, ROOM, PEER, SERIAL);
	input.direction = SL_FROM_LAN;
	assert_int_equal(sl_filter_check(frame, sizeof(frame), &input, &view), SL_DROP_NONE);
	input.direction = SL_FROM_REMOTE;
	assert_int_equal(sl_filter_check(frame, sizeof(frame), &input, &view), SL_DROP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_is_what_the_header_says), cmocka_unit_test(probe_round_trip),
		cmocka_unit_test(probe_survives_the_way),        cmocka_unit_test(probe_cannot_be_forged),
		cmocka_unit_test(probe_passes_the_filter),
	};
	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
