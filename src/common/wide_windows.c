#include "common/wide.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wchar_t *sl_wide(const char *text)
{
	int len = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
	wchar_t *wide = len > 0 ? calloc((size_t)len, sizeof(*wide)) : NULL;

	if (wide)
		MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, len);
	return wide;
}

char *sl_narrow(const wchar_t *text)
{
	int len = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
	char *narrow = len > 0 ? calloc((size_t)len, 1) : NULL;

	if (narrow)
		WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, len, NULL, NULL);
	return narrow;
}

char *sl_windows_error(uint32_t code, char out[static SL_WINDOWS_ERROR])
{
	const DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
	wchar_t wide[128];
	char text[SL_WINDOWS_ERROR - 40];
	DWORD len;
	int size;

	// In English, as all else that we say; where Windows has it in its own language alone, in that.
	len = FormatMessageW(flags, NULL, code, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), wide, 128,
			     NULL);
	if (len == 0)
		len = FormatMessageW(flags, NULL, code, 0, wide, 128, NULL);
	while (len > 0 && (wide[len - 1] <= L' ' || wide[len - 1] == L'.'))
		len--;
	size = WideCharToMultiByte(CP_UTF8, 0, wide, (int)len, text, sizeof(text) - 1, NULL, NULL);
	text[size > 0 && len > 0 ? size : 0] = '\0';
	snprintf(out, SL_WINDOWS_ERROR, text[0] ? "%s (Windows error %lu)" : "%sWindows error %lu", text,
		 (unsigned long)code);
	return out;
}
