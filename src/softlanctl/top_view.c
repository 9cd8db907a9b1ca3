#include "softlanctl/top_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softlanctl/keys.h"
#include "softlanctl/members.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"
#include "softlanctl/top_rows.h"

#define LINES_ABOVE 5 // the rows: daemon, sentence, totals, title, header
#define LINES_BELOW 1 // help

// ---- keys

static size_t chosen_row(const struct ctl_top_view *view, const struct ctl_top_rows *rows)
{
	const char *key = view->in_room ? view->peer : view->room;
	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->rows[i]->key, key) == 0)
			return i;
	}
	return 0;
}

static void choose(struct ctl_top_view *view, const struct ctl_top_row *row)
{
	snprintf(view->in_room ? view->peer : view->room, CTL_TOP_KEY, "%s", row->key);
}

static size_t page(const struct ctl_top_view *view)
{
	return view->lines > LINES_ABOVE + LINES_BELOW ? view->lines - LINES_ABOVE - LINES_BELOW : 1;
}

static void move(struct ctl_top_view *view, const struct ctl_top_rows *rows, int key)
{
	size_t row = chosen_row(view, rows), last = rows->count - 1, step = page(view);
	switch (key) {
	case CTL_KEY_UP:
	case 'k':
		row -= row > 0;
		break;
	case CTL_KEY_DOWN:
	case 'j':
		row += row < last;
		break;
	case CTL_KEY_PAGE_UP:
		row = row > step ? row - step : 0;
		break;
	case CTL_KEY_PAGE_DOWN:
		row = last - row > step ? row + step : last;
		break;
	case CTL_KEY_HOME:
		row = 0;
		break;
	case CTL_KEY_END:
		row = last;
		break;
	default:
		return;
	}
	choose(view, rows->rows[row]);
}

static void sort_by(struct ctl_top_view *view, enum ctl_top_sort sort)
{
	view->sort = sort;
	view->reverse = false;
}

static void open_room(struct ctl_top_view *view, const struct ctl_top_rows *rows)
{
	if (view->in_room || rows->count == 0)
		return;
	choose(view, rows->rows[chosen_row(view, rows)]);
	view->in_room = true;
	view->peer[0] = '\0';
	view->first = 0;
}

bool ctl_top_key(struct ctl_top_view *view, const struct ctl_top_model *model, int key)
{
	struct ctl_top_rows rows;
	switch (key) {
	case 'q':
		return false;
	case 'n':
		sort_by(view, CTL_TOP_NAME);
		return true;
	case 'f':
		sort_by(view, CTL_TOP_FRAMES);
		return true;
	case 'b':
		sort_by(view, CTL_TOP_BITS);
		return true;
	case 't':
		sort_by(view, CTL_TOP_RTT);
		return true;
	case 'd':
		sort_by(view, CTL_TOP_DROPS);
		return true;
	case 'r':
		view->reverse = !view->reverse;
		return true;
	case CTL_KEY_BACK:
		view->in_room = false;
		view->first = 0;
		return true;
	default:
		break;
	}
	if (!ctl_top_rows(&rows, model, view))
		return true;
	if (key == CTL_KEY_OPEN)
		open_room(view, &rows);
	else if (rows.count > 0)
		move(view, &rows, key);
	free(rows.rows);
	return true;
}

// ---- the picture

// One line in a style, cut to the width. The screen's line is cleared before: after a text that fills it, the
// cursor would be on its last character. Takes `text` over.
static void put_line(struct sl_text *out, const struct ctl_top_view *view, enum ctl_style style, char *text)
{
	sl_text_add(out, "\x1b[K");
	if (text) {
		ctl_cut(text, view->columns);
		sl_text_add(out, "%s%s%s", ctl_style_on(style, view->colour), text,
			    ctl_style_off(style, view->colour));
	}
	free(text);
}

static char *line_daemon(const struct ctl_top_model *model)
{
	const json_t *status = model->answers.status;
	const char *daemon = ctl_member_text(status, "daemon"), *version = ctl_member_text(status, "version"),
		   *state = ctl_member_text(status, "state");
	char unit[CTL_UNIT_TEXT];
	uint64_t number;
	struct sl_text out = {0};
	ctl_add_text(&out, daemon ? daemon : "softlan");
	if (version) {
		sl_text_add(&out, " ");
		ctl_add_text(&out, version);
	}
	if (ctl_member_count(status, "uptime_s", &number))
		sl_text_add(&out, ", up %s", ctl_seconds(number, unit));
	if (state) {
		sl_text_add(&out, ", ");
		ctl_add_text(&out, state);
	}
	return sl_text_take(&out);
}

static char *line_sentence(const struct ctl_top_view *view, const struct ctl_top_model *model)
{
	const json_t *sentences = json_object_get(model->answers.status, "sentences");
	const char *sentence = json_string_value(json_array_get(sentences, 0));
	return ctl_escape(view->problem ? view->problem : sentence ? sentence : "");
}

static char *line_totals(const struct ctl_top_model *model)
{
	struct ctl_top_rates sum = {0};
	char rx[CTL_UNIT_TEXT], rx_bits[CTL_UNIT_TEXT], tx[CTL_UNIT_TEXT], tx_bits[CTL_UNIT_TEXT],
		drops[CTL_UNIT_TEXT];
	struct sl_text out = {0};
	for (size_t i = 0; i < model->rooms.count; i++) {
		const struct ctl_top_rates *room = &model->rooms.rows[i].rates;
		sum.rx_frames += room->rx_frames;
		sum.tx_frames += room->tx_frames;
		sum.rx_bits += room->rx_bits;
		sum.tx_bits += room->tx_bits;
		sum.drops += room->drops;
	}
	sl_text_add(
		&out, "in %s frames/s %sbit/s, out %s frames/s %sbit/s, dropped %s/s; %zu room%s, %zu peer%s",
		ctl_rate(sum.rx_frames, rx), ctl_rate(sum.rx_bits, rx_bits), ctl_rate(sum.tx_frames, tx),
		ctl_rate(sum.tx_bits, tx_bits), ctl_rate(sum.drops, drops), model->rooms.count,
		model->rooms.count == 1 ? "" : "s", model->peers.count, model->peers.count == 1 ? "" : "s");
	return sl_text_take(&out);
}

static char *line_title(const struct ctl_top_view *view, const struct ctl_top_rows *rows)
{
	static const char *const sorts[] = {"name", "frames", "bits", "round trip", "drops"};
	char *room = view->in_room ? ctl_escape(view->room) : NULL;
	struct sl_text out = {0};
	if (room)
		sl_text_add(&out, "room %s: %zu peer%s", room, rows->count, rows->count == 1 ? "" : "s");
	else
		sl_text_add(&out, "rooms");
	sl_text_add(&out, ", by %s%s", sorts[view->sort], view->reverse ? ", reversed" : "");
	free(room);
	return sl_text_take(&out);
}

static char *line_help(const struct ctl_top_view *view)
{
	return ctl_escape(
		view->in_room ? "q quit  Esc rooms  sort: n name f frames b bits t RTT d drops  r reverse"
			      : "q quit  Enter open  sort: n name f frames b bits t RTT d drops  r reverse");
}

static enum ctl_style row_style(const struct ctl_top_row *row, bool chosen)
{
	if (chosen)
		return CTL_CHOSEN;
	if (json_is_true(json_object_get(row->object, "isolated")))
		return CTL_BAD;
	return row->rates.drops > 0 ? CTL_WARN : CTL_PLAIN;
}

// The header and the rows from `first` on, of the table's text.
static void put_rows(struct sl_text *out, struct ctl_top_view *view, const struct ctl_top_rows *rows)
{
	size_t shown = page(view), chosen = chosen_row(view, rows), number = 0;
	char *table = ctl_top_table(rows, view, chosen), *save = NULL;

	if (chosen < view->first)
		view->first = chosen;
	if (chosen >= view->first + shown)
		view->first = chosen - shown + 1;
	if (rows->count <= shown)
		view->first = 0;
	for (char *line = table ? strtok_r(table, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save), number++) {
		size_t row = number - 1; // the header is none
		if (number > 0 && (row < view->first || row >= view->first + shown))
			continue;
		sl_text_add(out, "\r\n");
		put_line(out, view, number == 0 ? CTL_BOLD : row_style(rows->rows[row], row == chosen),
			 strdup(line));
	}
	free(table);
}

void ctl_top_draw(struct sl_text *out, struct ctl_top_view *view, const struct ctl_top_model *model)
{
	bool away = view->problem || json_is_false(json_object_get(model->answers.status, "connected"));
	struct ctl_top_rows rows = {0};

	sl_text_add(out, "\x1b[H");
	put_line(out, view, CTL_BOLD, line_daemon(model));
	if (view->lines > LINES_ABOVE + LINES_BELOW && ctl_top_rows(&rows, model, view)) {
		sl_text_add(out, "\r\n");
		put_line(out, view, away ? CTL_BAD : CTL_PLAIN, line_sentence(view, model));
		sl_text_add(out, "\r\n");
		put_line(out, view, CTL_PLAIN, line_totals(model));
		sl_text_add(out, "\r\n");
		put_line(out, view, CTL_PLAIN, line_title(view, &rows));
		put_rows(out, view, &rows);
		free(rows.rows);
	}
	if (view->lines > 1) {
		sl_text_add(out, "\r\n\x1b[J\x1b[%u;1H", view->lines);
		put_line(out, view, CTL_PLAIN, line_help(view));
	}
}
