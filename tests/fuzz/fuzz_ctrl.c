// Control messages (CTRL-1 to CTRL-6): the bytes are a stream, cut into messages whatever pieces it comes in,
// and the JSON of one message. What can be decoded and encoded decodes to the same again.
#include "ctrl/msg.h"
#include "fuzz.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)

// FNV-1a, to compare what two readers gave.
static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (hash ^ len) * UINT64_C(0x100000001b3);
}

static void check_again(const struct sl_msg *first)
{
	struct sl_msg second;
	uint8_t *bytes;
	size_t len;

	// Nobody sends a notice for a reason that it does not know.
	if (first->type == SL_MSG_NOTICE && first->notice.reason == SL_DROP_NONE) {
		CHECK(sl_msg_encode(first, &bytes, &len) == SL_ERR_INVALID);
		return;
	}
	CHECK(sl_msg_encode(first, &bytes, &len) == SL_OK);
	CHECK(len > SL_CTRL_PREFIX && len <= SL_CTRL_PREFIX + SL_CTRL_MAX);
	CHECK(sl_msg_decode(bytes + SL_CTRL_PREFIX, len - SL_CTRL_PREFIX, &second, NULL, NULL) == SL_OK);
	CHECK(memcmp(first, &second, sizeof(second)) == 0);
	free(bytes);
}

static void check_message(const uint8_t *json, size_t len)
{
	uint8_t *copy = fuzz_copy(json, len);
	struct sl_error error = {.text = ""};
	struct sl_msg msg;
	bool bad_room;
	int rc = sl_msg_decode(copy, len, &msg, &bad_room, &error);

	CHECK(rc == SL_OK || rc == SL_ERR_PROTO || rc == SL_ERR_INVALID);
	CHECK(!bad_room || rc == SL_ERR_INVALID);
	CHECK(rc != SL_ERR_INVALID || msg.type == SL_MSG_HELLO);
	if (rc != SL_OK)
		fuzz_check_sentence(error.text);
	else if (msg.type == SL_MSG_UNKNOWN)
		CHECK(strlen(msg.unknown.type) <= SL_REASON_MAX);
	else if (msg.type != SL_MSG_HELLO || msg.hello.protocol == SL_CTRL_PROTOCOL)
		check_again(&msg);
	free(copy);
}

// The messages of the stream, which comes in pieces of 1 to `piece` bytes. *end: how it ended.
static uint64_t read_stream(const uint8_t *data, size_t size, size_t piece, bool check, int *end)
{
	struct sl_msg_reader reader;
	uint64_t hash = HASH_START;
	const uint8_t *json;
	size_t len, step;

	*end = SL_ERR_AGAIN;
	sl_msg_reader_init(&reader);
	while (size > 0 && *end == SL_ERR_AGAIN) {
		step = 1 + (size_t)(hash + size) % piece;
		step = step < size ? step : size;
		CHECK(sl_msg_reader_push(&reader, data, step) == SL_OK);
		data += step;
		size -= step;
		while ((*end = sl_msg_reader_next(&reader, &json, &len)) == SL_OK) {
			CHECK(len >= 1 && len <= SL_CTRL_MAX);
			hash = hash_bytes(hash, json, len);
			if (check)
				check_message(json, len);
		}
		CHECK(*end == SL_ERR_AGAIN || *end == SL_ERR_PROTO);
	}
	// Nobody makes us hold more than one message that is not whole.
	CHECK(*end != SL_ERR_AGAIN || reader.len - reader.taken < SL_CTRL_PREFIX + SL_CTRL_MAX);
	sl_msg_reader_fini(&reader);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int whole, pieces;
	uint64_t hash = read_stream(data, size, SIZE_MAX / 2, true, &whole);

	CHECK(read_stream(data, size, 7, false, &pieces) == hash && pieces == whole);
	CHECK(read_stream(data, size, 1, false, &pieces) == hash && pieces == whole);
	check_message(data, size);
	return 0;
}
