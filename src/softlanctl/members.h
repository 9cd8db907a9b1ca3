// Members of an untrusted JSON object, as table cells.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "softlanctl/table.h"

bool ctl_member_count(const json_t *object, const char *name, uint64_t *out); // an integer of 0 and up
const char *ctl_member_text(const json_t *object, const char *name);          // NULL: no string

void ctl_cell_count(struct ctl_table *table, const json_t *object, const char *name);
void ctl_cell_text(struct ctl_table *table, const json_t *object, const char *name);
void ctl_cell_bytes(struct ctl_table *table, const json_t *object, const char *name);
void ctl_cell_seconds(struct ctl_table *table, const json_t *object, const char *name);
void ctl_cell_millis(struct ctl_table *table, const json_t *object, const char *name);
