#include "ctrl/msg.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

void sl_msg_reader_init(struct sl_msg_reader *reader)
{
	*reader = (struct sl_msg_reader){0};
}

void sl_msg_reader_fini(struct sl_msg_reader *reader)
{
	free(reader->buf);
	sl_msg_reader_init(reader);
}

int sl_msg_reader_push(struct sl_msg_reader *reader, const uint8_t *data, size_t len)
{
	if (reader->taken > 0) {
		reader->len -= reader->taken;
		memmove(reader->buf, reader->buf + reader->taken, reader->len);
		reader->taken = 0;
	}
	if (len > SIZE_MAX / 2 - reader->len)
		return SL_ERR_NOMEM;
	if (reader->len + len > reader->capacity) {
		size_t capacity = reader->capacity > 0 ? reader->capacity : 1024;
		while (capacity < reader->len + len)
			capacity *= 2;
		uint8_t *grown = realloc(reader->buf, capacity);
		if (grown == NULL)
			return SL_ERR_NOMEM;
		reader->buf = grown;
		reader->capacity = capacity;
	}
	if (len > 0)
		memcpy(reader->buf + reader->len, data, len);
	reader->len += len;
	return SL_OK;
}

int sl_msg_reader_next(struct sl_msg_reader *reader, const uint8_t **json, size_t *json_len)
{
	size_t left = reader->len - reader->taken;
	if (left < SL_CTRL_PREFIX)
		return SL_ERR_AGAIN;
	const uint8_t *at = reader->buf + reader->taken;
	uint32_t len = sl_get32(at);
	// Judged before its bytes are there: a peer can't make us wait for, or hold, more than the cap.
	if (len == 0 || len > SL_CTRL_MAX)
		return SL_ERR_PROTO;
	if (left - SL_CTRL_PREFIX < len)
		return SL_ERR_AGAIN;
	*json = at + SL_CTRL_PREFIX;
	*json_len = len;
	reader->taken += SL_CTRL_PREFIX + len;
	return SL_OK;
}
