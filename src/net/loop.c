#include "net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

#define LATER_NS (20 * SL_NS_PER_MS)

struct sl_timer {
	struct sl_loop *loop;
	struct event *event;
	uint64_t deadline_ns; // what was asked for
	uint64_t armed_ns;    // when libevent will call; never later than deadline_ns
	sl_timer_fn fn;
	void *arg;
};

void sl_loop_wake(struct sl_loop *loop)
{
	loop->env.now_ns = sl_clock_ns(CLOCK_MONOTONIC);
	if (loop->often != NULL && loop->env.now_ns - loop->often_ns >= loop->often_every_ns) {
		loop->often_ns = loop->env.now_ns;
		loop->often(loop->often_arg);
	}
}

static void timer_arm(struct sl_timer *timer)
{
	uint64_t now = sl_clock_ns(CLOCK_MONOTONIC), left_us = 0;
	struct timeval tv;

	if (timer->deadline_ns > now) {
		// libevent counts in microseconds and cuts its own clock reading down to them: round up,
		// and one more, so that a timer never fires before its deadline.
		uint64_t left = timer->deadline_ns - now;

		left_us = left / SL_NS_PER_US + (left % SL_NS_PER_US != 0) + 1;
	}
	// A day at most: the callback arms again what is later, and no type of any width overflows.
	if (left_us > UINT64_C(86400000000))
		left_us = UINT64_C(86400000000);
	// Types of their own on each system, and both are in range.
	tv.tv_sec = (int)(left_us / 1000000);
	tv.tv_usec = (int)(left_us % 1000000);
	timer->armed_ns = timer->deadline_ns;
	// Only memory can be short here; then a later timer_set tries again.
	if (event_add(timer->event, &tv) != 0)
		timer->armed_ns = SL_TIME_NEVER;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sl_timer *timer = arg;

	(void)fd;
	(void)what;
	sl_loop_wake(timer->loop);
	timer->armed_ns = SL_TIME_NEVER;
	if (timer->deadline_ns == SL_TIME_NEVER)
		return;
	if (timer->deadline_ns > timer->loop->env.now_ns) {
		timer_arm(timer);
		return;
	}
	timer->deadline_ns = SL_TIME_NEVER;
	timer->fn(timer->arg); // may free the timer
}

static struct sl_timer *timer_new(struct sl_env *env, sl_timer_fn fn, void *arg)
{
	struct sl_loop *loop = sl_loop_of(env);
	struct sl_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	timer->deadline_ns = timer->armed_ns = SL_TIME_NEVER;
	timer->event = evtimer_new(loop->base, on_timer, timer);
	if (!timer->event) {
		free(timer);
		return NULL;
	}
	loop->timers++;
	return timer;
}

// Timers move with nearly every packet, and nearly always to a slightly later time. Then libevent is left
// alone: the earlier call finds that it is not time yet and arms anew. What moves further is moved, so that
// nobody who has nothing to do is woken.
static void timer_set(struct sl_timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	if (deadline_ns == SL_TIME_NEVER) {
		if (timer->armed_ns != SL_TIME_NEVER)
			event_del(timer->event);
		timer->armed_ns = SL_TIME_NEVER;
		return;
	}
	if (deadline_ns < timer->armed_ns || deadline_ns - timer->armed_ns > LATER_NS)
		timer_arm(timer);
}

static void timer_free(struct sl_timer *timer)
{
	if (!timer)
		return;
	timer->loop->timers--;
	event_free(timer->event);
	free(timer);
}

static void env_random(struct sl_env *env, void *out, size_t len)
{
	(void)env;
	sl_system_random(out, len);
}

static uint64_t env_wall_ns(struct sl_env *env)
{
	(void)env;
	return sl_clock_ns(CLOCK_REALTIME);
}

static const struct sl_env_ops loop_ops = {
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_free = timer_free,
	.random = env_random,
	.wall_ns = env_wall_ns,
	.udp_open = sl_udp_open,
	.udp_send = sl_udp_send,
	.udp_local = sl_udp_local,
	.udp_stats = sl_udp_stats,
	.udp_close = sl_udp_close,
	.resolve = sl_resolve_start,
	.resolve_cancel = sl_resolve_cancel,
};

struct sl_loop *sl_loop_new(struct sl_log *log, struct sl_error *error)
{
	struct event_config *config = NULL;
	struct sl_loop *loop = calloc(1, sizeof(*loop));
	bool started = sl_system_start();

	if (!loop || !started)
		goto out;
	loop->env.ops = &loop_ops;
	loop->env.log = log;
	loop->resolv_conf = "/etc/resolv.conf";
	loop->hosts = "/etc/hosts";
	sl_loop_wake(loop);
	config = event_config_new();
	if (!config)
		goto out;
	// Precise: QUIC paces its packets in fractions of a millisecond. No cached time: a timer is armed
	// relative to now, not to the beginning of a long callback.
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
out:
	if (config)
		event_config_free(config);
	if (!loop || !loop->base) {
		sl_fail(error, SL_ERR_SYSTEM, "the event loop can't be set up: %s", strerror(errno));
		if (started)
			sl_system_stop();
		free(loop);
		return NULL;
	}
	return loop;
}

void sl_loop_free(struct sl_loop *loop)
{
	if (!loop)
		return;
	sl_resolve_fini(loop);
	if (loop->timers || loop->sockets || loop->watches)
		sl_err(loop->env.log, "loop", "freed too early, timers %zu sockets %zu watches %zu",
		       loop->timers, loop->sockets, loop->watches);
	event_base_free(loop->base);
	sl_system_stop();
	free(loop);
}

struct sl_env *sl_loop_env(struct sl_loop *loop)
{
	return &loop->env;
}

void sl_loop_resolver_files(struct sl_loop *loop, const char *resolv_conf, const char *hosts)
{
	if (resolv_conf)
		loop->resolv_conf = resolv_conf;
	if (hosts)
		loop->hosts = hosts;
}

void sl_loop_often(struct sl_loop *loop, uint64_t every_ns, void (*fn)(void *arg), void *arg)
{
	loop->often = fn;
	loop->often_arg = arg;
	loop->often_every_ns = every_ns;
	loop->often_ns = loop->env.now_ns;
}

int sl_loop_run(struct sl_loop *loop)
{
	int rc = 0;

	if (loop->running)
		return SL_ERR_INVALID;
	loop->running = true;
	if (!loop->stopping)
		rc = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	loop->running = false;
	loop->stopping = false;
	return rc < 0 ? SL_ERR_SYSTEM : SL_OK;
}

void sl_loop_stop(struct sl_loop *loop)
{
	loop->stopping = true;
	if (loop->running)
		event_base_loopbreak(loop->base);
}
