// WIN-1 to WIN-4, the part that needs no Windows: which adapter is ours, and the sentences.
#include "port/tap_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "port/tap.h"

#define ID_A "{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}"
#define ID_B "{00000003-0000-0000-0000-4E6574446576}"
#define ID_C "{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}"

static void add(struct sl_tap_adapters *adapters, const char *id, const char *name)
{
	struct sl_tap_adapter *adapter = &adapters->list[adapters->count++];

	strcpy(adapter->id, id);
	strcpy(adapter->name, name);
	strcpy(adapter->driver, "9.27.0.601");
}

// WIN-1: braces or none, either case; nothing before, between or behind.
static void ids_are_parsed(void **state)
{
	static const char *const good[] = {
		ID_A,
		"9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47",
		"{9c1f7a20-52d1-4f7b-8a36-0c3e5d1b2a47}",
		"9c1f7a20-52d1-4F7B-8A36-0c3e5d1b2a47",
	};
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"}",
		"-",
		"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47",
		"9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}",
		"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}}",
		"{{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}",
		" {9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}",
		"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A4}",
		"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A4G}",
		"{9C1F7A2052D1-4F7B-8A36-0C3E5D1B2A477}",
		"{9C1F7A20-52D1-4F7B-8A36+0C3E5D1B2A47}",
		"..\\..\\9C1F7A20-52D1-4F7B-8A36-0C3E5D1",
		"9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A4\xff",
	};
	char id[SL_TAP_ID];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(id, 'z', sizeof(id));
		assert_true(sl_tap_id_parse(good[i], id));
		assert_string_equal(id, ID_A);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sl_tap_id_parse(bad[i], id));
	// Every way to cut one off, from memory of just that size.
	for (size_t len = 0; len + 1 < sizeof(ID_A); len++) {
		char *cut = strndup(ID_A, len);
		assert_false(sl_tap_id_parse(cut, id));
		free(cut);
	}
}

// WIN-1: only this driver's kind.
static void components_are_told_apart(void **state)
{
	(void)state;
	assert_true(sl_tap_is_ours("tap0901"));
	assert_true(sl_tap_is_ours("TAP0901"));
	assert_true(sl_tap_is_ours("root\\tap0901"));
	assert_true(sl_tap_is_ours("Root\\TAP0901"));
	assert_false(sl_tap_is_ours(""));
	assert_false(sl_tap_is_ours("tap0801"));
	assert_false(sl_tap_is_ours("tap09010"));
	assert_false(sl_tap_is_ours("tapoas"));
	assert_false(sl_tap_is_ours("wintun"));
	assert_false(sl_tap_is_ours("root\\root\\tap0901"));
}

// What a registry holds is shown, but not obeyed: terminals and logs read the name.
static void names_are_made_fit_to_show(void **state)
{
	char name[SL_TAP_ADAPTER_NAME], text[600];

	(void)state;
	sl_tap_adapter_name("  OpenVPN TAP-Windows6  ", name);
	assert_string_equal(name, "OpenVPN TAP-Windows6");
	sl_tap_adapter_name("a\x1b[2Jb\nc\td\x7f", name);
	assert_string_equal(name, "a?[2Jb?c?d?");
	sl_tap_adapter_name("x\xc2\x9by \xff\xfe\xc3", name); // a C1 control, and what is no UTF-8
	assert_string_equal(name, "x?y ???");
	sl_tap_adapter_name("Netzwerk\xc3\xbc", name);
	assert_string_equal(name, "Netzwerk\xc3\xbc");
	sl_tap_adapter_name("   ", name);
	assert_string_equal(name, "");
	sl_tap_adapter_name("", name);
	assert_string_equal(name, "");
	// 255 bytes have room, and a character is not cut.
	memset(text, 'a', sizeof(text));
	memcpy(text + 254, "\xc3\xbc\xc3\xbc", 4);
	text[599] = '\0';
	sl_tap_adapter_name(text, name);
	assert_int_equal(strlen(name), 254);
}

static void none(void **state)
{
	struct sl_tap_adapters *adapters = *state;
	struct sl_error error;
	int code = SL_OK;

	assert_null(sl_tap_choose(adapters, "", &code, &error));
	assert_int_equal(code, SL_ERR_NOT_FOUND);
	assert_string_equal(
		error.text,
		"this computer has no TAP-Windows6 adapter; install TAP-Windows6 9.27 or later (the "
		"package tap-windows of OpenVPN's community download), or where it is installed make an "
		"adapter with: tapctl create");
	assert_null(sl_tap_choose(adapters, ID_A, &code, &error));
	assert_int_equal(code, SL_ERR_NOT_FOUND);
}

static void one(void **state)
{
	struct sl_tap_adapters *adapters = *state;
	struct sl_error error;
	int code = SL_OK;

	add(adapters, ID_A, "softlan");
	assert_ptr_equal(sl_tap_choose(adapters, "", &code, &error), &adapters->list[0]);
	assert_ptr_equal(sl_tap_choose(adapters, ID_A, &code, &error), &adapters->list[0]);
	assert_ptr_equal(sl_tap_choose(adapters, "9c1f7a20-52d1-4f7b-8a36-0c3e5d1b2a47", &code, &error),
			 &adapters->list[0]);
	assert_int_equal(code, SL_OK);
	assert_null(sl_tap_choose(adapters, ID_B, &code, &error));
	assert_int_equal(code, SL_ERR_INVALID);
	assert_string_equal(error.text,
			    "tap.instance_id \"" ID_B
			    "\" is none of this computer's TAP-Windows6 adapters: " ID_A " (softlan)");
}

static void several(void **state)
{
	struct sl_tap_adapters *adapters = *state;
	struct sl_error error;
	int code = SL_OK;

	add(adapters, ID_A, "softlan");
	add(adapters, ID_B, "OpenVPN TAP-Windows6");
	assert_null(sl_tap_choose(adapters, "", &code, &error));
	assert_int_equal(code, SL_ERR_INVALID);
	assert_string_equal(error.text,
			    "this computer has 2 TAP-Windows6 adapters; set tap.instance_id to the one "
			    "that softlan may have: " ID_A " (softlan), " ID_B " (OpenVPN TAP-Windows6)");
	assert_ptr_equal(sl_tap_choose(adapters, ID_B, &code, &error), &adapters->list[1]);
	assert_null(sl_tap_choose(adapters, ID_C, &code, &error));
	assert_int_equal(code, SL_ERR_INVALID);
}

// More than a sentence has room for: it says where all of them are listed.
static void very_many(void **state)
{
	static const char more[] = "…, softlan-client --list-tap-adapters lists all";
	struct sl_tap_adapters *adapters = *state;
	char name[SL_TAP_ADAPTER_NAME];
	struct sl_error error;
	int code = SL_OK;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < SL_TAP_ADAPTERS_MAX; i++) {
		char id[SL_TAP_ID];
		snprintf(id, sizeof(id), "{%08X-0000-0000-0000-4E6574446576}", i);
		add(adapters, id, name);
	}
	adapters->left_out = 7;
	assert_null(sl_tap_choose(adapters, "", &code, &error));
	assert_non_null(strstr(error.text, "has 71 TAP-Windows6 adapters"));
	assert_string_equal(error.text + strlen(error.text) - strlen(more), more);
	memset(name, 'x', sizeof(name) - 1);
	assert_null(sl_tap_choose(adapters, name, &code, &error));
	assert_string_equal(error.text + strlen(error.text) - strlen(more), more);
}

static void the_list(void **state)
{
	struct sl_tap_adapters *adapters = *state;
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	add(adapters, ID_A, "softlan");
	sl_tap_print(out, &adapters->list[0], "ready");
	adapters->list[0].driver[0] = '\0';
	sl_tap_print(out, &adapters->list[0], "in use");
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, ID_A "\tsoftlan\t9.27.0.601\tready\n" ID_A
				       "\tsoftlan\tversion unknown\tin use\n");
}

// WIN-2: 12 digits without separators.
static void address(void **state)
{
	const struct sl_mac mac = {{0x02, 0xab, 0x00, 0xcd, 0x0e, 0xff}};
	char text[SL_TAP_ADDRESS];

	(void)state;
	assert_string_equal(sl_tap_address(&mac, text), "02AB00CD0EFF");
}

// WIN-3: 9.27 and later, and an Ethernet's MTU.
static void drivers_are_checked(void **state)
{
	struct sl_error error;

	(void)state;
	assert_int_equal(sl_tap_check_version("lan", 9, 27, &error), SL_OK);
	assert_int_equal(sl_tap_check_version("lan", 9, 100, &error), SL_OK);
	assert_int_equal(sl_tap_check_version("lan", 10, 0, &error), SL_OK);
	assert_int_equal(sl_tap_check_version("lan", 8, 99, &error), SL_ERR_UNSUPPORTED);
	assert_int_equal(sl_tap_check_version("lan", 0, 0, &error), SL_ERR_UNSUPPORTED);
	assert_int_equal(sl_tap_check_version("lan", 9, 26, &error), SL_ERR_UNSUPPORTED);
	assert_string_equal(
		error.text,
		"TAP adapter \"lan\": its driver is TAP-Windows 9.26, in which a frame can overwrite the "
		"kernel's memory (CVE-2024-1305); install TAP-Windows6 9.27 or later (the package "
		"tap-windows of OpenVPN's community download)");
	assert_int_equal(sl_tap_check_mtu("lan", 1500, &error), SL_OK);
	assert_int_equal(sl_tap_check_mtu("lan", 9000, &error), SL_OK);
	assert_int_equal(sl_tap_check_mtu("lan", 1499, &error), SL_ERR_UNSUPPORTED);
	assert_string_equal(error.text,
			    "TAP adapter \"lan\": its driver's MTU is 1499, less than the LAN's 1500; in "
			    "Device Manager, Properties, Advanced set MTU to 1500");
}

// WIN-4: both MACs and what to do, also when the names are long.
static void macs_that_differ(void **state)
{
	const struct sl_mac wanted = {{2, 0, 0, 0, 0, 1}}, has = {{0, 0xff, 1, 2, 3, 4}};
	char name[SL_TAP_ADAPTER_NAME], why[SL_TAP_ADAPTER_NAME];
	struct sl_error error;

	(void)state;
	assert_int_equal(sl_tap_mac_differs("lan", &wanted, &has, "access denied", &error),
			 SL_ERR_PERMISSION);
	assert_string_equal(
		error.text,
		"TAP adapter \"lan\": its driver has the MAC 00:ff:01:02:03:04, and this client's "
		"02:00:00:00:00:01 is read when the driver starts, which cannot be done from here (access "
		"denied); disable and enable the adapter \"lan\" in Device Manager, or run softlan-client "
		"as administrator");
	assert_int_equal(sl_tap_mac_differs("lan", &wanted, &has, NULL, &error), SL_ERR_SYSTEM);
	assert_string_equal(
		error.text,
		"TAP adapter \"lan\": its driver was restarted and keeps the MAC 00:ff:01:02:03:04 "
		"instead of this client's 02:00:00:00:00:01; disable and enable the adapter \"lan\" in "
		"Device Manager, or restart the computer, then start softlan-client again");
	memset(name, 'n', sizeof(name) - 1);
	memset(why, 'w', sizeof(why) - 1);
	name[sizeof(name) - 1] = why[sizeof(why) - 1] = '\0';
	assert_int_equal(sl_tap_mac_differs(name, &wanted, &has, why, &error), SL_ERR_PERMISSION);
	assert_non_null(strstr(error.text, "or run softlan-client"));
	assert_int_equal(sl_tap_mac_differs(name, &wanted, &has, NULL, &error), SL_ERR_SYSTEM);
	assert_non_null(strstr(error.text, "Device Manager"));
}

// What the driver is given: never more than Ethernet allows.
static void frames_fit(void **state)
{
	uint8_t frame[2048] = {0};

	(void)state;
	frame[12] = 0x08;
	assert_false(sl_tap_frame_fits(frame, 0));
	assert_false(sl_tap_frame_fits(frame, 13));
	assert_true(sl_tap_frame_fits(frame, 14));
	assert_true(sl_tap_frame_fits(frame, 1514));
	assert_false(sl_tap_frame_fits(frame, 1515));
	frame[12] = 0x81;
	assert_true(sl_tap_frame_fits(frame, 1518));
	assert_false(sl_tap_frame_fits(frame, 1519));
	assert_false(sl_tap_frame_fits(frame, sizeof(frame)));
}

// LIN-1: and Windows takes the same file.
static void device_names(void **state)
{
	(void)state;
	assert_true(sl_tap_name_valid("softlan0"));
	assert_true(sl_tap_name_valid("123456789012345"));
	assert_false(sl_tap_name_valid("1234567890123456"));
	assert_false(sl_tap_name_valid(""));
	assert_false(sl_tap_name_valid("."));
	assert_false(sl_tap_name_valid(".."));
	assert_false(sl_tap_name_valid("a b"));
	assert_false(sl_tap_name_valid("a/b"));
	assert_false(sl_tap_name_valid("a:b"));
	assert_false(sl_tap_name_valid("a%d"));
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct sl_tap_adapters));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_parsed),
		cmocka_unit_test(components_are_told_apart),
		cmocka_unit_test(names_are_made_fit_to_show),
		cmocka_unit_test_setup_teardown(none, setup, teardown),
		cmocka_unit_test_setup_teardown(one, setup, teardown),
		cmocka_unit_test_setup_teardown(several, setup, teardown),
		cmocka_unit_test_setup_teardown(very_many, setup, teardown),
		cmocka_unit_test_setup_teardown(the_list, setup, teardown),
		cmocka_unit_test(address),
		cmocka_unit_test(drivers_are_checked),
		cmocka_unit_test(macs_that_differ),
		cmocka_unit_test(frames_fit),
		cmocka_unit_test(device_names),
	};

	return cmocka_run_group_tests_name("tap_choice", tests, NULL, NULL);
}
