// What ends or reloads the process: the console's events, and what other threads raise.
#include <sys/socket.h> // before windows.h

#include <signal.h>
#include <stdlib.h>
#include <windows.h>

#include "net/async.h"
#include "net/internal.h"

#define SIGNALS_MAX 32

struct sl_signal {
	struct sl_loop *loop;
	struct sl_signal *next;
	int signum;
	void (*fn)(void *arg);
	void *arg;
};

// One for a loop, made with its first signal and freed with the last.
struct sl_signals {
	struct sl_signal *list;
	struct sl_async *async;
	volatile LONG raised; // a bit for each number
};

// Windows gives the console's handler no argument. The lock keeps the loop alive while it is used.
static SRWLOCK console_lock = SRWLOCK_INIT;
static struct sl_loop *console_loop;
static bool console_watched;

static BOOL WINAPI on_console(DWORD event)
{
	bool last = event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT; // closed, logged off, shut down
	bool ours;

	// A service hears of everybody's log-off here; its own end the service manager tells it.
	if ((event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT) && GetConsoleOutputCP() == 0)
		return TRUE;
	AcquireSRWLockShared(&console_lock);
	ours = console_loop != NULL;
	if (ours)
		sl_loop_raise(console_loop, last ? SIGTERM : SIGINT);
	ReleaseSRWLockShared(&console_lock);
	// When this returns Windows ends the process, so it waits for its own end; Windows itself waits for 5
	// s. SetConsoleCtrlHandler waits for this thread, too: nobody may call it on the way to that end.
	if (ours && last)
		Sleep(INFINITE);
	return ours;
}

static void deliver(void *arg)
{
	struct sl_loop *loop = arg;
	LONG raised = InterlockedExchange(&loop->signals->raised, 0);

	for (int signum = 0; signum < SIGNALS_MAX; signum++) {
		struct sl_signal *sig = loop->signals ? loop->signals->list : NULL;

		if ((raised & (1L << signum)) == 0)
			continue;
		while (sig && sig->signum != signum)
			sig = sig->next;
		if (sig)
			sig->fn(sig->arg); // may free the signal
	}
}

static bool signals_make(struct sl_loop *loop)
{
	if (loop->signals)
		return true;
	loop->signals = calloc(1, sizeof(*loop->signals));
	if (!loop->signals)
		return false;
	loop->signals->async = sl_loop_async(loop, deliver, loop);
	if (!loop->signals->async) {
		free(loop->signals);
		loop->signals = NULL;
		return false;
	}
	AcquireSRWLockExclusive(&console_lock);
	console_loop = loop;
	ReleaseSRWLockExclusive(&console_lock);
	if (!console_watched) // without the lock: Windows calls the handler with its own
		console_watched = SetConsoleCtrlHandler(on_console, TRUE);
	return true;
}

struct sl_signal *sl_loop_signal(struct sl_loop *loop, int signum, void (*fn)(void *arg), void *arg)
{
	struct sl_signal *sig;

	if (signum < 0 || signum >= SIGNALS_MAX)
		return NULL;
	sig = calloc(1, sizeof(*sig));
	if (!sig || !signals_make(loop)) {
		free(sig);
		return NULL;
	}
	sig->loop = loop;
	sig->signum = signum;
	sig->fn = fn;
	sig->arg = arg;
	sig->next = loop->signals->list;
	loop->signals->list = sig;
	loop->watches++;
	return sig;
}

void sl_signal_free(struct sl_signal *sig)
{
	struct sl_signal **at;
	struct sl_signals *signals;

	if (!sig)
		return;
	signals = sig->loop->signals;
	for (at = &signals->list; *at != sig; at = &(*at)->next)
		;
	*at = sig->next;
	sig->loop->watches--;
	if (!signals->list) {
		AcquireSRWLockExclusive(&console_lock);
		console_loop = NULL;
		ReleaseSRWLockExclusive(&console_lock);
		sl_async_free(signals->async);
		sig->loop->signals = NULL;
		free(signals);
	}
	free(sig);
}

void sl_loop_raise(struct sl_loop *loop, int signum)
{
	InterlockedOr(&loop->signals->raised, (LONG)(1UL << signum));
	sl_async_send(loop->signals->async);
}
