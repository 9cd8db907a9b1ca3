#include "softlanctl/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// How many bytes at `p` are to be escaped: a control, or a character that turns the text's direction.
static size_t hostile(const unsigned char *p)
{
	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) // U+0080 to U+009F
		return 2;
	if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 3;                                                 // U+200E, U+200F, U+2028 to U+202E
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9) // U+2066 to U+2069
		return 3;
	return 0;
}

void ctl_put_text(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t bad = hostile(p);
		if (!bad)
			fputc(*p++, out);
		for (; bad > 0; bad--)
			fprintf(out, "\\x%02x", *p++);
	}
}

char *ctl_escape(const char *text)
{
	char *escaped = NULL;
	size_t len;
	FILE *out = open_memstream(&escaped, &len);
	if (!out)
		return NULL;
	ctl_put_text(out, text);
	if (fclose(out) != 0) {
		free(escaped);
		return NULL;
	}
	return escaped;
}

size_t ctl_width(const char *text)
{
	size_t width = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		width += (*p & 0xc0) != 0x80; // not a continuation byte
	return width;
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
