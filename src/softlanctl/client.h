// One request to a daemon's control socket.
#pragma once

#include <jansson.h>

#include "common/err.h"

#define CTL_ANSWER_MAX ((size_t)16 << 20)
#define CTL_REQUEST_MAX 4096

// Asks and waits for the whole answer, `timeout_s` in all. SL_OK: *out is the document (the caller
// releases it). SL_ERR_NOT_FOUND: no daemon is there. SL_ERR_CLOSED: it did not answer in time or not
// to the end. SL_ERR_INVALID: the request cannot be written in the protocol. SL_ERR_PROTO: an answer
// that is none. SL_ERR_UNSUPPORTED: the daemon said no. SL_ERR_PERMISSION, SL_ERR_SYSTEM.
int ctl_ask(const char *path, unsigned timeout_s, int argc, char *const *argv, json_t **out,
	    struct sl_error *error);
