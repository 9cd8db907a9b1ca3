// libevent waits for sockets only on Windows, so a byte on a socket wakes it up.
#include "net/async.h"

#include <sys/socket.h>

#include <event2/util.h>
#include <stdlib.h>

#include "net/internal.h"

struct sl_async {
	struct sl_loop *loop;
	struct sl_async *next;
	volatile LONG sent;
	bool due; // of the loop: it was sent before this wake-up, and is not called yet
	void (*fn)(void *arg);
	void *arg;
};

// One for all of a loop's, made with the first and freed with the last.
struct sl_wakeups {
	SOCKET wait, wake; // the two ends
	struct event *event;
	volatile LONG woken; // a byte is under way
	struct sl_async *list;
};

static struct sl_async *next_due(const struct sl_wakeups *wakeups)
{
	struct sl_async *async = wakeups->list;

	while (async && !async->due)
		async = async->next;
	return async;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct sl_loop *loop = arg;
	struct sl_async *async;
	char bytes[64];

	(void)what;
	while (recv((SOCKET)fd, bytes, sizeof(bytes), 0) > 0)
		;
	// Before looking: what is sent from here on comes with a byte of its own.
	InterlockedExchange(&loop->wakeups->woken, 0);
	sl_loop_wake(loop);
	// Each is called once: under a flood, one that is sent anew while it runs would keep us here, and
	// timers, sockets and signals waiting.
	for (async = loop->wakeups->list; async; async = async->next)
		async->due = InterlockedExchange(&async->sent, 0) != 0;
	while (loop->wakeups &&
	       (async = next_due(loop->wakeups)) != NULL) { // a callback may free the last one
		async->due = false;
		async->fn(async->arg);
	}
}

static void wakeups_free(struct sl_loop *loop)
{
	struct sl_wakeups *wakeups = loop->wakeups;

	loop->wakeups = NULL;
	if (!wakeups)
		return;
	if (wakeups->event)
		event_free(wakeups->event);
	if (wakeups->wait != INVALID_SOCKET) {
		closesocket(wakeups->wait);
		closesocket(wakeups->wake);
	}
	free(wakeups);
}

static bool wakeups_make(struct sl_loop *loop)
{
	evutil_socket_t pair[2];
	BOOL on = TRUE;

	if (loop->wakeups)
		return true;
	loop->wakeups = calloc(1, sizeof(*loop->wakeups));
	if (!loop->wakeups)
		return false;
	loop->wakeups->wait = INVALID_SOCKET;
	if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, pair) == 0) {
		loop->wakeups->wait = (SOCKET)pair[0];
		loop->wakeups->wake = (SOCKET)pair[1];
		evutil_make_socket_nonblocking(pair[0]);
		evutil_make_socket_nonblocking(pair[1]);
		// Else TCP keeps a byte back until the one before is acknowledged, which the other end puts
		// off.
		(void)setsockopt(loop->wakeups->wake, IPPROTO_TCP, TCP_NODELAY, (const char *)&on,
				 sizeof(on));
		loop->wakeups->event = event_new(loop->base, pair[0], EV_READ | EV_PERSIST, on_wake, loop);
	}
	if (loop->wakeups->event && event_add(loop->wakeups->event, NULL) == 0)
		return true;
	wakeups_free(loop);
	return false;
}

struct sl_async *sl_loop_async(struct sl_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct sl_async *async = calloc(1, sizeof(*async));

	if (!async || !wakeups_make(loop)) {
		free(async);
		return NULL;
	}
	async->loop = loop;
	async->fn = fn;
	async->arg = arg;
	async->next = loop->wakeups->list;
	loop->wakeups->list = async;
	loop->watches++;
	return async;
}

void sl_async_send(struct sl_async *async)
{
	struct sl_wakeups *wakeups = async->loop->wakeups;

	InterlockedExchange(&async->sent, 1);
	if (InterlockedExchange(&wakeups->woken, 1))
		return;
	// With no byte under way the next to send anything tries again.
	if (send(wakeups->wake, "", 1, 0) != 1)
		InterlockedExchange(&wakeups->woken, 0);
}

void sl_async_free(struct sl_async *async)
{
	struct sl_async **at;

	if (!async)
		return;
	for (at = &async->loop->wakeups->list; *at != async; at = &(*at)->next)
		;
	*at = async->next;
	async->loop->watches--;
	if (!async->loop->wakeups->list)
		wakeups_free(async->loop);
	free(async);
}
