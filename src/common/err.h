// Errors: every function that can fail returns SL_OK (0) or one of these negative codes.
// Where a person will read about it, the function also fills a struct sl_error with one
// sentence that names the place and the remedy.
#pragma once

#include <stddef.h>

#include "common/printf.h"

enum sl_err {
	SL_OK = 0,
	SL_ERR_NOMEM = -1,
	SL_ERR_INVALID = -2,   // an argument or an input is not what it should be
	SL_ERR_AGAIN = -3,     // not now: a queue, a window or a socket is full
	SL_ERR_TOO_LARGE = -4, // larger than the path, the budget or the buffer
	SL_ERR_CLOSED = -5,    // the connection or the port is gone
	SL_ERR_PROTO = -6,     // the other side broke the protocol
	SL_ERR_NOT_FOUND = -7,
	SL_ERR_EXISTS = -8,
	SL_ERR_PERMISSION = -9,
	SL_ERR_SYSTEM = -10, // a system call failed, see errno or the sentence
	SL_ERR_TLS = -11,
	SL_ERR_UNSUPPORTED = -12,
	SL_ERR_LIMIT = -13, // a configured limit is reached
};

// A short description of a code, for logs; never NULL.
const char *sl_strerror(int code);

// One sentence for people. Empty text means no error was described.
struct sl_error {
	char text[512];
};

// Writes the sentence (truncated to fit) and returns `code`, so that a function can end with
// `return sl_fail(error, SL_ERR_INVALID, "…")`. `error` may be NULL.
int sl_fail(struct sl_error *error, int code, const char *format, ...) SL_PRINTF(3, 4);
