// The request line of the control socket, cut into words: `SOFTLAN1 <verb> [argument…]`. Pure.
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "daemon/control.h"

struct sl_control_request {
	int argc; // at least 1: argv[0] is the verb
	const char *argv[SL_CONTROL_ARGS_MAX];
};

// Cuts the line (`len` bytes without the LF, any byte may be in it; line[len] must be writable) into words,
// which point into it. SL_OK, or SL_ERR_INVALID with the sentence.
int sl_control_request_parse(char *line, size_t len, struct sl_control_request *out, struct sl_error *error);
