// File descriptors and signals.
#include <stdlib.h>

#include "net/internal.h"

struct sl_signal {
	struct sl_loop *loop;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct sl_io {
	struct sl_loop *loop;
	struct event *event;
	int fd;
	unsigned want;
	bool frames;
	struct sl_pace pace;
	sl_io_fn fn;
	void *arg;
};

static void on_signal(evutil_socket_t signum, short what, void *arg)
{
	struct sl_signal *sig = arg;

	(void)signum;
	(void)what;
	sl_loop_wake(sig->loop);
	sig->fn(sig->arg); // may free the signal
}

struct sl_signal *sl_loop_signal(struct sl_loop *loop, int signum, void (*fn)(void *arg), void *arg)
{
	struct sl_signal *sig = calloc(1, sizeof(*sig));

	if (!sig)
		return NULL;
	sig->loop = loop;
	sig->fn = fn;
	sig->arg = arg;
	sig->event = evsignal_new(loop->base, signum, on_signal, sig);
	if (!sig->event || event_add(sig->event, NULL) != 0) {
		if (sig->event)
			event_free(sig->event);
		free(sig);
		return NULL;
	}
	loop->watches++;
	return sig;
}

void sl_signal_free(struct sl_signal *sig)
{
	if (!sig)
		return;
	sig->loop->watches--;
	event_free(sig->event);
	free(sig);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct sl_io *io = arg;
	unsigned ready = 0;

	(void)fd;
	if (what & EV_READ)
		ready |= SL_IO_READ;
	if (what & EV_WRITE)
		ready |= SL_IO_WRITE;
	if (io->frames && (ready & SL_IO_READ) != 0)
		sl_pace(&io->pace);
	sl_loop_wake(io->loop);
	io->fn(io->arg, ready); // may free the watch
}

struct sl_io *sl_loop_io(struct sl_loop *loop, int fd, sl_io_fn fn, void *arg)
{
	struct sl_io *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->loop = loop;
	io->fd = fd;
	io->fn = fn;
	io->arg = arg;
	io->event = event_new(loop->base, fd, EV_PERSIST, on_io, io);
	if (!io->event) {
		free(io);
		return NULL;
	}
	loop->watches++;
	return io;
}

int sl_io_want(struct sl_io *io, unsigned events)
{
	short what = EV_PERSIST;

	if (events == io->want)
		return SL_OK;
	event_del(io->event);
	io->want = 0;
	if (events == 0)
		return SL_OK;
	if (events & SL_IO_READ)
		what |= EV_READ;
	if (events & SL_IO_WRITE)
		what |= EV_WRITE;
	if (event_assign(io->event, io->loop->base, io->fd, what, on_io, io) != 0 ||
	    event_add(io->event, NULL) != 0)
		return SL_ERR_SYSTEM;
	io->want = events;
	return SL_OK;
}

void sl_io_frames(struct sl_io *io)
{
	io->frames = true;
}

void sl_io_free(struct sl_io *io)
{
	if (!io)
		return;
	io->loop->watches--;
	event_free(io->event);
	free(io);
}
