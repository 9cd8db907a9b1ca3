// `top` on a terminal of Unix: keys, answers and signals, waited for by poll(2).
#include "softlanctl/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/console.h"
#include "softlanctl/connect.h"
#include "softlanctl/top_core.h"

struct terminal {
	struct top top;
	int signals;
	int end_signal;
};

static void handle_signal(struct terminal *terminal)
{
	struct top *top = &terminal->top;
	struct signalfd_siginfo info;
	if (read(terminal->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
		top_draw(top);
		break;
	case SIGTSTP:
		ctl_screen_leave(top->screen);
		kill(getpid(), SIGSTOP);
		break;                                  // SIGCONT follows
	case SIGCONT:                                   // stopped by that, or by somebody else
		top->began_ms = (uint64_t)ctl_now_ms(); // an answer that came meanwhile has yet to be read
		ctl_screen_enter(top->screen);
		top_draw(top);
		break;
	case SIGINT: // how people leave such programs
		top_end(top);
		break;
	default:
		terminal->end_signal = (int)info.ssi_signo;
		top_end(top);
		break;
	}
}

static void run(struct terminal *terminal)
{
	struct top *top = &terminal->top;
	while (!top->ended) {
		struct pollfd fds[] = {
			{.fd = ctl_screen_fd(top->screen),
			 .events = (short)(POLLIN | (ctl_screen_busy(top->screen) ? POLLOUT : 0))},
			{.fd = terminal->signals, .events = POLLIN},
			{.fd = top->query ? ctl_link_fd(ctl_query_link(top->query)) : -1, .events = POLLIN},
		};
		int ready = poll(fds, 3, top_timeout_ms(top));
		if (ready < 0 && errno != EINTR)
			top_fail(top, strerror(errno));
		if (ready > 0 && fds[0].revents && ctl_screen_read(top->screen) != SL_OK)
			top_fail(top, strerror(errno));
		top_keys(top, ready == 0);
		if (ready > 0 && fds[1].revents)
			handle_signal(terminal);
		if (ready > 0 && fds[2].revents)
			top_answer(top);
		top_check_time(top);
		if (!top->ended && ctl_screen_write(top->screen) != SL_OK)
			top_fail(top, strerror(errno));
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
	struct terminal terminal = {.signals = -1};
	struct top *top = &terminal.top;
	sigset_t watched, before;

	top->path = path;
	top->timeout_ms = (uint64_t)timeout_s * 1000;
	top->view = (struct ctl_top_view){.colour = colour, .sort = CTL_TOP_BITS};
	sigemptyset(&watched);
	for (const int *s = (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
					  SIGXCPU, SIGTSTP, SIGCONT, SIGWINCH, 0};
	     *s; s++)
		sigaddset(&watched, *s);
	sigprocmask(SIG_BLOCK, &watched, &before);
	terminal.signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (terminal.signals < 0)
		top->rc = sl_fail(error, SL_ERR_SYSTEM, "signalfd: %s", strerror(errno));
	else
		top->rc = ctl_screen_open(&top->screen, error);
	if (top->rc == SL_OK) {
		run(&terminal);
		if (top->rc != SL_OK)
			*error = top->problem;
	}
	ctl_screen_close(top->screen);
	top_drop_answers(top);
	ctl_top_clear(&top->model);
	if (terminal.signals >= 0)
		close(terminal.signals);
	if (terminal.end_signal) {
		signal(terminal.end_signal, SIG_DFL); // whoever started us may have ignored it
		raise(terminal.end_signal);           // its own action, once it is let through
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return top->rc;
}
