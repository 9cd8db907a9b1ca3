// The whole terminal, for a live view. Written with termios and a handful of ECMA-48 sequences that every
// terminal of the last decades knows: whole pictures, written anew once a second, need none of what curses is
// for, and curses would write text of the daemon's to the terminal by rules of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct ctl_screen;

// Takes the controlling terminal: its second screen, no cursor, keys as they are pressed. SL_OK,
// SL_ERR_SYSTEM or SL_ERR_NOMEM (nothing was changed).
int ctl_screen_open(struct ctl_screen **out, struct sl_error *error);
// Gives the terminal back as it was found. Waits at most 200 ms for it to take the last bytes. NULL is fine.
void ctl_screen_close(struct ctl_screen *screen);
// The same for a while: for who is stopped (SIGTSTP) and continued.
void ctl_screen_leave(struct ctl_screen *screen);
void ctl_screen_enter(struct ctl_screen *screen);

int ctl_screen_fd(const struct ctl_screen *screen); // to be waited for: readable; writable while it is busy
void ctl_screen_size(const struct ctl_screen *screen, unsigned *columns, unsigned *lines);
// Shows a picture, which it takes over (allocated). A terminal that is still busy with an older one gets the
// newest when it has taken that one.
void ctl_screen_show(struct ctl_screen *screen, char *picture, size_t len);
bool ctl_screen_busy(const struct ctl_screen *screen);
// Writes what the terminal takes. SL_OK or SL_ERR_SYSTEM: it is gone (errno).
int ctl_screen_write(struct ctl_screen *screen);
// Reads what was typed. SL_OK or SL_ERR_SYSTEM: the terminal is gone (errno).
int ctl_screen_read(struct ctl_screen *screen);
// The next key of it (keys.h); 0: no more. `last`: nothing came for a while.
int ctl_screen_key(struct ctl_screen *screen, bool last);
bool ctl_screen_half_key(const struct ctl_screen *screen); // a key has begun: call again with `last` in 50 ms
