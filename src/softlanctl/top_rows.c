#include "softlanctl/top_rows.h"

#include <stdlib.h>
#include <string.h>

#include "softlanctl/members.h"
#include "softlanctl/table.h"
#include "softlanctl/text.h"

// ---- order

// A row with what its comparison needs: qsort(3) has no argument for that.
struct place {
	const struct ctl_top_row *row;
	double weight;
	bool reverse;
};

static double weight(const struct ctl_top_row *row, enum ctl_top_sort sort)
{
	switch (sort) {
	case CTL_TOP_FRAMES:
		return row->rates.rx_frames + row->rates.tx_frames;
	case CTL_TOP_BITS:
		return row->rates.rx_bits + row->rates.tx_bits;
	case CTL_TOP_RTT:
		return row->rtt_ms;
	case CTL_TOP_DROPS:
		return row->rates.drops;
	default:
		return 0;
	}
}

// Most first, names from A to Z. The key decides between equals, so that rows keep their places.
static int compare(const void *a, const void *b)
{
	const struct place *one = a, *other = b;
	int result = one->weight > other->weight   ? -1
		     : one->weight < other->weight ? 1
						   : strcmp(one->row->key, other->row->key);
	return one->reverse ? -result : result;
}

bool ctl_top_rows(struct ctl_top_rows *out, const struct ctl_top_model *model,
		  const struct ctl_top_view *view)
{
	const struct ctl_top_list *list = view->in_room ? &model->peers : &model->rooms;
	struct place *places = calloc(list->count + 1, sizeof(*places));

	*out = (struct ctl_top_rows){.rows = calloc(list->count + 1, sizeof(struct ctl_top_row *))};
	if (!out->rows || !places) {
		free(out->rows);
		free(places);
		out->rows = NULL;
		return false;
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct ctl_top_row *row = &list->rows[i];
		if (!view->in_room || strcmp(row->room, view->room) == 0)
			places[out->count++] = (struct place){row, weight(row, view->sort), view->reverse};
	}
	qsort(places, out->count, sizeof(places[0]), compare);
	for (size_t i = 0; i < out->count; i++)
		out->rows[i] = places[i].row;
	free(places);
	return true;
}

// ---- cells

static void cell_rate(struct ctl_table *table, const struct ctl_top_row *row, double per_s)
{
	char text[CTL_UNIT_TEXT];
	ctl_table_cell(table, row->rated ? ctl_rate(per_s, text) : NULL);
}

static void cells_rates(struct ctl_table *table, const struct ctl_top_row *row)
{
	char text[CTL_UNIT_TEXT];
	cell_rate(table, row, row->rates.rx_frames);
	cell_rate(table, row, row->rates.rx_bits);
	cell_rate(table, row, row->rates.tx_frames);
	cell_rate(table, row, row->rates.tx_bits);
	if (row->rtt_ms >= 0)
		snprintf(text, sizeof(text), "%.1fms", row->rtt_ms);
	ctl_table_cell(table, row->rtt_ms >= 0 ? text : NULL);
	cell_rate(table, row, row->rates.drops);
}

#define RATE_COLUMNS                                                                                         \
	{.title = "IN f/s", .right = true}, {.title = "IN bit/s", .right = true},                            \
		{.title = "OUT f/s", .right = true}, {.title = "OUT bit/s", .right = true},                  \
		{.title = "RTT", .right = true},                                                             \
	{                                                                                                    \
		.title = "DROP/s", .right = true                                                             \
	}

static void room_cells(struct ctl_table *table, const struct ctl_top_row *row)
{
	ctl_table_cell(table, row->key);
	cells_rates(table, row);
	ctl_cell_count(table, row->object, "clients");
	ctl_cell_count(table, row->object, "gateway");
	ctl_cell_count(table, row->object, "mtu");
	ctl_cell_count(table, row->object, "dropped");
}

static void peer_cells(struct ctl_table *table, const struct ctl_top_row *row)
{
	ctl_cell_count(table, row->object, "id");
	ctl_cell_text(table, row->object, "role");
	cells_rates(table, row);
	ctl_cell_millis(table, row->object, "last_seen_ms");
	ctl_cell_text(table, row->object, "mac");
	ctl_cell_text(table, row->object, "address");
	ctl_cell_text(table, row->object, "agent");
}

char *ctl_top_table(const struct ctl_top_rows *rows, const struct ctl_top_view *view, size_t chosen)
{
	static const struct ctl_column room_columns[] = {
		{.title = " "},
		{.title = "ROOM", .width_max = 24},
		RATE_COLUMNS,
		{.title = "CLIENTS", .right = true},
		{.title = "GATEWAY", .right = true},
		{.title = "MTU", .right = true},
		{.title = "DROPPED", .right = true},
		{.title = NULL},
	};
	static const struct ctl_column peer_columns[] = {
		{.title = " "},
		{.title = "ID", .right = true},
		{.title = "ROLE", .width_max = 8},
		RATE_COLUMNS,
		{.title = "SEEN", .right = true},
		{.title = "MAC", .width_max = 17},
		{.title = "ADDRESS", .width_max = 47},
		{.title = "AGENT", .width_max = 64},
		{.title = NULL},
	};
	struct ctl_table *table = ctl_table_new(view->in_room ? peer_columns : room_columns);
	struct sl_text text = {0};
	bool good = table != NULL;

	for (size_t i = 0; good && i < rows->count; i++) {
		ctl_table_cell(table, i == chosen ? ">" : " ");
		(view->in_room ? peer_cells : room_cells)(table, rows->rows[i]);
	}
	if (good && ctl_table_text(table, &text, false) != 0)
		good = false;
	ctl_table_free(table);
	if (good)
		return sl_text_take(&text);
	sl_text_free(&text);
	return NULL;
}
