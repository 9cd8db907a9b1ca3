// A text that grows as it is written. Zero-initialise.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/printf.h"

struct sl_text {
	char *data; // ends in a NUL that `len` does not count; NULL: nothing yet. The caller's to free.
	size_t len, size;
	bool failed; // memory ran out: what is there is not whole, and nothing is added any more
};

void sl_text_add(struct sl_text *text, const char *format, ...) SL_PRINTF(2, 3);
void sl_text_put(struct sl_text *text, const char *bytes, size_t len);
// The whole text, which is the caller's; NULL: memory ran out.
char *sl_text_take(struct sl_text *text);
void sl_text_free(struct sl_text *text);
