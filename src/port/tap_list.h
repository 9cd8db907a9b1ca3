// Windows: the TAP-Windows6 adapters of this computer, for people who have to name one in tap.instance_id.
#pragma once

#include <stdio.h>

#include "common/err.h"

// One line for each: id, name, the driver's version and "ready", "in use" …, parted by tabs; without any, a
// line that says how to get one. Each is opened for a moment, and nothing else is changed. SL_OK or a code
// with a sentence.
int sl_tap_list(FILE *out, struct sl_error *error);
