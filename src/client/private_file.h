// Small files that are nobody else's business: the identity, what is to be undone after a crash. A path is
// UTF-8. On failure `why` is the system's reason alone; the caller's sentence names the file and the remedy.
#pragma once

#include <stddef.h>

#include "common/err.h"

// The whole file into buf. SL_OK; SL_ERR_NOT_FOUND; SL_ERR_TOO_LARGE: longer than `size`;
// SL_ERR_PERMISSION or SL_ERR_SYSTEM.
int private_file_read(const char *file, void *buf, size_t size, size_t *len, struct sl_error *why);
// Makes or replaces it, with the directories above it, for the owner alone (Windows: the system and
// administrators). After a crash or a power cut it is either as it was or whole.
int private_file_write(const char *file, const void *data, size_t len, struct sl_error *why);
int private_file_remove(const char *file, struct sl_error *why);    // gone already is fine
int private_file_set_aside(const char *file, struct sl_error *why); // renames it to FILE.bad
