// What a watcher of the control socket has still to read: whole lines, in bounded memory. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/control.h"

struct control_backlog {
	size_t start, len; // the bytes that wait
	char data[SL_CONTROL_BACKLOG];
};

// False: there is no room for all of it, and nothing was taken.
bool control_backlog_put(struct control_backlog *backlog, const char *text, size_t len);
// These bytes, from data + start, have been read.
void control_backlog_sent(struct control_backlog *backlog, size_t len);
