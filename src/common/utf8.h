// UTF-8 (RFC 3629).
#pragma once

#include <stddef.h>

// The bytes of the character that `text` (ended by NUL) begins with, 1 to 4; 0: at the end, or it is none: a
// stray or missing byte, an overlong form, a surrogate, a number above U+10FFFF.
size_t sl_utf8_length(const char *text);
