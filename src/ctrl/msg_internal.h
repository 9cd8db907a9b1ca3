// What the files of the control codec share; private to src/ctrl.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctrl/msg.h"

#define CTRL_INT_MAX ((INT64_C(1) << 53) - 1) // what every JSON reader holds exactly (RFC 8259 section 6)

// Length of the well-formed UTF-8 sequence (RFC 3629) that starts at `text`, 0 if there is none.
bool ctrl_utf8_valid(const char *text);
// Copies free text: cut to fit `size` on a character's border; control characters and broken UTF-8
// become '?'.
void ctrl_text_clean(const char *in, char *out, size_t size);
