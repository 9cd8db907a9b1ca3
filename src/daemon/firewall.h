// Windows: the firewall's rule for the program.
#pragma once

#include <wchar.h>

#include "common/err.h"

// Datagrams that come for this program are let in, whatever the network is. A rule of this name is replaced.
// SL_OK, or a code with a sentence that begins with a lower-case letter.
int firewall_allow(const char *name, const wchar_t *program, struct sl_error *error);
int firewall_forget(const char *name, struct sl_error *error); // there may be none
