// What the control codec takes and refuses, rule by rule (CTRL-1..6), and what it does without memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ctrl/msg.h"
#include "ctrl_texts.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

// One JSON text and what decoding it must say: OK, PROTO, INVALID, or ROOM (INVALID with bad_room).
// `names` must stand in the error text.
enum verdict { OK, PROTO, INVALID, ROOM };
struct row {
	enum verdict verdict;
	const char *json;
	const char *names;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];
		struct sl_msg msg;
		struct sl_error error = {{0}};
		bool bad_room = true;
		int want = row->verdict == OK ? SL_OK : row->verdict == PROTO ? SL_ERR_PROTO : SL_ERR_INVALID;
		int got =
			sl_msg_decode((const uint8_t *)row->json, strlen(row->json), &msg, &bad_room, &error);
		if (got != want || bad_room != (row->verdict == ROOM))
			fail_msg("%s: result %d, wanted %d (%s)", row->json, got, want, error.text);
		if (want != SL_OK && error.text[0] == '\0')
			fail_msg("%s: refused without a sentence", row->json);
		if (row->names != NULL && strstr(error.text, row->names) == NULL)
			fail_msg("%s: \"%s\" does not name %s", row->json, error.text, row->names);
	}
}

// CTRL-2, CTRL-6: hello.
static void ctrl2_ctrl6_hello_rules(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OK, CLIENT("\"ROOM1\"", MAC, "1400", ""), NULL},
		{OK, CLIENT("\"ROOM1\"", MAC, "1400", ",\"secret\":\"s3\",\"features\":[\"split\",\"x\"]"),
		 NULL},
		{OK, CLIENT("\"ROOM1\"", MAC, "1400", ",\"later\":{\"a\":[-1,2.5,null]}"), NULL},
		{OK, CLIENT("\"ROOM1\"", MAC, "0", ""), NULL},
		{OK, CLIENT("\"ROOM1\"", MAC, "9007199254740991", ""), NULL},
		{OK, GATEWAY(""), NULL},
		// Another protocol version is told before anything else is judged.
		{OK, "{\"type\":\"hello\",\"protocol\":2}", NULL},
		{OK, "{\"type\":\"hello\",\"protocol\":0,\"role\":7}", NULL},
		// Missing members.
		{PROTO, "{\"type\":\"hello\"}", "protocol"},
		{PROTO, HELLO("\"room\":\"R\",\"max_datagram_size\":1400"), "role"},
		{PROTO, HELLO("\"role\":\"gateway\",\"max_datagram_size\":1400"), "room"},
		{PROTO, HELLO("\"role\":\"gateway\",\"room\":\"R\""), "max_datagram_size"},
		{PROTO, HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1400"), "agent"},
		{INVALID,
		 HELLO("\"role\":\"client\",\"room\":\"R\",\"max_datagram_size\":1400,\"agent\":\"\""),
		 "mac"},
		// Wrong types.
		{PROTO, "{\"type\":\"hello\",\"protocol\":\"1\"}", "protocol"},
		{PROTO, "{\"type\":\"hello\",\"protocol\":1.0}", "protocol"},
		{PROTO, "{\"type\":\"hello\",\"protocol\":-1}", "protocol"},
		{PROTO, "{\"type\":\"hello\",\"protocol\":true}", "protocol"},
		{PROTO, HELLO("\"role\":1,\"room\":\"R\",\"max_datagram_size\":1400"), "role"},
		{PROTO, CLIENT("7", MAC, "1400", ""), "room"},
		{PROTO, CLIENT("null", MAC, "1400", ""), "room"},
		{PROTO, CLIENT("\"R\"", "1", "1400", ""), "mac"},
		{PROTO, CLIENT("\"R\"", "null", "1400", ""), "mac"},
		{PROTO, GATEWAY(",\"mac\":null"), "mac"},
		{PROTO, CLIENT("\"R\"", MAC, "\"1400\"", ""), "max_datagram_size"},
		{PROTO, CLIENT("\"R\"", MAC, "1400.0", ""), "max_datagram_size"},
		{PROTO, CLIENT("\"R\"", MAC, "1e3", ""), "max_datagram_size"},
		{PROTO, CLIENT("\"R\"", MAC, "-1", ""), "max_datagram_size"},
		{PROTO, CLIENT("\"R\"", MAC, "9007199254740992", ""), "max_datagram_size"},
		{PROTO, CLIENT("\"R\"", MAC, "9223372036854775808", ""), "number"},
		{PROTO, HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1,\"agent\":0"),
		 "agent"},
		{PROTO, GATEWAY(",\"secret\":1"), "secret"},
		{PROTO, GATEWAY(",\"secret\":null"), "secret"},
		{PROTO, GATEWAY(",\"features\":\"split\""), "features"},
		{PROTO, GATEWAY(",\"features\":{}"), "features"},
		{PROTO, GATEWAY(",\"features\":[\"split\",1]"), "features"},
		// Values.
		{INVALID,
		 HELLO("\"role\":\"relay\",\"room\":\"R\",\"max_datagram_size\":1400,\"agent\":\"\""),
		 "role"},
		{INVALID, GATEWAY(",\"mac\":" MAC), "mac"},
		{INVALID, CLIENT("\"R\"", "\"\"", "1400", ""), "mac"},
		{INVALID, CLIENT("\"R\"", "\"02:11:22:33:44\"", "1400", ""), "mac"},
		{INVALID, CLIENT("\"R\"", "\"02-11-22-33-44-55\"", "1400", ""), "mac"},
		{INVALID, CLIENT("\"R\"", "\"02:AA:22:33:44:55\"", "1400", ""), "mac"}, // upper case
		{INVALID, CLIENT("\"R\"", "\"00:11:22:33:44:55\"", "1400", ""), "mac"}, // not local
		{INVALID, CLIENT("\"R\"", "\"03:11:22:33:44:55\"", "1400", ""), "mac"}, // multicast
		{INVALID, CLIENT("\"R\"", "\"00:00:00:00:00:00\"", "1400", ""), "mac"},
		{ROOM, CLIENT("\"\"", MAC, "1400", ""), "room"},
		{ROOM, CLIENT("\"a room\"", MAC, "1400", ""), "room"},
		{ROOM, CLIENT("\"a.b\"", MAC, "1400", ""), "room"},
		{ROOM, CLIENT("\"r\\u00e4um\"", MAC, "1400", ""), "room"},
	};
	check_rows(rows, ARRAY_LEN(rows));
}

// CTRL-3, CTRL-6: welcome.
static void ctrl3_ctrl6_welcome_rules(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OK, WELCOME("1", "\"ethernet\"", "1", "0", "1280", "1298", "null", "[]"), NULL},
		{OK,
		 WELCOME("1", "\"ethernet\"", "65535", "9007199254740991", "1500", "65535", "{\"peer_id\":7}",
			 "[\"split\"]"),
		 NULL},
		{PROTO, WELCOME("2", "\"ethernet\"", "1", "0", "1382", "1400", "null", "[]"), "protocol"},
		{PROTO, WELCOME("1", "\"ip\"", "1", "0", "1382", "1400", "null", "[]"), "mode"},
		{PROTO, WELCOME("1", "1", "1", "0", "1382", "1400", "null", "[]"), "mode"},
		{PROTO, WELCOME("1", "\"ethernet\"", "0", "0", "1382", "1400", "null", "[]"), "peer_id"},
		{PROTO, WELCOME("1", "\"ethernet\"", "65536", "0", "1382", "1400", "null", "[]"), "peer_id"},
		{PROTO, WELCOME("1", "\"ethernet\"", "\"1\"", "0", "1382", "1400", "null", "[]"), "peer_id"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "-1", "1382", "1400", "null", "[]"), "room_id"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1279", "1400", "null", "[]"), "tap_mtu"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1501", "1400", "null", "[]"), "tap_mtu"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "0", "null", "[]"), "datagram_size"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "65536", "null", "[]"),
		 "datagram_size"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "1400", "7", "[]"), "gateway"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "1400", "{}", "[]"), "gateway"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "1400", "{\"peer_id\":0}", "[]"),
		 "gateway"},
		{PROTO, WELCOME("1", "\"ethernet\"", "1", "0", "1382", "1400", "null", "null"), "features"},
		{PROTO, "{\"type\":\"welcome\"}", "protocol"},
		{PROTO, "{\"type\":\"welcome\",\"protocol\":1}", "mode"},
		{PROTO,
		 "{\"type\":\"welcome\",\"protocol\":1,\"mode\":\"ethernet\",\"peer_id\":1,\"room_id\":1,"
		 "\"effective_tap_mtu\":1382,\"max_datagram_size\":1400,\"features\":[]}",
		 "gateway"},
		{PROTO,
		 "{\"type\":\"welcome\",\"protocol\":1,\"mode\":\"ethernet\",\"peer_id\":1,\"room_id\":1,"
		 "\"effective_tap_mtu\":1382,\"max_datagram_size\":1400,\"gateway\":null}",
		 "features"},
	};
	check_rows(rows, ARRAY_LEN(rows));
}

// CTRL-4, CTRL-5, CTRL-6: the other types.
static void ctrl4_ctrl5_ctrl6_other_rules(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OK, "{\"type\":\"reject\",\"reason\":\"room_full\",\"message\":\"Full.\"}", NULL},
		{PROTO, "{\"type\":\"reject\",\"message\":\"Full.\"}", "reason"},
		{PROTO, "{\"type\":\"reject\",\"reason\":\"room_full\"}", "message"},
		{PROTO, "{\"type\":\"reject\",\"reason\":1,\"message\":\"\"}", "reason"},
		{PROTO, "{\"type\":\"reject\",\"reason\":\"room_full\",\"message\":[]}", "message"},
		{OK, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"client\",\"mac\":" MAC "}", NULL},
		{OK, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"gateway\"}", NULL},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"gateway\",\"mac\":" MAC "}",
		 "mac"},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"client\"}", "mac"},
		{PROTO,
		 "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"client\",\"mac\":"
		 "\"ff:ff:ff:ff:ff:ff\"}",
		 "mac"},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"x\"}", "role"},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":7}", "role"},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":0,\"role\":\"gateway\"}", "peer_id"},
		{PROTO, "{\"type\":\"peer_joined\",\"peer_id\":65536,\"role\":\"gateway\"}", "peer_id"},
		{OK, "{\"type\":\"peer_left\",\"peer_id\":65535,\"reason\":\"kicked\"}", NULL},
		{PROTO, "{\"type\":\"peer_left\",\"peer_id\":7}", "reason"},
		{PROTO, "{\"type\":\"peer_left\",\"reason\":\"kicked\"}", "peer_id"},
		{PROTO, "{\"type\":\"peer_left\",\"peer_id\":7,\"reason\":null}", "reason"},
		{OK, "{\"type\":\"stats\"}", NULL},
		{OK, "{\"type\":\"stats\",\"rx_frames\":1,\"more\":-1,\"drops\":{\"runt\":2,\"new\":\"x\"}}",
		 NULL},
		{PROTO, "{\"type\":\"stats\",\"rx_frames\":-1}", "rx_frames"},
		{PROTO, "{\"type\":\"stats\",\"tx_bytes\":1.5}", "tx_bytes"},
		{PROTO, "{\"type\":\"stats\",\"split_rx\":null}", "split_rx"},
		{PROTO, "{\"type\":\"stats\",\"drops\":[]}", "drops"},
		{PROTO, "{\"type\":\"stats\",\"drops\":{\"egress_age\":\"1\"}}", "egress_age"},
		{OK, "{\"type\":\"disconnect\",\"reason\":\"bye\"}", NULL},
		{PROTO, "{\"type\":\"disconnect\"}", "reason"},
		{PROTO, "{\"type\":\"disconnect\",\"reason\":7}", "reason"},
		{OK, "{\"type\":\"from_the_future\",\"x\":{}}", NULL},
		{OK, "{\"type\":\"\"}", NULL},
	};
	check_rows(rows, ARRAY_LEN(rows));
}

// CTRL-1: what is no acceptable JSON at all.
static void ctrl1_json_rules(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OK, " \n{ \"type\" : \"x\" } \t\r\n", NULL},
		{PROTO, " ", NULL},
		{PROTO, "{", "cut short"},
		{PROTO, "{\"type\":\"x\"", "cut short"},
		{PROTO, "{\"type\":\"x\"}}", NULL},
		{PROTO, "{\"type\":\"x\"}{\"type\":\"x\"}", "after"},
		{PROTO, "{\"type\":\"x\"} x", NULL},
		{PROTO, "{\"type\":\"x\",}", NULL},
		{PROTO, "{'type':'x'}", NULL},
		{PROTO, "[]", "object"},
		{PROTO, "[{\"type\":\"x\"}]", "object"},
		{PROTO, "\"type\"", NULL},
		{PROTO, "null", NULL},
		{PROTO, "{}", "type"},
		{PROTO, "{\"type\":1}", "type"},
		{PROTO, "{\"type\":null}", "type"},
		// Duplicate names, also inside and also when spelt differently.
		{PROTO, "{\"type\":\"x\",\"a\":1,\"a\":1}", "twice"},
		{PROTO, "{\"type\":\"x\",\"a\":1,\"\\u0061\":1}", "twice"},
		{PROTO, "{\"type\":\"x\",\"o\":{\"b\":1,\"b\":2}}", "twice"},
		// NUL and UTF-8.
		{PROTO, "{\"type\":\"x\\u0000y\"}", "NUL"},
		{PROTO, "{\"type\":\"x\",\"\\u0000\":1}", "NUL"},
		{PROTO, "{\"type\":\"\xff\"}", "UTF-8"},
		{PROTO, "{\"type\":\"\xc0\xaf\"}", "UTF-8"},
		{PROTO, "{\"type\":\"\xed\xa0\x80\"}", "UTF-8"},
		{PROTO, "{\"type\":\"\xf4\x90\x80\x80\"}", "UTF-8"},
		{PROTO, "{\"type\":\"\xe2\x82\"}", "UTF-8"},
		{PROTO, "{\"type\":\"\\ud800\"}", NULL},
		{PROTO, "{\"type\":\"x\ny\"}", NULL},
		// Numbers that no integer can hold, even in an unknown member.
		{PROTO, "{\"type\":\"x\",\"n\":99999999999999999999}", "number"},
		{PROTO, "{\"type\":\"x\",\"n\":-99999999999999999999}", "number"},
		{PROTO, "{\"type\":\"x\",\"n\":1e999}", "number"},
		// Depth: 8 is allowed, 9 is not; brackets inside strings are no nesting.
		{OK, "{\"type\":\"x\",\"a\":[[[[[[[]]]]]]]}", NULL},
		{PROTO, "{\"type\":\"x\",\"a\":[[[[[[[[]]]]]]]]}", "nested"},
		{PROTO,
		 "{\"type\":\"x\",\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
		 "nested"},
		{OK, "{\"type\":\"x\",\"a\":\"[[[[[[[[[[{{{{{\"}", NULL},
		{OK, "{\"type\":\"x\",\"a\":\"\\\"[[[[[[[[[[\\\\\",\"b\":\"[[[[[[[[[[\"}", NULL},
		{OK, "{\"type\":\"x\",\"a\":[[[[]]]],\"b\":[[[[]]]],\"c\":[[[[]]]]}", NULL},
	};
	check_rows(rows, ARRAY_LEN(rows));
}

// CTRL-1: a raw NUL, an empty message, one over the cap, and the deepest nesting that fits.
static void ctrl1_raw_bytes(void **state)
{
	(void)state;
	struct sl_msg msg;
	static const char nul[] = "{\"type\":\"x\"}\0";
	assert_int_equal(sl_msg_decode((const uint8_t *)nul, sizeof nul - 1, &msg, NULL, NULL), SL_ERR_PROTO);
	static const char inside[] = "{\"type\":\"x\0y\"}";
	assert_int_equal(sl_msg_decode((const uint8_t *)inside, sizeof inside - 1, &msg, NULL, NULL),
			 SL_ERR_PROTO);
	assert_int_equal(sl_msg_decode((const uint8_t *)"", 0, &msg, NULL, NULL), SL_ERR_PROTO);

	uint8_t *big = malloc(SL_CTRL_MAX + 1);
	assert_non_null(big);
	memset(big, ' ', SL_CTRL_MAX + 1);
	memcpy(big, "{\"type\":\"x\"}", 12);
	assert_int_equal(sl_msg_decode(big, SL_CTRL_MAX, &msg, NULL, NULL), SL_OK);
	assert_int_equal(sl_msg_decode(big, SL_CTRL_MAX + 1, &msg, NULL, NULL), SL_ERR_PROTO);
	memset(big, '[', SL_CTRL_MAX);
	assert_int_equal(sl_msg_decode(big, SL_CTRL_MAX, &msg, NULL, NULL), SL_ERR_PROTO);
	free(big);
}

// CTRL-6: room codes.
static void ctrl6_room_codes(void **state)
{
	(void)state;
	char longest[SL_ROOM_MAX + 2];
	memset(longest, 'r', sizeof longest);
	longest[SL_ROOM_MAX + 1] = '\0';
	assert_false(sl_room_valid(longest));
	longest[SL_ROOM_MAX] = '\0';
	assert_true(sl_room_valid(longest));
	assert_true(sl_room_valid("A"));
	assert_true(sl_room_valid("azAZ09-_"));
	assert_false(sl_room_valid(""));
	for (int c = 1; c < 256; c++) {
		char room[2] = {(char)c, '\0'};
		bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    c == '-' || c == '_';
		assert_int_equal(sl_room_valid(room), good);
	}
}

// How many of the JSON library's next allocations succeed. Its allocator takes no argument.
static size_t allocations_left;

// One fails, those after it do not: nothing else then hides that the one was overlooked.
static void *failing_malloc(size_t size)
{
	return allocations_left-- == 0 ? NULL : malloc(size);
}

// No more memory from there on.
static void *ending_malloc(size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(size);
}

static int restore_allocations(void **state)
{
	(void)state;
	json_set_alloc_funcs(malloc, free);
	return 0;
}

// CTRL-1: whichever allocation fails, the message is encoded whole or not at all, and told as what it is.
static void ctrl1_encode_without_memory(void **state)
{
	(void)state;
	struct sl_msg messages[3] = {{.type = SL_MSG_HELLO}, {.type = SL_MSG_STATS}, {.type = SL_MSG_NOTICE}};
	messages[0].hello.protocol = 1;
	messages[0].hello.role = SL_ROLE_CLIENT;
	messages[0].hello.has_mac = true;
	messages[0].hello.mac = (struct sl_mac){{0x02, 0, 0, 0, 0, 1}};
	strcpy(messages[0].hello.room, "R");
	messages[0].hello.features = SL_FEATURE_SPLIT;
	messages[1].stats.drops[SL_DROP_RUNT] = 1;
	messages[2].notice.reason = SL_DROP_LOOP;
	json_set_alloc_funcs(failing_malloc, free);
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		int result = SL_ERR_NOMEM;
		for (size_t n = 0; result != SL_OK; n++) {
			uint8_t *bytes = NULL;
			size_t len = 0;
			assert_in_range(n, 0, 1000);
			allocations_left = n;
			result = sl_msg_encode(&messages[i], &bytes, &len);
			assert_int_equal(result, bytes == NULL ? SL_ERR_NOMEM : SL_OK);
			if (result == SL_OK) {
				struct sl_msg back;
				assert_true(n > 2); // so it did allocate there
				allocations_left = SIZE_MAX;
				assert_int_equal(sl_msg_decode(bytes + SL_CTRL_PREFIX, len - SL_CTRL_PREFIX,
							       &back, NULL, NULL),
						 SL_OK);
				assert_int_equal(back.type, messages[i].type);
			}
			free(bytes);
		}
	}
}

// CTRL-1: memory that ends while a message is decoded: never half a message. (Of one failure alone, jansson
// 2.14 does not always tell: a text comes out shorter.)
static void ctrl1_decode_without_memory(void **state)
{
	(void)state;
	static const char json[] = CLIENT("\"R\"", MAC, "1400", ",\"secret\":\"s\",\"features\":[\"split\"]");
	struct sl_msg m = {0};
	json_set_alloc_funcs(ending_malloc, free);
	for (size_t n = 0;; n++) {
		struct sl_error error = {{0}};
		assert_in_range(n, 0, 1000);
		allocations_left = n;
		int result = sl_msg_decode((const uint8_t *)json, strlen(json), &m, NULL, &error);
		if (result == SL_OK)
			break;
		// The parser does not always say that it was memory.
		assert_true(result == SL_ERR_NOMEM || result == SL_ERR_PROTO);
		assert_int_equal(m.type, SL_MSG_UNKNOWN);
		assert_true(error.text[0] != '\0');
	}
	assert_string_equal(m.hello.secret, "s");
	assert_int_equal(m.hello.features, SL_FEATURE_SPLIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctrl2_ctrl6_hello_rules),
		cmocka_unit_test(ctrl3_ctrl6_welcome_rules),
		cmocka_unit_test(ctrl4_ctrl5_ctrl6_other_rules),
		cmocka_unit_test(ctrl1_json_rules),
		cmocka_unit_test(ctrl1_raw_bytes),
		cmocka_unit_test(ctrl6_room_codes),
		cmocka_unit_test_teardown(ctrl1_encode_without_memory, restore_allocations),
		cmocka_unit_test_teardown(ctrl1_decode_without_memory, restore_allocations),
	};
	return cmocka_run_group_tests_name("ctrl", tests, NULL, NULL);
}
