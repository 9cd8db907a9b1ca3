#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 256

// Room for `more` bytes and a NUL.
static bool make_room(struct sl_text *text, size_t more)
{
	size_t size = text->size ? text->size : FIRST;
	char *larger;

	if (text->failed)
		return false;
	while (size - text->len <= more)
		size *= 2;
	if (size == text->size)
		return true;
	larger = realloc(text->data, size);
	if (!larger) {
		text->failed = true;
		return false;
	}
	text->data = larger;
	text->size = size;
	return true;
}

void sl_text_put(struct sl_text *text, const char *bytes, size_t len)
{
	if (!make_room(text, len))
		return;
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void sl_text_add(struct sl_text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		text->failed = true;
		return;
	}
	if (!make_room(text, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
	va_end(args);
	text->len += (size_t)len;
}

char *sl_text_take(struct sl_text *text)
{
	char *data = text->failed || !make_room(text, 0) ? NULL : text->data;

	if (data)
		data[text->len] = '\0';
	else
		free(text->data);
	*text = (struct sl_text){0};
	return data;
}

void sl_text_free(struct sl_text *text)
{
	free(text->data);
	*text = (struct sl_text){0};
}
