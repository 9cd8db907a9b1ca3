#include "softlanctl/keys.h"

#define ESC 0x1b

// ESC [ numbers final (ECMA-48), as xterm and all that follow it send them.
static int final_key(unsigned char final, unsigned number)
{
	switch (final) {
	case 'A':
		return CTL_KEY_UP;
	case 'B':
		return CTL_KEY_DOWN;
	case 'C':
		return CTL_KEY_OPEN;
	case 'D':
		return CTL_KEY_BACK;
	case 'H':
		return CTL_KEY_HOME;
	case 'F':
		return CTL_KEY_END;
	case '~':
		break;
	default:
		return CTL_KEY_NONE;
	}
	switch (number) {
	case 1:
	case 7:
		return CTL_KEY_HOME;
	case 4:
	case 8:
		return CTL_KEY_END;
	case 5:
		return CTL_KEY_PAGE_UP;
	case 6:
		return CTL_KEY_PAGE_DOWN;
	default:
		return CTL_KEY_NONE;
	}
}

static int decode_sequence(const unsigned char *in, size_t len, bool last, size_t *used)
{
	unsigned number = 0;
	if (len < 2 || (in[1] != '[' && in[1] != 'O')) {
		if (len < 2 && !last)
			return CTL_KEY_NONE;
		*used = 1;
		return CTL_KEY_BACK;
	}
	for (size_t i = 2; i < len; i++) {
		if (in[i] >= 0x40 && in[i] <= 0x7e) {
			*used = i + 1;
			return final_key(in[i], number);
		}
		if (in[i] >= '0' && in[i] <= '9' && number < 100)
			number = 10 * number + in[i] - '0';
	}
	*used = last || len > 16 ? len : 0; // longer than any key's
	return CTL_KEY_NONE;
}

int ctl_key_decode(const unsigned char *in, size_t len, bool last, size_t *used)
{
	*used = 0;
	if (len == 0)
		return CTL_KEY_NONE;
	if (in[0] == ESC)
		return decode_sequence(in, len, last, used);
	*used = 1;
	if (in[0] == '\r' || in[0] == '\n')
		return CTL_KEY_OPEN;
	if (in[0] == 0x7f || in[0] == 0x08)
		return CTL_KEY_BACK;
	return in[0] >= 0x20 && in[0] < 0x7f ? in[0] : CTL_KEY_NONE;
}
