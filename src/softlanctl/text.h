// Values as people read them. What comes from a daemon is untrusted: control characters are escaped.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/text.h"

#define CTL_UNIT_TEXT 32

// Writes text with C0 and C1 controls, DEL, the bidirectional controls and what is no UTF-8 as \xNN.
void ctl_put_text(FILE *out, const char *text);
// The same at the end of a text, and into a new string (NULL: out of memory).
void ctl_add_text(struct sl_text *out, const char *text);
char *ctl_escape(const char *text);
// Columns that an escaped UTF-8 text takes (one for each code point).
size_t ctl_width(const char *text);
// Cuts an escaped text in place to so many columns (1 and up); what was cut ends in "~".
void ctl_cut(char *text, size_t columns);

char *ctl_bytes(uint64_t bytes, char out[static CTL_UNIT_TEXT]);     // "999B", "1.5KiB"
char *ctl_rate(double per_s, char out[static CTL_UNIT_TEXT]);        // "0", "0.3", "87", "12.5k", "3.1M"
char *ctl_seconds(uint64_t seconds, char out[static CTL_UNIT_TEXT]); // "45s", "3m12s", "2h05m", "4d03h"
char *ctl_millis(uint64_t ms, char out[static CTL_UNIT_TEXT]);       // "250ms", "1.2s", then as seconds
