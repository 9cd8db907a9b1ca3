// Valid control messages, mutated byte by byte: decoding never crashes, and whatever decodes can be
// encoded again and decodes to the same message (CTRL-1).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctrl/msg.h"

#define ITERATIONS 100000
#define LONGEST 1024

static const char *const seeds[] = {
	("{\"type\":\"hello\",\"protocol\":1,\"role\":\"client\",\"room\":\"ROOM1\",\"mac\":\"02:11:22:33:44:"
	 "55\","
	 "\"max_datagram_size\":1400,\"agent\":\"c/1 "
	 "\xc3\xa4\",\"secret\":\"s\\u00e4\",\"features\":[\"split\"]}"),
	("{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":"
	 "1400,\"agent\":\"g\"}"),
	("{\"type\":\"welcome\",\"protocol\":1,\"mode\":\"ethernet\",\"peer_id\":7,\"room_id\":3,\"effective_"
	 "tap_mtu\":"
	 "1382,\"max_datagram_size\":1400,\"gateway\":{\"peer_id\":2},\"features\":[]}"),
	("{\"type\":\"reject\",\"reason\":\"room_full\",\"message\":\"The room is full.\"}"),
	("{\"type\":\"peer_joined\",\"peer_id\":9,\"role\":\"client\",\"mac\":\"02:00:00:00:00:01\"}"),
	("{\"type\":\"peer_left\",\"peer_id\":9,\"reason\":\"timed_out\"}"),
	("{\"type\":\"stats\",\"rx_frames\":12,\"tx_bytes\":9007199254740991,\"drops\":{\"runt\":1,\"egress_"
	 "age\":2}}"),
	("{\"type\":\"disconnect\",\"reason\":\"shutdown\"}"),
};

// xorshift64*: small, seeded, the same everywhere.
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t limit)
{
	return (size_t)(next_random(state) >> 33) % limit;
}

static size_t mutate(uint64_t *random, uint8_t *text, size_t len)
{
	static const char tokens[] = "{}[]\":,\\0919-.eEtrfn \xc3\xff\x01";
	size_t changes = 1 + below(random, 4);
	while (changes-- > 0) {
		size_t at = below(random, len);
		switch (below(random, 6)) {
		case 0: // any byte
			text[at] = (uint8_t)next_random(random);
			break;
		case 1: // one that means something to JSON
			text[at] = (uint8_t)tokens[below(random, sizeof tokens)];
			break;
		case 2: // one more or one less
			text[at] = (uint8_t)(text[at] + (below(random, 2) ? 1 : -1));
			break;
		case 3: // left out
			memmove(text + at, text + at + 1, len - at - 1);
			len -= len > 1;
			break;
		case 4: // twice
			if (len < LONGEST) {
				memmove(text + at + 1, text + at, len - at);
				len++;
			}
			break;
		default: // a piece copied to another place
			if (len > 16) {
				size_t from = below(random, len - 8), to = below(random, len - 8);
				memmove(text + to, text + from, 8);
			}
		}
	}
	return below(random, 50) == 0 ? 1 + below(random, len) : len;
}

static void ctrl1_mutated_messages(void **state)
{
	(void)state;
	uint64_t random = UINT64_C(0x50f71a17e57c0de5);
	size_t decoded = 0, refused = 0;

	for (size_t i = 0; i < ITERATIONS; i++) {
		const char *seed = seeds[i % (sizeof seeds / sizeof seeds[0])];
		size_t len = strlen(seed);
		// Exactly as long as the message: a read beyond its end is seen by AddressSanitizer.
		uint8_t work[LONGEST + 1];
		memcpy(work, seed, len);
		len = mutate(&random, work, len);
		uint8_t *text = malloc(len);
		assert_non_null(text);
		memcpy(text, work, len);

		struct sl_msg first, second;
		struct sl_error error = {{0}};
		bool bad_room;
		int result = sl_msg_decode(text, len, &first, &bad_room, &error);
		if (result != SL_OK) {
			assert_true(result == SL_ERR_PROTO || result == SL_ERR_INVALID);
			assert_true(error.text[0] != '\0');
			assert_true(!bad_room || result == SL_ERR_INVALID);
			refused++;
		} else if (first.type != SL_MSG_UNKNOWN &&
			   !(first.type == SL_MSG_HELLO && first.hello.protocol != SL_CTRL_PROTOCOL)) {
			uint8_t *bytes;
			size_t bytes_len;
			assert_int_equal(sl_msg_encode(&first, &bytes, &bytes_len), SL_OK);
			assert_int_equal(sl_msg_decode(bytes + SL_CTRL_PREFIX, bytes_len - SL_CTRL_PREFIX,
						       &second, NULL, NULL),
					 SL_OK);
			assert_memory_equal(&first, &second, sizeof first);
			free(bytes);
			decoded++;
		}
		free(text);
	}
	// The mutations must neither be harmless nor hopeless, or this proves nothing.
	assert_true(decoded > ITERATIONS / 50);
	assert_true(refused > ITERATIONS / 4);
}

// Garbage in the stream: every byte string ends in messages, a wish for more, or an error.
static void ctrl1_reader_takes_garbage(void **state)
{
	(void)state;
	uint64_t random = 42;
	for (size_t round = 0; round < 2000; round++) {
		struct sl_msg_reader reader;
		int result = SL_ERR_AGAIN;
		sl_msg_reader_init(&reader);
		for (size_t piece = 0; piece < 20 && result == SL_ERR_AGAIN; piece++) {
			uint8_t data[64];
			size_t len = below(&random, sizeof data);
			for (size_t i = 0; i < len; i++) // small numbers, so that lengths are often legal
				data[i] = (uint8_t)(below(&random, 4) == 0 ? below(&random, 8) : 0);
			assert_int_equal(sl_msg_reader_push(&reader, data, len), SL_OK);
			const uint8_t *json;
			size_t json_len;
			while ((result = sl_msg_reader_next(&reader, &json, &json_len)) == SL_OK) {
				struct sl_msg msg;
				assert_in_range(json_len, 1, SL_CTRL_MAX);
				assert_int_not_equal(sl_msg_decode(json, json_len, &msg, NULL, NULL), SL_OK);
			}
			assert_true(result == SL_ERR_AGAIN || result == SL_ERR_PROTO);
		}
		sl_msg_reader_fini(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctrl1_mutated_messages),
		cmocka_unit_test(ctrl1_reader_takes_garbage),
	};
	return cmocka_run_group_tests_name("ctrl_fuzz", tests, NULL, NULL);
}
