// The scalar members of nested objects, under dotted names.
#pragma once

#include <jansson.h>
#include <stdio.h>

// Calls `fn` for each scalar below `object`, in the document's order, and for each scalar of an array
// under the array's name; what is nested deeper than 8 is left out. The name is not escaped yet.
void ctl_scalars(const json_t *object, void (*fn)(void *arg, const char *name, const json_t *value),
		 void *arg);
void ctl_put_scalar(FILE *out, const json_t *value);
