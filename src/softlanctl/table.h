// A table with aligned columns: a header line, then the rows; two blanks between the columns.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/text.h"
#include "softlanctl/style.h"

struct ctl_table;

struct ctl_column {
	const char *title;
	bool right; // numbers are aligned to the right
	// For whoever fills the table from JSON: the member shown here, and what makes a cell of it.
	const char *member;
	void (*cell)(struct ctl_table *table, const json_t *object, const char *member);
	size_t width_max; // longer cells are cut; 0: never
};

// `columns` ends with a NULL title and must outlive the table. NULL: out of memory.
struct ctl_table *ctl_table_new(const struct ctl_column *columns);
void ctl_table_free(struct ctl_table *table);
// Adds the next cell, row by row; the text is escaped here. NULL is shown as "-".
void ctl_table_cell(struct ctl_table *table, const char *text);
// The same, shown in a style where there is colour.
void ctl_table_styled(struct ctl_table *table, const char *text, enum ctl_style style);
// 0, or -1 when memory ran out on the way (nothing is printed then).
int ctl_table_text(const struct ctl_table *table, struct sl_text *out, bool colour); // at its end
int ctl_table_print(const struct ctl_table *table, FILE *out, bool colour);
