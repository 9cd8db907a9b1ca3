// Groups of the system.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

// The group's id. False: there is no such group, or none was named.
bool sl_group_find(const char *name, gid_t *out);
