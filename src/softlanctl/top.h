// `softlanctl top`: rooms and peers live, on the whole terminal.
#pragma once

#include <stdbool.h>

#include "common/err.h"

// Why it can not be shown here, a sentence; NULL: it can.
const char *ctl_top_impossible(void);
// Shows the daemon at `path` until `q` or Ctrl-C; asks it once a second, and again when it does not answer
// (`timeout_s`) or is away. SL_OK, or SL_ERR_SYSTEM with a sentence: the terminal is gone. TERM, HUP and QUIT
// end the process by that signal. The terminal is as it was found in all these cases.
int ctl_top(const char *path, unsigned timeout_s, bool colour, struct sl_error *error);
