// The way to a daemon's control socket: an AF_UNIX socket, on Windows a named pipe.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct ctl_link;

int64_t ctl_now_ms(void); // the monotonic clock of the deadlines here; INT64_MAX: none

// Connects. SL_OK, or a code with a sentence: SL_ERR_INVALID (no such path can be), SL_ERR_NOT_FOUND (no
// daemon is there), SL_ERR_PERMISSION, SL_ERR_CLOSED (it is too busy), SL_ERR_SYSTEM, SL_ERR_NOMEM.
int ctl_link_open(const char *path, int64_t deadline_ms, struct ctl_link **out, struct sl_error *error);
// Sends all of it. SL_OK: also when the daemon has hung up, as its reason is there to be read. SL_ERR_CLOSED:
// not by the deadline. SL_ERR_SYSTEM: ctl_link_problem() says why.
int ctl_link_write(struct ctl_link *link, const char *data, size_t len, int64_t deadline_ms);
// Reads what is there now. SL_OK: *got bytes, 0 at the end. SL_ERR_AGAIN, or SL_ERR_SYSTEM as above.
int ctl_link_read(struct ctl_link *link, char *out, size_t size, size_t *got);
// Waits until there is something to read. SL_OK, SL_ERR_CLOSED (not by the deadline) or SL_ERR_SYSTEM.
int ctl_link_wait(struct ctl_link *link, int64_t deadline_ms);
// What the system said of the last failure (SL_ERR_SYSTEM).
const char *ctl_link_problem(const struct ctl_link *link);
void ctl_link_close(struct ctl_link *link); // NULL is fine

// For poll(2): readable. Not on Windows.
int ctl_link_fd(const struct ctl_link *link);
