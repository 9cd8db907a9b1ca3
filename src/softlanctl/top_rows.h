// The rows that `top` shows, in their order, and as a table.
#pragma once

#include "softlanctl/top_view.h"

struct ctl_top_rows {
	const struct ctl_top_row **rows; // the caller frees it
	size_t count;
};

// The rooms, or the peers of the opened room, sorted. False: out of memory.
bool ctl_top_rows(struct ctl_top_rows *out, const struct ctl_top_model *model,
		  const struct ctl_top_view *view);
// A header line, then a line for each row; the chosen one begins with ">". The caller frees it; NULL: out of
// memory.
char *ctl_top_table(const struct ctl_top_rows *rows, const struct ctl_top_view *view, size_t chosen);
