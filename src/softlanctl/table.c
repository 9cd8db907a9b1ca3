#include "softlanctl/table.h"

#include <stdlib.h>
#include <string.h>

#include "softlanctl/text.h"

struct ctl_table {
	const struct ctl_column *columns;
	size_t width; // columns
	struct cell {
		char *text; // escaped
		enum ctl_style style;
	} * cells;
	size_t count, capacity;
	bool failed;
};

struct ctl_table *ctl_table_new(const struct ctl_column *columns)
{
	struct ctl_table *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->columns = columns;
	while (columns[table->width].title)
		table->width++;
	return table;
}

void ctl_table_free(struct ctl_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void ctl_table_styled(struct ctl_table *table, const char *text, enum ctl_style style)
{
	if (table->failed)
		return;
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 64;
		struct cell *cells = realloc(table->cells, capacity * sizeof(*cells));
		if (!cells) {
			table->failed = true;
			return;
		}
		table->cells = cells;
		table->capacity = capacity;
	}
	char *cell = ctl_escape(text && text[0] ? text : "-");
	if (!cell) {
		table->failed = true;
		return;
	}
	size_t width_max = table->columns[table->count % table->width].width_max;
	if (width_max > 0)
		ctl_cut(cell, width_max);
	table->cells[table->count++] = (struct cell){.text = cell, .style = style};
}

void ctl_table_cell(struct ctl_table *table, const char *text)
{
	ctl_table_styled(table, text, CTL_PLAIN);
}

static void add_cell(struct sl_text *out, const char *text, enum ctl_style style, bool colour, size_t width,
		     bool right, bool last)
{
	size_t len = ctl_width(text), pad = width > len ? width - len : 0;
	if (right)
		sl_text_add(out, "%*s", (int)pad, "");
	sl_text_add(out, "%s%s%s", ctl_style_on(style, colour), text, ctl_style_off(style, colour));
	if (!right && !last) // no blanks at a line's end
		sl_text_add(out, "%*s", (int)pad, "");
	sl_text_add(out, last ? "\n" : "  ");
}

int ctl_table_text(const struct ctl_table *table, struct sl_text *out, bool colour)
{
	if (table->failed || table->width == 0)
		return -1;
	size_t *widths = calloc(table->width, sizeof(*widths));
	if (!widths)
		return -1;
	for (size_t i = 0; i < table->width; i++)
		widths[i] = ctl_width(table->columns[i].title);
	for (size_t i = 0; i < table->count; i++) {
		size_t len = ctl_width(table->cells[i].text);
		if (len > widths[i % table->width])
			widths[i % table->width] = len;
	}
	for (size_t i = 0; i < table->width; i++)
		add_cell(out, table->columns[i].title, CTL_BOLD, colour, widths[i], table->columns[i].right,
			 i + 1 == table->width);
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->width;
		add_cell(out, table->cells[i].text, table->cells[i].style, colour, widths[column],
			 table->columns[column].right, column + 1 == table->width);
	}
	free(widths);
	return out->failed ? -1 : 0;
}

int ctl_table_print(const struct ctl_table *table, FILE *out, bool colour)
{
	struct sl_text text = {0};
	int rc = ctl_table_text(table, &text, colour);
	if (rc == 0)
		fputs(text.data, out);
	sl_text_free(&text);
	return rc;
}
