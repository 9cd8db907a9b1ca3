#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/mac.h"

// PROTO-5: parsing accepts exactly one form, in either case.
static void mac_parse_and_format(void **state)
{
	struct sl_mac mac;
	char text[SL_MAC_TEXT];

	(void)state;
	assert_true(sl_mac_parse("02:aB:cD:00:9f:FF", &mac));
	assert_memory_equal(mac.b, "\x02\xab\xcd\x00\x9f\xff", 6);
	assert_string_equal(sl_mac_format(&mac, text), "02:ab:cd:00:9f:ff");
}

// PROTO-5: every pair of digits survives the way there and back.
static void mac_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		struct sl_mac mac = {
			{(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7), 0, 1, (uint8_t)(i ^ 0x55)}};
		struct sl_mac back;
		char text[SL_MAC_TEXT], expected[SL_MAC_TEXT];

		snprintf(expected, sizeof(expected), "%02x:%02x:%02x:%02x:%02x:%02x", mac.b[0], mac.b[1],
			 mac.b[2], mac.b[3], mac.b[4], mac.b[5]);
		assert_string_equal(sl_mac_format(&mac, text), expected);
		assert_true(sl_mac_parse(text, &back));
		assert_true(sl_mac_equal(&mac, &back));
	}
}

// PROTO-5: anything else is refused and leaves the result alone.
static void mac_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"02",
		"02:",
		"02:00:00:00:00",
		"02:00:00:00:00:",
		"02:00:00:00:00:0",
		"02:00:00:00:00:00:",
		"02:00:00:00:00:000",
		"02:00:00:00:00:00 ",
		" 02:00:00:00:00:00",
		"02-00-00-00-00-00",
		"0200.0000.0000",
		"020000000000",
		"g2:00:00:00:00:00",
		"0x:00:00:00:00:00",
		"+2:00:00:00:00:00",
		"02:00:00:00:00:\xc3\xa4",
		"2:0:0:0:0:0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sl_mac mac = {{9, 9, 9, 9, 9, 9}};

		assert_false(sl_mac_parse(bad[i], &mac));
		assert_memory_equal(mac.b, "\x09\x09\x09\x09\x09\x09", 6);
	}
}

// PROTO-5: an identity is unicast, not zero, locally administered.
static void mac_identity(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"02:00:00:00:00:00", true},  {"fe:ff:ff:ff:ff:ff", true},  {"00:00:00:00:00:00", false},
		{"00:11:22:33:44:55", false}, {"03:00:00:00:00:01", false}, {"01:00:5e:00:00:01", false},
		{"ff:ff:ff:ff:ff:ff", false}, {"33:33:00:00:00:01", false}, {"06:00:00:00:00:01", true},
		{"0a:00:00:00:00:01", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_mac mac;

		assert_true(sl_mac_parse(cases[i].text, &mac));
		assert_int_equal(sl_mac_is_identity(&mac), cases[i].good);
		assert_int_equal(sl_mac_is_zero(&mac), strcmp(cases[i].text, "00:00:00:00:00:00") == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac_parse_and_format),
		cmocka_unit_test(mac_round_trip),
		cmocka_unit_test(mac_parse_refuses),
		cmocka_unit_test(mac_identity),
	};
	return cmocka_run_group_tests_name("mac", tests, NULL, NULL);
}
