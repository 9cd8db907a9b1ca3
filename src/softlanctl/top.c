#include "softlanctl/top.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/console.h"
#include "common/time.h"
#include "softlanctl/client.h"
#include "softlanctl/connect.h"
#include "softlanctl/screen.h"
#include "softlanctl/top_view.h"

#define PAUSE_MS 1000
#define PAUSE_MAX_MS 10000
#define SHARE 20       // at most one part in so many of the daemon's time is for us
#define HALF_KEY_MS 50 // what follows an ESC comes together with it

struct top {
	const char *path;
	uint64_t timeout_ms;
	struct ctl_screen *screen;
	int signals;
	struct ctl_query *query; // under way; NULL: none
	unsigned asked;          // how many of the answers are there
	struct ctl_top_answers answers;
	uint64_t began_ms, next_ms; // this round; the next one
	struct ctl_top_model model;
	struct ctl_top_view view;
	bool shown; // there was a first answer
	struct sl_error problem;
	bool ended;
	int end_signal;
	int rc;
};

static uint64_t now_ms(void)
{
	return sl_clock_ns(CLOCK_MONOTONIC) / SL_NS_PER_MS;
}

static void draw(struct top *top)
{
	char *picture = NULL;
	size_t len;
	FILE *out = open_memstream(&picture, &len);
	if (!out)
		return;
	ctl_screen_size(top->screen, &top->view.columns, &top->view.lines);
	ctl_top_draw(out, &top->view, &top->model);
	if (fclose(out) == 0)
		ctl_screen_show(top->screen, picture, len);
	else
		free(picture);
}

// ---- asking

static void drop_answers(struct top *top)
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
	drop_answers(top);
	ctl_top_clear(&top->model);
	snprintf(top->problem.text, sizeof(top->problem.text), "%.*s; asking again",
		 (int)sizeof(top->problem.text) - 20, error->text);
	top->view.problem = top->problem.text;
	plan_next(top, PAUSE_MS);
	draw(top);
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
	draw(top);
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

static void read_answer(struct top *top)
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

static void check_time(struct top *top)
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

static void end(struct top *top)
{
	top->ended = true;
}

// The terminal is gone (errno).
static void fail(struct top *top)
{
	if (!top->ended)
		top->rc = sl_fail(&top->problem, SL_ERR_SYSTEM, "the terminal: %s", strerror(errno));
	top->ended = true;
}

static void handle_signal(struct top *top)
{
	struct signalfd_siginfo info;
	if (read(top->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
		draw(top);
		break;
	case SIGTSTP:
		ctl_screen_leave(top->screen);
		kill(getpid(), SIGSTOP);
		break;                    // SIGCONT follows
	case SIGCONT:                     // stopped by that, or by somebody else
		top->began_ms = now_ms(); // an answer that came meanwhile has yet to be read
		ctl_screen_enter(top->screen);
		draw(top);
		break;
	case SIGINT: // how people leave such programs
		end(top);
		break;
	default:
		top->end_signal = (int)info.ssi_signo;
		end(top);
		break;
	}
}

static void handle_keys(struct top *top, bool last)
{
	int key;
	while (!top->ended && (key = ctl_screen_key(top->screen, last)) != 0) {
		if (ctl_top_key(&top->view, &top->model, key))
			draw(top);
		else
			end(top);
	}
}

static int timeout_ms(const struct top *top)
{
	uint64_t now = now_ms(), next = top->query ? top->began_ms + top->timeout_ms : top->next_ms;
	if (ctl_screen_half_key(top->screen))
		return HALF_KEY_MS;
	return next > now ? (int)(next - now > 60000 ? 60000 : next - now) : 0;
}

static void run(struct top *top)
{
	while (!top->ended) {
		struct pollfd fds[] = {
			{.fd = ctl_screen_fd(top->screen),
			 .events = (short)(POLLIN | (ctl_screen_busy(top->screen) ? POLLOUT : 0))},
			{.fd = top->signals, .events = POLLIN},
			{.fd = top->query ? ctl_link_fd(ctl_query_link(top->query)) : -1, .events = POLLIN},
		};
		int ready = poll(fds, 3, timeout_ms(top));
		if (ready < 0 && errno != EINTR)
			fail(top);
		if (ready > 0 && fds[0].revents && ctl_screen_read(top->screen) != SL_OK)
			fail(top);
		handle_keys(top, ready == 0);
		if (ready > 0 && fds[1].revents)
			handle_signal(top);
		if (ready > 0 && fds[2].revents)
			read_answer(top);
		check_time(top);
		if (!top->ended && ctl_screen_write(top->screen) != SL_OK)
			fail(top);
	}
}

const char *ctl_top_impossible(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "top needs a terminal; peers and stats print the same numbers once";
	if (!sl_console_obeys(stdout))
		return "top needs a terminal with a cursor to move (TERM is not set, or \"dumb\"); "
		       "peers and stats print the same numbers once";
	return NULL;
}

int ctl_top(const char *path, unsigned timeout_s, bool colour, struct sl_error *error)
{
	struct top top = {.path = path, .timeout_ms = (uint64_t)timeout_s * 1000, .signals = -1};
	sigset_t watched, before;

	top.view = (struct ctl_top_view){.colour = colour, .sort = CTL_TOP_BITS};
	sigemptyset(&watched);
	for (const int *s = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
					  SIGXCPU, SIGTSTP, SIGCONT, SIGWINCH, 0};
	     *s; s++)
		sigaddset(&watched, *s);
	sigprocmask(SIG_BLOCK, &watched, &before);
	top.signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (top.signals < 0)
		top.rc = sl_fail(error, SL_ERR_SYSTEM, "signalfd: %s", strerror(errno));
	else
		top.rc = ctl_screen_open(&top.screen, error);
	if (top.rc == SL_OK) {
		run(&top);
		if (top.rc != SL_OK)
			*error = top.problem;
	}
	ctl_screen_close(top.screen);
	drop_answers(&top);
	ctl_top_clear(&top.model);
	if (top.signals >= 0)
		close(top.signals);
	if (top.end_signal) {
		signal(top.end_signal, SIG_DFL); // whoever started us may have ignored it
		raise(top.end_signal);           // its own action, once it is let through
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return top.rc;
}
