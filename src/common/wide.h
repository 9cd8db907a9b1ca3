// Windows: texts of its interfaces, which are UTF-16; ours are UTF-8.
#pragma once

#include <stdint.h>
#include <wchar.h>

#define SL_WINDOWS_ERROR 256

// A new string; NULL: out of memory, or the text is none.
wchar_t *sl_wide(const char *text);
char *sl_narrow(const wchar_t *text);
// "Access is denied (Windows error 5)". Returns `out`.
char *sl_windows_error(uint32_t code, char out[static SL_WINDOWS_ERROR]);
