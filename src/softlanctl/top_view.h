// How `top` looks: which rows, in which order, from which one on; and the picture of it.
#pragma once

#include "common/text.h"
#include "softlanctl/top_model.h"

enum ctl_top_sort { CTL_TOP_NAME, CTL_TOP_FRAMES, CTL_TOP_BITS, CTL_TOP_RTT, CTL_TOP_DROPS };

struct ctl_top_view {
	unsigned columns, lines; // of the terminal
	bool colour;
	enum ctl_top_sort sort;
	bool reverse;
	bool in_room;           // shows the peers of `room`; else the rooms
	char room[CTL_TOP_KEY]; // the opened room, and the one that is chosen in the list of rooms
	char peer[CTL_TOP_KEY]; // the chosen peer; "": the first
	size_t first;           // row that is shown at the top
	const char *problem;    // why there are no new numbers; NULL: there are
};

// Does what a key (keys.h) stands for. False: it is `q`.
bool ctl_top_key(struct ctl_top_view *view, const struct ctl_top_model *model, int key);
// Draws all of it: columns x lines, from the upper left corner. Moves `first` so that the chosen row is seen.
void ctl_top_draw(struct sl_text *out, struct ctl_top_view *view, const struct ctl_top_model *model);
