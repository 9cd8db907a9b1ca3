// Big-endian fields at any alignment, and the end of a text that must not be cut within a character.
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint16_t sl_get16(const uint8_t *p)
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t sl_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void sl_put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void sl_put32(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 24);
	p[1] = (uint8_t)(value >> 16);
	p[2] = (uint8_t)(value >> 8);
	p[3] = (uint8_t)value;
}

// The length of `text` without a UTF-8 character that was cut off at its end. A truncated sentence
// goes into JSON, which refuses half a character.
static inline size_t sl_utf8_whole(const char *text, size_t len)
{
	size_t start = len;
	size_t back = 0;

	while (start > 0 && back < 4) {
		unsigned char c = (unsigned char)text[--start];
		size_t need;

		back++;
		if ((c & 0xc0) == 0x80)
			continue;
		need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		return back < need ? start : len;
	}
	return len;
}
