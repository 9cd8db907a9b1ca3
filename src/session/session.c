#include "session/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/events.h"
#include "session/report.h"
#include "session/session_internal.h"

// Waiting between tries: 0.5 to 5 s. While nothing answers, a dead relay costs one small packet a
// second and its return must be noticed soon, so those waits end at 1 s.
#define BACKOFF_FIRST (625 * SL_NS_PER_MS)
#define BACKOFF_CAP (5 * SL_NS_PER_S)
#define BACKOFF_CAP_NO_ANSWER (1 * SL_NS_PER_S)
#define AT_ONCE_JITTER (100 * SL_NS_PER_MS)
// A session that died younger than this is a path that does not work: no try at once then.
#define AT_ONCE_AGE (1 * SL_NS_PER_S)
#define DISCONNECT_WAIT (500 * SL_NS_PER_MS)

void session_enter(struct sl_session *s, enum sl_session_state state)
{
	s->state = state;
	s->since_ns = s->env->now_ns;
}

void session_timer(struct sl_session *s, uint64_t after_ns)
{
	s->env->ops->timer_set(s->timer, s->env->now_ns + after_ns);
}

static uint64_t random_below(struct sl_session *s, uint64_t limit)
{
	uint64_t value;
	s->env->ops->random(s->env, &value, sizeof value);
	return value % limit;
}

static uint64_t backoff(struct sl_session *s, uint64_t cap)
{
	uint64_t base = BACKOFF_FIRST << (s->failures < 4 ? s->failures : 4);
	if (base > cap)
		base = cap;
	s->failures++;
	return base - random_below(s, base / 5);
}

// Everything that belongs to one connection.
static void forget_connection(struct sl_session *s)
{
	s->env->ops->timer_set(s->stats_timer, SL_TIME_NEVER);
	frames_clear(s);
	notices_clear(s);
	sl_msg_reader_fini(&s->reader);
	s->hello_sent = false;
}

static const char *close_reason(uint64_t code)
{
	switch (code) {
	case SL_CLOSE_PROTOCOL_ERROR:
		return "protocol_error";
	case SL_CLOSE_TIMED_OUT:
		return "timed_out";
	default:
		return "done";
	}
}

static void SL_PRINTF(2, 0) say(struct sl_session *s, const char *format, va_list args)
{
	char text[sizeof s->sentence]; // the arguments may hold the old sentence
	vsnprintf(text, sizeof text, format, args);
	memcpy(s->sentence, text, sizeof text);
}

static void event_disconnected(struct sl_session *s)
{
	if (sl_events_watched(s->env))
		sl_event(s->env, "disconnected", "{s:s, s:o}", "room", s->config.room, "sentence",
			 sl_report_sentence(s->sentence));
}

static void say_down(struct sl_session *s, uint64_t wait, bool repeated)
{
	const struct sl_log_about about = {.room = s->config.room};

	sl_log_write_about(s->env->log, SL_LOG_WARNING, s->config.scope, &about,
			   "not connected, trying again in %llu ms (%s)%s",
			   (unsigned long long)(wait / SL_NS_PER_MS), s->sentence,
			   repeated ? " (repeated)" : "");
	event_disconnected(s);
}

void session_lose(struct sl_session *s, enum loss loss, uint64_t code, const char *format, ...)
{
	bool was_joined = s->state == SL_SESSION_JOINED;
	bool at_once = loss == LOSS_DEAD && was_joined && s->env->now_ns - s->since_ns >= AT_ONCE_AGE;
	uint64_t suppressed = 0, wait;
	va_list args;

	va_start(args, format);
	say(s, format, args);
	va_end(args);
	connect_close(s, code, close_reason(code));
	forget_connection(s);
	if (at_once)
		wait = random_below(s, AT_ONCE_JITTER);
	else
		wait = backoff(s, loss == LOSS_NO_ANSWER ? BACKOFF_CAP_NO_ANSWER : BACKOFF_CAP);
	s->retry_ns = s->env->now_ns + wait;
	session_enter(s, SL_SESSION_WAITING);
	session_timer(s, wait);
	if (was_joined || sl_log_every(&s->log_down, s->env->now_ns, &suppressed))
		say_down(s, wait, suppressed > 0);
	// The bridge must forget the MACs of the peers before it hears of the loss. Its callbacks may stop
	// us.
	peers_all_leave(s, "connection_lost");
	if (s->state == SL_SESSION_WAITING)
		s->ops.down(s->ops.arg, s->sentence, wait);
}

void session_end(struct sl_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(s, format, args);
	va_end(args);
	sl_log_write_about(s->env->log, SL_LOG_ERROR, s->config.scope,
			   &(struct sl_log_about){.room = s->config.room}, "%s", s->sentence);
	event_disconnected(s);
	connect_close(s, SL_CLOSE_DONE, "done");
	forget_connection(s);
	s->final = true;
	session_enter(s, SL_SESSION_ENDING);
	session_timer(s, s->conn != NULL ? CLOSE_WAIT : 0);
}

static void finish(struct sl_session *s)
{
	// No answer to the close is awaited; the endpoint gives out what is left when it is freed.
	connect_drop(s);
	session_enter(s, SL_SESSION_ENDED);
	s->ops.ended(s->ops.arg, s->final ? s->sentence : NULL);
}

static void on_timer(void *arg)
{
	struct sl_session *s = arg;

	switch (s->state) {
	case SL_SESSION_WAITING:
		connect_drop(s);
		connect_start(s);
		break;
	case SL_SESSION_CONNECTING: // the next address
		connect_drop(s);
		connect_next(s);
		break;
	case SL_SESSION_JOINING:
		control_timer(s);
		break;
	case SL_SESSION_JOINED:
		control_check_path(s);
		break;
	case SL_SESSION_ENDING:
		if (s->conn != NULL && !s->closing) { // the `disconnect` was not acknowledged in time
			connect_close(s, SL_CLOSE_DONE, "done");
			session_timer(s, CLOSE_WAIT);
		} else {
			finish(s);
		}
		break;
	default:
		break;
	}
}

static void on_reap(void *arg)
{
	struct sl_session *s = arg;
	if (s->conn == NULL)
		connect_drop(s);
}

static void on_stats(void *arg)
{
	control_stats(arg);
}

static void on_held(void *arg)
{
	frames_expire(arg);
}

// ---- for others

int sl_session_new(struct sl_env *env, const struct sl_session_config *config,
		   const struct sl_session_ops *ops, struct sl_session **out, struct sl_error *error)
{
	uint64_t hash_key[2];
	struct sl_session *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	s->env = env;
	s->config = *config;
	s->ops = *ops;
	s->handshake_ns = HANDSHAKE_FIRST;
	s->pmtu_wait_ns = PMTU_WAIT;
	s->since_ns = env->now_ns;
	env->ops->random(env, hash_key, sizeof hash_key);
	sl_map_init(&s->by_mac, hash_key);
	sl_msg_reader_init(&s->reader);
	s->held = calloc(HELD_MAX, sizeof *s->held);
	s->timer = env->ops->timer_new(env, on_timer, s);
	s->reap = env->ops->timer_new(env, on_reap, s);
	s->stats_timer = env->ops->timer_new(env, on_stats, s);
	s->held_timer = env->ops->timer_new(env, on_held, s);
	if (s->held == NULL || s->timer == NULL || s->reap == NULL || s->stats_timer == NULL ||
	    s->held_timer == NULL || parts_init(s) != SL_OK) {
		sl_session_free(s);
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	}
	*out = s;
	return SL_OK;
}

void sl_session_start(struct sl_session *s)
{
	if (s->state == SL_SESSION_IDLE)
		connect_start(s);
}

void sl_session_reconnect(struct sl_session *s, const char *why)
{
	switch (s->state) {
	case SL_SESSION_CONNECTING:
	case SL_SESSION_JOINING:
	case SL_SESSION_JOINED:
		session_lose(s, LOSS_DEAD, SL_CLOSE_DONE, "%s", why);
		break;
	case SL_SESSION_WAITING:
		session_timer(s, 0);
		break;
	default:
		break; // it looks the relay up, or it ends
	}
}

void sl_session_stop(struct sl_session *s, const char *reason)
{
	struct sl_msg msg = {.type = SL_MSG_DISCONNECT};
	uint64_t wait = 0;

	if (s->stopping)
		return;
	s->stopping = true;
	if (s->state == SL_SESSION_ENDING)
		return; // `ended` comes anyway
	s->final = false;
	if (s->resolve != NULL) {
		s->env->ops->resolve_cancel(s->resolve);
		s->resolve = NULL;
	}
	if (s->state == SL_SESSION_JOINED || (s->state == SL_SESSION_JOINING && s->hello_sent)) {
		sl_reason_clean(reason, msg.disconnect.reason);
		sl_info(s->env->log, s->config.scope, "leaving room %s (%s)", s->config.room,
			msg.disconnect.reason);
		if (control_send(s, &msg, true) == SL_OK)
			wait = DISCONNECT_WAIT;
	}
	if (wait == 0 && s->conn != NULL) {
		connect_close(s, SL_CLOSE_DONE, "done");
		wait = CLOSE_WAIT;
	}
	forget_connection(s);
	session_enter(s, SL_SESSION_ENDING);
	session_timer(s, wait);
}

void sl_session_free(struct sl_session *s)
{
	if (s == NULL)
		return;
	s->env->ops->resolve_cancel(s->resolve);
	sl_quic_free(s->quic);
	peers_clear(s);
	sl_map_fini(&s->by_mac);
	sl_msg_reader_fini(&s->reader);
	s->env->ops->timer_free(s->timer);
	s->env->ops->timer_free(s->reap);
	s->env->ops->timer_free(s->stats_timer);
	s->env->ops->timer_free(s->held_timer);
	parts_fini(s);
	free(s->held);
	free(s);
}
