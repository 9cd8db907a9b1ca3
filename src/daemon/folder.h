// Windows: the folder of configuration, identity and log, and the source of our lines in the event log.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include "common/err.h"

// Makes the folder if it is missing, for SYSTEM and administrators alone: the service trusts what is in
// there. SL_ERR_EXISTS: it is there, and somebody else's.
int folder_make(struct sl_error *error);
// May others than SYSTEM, administrators and Windows' installer change this file, or put another one in its
// place?
bool folder_is_open(const wchar_t *file);

// Registers `name` as a source of the event log of applications, or takes it out. 0 or a Windows error code.
uint32_t event_source_add(const char *name);
uint32_t event_source_remove(const char *name); // there may be none
#define EVENT_SOURCE_TEXT 1                     // the id of a message that is its one insert
