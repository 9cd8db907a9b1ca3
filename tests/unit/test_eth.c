#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "proto/eth.h"

#define DST "\x01\x02\x03\x04\x05\x06"
#define SRC "\x0a\x0b\x0c\x0d\x0e\x0f"

// Parses a copy that ends where the frame ends, so that a sanitizer sees any read beyond it.
static int parse(const char *bytes, size_t len, struct sl_eth *out, size_t *payload_at)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = sl_eth_parse(copy, len, out);
	*payload_at = rc == SL_OK ? (size_t)(out->payload - copy) : 0;
	free(copy);
	return rc;
}

// PROTO-4: untagged, 802.1Q, 802.1ad with an inner tag, 802.3 length.
static void eth_good_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint16_t type, outer_tci;
		unsigned tags;
		size_t payload_at;
	} cases[] = {
		{DST SRC "\x08\x00xyz", 17, 0x0800, 0, 0, 14},
		{DST SRC "\x08\x06", 14, 0x0806, 0, 0, 14},
		{DST SRC "\x81\x00\x20\x05\x86\xddq", 19, 0x86dd, 0x2005, 1, 18},
		{DST SRC "\x88\xa8\x00\x64\x81\x00\x00\x07\x08\x00", 22, 0x0800, 0x0064, 2, 22},
		{DST SRC "\x81\x00\x00\x01\x81\x00\x00\x02\x81\x37z", 23, 0x8137, 1, 2, 22},
		{DST SRC "\x00\x03\xff\xff\x00", 17, 3, 0, 0, 14},
		{DST SRC "\x05\xff", 14, 0x05ff, 0, 0, 14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_eth eth;
		size_t at;

		assert_int_equal(parse(cases[i].bytes, cases[i].len, &eth, &at), SL_OK);
		assert_memory_equal(eth.dst.b, DST, 6);
		assert_memory_equal(eth.src.b, SRC, 6);
		assert_int_equal(eth.type, cases[i].type);
		assert_int_equal(eth.tags, cases[i].tags);
		assert_int_equal(eth.outer_tci, cases[i].outer_tci);
		assert_int_equal(at, cases[i].payload_at);
		assert_int_equal(eth.payload_len, cases[i].len - cases[i].payload_at);
	}
}

// PROTO-4, FILTER-9: cut anywhere, or with three tags; what was there is still told.
static void eth_bad_frames(void **state)
{
	static const char tagged[] = DST SRC "\x88\xa8\x00\x64\x81\x00\x00\x07\x08\x00";
	static const char three[] = DST SRC "\x81\x00\x00\x01\x81\x00\x00\x02\x81\x00\x00\x03\x08\x00payload";
	struct sl_eth eth;
	size_t at;

	(void)state;
	for (size_t len = 0; len < 22; len++) {
		assert_int_equal(parse(tagged, len, &eth, &at), SL_ERR_INVALID);
		assert_memory_equal(eth.dst.b, len >= 6 ? DST : "\0\0\0\0\0\0", 6);
		assert_memory_equal(eth.src.b, len >= 12 ? SRC : "\0\0\0\0\0\0", 6);
		assert_int_equal(eth.type, len < 14 ? 0 : len < 18 ? 0x88a8 : 0x8100);
	}
	assert_int_equal(parse(tagged, 22, &eth, &at), SL_OK);
	assert_int_equal(parse(three, sizeof(three) - 1, &eth, &at), SL_ERR_INVALID);
	assert_memory_equal(eth.src.b, SRC, 6);
	assert_int_equal(eth.tags, SL_ETH_MAX_TAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eth_good_frames),
		cmocka_unit_test(eth_bad_frames),
	};
	return cmocka_run_group_tests_name("eth", tests, NULL, NULL);
}
