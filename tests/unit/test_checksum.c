#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/checksum.h"

#define MAX_LEN 300

// RFC 1071 as its definition says: 16-bit big-endian words, an odd byte padded with zero.
static uint16_t naive(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += (i % 2 == 0) ? (uint32_t)data[i] << 8 : data[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void fill(uint8_t *data, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (uint8_t)(seed >> 16);
	}
}

// GW-2: every length and alignment, on memory that ends with the data.
static void checksum_lengths_and_alignments(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 16; shift++) {
		for (size_t len = 0; len <= MAX_LEN; len++) {
			uint8_t *memory = malloc(shift + len + 1);
			uint8_t *data = memory + shift + 1;

			assert_non_null(memory);
			fill(data, len, (uint32_t)(len * 16 + shift));
			assert_int_equal(sl_sum_finish(sl_sum_add(0, data, len)), naive(0, data, len));
			memset(data, 0xff, len);
			assert_int_equal(sl_sum_finish(sl_sum_add(0, data, len)), naive(0, data, len));
			free(memory);
		}
	}
}

// And at random, as long as frames are, where wider vectors take over.
static void checksum_random_data(void **state)
{
	uint32_t seed = 20240609;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t shift, len;
		uint8_t *memory, *data;

		seed = seed * 1103515245 + 12345;
		shift = (seed >> 16) % 64;
		seed = seed * 1103515245 + 12345;
		len = (seed >> 16) % (round % 100 == 0 ? 32768 : 2048);
		memory = malloc(shift + len + 1);
		assert_non_null(memory);
		data = memory + shift + 1;
		fill(data, len, seed);
		if (round % 3 == 0) // every carry there is
			memset(data, 0xff, len);
		assert_int_equal(sl_sum_finish(sl_sum_add(0, data, len)), naive(0, data, len));
		free(memory);
	}
}

static void checksum_long_data(void **state)
{
	static uint8_t data[70000];

	(void)state;
	fill(data, sizeof(data), 3);
	for (size_t len = sizeof(data) - 70; len <= sizeof(data); len++)
		assert_int_equal(sl_sum_finish(sl_sum_add(0, data, len)), naive(0, data, len));
	memset(data, 0xff, sizeof(data));
	assert_int_equal(sl_sum_finish(sl_sum_add(0, data, sizeof(data))), 0);
	memset(data, 0, sizeof(data));
	assert_int_equal(sl_sum_finish(sl_sum_add(0, data, sizeof(data))), 0xffff);
}

// Even-length parts chain, onto any running sum.
static void checksum_chains(void **state)
{
	uint8_t data[MAX_LEN];

	(void)state;
	fill(data, sizeof(data), 9);
	for (size_t cut = 0; cut <= sizeof(data); cut += 2) {
		uint64_t sum = sl_sum_add(0x12345, data, cut);

		sum = sl_sum_add(sum, data + cut, sizeof(data) - cut);
		assert_int_equal(sl_sum_finish(sum), naive(0x2346, data, sizeof(data)));
	}
}

static void checksum_finish_folds(void **state)
{
	(void)state;
	assert_int_equal(sl_sum_finish(0), 0xffff);
	assert_int_equal(sl_sum_finish(0xffff), 0);
	assert_int_equal(sl_sum_finish(0x10000), 0xfffe);
	assert_int_equal(sl_sum_finish(UINT64_MAX), 0);
	assert_int_equal(sl_sum_finish(UINT64_C(0x0001000200030004)), 0xfff5);
	assert_int_equal(sl_sum_finish(UINT64_C(0xffffffffffff0001)), 0xfffe);
}

// RFC 1071 section 3: the worked example.
static void checksum_rfc1071_example(void **state)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(sl_sum_finish(sl_sum_add(0, data, sizeof(data))), (uint16_t)~0xddf2);
}

// RFC 3720 appendix B.4: the examples for CRC-32C.
static void checksum_crc32c_examples(void **state)
{
	uint8_t data[32] = {0};

	(void)state;
	assert_int_equal(sl_crc32c(data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(sl_crc32c(data, sizeof(data)), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(sl_crc32c(data, sizeof(data)), 0x46dd794e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_lengths_and_alignments),
		cmocka_unit_test(checksum_random_data),
		cmocka_unit_test(checksum_long_data),
		cmocka_unit_test(checksum_chains),
		cmocka_unit_test(checksum_finish_folds),
		cmocka_unit_test(checksum_rfc1071_example),
		cmocka_unit_test(checksum_crc32c_examples),
	};
	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
