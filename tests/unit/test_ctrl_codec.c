// Control messages as values: where members come out, what is encoded, how the stream is cut (CTRL-1..6).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctrl/msg.h"
#include "ctrl_texts.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_mac some_mac = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};

static struct sl_msg decode(const char *json, int want)
{
	struct sl_msg msg;
	struct sl_error error = {{0}};
	int got = sl_msg_decode((const uint8_t *)json, strlen(json), &msg, NULL, &error);
	if (got != want)
		fail_msg("%s: result %d, wanted %d (%s)", json, got, want, error.text);
	return msg;
}

// CTRL-2..5: every member comes out where it belongs.
static void ctrl2_to_5_values(void **state)
{
	(void)state;
	struct sl_msg m = decode(CLIENT("\"Room-1_\"", MAC, "1400",
					",\"secret\":\"p\\u00e4ss\",\"features\":[\"y\",\"split\"]"),
				 SL_OK);
	assert_int_equal(m.type, SL_MSG_HELLO);
	assert_int_equal(m.hello.protocol, 1);
	assert_int_equal(m.hello.role, SL_ROLE_CLIENT);
	assert_string_equal(m.hello.room, "Room-1_");
	assert_true(m.hello.has_mac);
	assert_memory_equal(m.hello.mac.b, some_mac.b, SL_MAC_LEN);
	assert_int_equal(m.hello.max_datagram_size, 1400);
	assert_string_equal(m.hello.agent, "test/1");
	assert_true(m.hello.has_secret);
	assert_string_equal(m.hello.secret, "p\xc3\xa4ss");
	assert_int_equal(m.hello.features, SL_FEATURE_SPLIT);

	m = decode(GATEWAY(""), SL_OK);
	assert_int_equal(m.hello.role, SL_ROLE_GATEWAY);
	assert_false(m.hello.has_mac);
	assert_false(m.hello.has_secret);
	assert_int_equal(m.hello.features, 0);

	m = decode("{\"type\":\"hello\",\"protocol\":77}", SL_OK);
	assert_int_equal(m.type, SL_MSG_HELLO);
	assert_int_equal(m.hello.protocol, 77);

	m = decode(WELCOME("1", "\"ethernet\"", "513", "9", "1382", "1400", "{\"peer_id\":258}", "[]"),
		   SL_OK);
	assert_int_equal(m.type, SL_MSG_WELCOME);
	assert_int_equal(m.welcome.protocol, 1);
	assert_int_equal(m.welcome.peer_id, 513);
	assert_int_equal(m.welcome.room_id, 9);
	assert_int_equal(m.welcome.effective_tap_mtu, 1382);
	assert_int_equal(m.welcome.max_datagram_size, 1400);
	assert_int_equal(m.welcome.gateway, 258);
	assert_int_equal(m.welcome.features, 0);

	m = decode("{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"client\",\"mac\":" MAC "}", SL_OK);
	assert_int_equal(m.type, SL_MSG_PEER_JOINED);
	assert_int_equal(m.peer_joined.peer_id, 7);
	assert_int_equal(m.peer_joined.role, SL_ROLE_CLIENT);
	assert_memory_equal(m.peer_joined.mac.b, some_mac.b, SL_MAC_LEN);

	m = decode("{\"type\":\"peer_left\",\"peer_id\":8,\"reason\":\"timed_out\"}", SL_OK);
	assert_int_equal(m.type, SL_MSG_PEER_LEFT);
	assert_int_equal(m.peer_left.peer_id, 8);
	assert_string_equal(m.peer_left.reason, "timed_out");

	m = decode("{\"type\":\"stats\",\"rx_frames\":1,\"tx_frames\":2,\"drops\":{\"egress_age\":3,\"runt\":"
		   "4}}",
		   SL_OK);
	assert_int_equal(m.type, SL_MSG_STATS);
	assert_int_equal(m.stats.rx_frames, 1);
	assert_int_equal(m.stats.tx_frames, 2);
	assert_int_equal(m.stats.rx_bytes, 0);
	assert_int_equal(m.stats.drops[SL_DROP_EGRESS_AGE], 3);
	assert_int_equal(m.stats.drops[SL_DROP_RUNT], 4);
	assert_int_equal(m.stats.drops[SL_DROP_JUMBO], 0);

	m = decode("{\"type\":\"disconnect\",\"reason\":\"shutdown\"}", SL_OK);
	assert_int_equal(m.type, SL_MSG_DISCONNECT);
	assert_string_equal(m.disconnect.reason, "shutdown");

	m = decode("{\"type\":\"new\\u0007type\"}", SL_OK);
	assert_int_equal(m.type, SL_MSG_UNKNOWN);
	assert_string_equal(m.unknown.type, "new?type");

	// A hello that breaks a rule still says that it was one.
	m = decode(CLIENT("\"\"", MAC, "1400", ""), SL_ERR_INVALID);
	assert_int_equal(m.type, SL_MSG_HELLO);
}

// CTRL-4: every reject token, its retry rule, and one from the future.
static void ctrl4_reject_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *token;
		bool retry;
	} want[] = {
		{"invalid_hello", false}, {"protocol_version", false}, {"invalid_room", false},
		{"unauthorized", false},  {"gateway_exists", true},    {"duplicate_mac", true},
		{"room_full", true},      {"relay_full", true},        {"mtu_too_small", false},
		{"no_datagrams", false},  {"rate_limited", true},      {"shutting_down", true},
	};
	assert_int_equal(ARRAY_LEN(want), SL_REJECT_UNKNOWN);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		char json[128];
		snprintf(json, sizeof json, "{\"type\":\"reject\",\"reason\":\"%s\",\"message\":\"m\"}",
			 want[i].token);
		struct sl_msg m = decode(json, SL_OK);
		assert_int_equal(m.type, SL_MSG_REJECT);
		assert_string_equal(sl_reject_token(m.reject.reason), want[i].token);
		assert_string_equal(m.reject.token, want[i].token);
		assert_int_equal(sl_reject_may_retry(m.reject.reason), want[i].retry);
	}
	struct sl_msg m =
		decode("{\"type\":\"reject\",\"reason\":\"too_loud\",\"message\":\"M\\u001b[0m\"}", SL_OK);
	assert_int_equal(m.reject.reason, SL_REJECT_UNKNOWN);
	assert_string_equal(m.reject.token, "too_loud");
	assert_string_equal(m.reject.message, "M?[0m");
	assert_false(sl_reject_may_retry(m.reject.reason));
	assert_non_null(sl_reject_token(SL_REJECT_UNKNOWN));
	assert_non_null(sl_reject_token((enum sl_reject)999));
}

// CTRL-5: reasons are 64 printable ASCII characters at most.
static void ctrl5_reasons_are_cleaned(void **state)
{
	(void)state;
	char reason[200];
	char clean[SL_REASON_MAX + 1];
	memset(reason, 'a', sizeof reason);
	reason[sizeof reason - 1] = '\0';
	reason[0] = '\n';
	reason[1] = '\x7f';
	reason[2] = '\xc3';
	reason[3] = '\xa4';
	reason[4] = '~';
	sl_reason_clean(reason, clean);
	assert_int_equal(strlen(clean), SL_REASON_MAX);
	assert_memory_equal(clean, "????~aaa", 8);
	char in_place[SL_REASON_MAX + 1] = "kick\ted";
	sl_reason_clean(in_place, in_place);
	assert_string_equal(in_place, "kick?ed");

	struct sl_msg m = decode("{\"type\":\"disconnect\",\"reason\":\"\\u00fc\\u001bx\"}", SL_OK);
	assert_string_equal(m.disconnect.reason, "???x");
}

// CTRL-2: agent and secret at their limits.
static void ctrl2_agent_and_secret_limits(void **state)
{
	(void)state;
	char json[1024], text[400];
	memset(text, 's', sizeof text);
	for (size_t len = SL_SECRET_MAX; len <= SL_SECRET_MAX + 1; len++) {
		struct sl_error error;
		struct sl_msg m;
		snprintf(json, sizeof json, GATEWAY(",\"secret\":\"%.*s\""), (int)len, text);
		int got = sl_msg_decode((const uint8_t *)json, strlen(json), &m, NULL, &error);
		assert_int_equal(got, len <= SL_SECRET_MAX ? SL_OK : SL_ERR_INVALID);
		if (got == SL_OK)
			assert_int_equal(strlen(m.hello.secret), SL_SECRET_MAX);
		else
			assert_null(strstr(error.text, "ssss"));
	}
	// 63 bytes, then a character of 3: it does not fit, and is not cut in two.
	snprintf(json, sizeof json,
		 HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1,\"agent\":\"%."
		       "63s\xe2\x82\xac!\""),
		 text);
	struct sl_msg m = decode(json, SL_OK);
	assert_int_equal(strlen(m.hello.agent), 63);
	snprintf(json, sizeof json,
		 HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1,\"agent\":\"%."
		       "61s\xe2\x82\xac!\""),
		 text);
	m = decode(json, SL_OK);
	assert_int_equal(strlen(m.hello.agent), 64);
	// Terminal controls, C1 included, do not pass.
	m = decode(HELLO("\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1,"
			 "\"agent\":\"a\\u009bb\\u001bc\\u007fd\\u00e4\""),
		   SL_OK);
	assert_string_equal(m.hello.agent, "a?b?c?d\xc3\xa4");
}

// A refused message must not put the secret into a log line.
static void ctrl1_errors_hold_no_secret(void **state)
{
	(void)state;
	static const char *const broken[] = {
		"{\"type\":\"hello\",\"secret\":\"hunter2\" \"hunter2\"}",
		"{\"type\":\"hello\",\"secret\":\"hunter2\",\"secret\":\"hunter2\"}",
		"{\"type\":\"hello\",\"secret\":hunter2}",
		"{\"type\":\"hello\",\"secret\":\"hunter2",
		GATEWAY(",\"secret\":[\"hunter2\"]"),
	};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct sl_msg m;
		struct sl_error error = {{0}};
		assert_int_equal(
			sl_msg_decode((const uint8_t *)broken[i], strlen(broken[i]), &m, NULL, &error),
			SL_ERR_PROTO);
		assert_null(strstr(error.text, "hunter"));
		assert_true(error.text[0] != '\0');
	}
}

// Encodes, checks the prefix, decodes again.
static struct sl_msg round_trip(const struct sl_msg *in)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	struct sl_msg out;
	struct sl_error error = {{0}};
	assert_int_equal(sl_msg_encode(in, &bytes, &len), SL_OK);
	assert_true(len > SL_CTRL_PREFIX);
	size_t prefix = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
	assert_int_equal(prefix, len - SL_CTRL_PREFIX);
	if (sl_msg_decode(bytes + SL_CTRL_PREFIX, prefix, &out, NULL, &error) != SL_OK)
		fail_msg("%.*s: %s", (int)prefix, (const char *)bytes + SL_CTRL_PREFIX, error.text);
	free(bytes);
	return out;
}

// CTRL-2..5: what is encoded decodes to the same.
static void ctrl2_to_5_round_trip(void **state)
{
	(void)state;
	struct sl_msg messages[10];
	memset(messages, 0, sizeof messages);
	struct sl_msg *m = messages;
	m->type = SL_MSG_HELLO;
	m->hello.protocol = 1;
	m->hello.role = SL_ROLE_CLIENT;
	strcpy(m->hello.room, "ROOM1");
	m->hello.has_mac = true;
	m->hello.mac = some_mac;
	m->hello.max_datagram_size = 1400;
	strcpy(m->hello.agent, "softlan-client/0.1 \xc3\xa4");
	m->hello.has_secret = true;
	memset(m->hello.secret, '\x01', SL_SECRET_MAX); // each is written as \u0001
	m->hello.features = SL_FEATURE_SPLIT;
	m++;
	m->type = SL_MSG_HELLO;
	m->hello.protocol = 1;
	m->hello.role = SL_ROLE_GATEWAY;
	strcpy(m->hello.room, "x");
	m++;
	m->type = SL_MSG_WELCOME;
	m->welcome.protocol = 1;
	m->welcome.peer_id = 65535;
	m->welcome.room_id = (UINT64_C(1) << 53) - 1;
	m->welcome.effective_tap_mtu = 1500;
	m->welcome.max_datagram_size = 1518;
	m->welcome.gateway = 1;
	m->welcome.features = SL_FEATURE_SPLIT;
	m++;
	m->type = SL_MSG_WELCOME;
	m->welcome.protocol = 1;
	m->welcome.peer_id = 1;
	m->welcome.effective_tap_mtu = 1280;
	m->welcome.max_datagram_size = 1298;
	m++;
	m->type = SL_MSG_REJECT;
	m->reject.reason = SL_REJECT_DUPLICATE_MAC;
	strcpy(m->reject.token, "duplicate_mac");
	strcpy(m->reject.message, "This MAC is in the room already.");
	m++;
	m->type = SL_MSG_REJECT;
	m->reject.reason = SL_REJECT_UNKNOWN;
	strcpy(m->reject.token, "later");
	m++;
	m->type = SL_MSG_PEER_JOINED;
	m->peer_joined.peer_id = 9;
	m->peer_joined.mac = some_mac;
	m++;
	m->type = SL_MSG_PEER_LEFT;
	m->peer_left.peer_id = 9;
	strcpy(m->peer_left.reason, "connection_lost");
	m++;
	m->type = SL_MSG_STATS;
	m->stats.rx_frames = 1;
	m->stats.split_rx = (UINT64_C(1) << 53) - 1;
	for (size_t i = 0; i < SL_DROP_COUNT; i++)
		m->stats.drops[i] = i;
	m++;
	m->type = SL_MSG_DISCONNECT;
	strcpy(m->disconnect.reason, "shutdown");
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct sl_msg back = round_trip(&messages[i]);
		assert_memory_equal(&back, &messages[i], sizeof back);
	}
}

// CTRL-5, OBS-2: the stats message carries every counter under its name; one that outgrew JSON's
// integers stays a legal message.
static void ctrl5_obs2_stats_names(void **state)
{
	(void)state;
	struct sl_msg m = {.type = SL_MSG_STATS};
	m.stats.tx_frames = UINT64_MAX;
	m.stats.drops[SL_DROP_EGRESS_FULL] = 5;
	uint8_t *bytes;
	size_t len;
	assert_int_equal(sl_msg_encode(&m, &bytes, &len), SL_OK);
	char *json = strndup((const char *)bytes + SL_CTRL_PREFIX, len - SL_CTRL_PREFIX);
	assert_non_null(json);
	assert_non_null(strstr(json, "\"tx_frames\":9007199254740991"));
	assert_non_null(strstr(json, "\"drops\":{\"egress_full\":5}"));
#define X(field) assert_non_null(strstr(json, "\"" #field "\":"));
	SL_COUNTER_FIELDS(X)
#undef X
	free(json);
	free(bytes);
	assert_int_equal(round_trip(&m).stats.drops[SL_DROP_EGRESS_FULL], 5);
}

// CTRL-5: reasons and agent are made clean on the way out as well.
static void ctrl5_encode_cleans(void **state)
{
	(void)state;
	struct sl_msg m = {.type = SL_MSG_DISCONNECT};
	strcpy(m.disconnect.reason, "bad\xff\nreason");
	assert_string_equal(round_trip(&m).disconnect.reason, "bad??reason");
	m = (struct sl_msg){.type = SL_MSG_HELLO};
	m.hello.protocol = 1;
	m.hello.role = SL_ROLE_GATEWAY;
	strcpy(m.hello.room, "R");
	strcpy(m.hello.agent, "a\xff\x1b");
	assert_string_equal(round_trip(&m).hello.agent, "a??");
	m = (struct sl_msg){.type = SL_MSG_REJECT, .reject = {.reason = SL_REJECT_ROOM_FULL}};
	strcpy(m.reject.message, "full\xc3");
	assert_string_equal(round_trip(&m).reject.message, "full?");
}

static struct sl_msg notice_of(enum sl_drop reason, const char *message)
{
	struct sl_msg m = {.type = SL_MSG_NOTICE, .notice = {.reason = reason, .frames = 12}};
	strcpy(m.notice.message, message);
	return m;
}

// RELAY-9: a notice is the same on both sides, whatever its reason.
static void relay9_notice_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_DROP_COUNT; i++) {
		struct sl_msg m = notice_of((enum sl_drop)i, "Is this ä bridge?"), back;
		m.notice.isolated = i % 2 != 0;
		back = round_trip(&m);
		assert_int_equal(back.type, SL_MSG_NOTICE);
		assert_int_equal(back.notice.reason, i);
		assert_string_equal(back.notice.token, sl_drop_name((enum sl_drop)i));
		assert_string_equal(back.notice.message, "Is this ä bridge?");
		assert_int_equal(back.notice.frames, 12);
		assert_int_equal(back.notice.isolated, m.notice.isolated);
	}
	struct sl_msg m = notice_of(SL_DROP_LOOP, "a\nb\xff");
	m.notice.frames = UINT64_MAX;
	m = round_trip(&m);
	assert_string_equal(m.notice.message, "a?b?");
	assert_true(m.notice.frames == (UINT64_C(1) << 53) - 1);
}

// RELAY-9: what is missing and may be, a reason of a later version, and what no receiver takes.
static void relay9_notice_values(void **state)
{
	(void)state;
	char text[700], long_message[400];
	struct sl_msg m = decode("{\"type\":\"notice\",\"reason\":\"arp_guard\",\"message\":\"No.\"}", SL_OK);
	assert_int_equal(m.notice.reason, SL_DROP_ARP_GUARD);
	assert_int_equal(m.notice.frames, 0);
	assert_false(m.notice.isolated);
	m = decode(
		"{\"type\":\"notice\",\"reason\":\"new\\u0007one\",\"message\":\"a\\u001b[31m\",\"frames\":9,"
		"\"isolated\":true,\"more\":[]}",
		SL_OK);
	assert_int_equal(m.notice.reason, SL_DROP_NONE);
	assert_string_equal(m.notice.token, "new?one");
	assert_string_equal(m.notice.message, "a?[31m");
	assert_int_equal(m.notice.frames, 9);
	assert_true(m.notice.isolated);
	// Cut on a character's border.
	memset(long_message, 'x', sizeof long_message);
	memcpy(long_message + SL_MESSAGE_MAX - 1, "\xc3\xa4", 2);
	long_message[300] = '\0';
	snprintf(text, sizeof text, "{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"%s\"}",
		 long_message);
	assert_int_equal(strlen(decode(text, SL_OK).notice.message), SL_MESSAGE_MAX - 1);

	decode("{\"type\":\"notice\",\"message\":\"No.\"}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\"}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":1,\"message\":\"\"}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\",\"message\":null}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"\",\"frames\":-1}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"\",\"frames\":\"1\"}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"\",\"isolated\":1}", SL_ERR_PROTO);
	decode("{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"\",\"isolated\":null}", SL_ERR_PROTO);
}

static void assert_refused(const struct sl_msg *m)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	assert_int_equal(sl_msg_encode(m, &bytes, &len), SL_ERR_INVALID);
	assert_null(bytes);
}

// CTRL-6: the rules hold on the sending side too.
static void ctrl6_encode_refuses(void **state)
{
	(void)state;
	struct sl_msg hello = {.type = SL_MSG_HELLO};
	hello.hello.protocol = 1;
	hello.hello.role = SL_ROLE_CLIENT;
	hello.hello.has_mac = true;
	hello.hello.mac = some_mac;
	strcpy(hello.hello.room, "R");
	round_trip(&hello);
	struct sl_msg m = hello;
	m.hello.role = SL_ROLE_GATEWAY; // with a MAC
	assert_refused(&m);
	m = hello;
	m.hello.has_mac = false;
	assert_refused(&m);
	m = hello;
	m.hello.mac.b[0] = 0x00;
	assert_refused(&m);
	m = hello;
	strcpy(m.hello.room, "no room");
	assert_refused(&m);
	m = hello;
	m.hello.has_secret = true;
	strcpy(m.hello.secret, "\xff");
	assert_refused(&m);

	struct sl_msg welcome = {
		.type = SL_MSG_WELCOME,
		.welcome = {
			.protocol = 1, .peer_id = 1, .effective_tap_mtu = 1382, .max_datagram_size = 1400}};
	round_trip(&welcome);
	m = welcome;
	m.welcome.peer_id = 0;
	assert_refused(&m);
	m = welcome;
	m.welcome.effective_tap_mtu = 1279;
	assert_refused(&m);
	m = welcome;
	m.welcome.effective_tap_mtu = 1501;
	assert_refused(&m);
	m = welcome;
	m.welcome.max_datagram_size = 70000;
	assert_refused(&m);

	m = (struct sl_msg){.type = SL_MSG_PEER_JOINED, .peer_joined = {.peer_id = 1}};
	assert_refused(&m); // no MAC
	m = (struct sl_msg){.type = SL_MSG_PEER_JOINED, .peer_joined = {.mac = some_mac}};
	assert_refused(&m); // no id
	m = (struct sl_msg){.type = SL_MSG_PEER_LEFT};
	assert_refused(&m);
	m = (struct sl_msg){.type = SL_MSG_UNKNOWN};
	assert_refused(&m);
	m = notice_of(SL_DROP_NONE, "");
	assert_refused(&m); // no reason
}

// CTRL-1: the stream is cut into messages wherever the bytes happen to break.
static void ctrl1_reader_reassembles(void **state)
{
	(void)state;
	uint8_t stream[3 * SL_CTRL_MAX];
	size_t lengths[] = {1, 12, 300, SL_CTRL_MAX, 2};
	size_t total = 0;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		stream[total++] = 0;
		stream[total++] = 0;
		stream[total++] = (uint8_t)(lengths[i] >> 8);
		stream[total++] = (uint8_t)lengths[i];
		memset(stream + total, 'a' + (int)i, lengths[i]);
		total += lengths[i];
	}
	for (size_t step = 1; step <= total; step = step * 2 + 1) {
		struct sl_msg_reader reader;
		size_t next = 0;
		sl_msg_reader_init(&reader);
		for (size_t at = 0; at < total; at += step) {
			size_t n = total - at < step ? total - at : step;
			const uint8_t *json;
			size_t len;
			assert_int_equal(sl_msg_reader_push(&reader, stream + at, n), SL_OK);
			while (sl_msg_reader_next(&reader, &json, &len) == SL_OK) {
				assert_true(next < ARRAY_LEN(lengths));
				assert_int_equal(len, lengths[next]);
				assert_int_equal(json[0], 'a' + (int)next);
				assert_int_equal(json[len - 1], 'a' + (int)next);
				next++;
			}
		}
		assert_int_equal(next, ARRAY_LEN(lengths));
		// Little is kept once the messages are taken.
		assert_int_equal(reader.len - reader.taken, 0);
		sl_msg_reader_fini(&reader);
	}
}

// CTRL-1: a length of 0 or over the cap is an error before any of its bytes are waited for.
static void ctrl1_reader_refuses_lengths(void **state)
{
	(void)state;
	static const struct {
		uint8_t prefix[4];
		int want;
	} rows[] = {
		{{0, 0, 0, 0}, SL_ERR_PROTO},       {{0, 0, 0x40, 0x01}, SL_ERR_PROTO},
		{{0, 0, 0x40, 0x00}, SL_ERR_AGAIN}, {{0, 1, 0, 0}, SL_ERR_PROTO},
		{{1, 0, 0, 1}, SL_ERR_PROTO},       {{0xff, 0xff, 0xff, 0xff}, SL_ERR_PROTO},
		{{0, 0, 0, 1}, SL_ERR_AGAIN},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sl_msg_reader reader;
		const uint8_t *json;
		size_t len;
		sl_msg_reader_init(&reader);
		assert_int_equal(sl_msg_reader_next(&reader, &json, &len), SL_ERR_AGAIN);
		assert_int_equal(sl_msg_reader_push(&reader, rows[i].prefix, 3), SL_OK);
		assert_int_equal(sl_msg_reader_next(&reader, &json, &len), SL_ERR_AGAIN);
		assert_int_equal(sl_msg_reader_push(&reader, rows[i].prefix + 3, 1), SL_OK);
		assert_int_equal(sl_msg_reader_next(&reader, &json, &len), rows[i].want);
		assert_int_equal(sl_msg_reader_next(&reader, &json, &len), rows[i].want); // it stays so
		sl_msg_reader_fini(&reader);
	}
}

// CTRL-1: a length that no memory holds is refused before a byte is read, and what came before it stays.
static void ctrl1_reader_refuses_too_much(void **state)
{
	(void)state;
	struct sl_msg_reader reader;
	const uint8_t *json;
	size_t len;
	sl_msg_reader_init(&reader);
	assert_int_equal(sl_msg_reader_push(&reader, (const uint8_t *)"\0\0\0\2{", 5), SL_OK);
	assert_int_equal(sl_msg_reader_push(&reader, NULL, SIZE_MAX), SL_ERR_NOMEM);
	assert_int_equal(sl_msg_reader_push(&reader, NULL, SIZE_MAX / 2 - 4), SL_ERR_NOMEM);
	assert_int_equal(sl_msg_reader_next(&reader, &json, &len), SL_ERR_AGAIN);
	assert_int_equal(sl_msg_reader_push(&reader, (const uint8_t *)"}", 1), SL_OK);
	assert_int_equal(sl_msg_reader_next(&reader, &json, &len), SL_OK);
	assert_int_equal(len, 2);
	assert_memory_equal(json, "{}", 2);
	sl_msg_reader_fini(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctrl2_to_5_values),
		cmocka_unit_test(ctrl4_reject_tokens),
		cmocka_unit_test(ctrl5_reasons_are_cleaned),
		cmocka_unit_test(ctrl2_agent_and_secret_limits),
		cmocka_unit_test(ctrl1_errors_hold_no_secret),
		cmocka_unit_test(ctrl2_to_5_round_trip),
		cmocka_unit_test(ctrl5_obs2_stats_names),
		cmocka_unit_test(ctrl5_encode_cleans),
		cmocka_unit_test(relay9_notice_round_trip),
		cmocka_unit_test(relay9_notice_values),
		cmocka_unit_test(ctrl6_encode_refuses),
		cmocka_unit_test(ctrl1_reader_reassembles),
		cmocka_unit_test(ctrl1_reader_refuses_lengths),
		cmocka_unit_test(ctrl1_reader_refuses_too_much),
	};
	return cmocka_run_group_tests_name("ctrl_codec", tests, NULL, NULL);
}
