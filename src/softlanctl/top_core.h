// What `top` does whatever the terminal is: asks the daemon in turn, keeps the numbers, draws. top.c and
// top_windows.c wait for keys, answers and time, and call this.
#pragma once

#include "softlanctl/client.h"
#include "softlanctl/screen.h"
#include "softlanctl/top.h"
#include "softlanctl/top_view.h"

struct top {
	const char *path;
	uint64_t timeout_ms;
	struct ctl_screen *screen;
	struct ctl_query *query; // under way; NULL: none
	unsigned asked;          // how many of the answers are there
	struct ctl_top_answers answers;
	uint64_t began_ms, next_ms; // this round; the next one
	struct ctl_top_model model;
	struct ctl_top_view view;
	bool shown; // there was a first answer
	struct sl_error problem;
	bool ended;
	int rc;
};

// `path` and `screen` are set, and `timeout_ms`.
void top_draw(struct top *top);
void top_keys(struct top *top, bool last); // those that were read; `last`: nothing came for a while
void top_answer(struct top *top);          // of the question under way: reads what is there
void top_check_time(struct top *top);      // asks when it is time to, or gives up a question
int top_timeout_ms(const struct top *top); // how long to wait for something else than time
void top_end(struct top *top);
void top_fail(struct top *top, const char *why); // the terminal is gone
void top_drop_answers(struct top *top);          // at the end
