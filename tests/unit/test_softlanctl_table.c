// softlanctl's output (OPS-3): tables with aligned columns, sensible units, and nothing from a daemon
// that a terminal would obey.
#include "softlanctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "softlanctl/print.h"
#include "softlanctl/text.h"
#include "softlanctl/verbs.h"

// Prints a document by a verb's printer; NULL: the printer refused it.
static char *print(const char *verb_name, const char *json)
{
	char *text = NULL;
	size_t len;
	json_error_t why;
	const struct ctl_verb *verb = ctl_verb_find(verb_name);
	assert_non_null(verb);
	json_t *document = json_loads(json, JSON_DECODE_ANY, &why);
	if (!document)
		fail_msg("%s: %s", json, why.text);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	int rc = verb->print(out, false, document);
	fclose(out);
	json_decref(document);
	if (rc != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void assert_print(const char *verb, const char *json, const char *expected)
{
	char *text = print(verb, json);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_units(void **state)
{
	char out[CTL_UNIT_TEXT];
	(void)state;
	assert_string_equal(ctl_bytes(0, out), "0B");
	assert_string_equal(ctl_bytes(1023, out), "1023B");
	assert_string_equal(ctl_bytes(1024, out), "1.0KiB");
	assert_string_equal(ctl_bytes(1536, out), "1.5KiB");
	assert_string_equal(ctl_bytes(1048575, out), "1023.9KiB");
	assert_string_equal(ctl_bytes(200 * 1024 * 1024, out), "200.0MiB");
	assert_string_equal(ctl_bytes(UINT64_MAX, out), "15.9EiB");
	assert_string_equal(ctl_seconds(0, out), "0s");
	assert_string_equal(ctl_seconds(59, out), "59s");
	assert_string_equal(ctl_seconds(192, out), "3m12s");
	assert_string_equal(ctl_seconds(7500, out), "2h05m");
	assert_string_equal(ctl_seconds(4 * 86400 + 3 * 3600, out), "4d03h");
	assert_string_equal(ctl_millis(250, out), "250ms");
	assert_string_equal(ctl_millis(1234, out), "1.2s");
	assert_string_equal(ctl_millis(61000, out), "1m01s");
}

static void assert_escaped(const char *text, const char *expected)
{
	char *escaped = ctl_escape(text);
	assert_non_null(escaped);
	assert_string_equal(escaped, expected);
	free(escaped);
}

// The text of an ERR line has been through no JSON reader: it may hold any bytes.
static void test_OPS_3_bytes_for_a_terminal(void **state)
{
	(void)state;
	assert_escaped("größe € 😀 a", "größe € 😀 a");
	assert_escaped("\x9b"
		       "31m\xc2\x9b\xc2",
		       "\\x9b31m\\xc2\\x9b\\xc2"); // CSI as one byte, and cut off
	assert_escaped("\xe2\x80", "\\xe2\\x80");
	assert_escaped("\xe2\x80\xae\xd8\x9c\xe2\x81\xa6", "\\xe2\\x80\\xae\\xd8\\x9c\\xe2\\x81\\xa6");
	assert_escaped("\xc0\x9b\xff\xf8\xf4", "\\xc0\\x9b\\xff\\xf8\\xf4"); // an overlong ESC-like form
	assert_escaped("\xe0\x81\x81\xf0\x80\x81\x81", "\\xe0\\x81\\x81\\xf0\\x80\\x81\\x81"); // overlong
	assert_escaped("\xed\xa0\x80\xf4\x90\x80\x80",
		       "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"); // no characters
	assert_escaped("\x1b[2J\x7f\t", "\\x1b[2J\\x7f\\x09");
}

static void test_OPS_3_table_alignment(void **state)
{
	static const struct ctl_column columns[] = {
		{.title = "NAME"}, {.title = "N", .right = true}, {.title = "END"}, {.title = NULL}};
	const char *cells[] = {"a", "12345", "x", "größe", NULL, "", "much longer", "1", "y"};
	struct ctl_table *table = ctl_table_new(columns);
	char *text = NULL;
	size_t len;
	(void)state;
	for (size_t i = 0; i < 9; i++)
		ctl_table_cell(table, cells[i]);
	FILE *out = open_memstream(&text, &len);
	assert_int_equal(ctl_table_print(table, out, false), 0);
	fclose(out);
	assert_string_equal(text, "NAME             N  END\n"
				  "a            12345  x\n"
				  "größe            -  -\n"
				  "much longer      1  y\n");
	free(text);
	ctl_table_free(table);
	ctl_table_free(NULL);
}

static void test_OPS_3_rooms(void **state)
{
	(void)state;
	assert_print("rooms", "{\"rooms\":[]}", "CODE  ID  MTU  GATEWAY  CLIENTS  FRAMES  BYTES  DROPPED\n");
	assert_print(
		"rooms",
		"{\"rooms\":[{\"code\":\"ROOM1\",\"id\":1,\"mtu\":1500,\"gateway\":7,\"clients\":2,"
		"\"frames\":10000,"
		"\"bytes\":2097152,\"dropped\":3},{\"code\":\"b\",\"id\":12,\"mtu\":1382,\"gateway\":null,"
		"\"clients\":0,\"frames\":0,\"bytes\":0,\"dropped\":0}]}",
		"CODE   ID   MTU  GATEWAY  CLIENTS  FRAMES   BYTES  DROPPED\n"
		"ROOM1   1  1500        7        2   10000  2.0MiB        3\n"
		"b      12  1382        -        0       0      0B        0\n");
}

static void test_OPS_3_peers(void **state)
{
	(void)state;
	assert_print("peers",
		     "{\"peers\":[{\"id\":7,\"room\":\"R\",\"role\":\"client\",\"mac\":\"02:00:00:00:00:01\","
		     "\"address\":\"192.0.2.1:5000\",\"agent\":\"softlan-client 0.1.0\",\"rtt_ms\":12.34,"
		     "\"datagram_budget\":1400,\"joined_s\":75,\"last_seen_ms\":40,\"rx_frames\":5,\"rx_"
		     "bytes\":1500,"
		     "\"tx_frames\":6,\"tx_bytes\":60,\"drops\":{\"over_mtu\":3,\"runt\":0,\"jumbo\":1},"
		     "\"reported\":{}},"
		     "{\"id\":8,\"rtt_ms\":null,\"drops\":{}}]}",
		     "ID  ROOM  ROLE    MAC                ADDRESS         AGENT                    RTT  "
		     "BUDGET  JOINED  SEEN"
		     "        RX     TX  DROPS\n"
		     " 7  R     client  02:00:00:00:00:01  192.0.2.1:5000  softlan-client 0.1.0  12.3ms    "
		     "1400   1m15s  40ms"
		     "  5/1.4KiB  6/60B  over_mtu:3,jumbo:1\n"
		     " 8  -     -       -                  -               -                          -      "
		     " -       -     -"
		     "         -      -  -\n");
}

// One that is cut off from its room is marked (FILTER's loop rule).
static void test_OPS_3_isolated_peers(void **state)
{
	static const struct {
		const char *members, *drops;
	} cases[] = {
		{"\"isolated\":true,\"drops\":{\"loop\":40,\"runt\":1}", "  isolated,loop:40,runt:1\n"},
		{"\"isolated\":true,\"drops\":{}", "  isolated\n"},
		{"\"isolated\":true", "  isolated\n"},
		{"\"isolated\":false,\"drops\":{\"loop\":40}", "  loop:40\n"},
		{"\"isolated\":\"x\",\"drops\":{\"loop\":40}", "  loop:40\n"},
		{"\"drops\":{}", "  -\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char json[256];
		snprintf(json, sizeof(json), "{\"peers\":[{\"id\":7,%s}]}", cases[i].members);
		char *text = print("peers", json);
		assert_non_null(text);
		size_t len = strlen(cases[i].drops);
		assert_true(strlen(text) > len);
		assert_string_equal(text + strlen(text) - len, cases[i].drops);
		free(text);
	}
}

static void test_OPS_3_events(void **state)
{
	(void)state;
	assert_print(
		"watch",
		"{\"time\":\"2026-01-31T12:34:56.078Z\",\"event\":\"peer_left\",\"room\":\"R\",\"peer\":7,"
		"\"reason\":\"timed_out\"}",
		"2026-01-31T12:34:56.078Z peer_left room R peer 7 reason timed_out\n");
	// A text that is no single word is in quotes, so that it cannot pass for other members.
	assert_print(
		"watch",
		"{\"event\":\"notice\",\"message\":\"12 frames \\\"x\\\"\",\"isolated\":true,\"detail\":\"\","
		"\"room\":null}",
		"- notice message \"12 frames \\\"x\\\"\" isolated yes detail \"\" room -\n");
	assert_print("watch",
		     "{\"event\":\"reloaded\",\"ok\":false,\"errors\":[\"a b\",\"c\"],\"x\":{\"y\":1}}",
		     "- reloaded ok no errors \"a b\" errors c x.y 1\n");
	// One line, whatever is in it.
	assert_print("watch", "{\"event\":\"a\\nb\",\"time\":\"\\u001b[2J\",\"k\\n\":\"\\r\\u009b\"}",
		     "\\x1b[2J a\\x0ab k\\x0a \\x0d\\xc2\\x9b\n");
	assert_null(print("watch", "{\"time\":\"x\"}"));
	assert_null(print("watch", "{\"event\":5}"));
	assert_null(print("watch", "[]"));
}

static void test_OPS_3_status_and_stats(void **state)
{
	(void)state;
	assert_print("status",
		     "{\"daemon\":\"softlan-relay\",\"version\":\"0.1.0\",\"pid\":42,\"uptime_s\":3720,"
		     "\"state\":\"serving\","
		     "\"sentences\":[\"Listening on [::]:443.\",\"2 "
		     "rooms.\"],\"listen\":\"[::]:443\",\"ready\":true,"
		     "\"certificate\":{\"subject\":\"CN=x\"},\"warnings\":[\"w1\",{\"x\":1},\"w2\"],"
		     "\"addresses\":[\"a\",\"b\"]}",
		     "softlan-relay 0.1.0, pid 42, up 1h02m, serving\n  Listening on [::]:443.\n  2 rooms.\n "
		     " warning: w1\n  warning: w2\n"
		     "listen: [::]:443\nready: yes\ncertificate.subject: CN=x\naddresses: a\naddresses: b\n");
	assert_print("stats",
		     "{\"counters\":{\"rx_frames\":1,\"drops\":{\"runt\":20}},\"udp\":{\"gso\":true}}",
		     "counters.rx_frames   1\ncounters.drops.runt  20\nudp.gso              yes\n");
}

static void test_OPS_3_hostile_answers(void **state)
{
	(void)state;
	// Controls, C1 controls and direction overrides come out as text.
	char *text = print("rooms",
			   "{\"rooms\":[{\"code\":\"\\u001b]0;x\\u0007\\u009b31m\\u202ecba\\u007f\\nx\"}]}");
	assert_non_null(text);
	assert_non_null(strstr(text, "\\x1b]0;x\\x07\\xc2\\x9b31m\\xe2\\x80\\xaecba\\x7f\\x0ax"));
	assert_null(strpbrk(text, "\x1b\x07\x7f"));
	free(text);
	text = print("stats", "{\"a\\u001b[2Jb\":1,\"c\":{\"\\r\":\"\\u009bx\"}}");
	assert_non_null(text);
	assert_null(strpbrk(text, "\x1b\r"));
	assert_null(strstr(text, "\xc2\x9b"));
	free(text);
	text = print(
		"status",
		"{\"daemon\":\"d\\u001b\",\"sentences\":[\"s\\u001b\",5,null],\"m\\u001b\":\"v\\u001b\"}");
	assert_non_null(text);
	assert_null(strchr(text, 0x1b));
	free(text);
	text = print("peers", "{\"peers\":[{\"drops\":{\"x\\u001b\":1}}]}");
	assert_non_null(text);
	assert_null(strchr(text, 0x1b));
	free(text);

	// Other shapes: refused, or shown as "-".
	const char *const wrong[] = {"null",  "5",  "[]",
				     "\"x\"", "{}", "{\"rooms\":{},\"peers\":7,\"daemon\":1}"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(print("rooms", wrong[i]));
		assert_null(print("peers", wrong[i]));
		assert_null(print("status", wrong[i]));
	}
	assert_null(print("stats", "[]"));
	assert_print("rooms", "{\"rooms\":[5,{\"code\":1,\"id\":\"1\",\"mtu\":-1,\"bytes\":1.5}]}",
		     "CODE  ID  MTU  GATEWAY  CLIENTS  FRAMES  BYTES  DROPPED\n"
		     "-      -    -        -        -       -      -        -\n"
		     "-      -    -        -        -       -      -        -\n");
	text = print("peers", "{\"peers\":[null,{\"rtt_ms\":1e300,\"drops\":[1]},{\"rtt_ms\":-1,\"drops\":{"
			      "\"a\":-1,\"b\":\"x\"}}]}");
	assert_non_null(text);
	free(text);

	// Nested without end: bounded.
	char deep[20 * 64 + 64];
	size_t len = 0;
	for (int i = 0; i < 60; i++)
		len += (size_t)sprintf(deep + len, "{\"nested\":");
	len += (size_t)sprintf(deep + len, "1");
	for (int i = 0; i < 60; i++)
		deep[len++] = '}';
	deep[len] = '\0';
	assert_print("stats", deep, "");
}

static void test_OPS_3_rates_and_cuts(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} rates[] = {{0, "0"},       {-1, "0"},          {0.04, "0.0"},    {9.94, "9.9"},
		     {9.96, "10"},   {999.4, "999"},     {999.6, "1.0k"},  {12345, "12.3k"},
		     {1e6, "1.0M"},  {999949, "999.9k"}, {999951, "1.0M"}, {2.5e9, "2.5G"},
		     {7e12, "7.0T"}, {1e30, "1000.0T"}};
	static const struct {
		const char *text, *cut;
		size_t columns;
	} cuts[] = {{"abc", "abc", 3}, {"abcd", "ab~", 3}, {"größe", "gr~", 3},
		    {"äöü", "äöü", 3}, {"äöüß", "~", 1},   {"", "", 1}};
	char out[CTL_UNIT_TEXT], text[32];
	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		assert_string_equal(ctl_rate(rates[i].rate, out), rates[i].text);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		strcpy(text, cuts[i].text);
		ctl_cut(text, cuts[i].columns);
		assert_string_equal(text, cuts[i].cut);
	}
}

static void test_OPS_3_answers_in_one_sentence(void **state)
{
	(void)state;
	assert_print("kick", "{\"peer\":7,\"room\":\"R\\u001b\",\"reason\":\"too loud\"}",
		     "Peer 7 is out of room R\\x1b (too loud). It will try again by itself: to keep it out, "
		     "change "
		     "the room's secret and reload.\n");
	assert_print("reload", "{\"reloaded\":true,\"restart_needed\":[]}",
		     "The new configuration is in force.\n");
	assert_print("reload", "{\"reloaded\":true}", "The new configuration is in force.\n");
	assert_print("reload", "{\"reloaded\":true,\"restart_needed\":[\"listen\",5,\"limits.peers\\n\"]}",
		     "The new configuration is in force, but these settings need a restart: listen, "
		     "limits.peers\\x0a.\n");
	assert_print("log", "{\"level\":\"debug\"}", "The log level is debug now.\n");
	assert_null(print("kick", "{\"peer\":-7,\"room\":\"R\",\"reason\":\"x\"}"));
	assert_null(print("kick", "[]"));
	assert_null(print("reload", "{\"reloaded\":false}"));
	assert_null(print("reload", "{}"));
	assert_null(print("log", "{\"level\":5}"));
}

// Bold headers; yellow and red for what deserves a look; and all of it closed again.
static void test_OPS_3_colour(void **state)
{
	static const struct {
		const char *verb, *json, *shown;
	} cases[] = {
		{"rooms", "{\"rooms\":[]}", "\x1b[1mCODE\x1b[0m  \x1b[1mID\x1b[0m"},
		{"rooms", "{\"rooms\":[{\"dropped\":3}]}", " \x1b[33m3\x1b[0m\n"},
		{"rooms", "{\"rooms\":[{\"gateway\":null,\"dropped\":0}]}", " \x1b[33m-\x1b[0m  "},
		{"peers", "{\"peers\":[{\"drops\":{\"runt\":1}}]}", "\x1b[33mrunt:1\x1b[0m\n"},
		{"peers", "{\"peers\":[{\"isolated\":true}]}", "\x1b[31misolated\x1b[0m\n"},
		{"status", "{\"daemon\":\"d\",\"state\":\"waiting\",\"connected\":false}",
		 "\x1b[1md\x1b[0m -, \x1b[31mwaiting\x1b[0m\n"},
		{"status", "{\"daemon\":\"d\",\"warnings\":[\"w\"]}", "  \x1b[33mwarning: w\x1b[0m\n"},
		{"status", "{\"daemon\":\"d\",\"isolated\":true}", "isolated: \x1b[31myes\x1b[0m\n"},
		{"stats", "{\"counters\":{\"drops\":{\"runt\":1}}}",
		 "\x1b[33mcounters.drops.runt\x1b[0m  1\n"},
		{"watch", "{\"event\":\"loop\"}", "- \x1b[31mloop\x1b[0m\n"},
		{"watch", "{\"event\":\"filtered\"}", "- \x1b[33mfiltered\x1b[0m\n"},
		{"reload", "{\"reloaded\":true,\"restart_needed\":[\"listen\"]}", "\x1b[33mlisten\x1b[0m.\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *document = json_loads(cases[i].json, 0, NULL);
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		assert_non_null(document);
		assert_int_equal(ctl_verb_find(cases[i].verb)->print(out, true, document), 0);
		fclose(out);
		json_decref(document);
		if (!strstr(text, cases[i].shown))
			fail_msg("%s of %s: %s", cases[i].verb, cases[i].json, text);
		free(text);
	}
}

static void test_OPS_3_verb_table(void **state)
{
	(void)state;
	const char *const names[] = {"status", "rooms", "peers",  "stats", "top",
				     "watch",  "kick",  "reload", "log",   "help"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(ctl_verb_find(names[i]));
	assert_null(ctl_verb_find(""));
	assert_null(ctl_verb_find("statu"));
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	ctl_verbs_help(out);
	fclose(out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++)
		assert_non_null(strstr(text, verb->help));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_OPS_3_bytes_for_a_terminal),
		cmocka_unit_test(test_OPS_3_table_alignment),
		cmocka_unit_test(test_OPS_3_rooms),
		cmocka_unit_test(test_OPS_3_peers),
		cmocka_unit_test(test_OPS_3_isolated_peers),
		cmocka_unit_test(test_OPS_3_events),
		cmocka_unit_test(test_OPS_3_status_and_stats),
		cmocka_unit_test(test_OPS_3_hostile_answers),
		cmocka_unit_test(test_OPS_3_rates_and_cuts),
		cmocka_unit_test(test_OPS_3_answers_in_one_sentence),
		cmocka_unit_test(test_OPS_3_colour),
		cmocka_unit_test(test_OPS_3_verb_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
