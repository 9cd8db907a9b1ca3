#include "common/utf8.h"

// The table of RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
size_t sl_utf8_length(const char *text)
{
	const unsigned char *u = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;
	if (u[0] < 0x80)
		return u[0] != 0;
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		len = 2;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		len = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (u[i] < 0x80 || u[i] > 0xbf)
			return 0;
	}
	return len;
}
