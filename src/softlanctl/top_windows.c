// `top` in a console of Windows: keys, answers and the window's size.
#include "softlanctl/top.h"

#include "softlanctl/connect_windows.h"
#include "softlanctl/screen_windows.h"

#include <io.h>
#include <stdio.h>

#include "common/console.h"
#include "softlanctl/top_core.h"

const char *ctl_top_impossible(void)
{
	if (!_isatty(_fileno(stdin)) || !sl_console_obeys(stdout))
		return "top needs a console window of Windows 10 or later; peers and stats print the same "
		       "numbers "
		       "once";
	return NULL;
}

static void fit(struct top *top)
{
	unsigned columns, lines;

	ctl_screen_size(top->screen, &columns, &lines);
	if (columns != top->view.columns || lines != top->view.lines)
		top_draw(top);
}

// Reads what is there, and begins the first read of a question that follows: its event comes of that.
static void answers(struct top *top)
{
	unsigned asked;

	do {
		asked = top->asked;
		if (top->query)
			top_answer(top);
	} while (top->query && top->asked != asked);
}

static void run(struct top *top)
{
	while (!top->ended) {
		HANDLE events[2] = {ctl_screen_event(top->screen)};
		DWORD count = 1;

		if (top->query)
			events[count++] = ctl_link_event(ctl_query_link(top->query));
		if (WaitForMultipleObjects(count, events, FALSE, (DWORD)top_timeout_ms(top)) == WAIT_FAILED ||
		    ctl_screen_read(top->screen) != SL_OK)
			top_fail(top, "it is gone");
		top_keys(top, false);
		if (!top->ended)
			fit(top);
		top_check_time(top);
		answers(top);
	}
}

int ctl_top(const char *path, unsigned timeout_s, bool colour, struct sl_error *error)
{
	struct top top = {.path = path, .timeout_ms = (uint64_t)timeout_s * 1000};

	top.view = (struct ctl_top_view){.colour = colour, .sort = CTL_TOP_BITS};
	top.rc = ctl_screen_open(&top.screen, error);
	if (top.rc == SL_OK) {
		run(&top);
		if (top.rc != SL_OK)
			*error = top.problem;
	}
	ctl_screen_close(top.screen);
	top_drop_answers(&top);
	ctl_top_clear(&top.model);
	return top.rc;
}
