#include "softlanctl/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

// The number of the UTF-8 character of `len` bytes.
static uint32_t character(const unsigned char *p, size_t len)
{
	uint32_t code = len > 1 ? p[0] & (0x7fu >> len) : p[0];
	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3f);
	return code;
}

// A control, or a character that turns the text's direction.
static bool hostile(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

#define PIECE (4 * sizeof("\\xNN")) // a character, each byte of it escaped

// The first character of the text as it may be shown. Returns how many bytes of the text it is.
static size_t show(const char *text, char out[static PIECE])
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = sl_utf8_length(text);
	bool escape = len == 0 || hostile(character(p, len));

	len = len ? len : 1;
	memcpy(out, text, len);
	out[len] = '\0';
	for (size_t i = 0; escape && i < len; i++)
		snprintf(out + 4 * i, PIECE - 4 * i, "\\x%02x", p[i]);
	return len;
}

void ctl_put_text(FILE *out, const char *text)
{
	char piece[PIECE];
	while (*text) {
		text += show(text, piece);
		fputs(piece, out);
	}
}

void ctl_add_text(struct sl_text *out, const char *text)
{
	char piece[PIECE];
	while (*text) {
		text += show(text, piece);
		sl_text_put(out, piece, strlen(piece));
	}
}

char *ctl_escape(const char *text)
{
	struct sl_text escaped = {0};
	ctl_add_text(&escaped, text);
	return sl_text_take(&escaped);
}

size_t ctl_width(const char *text)
{
	size_t width = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		width += (*p & 0xc0) != 0x80; // not a continuation byte
	return width;
}

void ctl_cut(char *text, size_t columns)
{
	unsigned char *p = (unsigned char *)text, *last = p;
	for (size_t width = 0; *p; p++) {
		if ((*p & 0xc0) == 0x80)
			continue;
		if (width == columns) {
			last[0] = '~';
			last[1] = '\0';
			return;
		}
		last = p;
		width++;
	}
}

char *ctl_rate(double per_s, char out[static CTL_UNIT_TEXT])
{
	static const char units[] = {'k', 'M', 'G', 'T'};
	if (!(per_s > 0))
		per_s = 0;
	if (per_s > 1e15)
		per_s = 1e15;
	if (per_s < 999.5) {
		snprintf(out, CTL_UNIT_TEXT, "%.*f", per_s > 0 && per_s < 9.95 ? 1 : 0, per_s);
		return out;
	}
	size_t unit = 0;
	per_s /= 1000;
	while (per_s >= 999.95 && unit + 1 < sizeof(units)) {
		per_s /= 1000;
		unit++;
	}
	snprintf(out, CTL_UNIT_TEXT, "%.1f%c", per_s, units[unit]);
	return out;
}

char *ctl_bytes(uint64_t bytes, char out[static CTL_UNIT_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	uint64_t whole = bytes, tenths = 0;
	while (whole >= 1024) {
		tenths = whole % 1024 * 10 / 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "B", whole);
	else
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 ".%" PRIu64 "%s", whole, tenths, units[unit]);
	return out;
}

char *ctl_seconds(uint64_t seconds, char out[static CTL_UNIT_TEXT])
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
	if (minutes == 0)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "s", seconds);
	else if (hours == 0)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "m%02us", minutes, (unsigned)(seconds % 60));
	else if (days == 0)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "h%02um", hours, (unsigned)(minutes % 60));
	else
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "d%02uh", days, (unsigned)(hours % 24));
	return out;
}

char *ctl_millis(uint64_t ms, char out[static CTL_UNIT_TEXT])
{
	if (ms < 1000)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 "ms", ms);
	else if (ms < 10000)
		snprintf(out, CTL_UNIT_TEXT, "%" PRIu64 ".%" PRIu64 "s", ms / 1000, ms % 1000 / 100);
	else
		ctl_seconds(ms / 1000, out);
	return out;
}
