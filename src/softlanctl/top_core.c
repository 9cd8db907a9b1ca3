#include "softlanctl/top_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "softlanctl/connect.h"

#define PAUSE_MS 1000
#define PAUSE_MAX_MS 10000
#define SHARE 20       // at most one part in so many of the daemon's time is for us
#define HALF_KEY_MS 50 // what follows an ESC comes together with it

static uint64_t now_ms(void)
{
	return (uint64_t)ctl_now_ms();
}

void top_draw(struct top *top)
{
	struct sl_text out = {0};
	size_t len;
	char *picture;
	ctl_screen_size(top->screen, &top->view.columns, &top->view.lines);
	ctl_top_draw(&out, &top->view, &top->model);
	len = out.len;
	picture = sl_text_take(&out);
	if (picture)
		ctl_screen_show(top->screen, picture, len);
}

// ---- asking

void top_drop_answers(struct top *top)
{
	json_decref(top->answers.status);
	json_decref(top->answers.rooms);
	json_decref(top->answers.peers);
	json_decref(top->answers.stats);
	top->answers = (struct ctl_top_answers){0};
	top->asked = 0;
	ctl_query_free(top->query);
	top->query = NULL;
}

static void plan_next(struct top *top, uint64_t pause_ms)
{
	if (pause_ms < PAUSE_MS)
		pause_ms = PAUSE_MS;
	top->next_ms = now_ms() + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
}

// The daemon is away, or does not answer: that is shown, and it is asked again.
static void lose(struct top *top, const struct sl_error *error)
{
	top_drop_answers(top);
	ctl_top_clear(&top->model);
	snprintf(top->problem.text, sizeof(top->problem.text), "%.*s; asking again",
		 (int)sizeof(top->problem.text) - 20, error->text);
	top->view.problem = top->problem.text;
	plan_next(top, PAUSE_MS);
	top_draw(top);
}

static void take(struct top *top)
{
	bool endpoint = json_is_boolean(json_object_get(top->answers.status, "connected"));
	const char *room = json_string_value(
		json_object_get(json_array_get(json_object_get(top->answers.rooms, "rooms"), 0), "code"));

	if (!ctl_top_take(&top->model, &top->answers, now_ms())) {
		top->answers = (struct ctl_top_answers){0};
		lose(top, &(struct sl_error){.text = "out of memory"});
		return;
	}
	if (!top->shown && endpoint && room) { // it knows one room alone
		top->view.in_room = true;
		snprintf(top->view.room, sizeof(top->view.room), "%s", room);
	}
	top->answers = (struct ctl_top_answers){0};
	top->asked = 0;
	top->shown = true;
	top->view.problem = NULL;
	plan_next(top, (now_ms() - top->began_ms) * SHARE);
	top_draw(top);
}

static void ask(struct top *top)
{
	static const char *const verbs[] = {"status", "rooms", "peers", "stats"};
	char word[16], *words[] = {word, NULL};
	struct sl_error error = {.text = ""};

	if (top->asked == 0)
		top->began_ms = now_ms();
	snprintf(word, sizeof(word), "%s", verbs[top->asked]);
	if (ctl_query_new(top->path, 1, words, &top->query, &error) != SL_OK)
		lose(top, &error);
}

void top_answer(struct top *top)
{
	json_t **const places[] = {&top->answers.status, &top->answers.rooms, &top->answers.peers,
				   &top->answers.stats};
	struct sl_error error = {.text = ""};
	int rc = ctl_query_read(top->query, places[top->asked], &error);

	if (rc == SL_ERR_AGAIN)
		return;
	ctl_query_free(top->query);
	top->query = NULL;
	if (rc != SL_OK)
		lose(top, &error);
	else if (++top->asked < sizeof(places) / sizeof(places[0]))
		ask(top);
	else
		take(top);
}

void top_check_time(struct top *top)
{
	uint64_t now = now_ms();
	struct sl_error error;

	if (!top->query && now >= top->next_ms)
		ask(top);
	if (top->query && now >= top->began_ms + top->timeout_ms) {
		sl_fail(&error, SL_ERR_CLOSED, "the daemon at %s does not answer", top->path);
		lose(top, &error);
	}
}

// ---- the terminal

void top_end(struct top *top)
{
	top->ended = true;
}

void top_fail(struct top *top, const char *why)
{
	if (!top->ended)
		top->rc = sl_fail(&top->problem, SL_ERR_SYSTEM, "the terminal: %s", why);
	top->ended = true;
}

void top_keys(struct top *top, bool last)
{
	int key;
	while (!top->ended && (key = ctl_screen_key(top->screen, last)) != 0) {
		if (ctl_top_key(&top->view, &top->model, key))
			top_draw(top);
		else
			top_end(top);
	}
}

int top_timeout_ms(const struct top *top)
{
	uint64_t now = now_ms(), next = top->query ? top->began_ms + top->timeout_ms : top->next_ms;
	if (ctl_screen_half_key(top->screen))
		return HALF_KEY_MS;
	return next > now ? (int)(next - now > 60000 ? 60000 : next - now) : 0;
}
