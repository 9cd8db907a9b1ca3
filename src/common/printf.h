// What the compiler is told about functions that take a format as printf(3) does.
#pragma once

// On Windows the C run time has formats of its own; ours are always those of the C standard (%zu, %llu),
// which mingw's functions take as well.
#ifdef __MINGW32__
#define SL_PRINTF_STYLE gnu_printf
#else
#define SL_PRINTF_STYLE printf
#endif

// `format_at`: which argument the format is, from 1; `first`: the first of those that it formats, 0 for a
// va_list.
#define SL_PRINTF(format_at, first) __attribute__((format(SL_PRINTF_STYLE, format_at, first)))
