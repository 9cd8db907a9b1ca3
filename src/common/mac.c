#include "common/mac.h"

#include <stddef.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool sl_mac_parse(const char *text, struct sl_mac *out)
{
	struct sl_mac mac;

	for (size_t i = 0; i < SL_MAC_LEN; i++) {
		int high, low;

		// Each test stops at the terminator before the next character is read.
		high = hex_value(text[0]);
		if (high < 0)
			return false;
		low = hex_value(text[1]);
		if (low < 0)
			return false;
		mac.b[i] = (uint8_t)(high << 4 | low);
		if (text[2] != (i + 1 < SL_MAC_LEN ? ':' : '\0'))
			return false;
		text += 3;
	}
	*out = mac;
	return true;
}

char *sl_mac_format(const struct sl_mac *mac, char out[static SL_MAC_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (size_t i = 0; i < SL_MAC_LEN; i++) {
		*p++ = digits[mac->b[i] >> 4];
		*p++ = digits[mac->b[i] & 15];
		*p++ = i + 1 < SL_MAC_LEN ? ':' : '\0';
	}
	return out;
}

bool sl_mac_is_identity(const struct sl_mac *mac)
{
	// IEEE 802 section 8.2: bit 0 of the first byte is I/G, bit 1 is U/L. The zero address has
	// U/L clear, so it fails here too.
	return (mac->b[0] & 3) == 2;
}
