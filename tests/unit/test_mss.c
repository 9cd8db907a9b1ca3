// The MSS clamp: one option of a SYN and the checksum change, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "proto/mss.h"
#include "wireframe.h"

struct syn {
	struct wire wire;
	uint8_t bytes[WIRE_MAX];
	size_t len, tcp;
};

// A SYN with these option bytes, of a length that is a multiple of four.
static void make_syn(struct syn *syn, bool v6, uint8_t flags, const void *options, size_t options_len)
{
	size_t header = 20 + options_len;
	uint8_t *tcp;

	syn->wire = (struct wire){.v6 = v6, .protocol = TCP, .sport = 4000, .ttl = 64, .flags = flags};
	syn->wire.payload = options_len; // where wire_make leaves room for them
	syn->len = wire_make(&syn->wire, syn->bytes);
	syn->tcp = wire_l4(&syn->wire);
	tcp = syn->bytes + syn->tcp;
	tcp[12] = (uint8_t)(header / 4 << 4);
	if (options_len > 0)
		memcpy(tcp + 20, options, options_len);
	wire_seal(&syn->wire, syn->bytes, syn->len);
}

// From memory that ends with the frame.
static const uint8_t *clamp(const struct syn *syn, size_t mtu, uint8_t copy[SL_MSS_FRAME_MAX], bool *same)
{
	const struct sl_filter_input input = {.direction = SL_FROM_LAN};
	uint8_t *frame = malloc(syn->len);
	struct sl_view view;
	const uint8_t *result;

	assert_non_null(frame);
	memcpy(frame, syn->bytes, syn->len);
	(void)sl_filter_check(frame, syn->len, &input, &view);
	result = sl_mss_clamp(frame, syn->len, &view, mtu, copy);
	*same = result == frame;
	assert_memory_equal(frame, syn->bytes, syn->len); // it is the caller's
	assert_true(result == frame || result == copy);
	free(frame);
	return result;
}

static void unchanged(const struct syn *syn, size_t mtu)
{
	uint8_t copy[SL_MSS_FRAME_MAX];
	bool same;

	clamp(syn, mtu, copy, &same);
	assert_true(same);
}

// The option's value at `at` becomes `mss`, and the checksum is right again.
static void lowered(struct syn *syn, size_t mtu, size_t at, uint16_t mss)
{
	uint8_t copy[SL_MSS_FRAME_MAX];
	bool same;

	clamp(syn, mtu, copy, &same);
	assert_false(same);
	put16(syn->bytes + syn->tcp + at, mss);
	wire_seal(&syn->wire, syn->bytes, syn->len);
	assert_memory_equal(copy, syn->bytes, syn->len);
}

#define MSS_1460 "\x02\x04\x05\xb4"

static void a_larger_mss_is_lowered(void **state)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, SYN | 0xc0};
	struct syn syn;

	(void)state;
	for (unsigned row = 0; row < 6; row++) {
		bool v6 = row & 1;
		size_t headers = v6 ? 60 : 40;

		make_syn(&syn, v6, flags[row / 2], MSS_1460, 4);
		lowered(&syn, 1382, 22, (uint16_t)(1382 - headers));
		unchanged(&syn, 1382); // it is low enough now
		unchanged(&syn, 1500);
		lowered(&syn, 1381, 22, (uint16_t)(1381 - headers));
		// Linux's: MSS, SACK permitted, timestamps, window scale
		make_syn(&syn, v6, flags[row / 2],
			 MSS_1460 "\x04\x02\x08\x0a\x01\x02\x03\x04\x00\x00\x00\x00\x01\x03\x03\x07", 20);
		lowered(&syn, 1182, 22, (uint16_t)(1182 - headers));
	}
}

// Wherever the option stands, at odd places too, and whatever the sum is.
static void any_place_and_value(void **state)
{
	uint64_t random = 77;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t options[40];
		size_t place = next_random(&random) % 37, mtu = 1000 + next_random(&random) % 500;
		uint16_t mss = (uint16_t)(next_random(&random) % 2 ? next_random(&random) : 1400);
		bool v6 = next_random(&random) % 2;
		size_t most = mtu - (v6 ? 60 : 40);
		struct syn syn;

		memset(options, 1, sizeof(options));
		memcpy(options + place, "\x02\x04", 2);
		put16(options + place + 2, mss);
		make_syn(&syn, v6, SYN, options, sizeof(options));
		put16(syn.bytes + syn.tcp + 14, next_random(&random)); // the window
		wire_seal(&syn.wire, syn.bytes, syn.len);
		if (mss > most)
			lowered(&syn, mtu, 22 + place, (uint16_t)most);
		else
			unchanged(&syn, mtu);
	}
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	uint8_t copy[SL_MSS_FRAME_MAX];
	struct syn syn, right;
	bool same;

	(void)state;
	make_syn(&syn, false, SYN, MSS_1460, 4);
	right = syn;
	syn.bytes[syn.tcp + 17] ^= 0x11;
	clamp(&syn, 1382, copy, &same);
	assert_false(same);
	put16(right.bytes + right.tcp + 22, 1342);
	wire_seal(&right.wire, right.bytes, right.len);
	assert_memory_not_equal(copy, right.bytes, right.len);
	memcpy(copy + syn.tcp + 16, right.bytes + syn.tcp + 16, 2);
	assert_memory_equal(copy, right.bytes, right.len);
}

static void what_is_left_alone(void **state)
{
	static const struct {
		const char *options;
		size_t len;
	} malformed[] = {
		{"", 0},                          // no option at all
		{"\x01\x01\x01\x01", 4},          // none that matters
		{"\x00\x01\x02\x04" MSS_1460, 8}, // behind the end of the list
		{"\x02\x03\x05\xb4", 4},          // of a wrong length
		{"\x02\x00\x05\xb4" MSS_1460, 8}, // of none
		{"\x08\x01\x05\xb4" MSS_1460, 8}, // an option that is shorter than itself
		{"\x08\x09\x05\xb4" MSS_1460, 8}, // one that goes beyond the header
		{"\x01\x01\x01\x02", 4},          // cut off
		{"\x01\x01\x02\x04", 4},          // cut off
		{"\x01\x02\x04\x05", 4},          // cut off
	};
	struct syn syn;
	uint8_t copy[SL_MSS_FRAME_MAX];
	bool same;

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		make_syn(&syn, i & 1, SYN, malformed[i].options, malformed[i].len);
		unchanged(&syn, 600);
	}
	make_syn(&syn, false, ACK, MSS_1460, 4);
	unchanged(&syn, 600);
	make_syn(&syn, false, SYN, MSS_1460, 4);
	unchanged(&syn, 0); // not known
	unchanged(&syn, 40);
	syn.bytes[syn.tcp + 12] = 0x40; // a header shorter than a header
	unchanged(&syn, 600);
	syn.bytes[syn.tcp + 12] = 0xf0; // and one longer than the packet
	unchanged(&syn, 600);
	make_syn(&syn, false, SYN, MSS_1460, 4);
	for (; syn.len > 0; syn.len--) { // cut off anywhere: what the filter can read counts
		clamp(&syn, 600, copy, &same);
		assert_true(same || syn.len >= syn.tcp + 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_larger_mss_is_lowered),
		cmocka_unit_test(any_place_and_value),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(what_is_left_alone),
	};
	return cmocka_run_group_tests_name("mss", tests, NULL, NULL);
}
