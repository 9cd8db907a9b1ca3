// Shared by the files of net/ alone.
#pragma once

#include <event2/event.h>

#include "net/loop.h"

struct evdns_base;

struct sl_loop {
	struct sl_env env; // first: an env of this kind is a loop
	struct event_base *base;
	bool running, stopping;
	void (*often)(void *arg); // NULL: none
	void *often_arg;
	uint64_t often_every_ns, often_ns; // when it was called last
	size_t timers, sockets, watches;   // alive; all zero again when the loop is freed

	// resolve.c and what asks for it
	struct evdns_base *dns; // NULL until the first look-up
	size_t lookups;         // requests that were not answered yet
	struct sl_resolve *resolves;
	const char *resolv_conf, *hosts; // not on Windows

	// Windows: async_windows.c, overlapped_windows.c, io_windows.c
	struct sl_wakeups *wakeups;
	struct sl_completions *completions;
	struct sl_signals *signals;
};

// Of the system (system.c). start: once for each loop, before all else; false: it refuses.
bool sl_system_start(void);
void sl_system_stop(void);
void sl_system_random(void *out, size_t len);

// A daemon that comes before all others is woken by the first frame of many, works on it, and is woken by the
// next: a wake-up, a packet and a system call for each. So what brings frames lets a moment pass between two
// of many wake-ups that follow closely, in which the rest of a batch arrives: what network cards do as
// interrupt moderation. A ping or a game alone never waits for this. To be called before the frames are read.
struct sl_pace {
	uint64_t last_ns;
	unsigned close; // wake-ups, each soon after the one before
};
void sl_pace(struct sl_pace *pace);

static inline struct sl_loop *sl_loop_of(struct sl_env *env)
{
	return (struct sl_loop *)env;
}

// Reads the clock; at the entry of each callback that libevent makes.
void sl_loop_wake(struct sl_loop *loop);

int sl_udp_open(struct sl_env *env, const struct sl_udp_options *options,
		const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error);
size_t sl_udp_send(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count);
void sl_udp_local(const struct sl_udp *udp, struct sl_addr *out);
void sl_udp_stats(const struct sl_udp *udp, struct sl_udp_stats *out);
void sl_udp_close(struct sl_udp *udp);

struct sl_resolve *sl_resolve_start(struct sl_env *env, const struct sl_host *host, sl_resolve_fn fn,
				    void *arg);
void sl_resolve_cancel(struct sl_resolve *resolve);
void sl_resolve_fini(struct sl_loop *loop); // ends evdns and what was cancelled
