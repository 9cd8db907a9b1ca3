#include "daemon/control_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "daemon/control_backlog.h"
#include "daemon/control_request.h"
#include "obs/events.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define HANG_UP_NS SL_NS_PER_S // how often one that said its last word is looked after

struct control_conn {
	struct control_conn_owner *owner;
	struct control_stream *stream;
	struct sl_timer *timer; // for the request first, then for the answer, or for HANG_UP_NS
	char *out;              // the whole answer; NULL: still reading
	size_t out_len, out_sent;
	struct control_backlog *backlog; // not NULL: it watches
	uint64_t lost;                   // events that had no room in there
	bool half_closed;                // it watches and will send nothing more
	size_t in_len;
	char in[SL_CONTROL_REQUEST_MAX + 1];
};

static struct sl_env *conn_env(const struct control_conn *conn)
{
	return sl_loop_env(conn->owner->loop);
}

static void conn_end(struct control_conn *conn)
{
	conn->owner->ended(conn->owner, conn);
}

static void conn_write(struct control_conn *conn)
{
	while (conn->out_sent < conn->out_len) {
		long sent = control_stream_write(conn->stream, conn->out + conn->out_sent,
						 conn->out_len - conn->out_sent);
		if (sent == CONTROL_STREAM_GONE) {
			conn_end(conn);
			return;
		}
		if (sent == CONTROL_STREAM_AGAIN)
			break;
		conn->out_sent += (size_t)sent;
	}
	if (conn->out_sent < conn->out_len || !control_stream_drained(conn->stream))
		control_stream_want(conn->stream, SL_IO_WRITE);
	else
		conn_end(conn);
}

// Answers with `out`, which it takes over. Ends the connection or waits for it to be writable.
static void conn_answer(struct control_conn *conn, char *out, size_t len)
{
	struct sl_env *env = conn_env(conn);
	if (!out) {
		conn_end(conn);
		return;
	}
	conn->out = out;
	conn->out_len = len;
	env->ops->timer_set(conn->timer, env->now_ns + SL_CONTROL_ANSWER_S * SL_NS_PER_S);
	conn_write(conn);
}

static void conn_refuse(struct control_conn *conn, const char *code, const char *text)
{
	size_t size = strlen(code) + 4 * strlen(text) + 16, len;
	char *out = malloc(size);
	if (out) {
		len = (size_t)snprintf(out, size, "ERR %s ", code);
		for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
			// One line whatever the text holds: it may quote the request.
			if (*p < 0x20 || *p == 0x7f)
				len += (size_t)snprintf(out + len, size - len, "\\x%02x", *p);
			else
				out[len++] = (char)*p;
		}
		out[len++] = '\n';
	} else {
		len = 0;
	}
	conn_answer(conn, out, len);
}

// ---- one that watches

static void watch_want(struct control_conn *conn)
{
	control_stream_want(conn->stream,
			    (conn->half_closed ? 0 : SL_IO_READ) | (conn->backlog->len ? SL_IO_WRITE : 0));
}

// Once there is room again, it is told how much it has missed: after what it had, before what follows.
static void watch_tell_lost(struct control_conn *conn)
{
	if (conn->lost == 0 || conn->backlog->len > SL_CONTROL_BACKLOG / 2)
		return;
	json_t *event =
		sl_event_json(conn_env(conn), "lost", json_pack("{s:I}", "events", (json_int_t)conn->lost));
	char *line = event ? json_dumps(event, JSON_COMPACT) : NULL;
	if (line && control_backlog_put(conn->backlog, line, strlen(line)) &&
	    control_backlog_put(conn->backlog, "\n", 1))
		conn->lost = 0;
	free(line);
	json_decref(event);
}

static void watch_write(struct control_conn *conn)
{
	struct control_backlog *backlog = conn->backlog;
	for (;;) {
		watch_tell_lost(conn);
		if (backlog->len == 0)
			break;
		long sent = control_stream_write(conn->stream, backlog->data + backlog->start, backlog->len);
		if (sent == CONTROL_STREAM_AGAIN)
			break;
		if (sent == CONTROL_STREAM_GONE) {
			conn_end(conn);
			return;
		}
		control_backlog_sent(backlog, (size_t)sent);
	}
	watch_want(conn);
}

// What it still says is of no interest, but its end is. False: it has ended. One that closed its sending
// side only (`… | nc -N -U`) goes on to watch; that leaves nothing to wait for, so it is looked after.
static bool watch_read(struct control_conn *conn)
{
	struct sl_env *env = conn_env(conn);
	long got = control_stream_read(conn->stream, conn->in, sizeof(conn->in));
	if (got > 0 || got == CONTROL_STREAM_AGAIN)
		return true;
	if (got == CONTROL_STREAM_GONE || control_stream_hung_up(conn->stream)) {
		conn_end(conn);
		return false;
	}
	conn->half_closed = true;
	env->ops->timer_set(conn->timer, env->now_ns + HANG_UP_NS);
	watch_want(conn);
	return true;
}

static void watch_start(struct control_conn *conn)
{
	conn->backlog = calloc(1, sizeof(*conn->backlog));
	if (!conn->backlog) {
		conn_refuse(conn, "failed", "out of memory");
		return;
	}
	conn_env(conn)->ops->timer_set(conn->timer, SL_TIME_NEVER);
	control_backlog_put(conn->backlog, "OK\n", 3);
	watch_write(conn);
}

bool control_conn_watches(const struct control_conn *conn)
{
	return conn->backlog != NULL;
}

void control_conn_event(struct control_conn *conn, const char *line, size_t len)
{
	if (conn->lost > 0 || !line || !control_backlog_put(conn->backlog, line, len))
		conn->lost++;
	control_stream_want(conn->stream, (conn->half_closed ? 0 : SL_IO_READ) | SL_IO_WRITE);
}

void control_conn_flush(struct control_conn *conn)
{
	if (conn->backlog)
		watch_write(conn);
}

// ---- requests

static const struct sl_control_verb *find_verb(const struct sl_control_verb *verb, const char *name)
{
	while (verb && verb->name && strcmp(verb->name, name) != 0)
		verb++;
	return verb && verb->name ? verb : NULL;
}

static int put_json(const char *bytes, size_t len, void *text)
{
	sl_text_put(text, bytes, len);
	return ((struct sl_text *)text)->failed ? -1 : 0;
}

static void conn_run(struct control_conn *conn, int argc, const char *const *argv)
{
	const struct control_conn_owner *owner = conn->owner;
	const struct sl_control_verb *verb = find_verb(owner->verbs, argv[0]);
	void *arg = owner->arg;
	struct sl_error error;
	if (!verb) {
		verb = find_verb(owner->common, argv[0]);
		arg = owner->common_arg;
	}
	if (!verb) {
		sl_fail(&error, SL_ERR_UNSUPPORTED, "this daemon has no verb \"%.40s\"", argv[0]);
		conn_refuse(conn, "unsupported", error.text);
		return;
	}
	if (verb->changes && !control_stream_may_change(conn->stream)) {
		sl_fail(&error, SL_ERR_PERMISSION, "%s is for %s only", verb->name, control_stream_changers);
		conn_refuse(conn, "denied", error.text);
		return;
	}
	struct sl_control_reply reply = {0};
	verb->run(arg, argc, argv, &reply);
	if (reply.code) {
		conn_refuse(conn, reply.code, reply.text ? reply.text : reply.error.text);
	} else if (verb->streams) {
		watch_start(conn);
	} else {
		struct sl_text out = {0};
		bool made;
		sl_text_add(&out, "OK\n");
		made = reply.json && json_dump_callback(reply.json, put_json, &out,
							JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0;
		sl_text_add(&out, "\n");
		if (made && !out.failed) {
			conn_answer(conn, out.data, out.len);
		} else {
			sl_text_free(&out);
			conn_refuse(conn, "failed", "the answer could not be made (out of memory)");
		}
	}
	json_decref(reply.json);
	free(reply.text);
}

// `line` is the request without its newline.
static void conn_request(struct control_conn *conn, char *line, size_t len)
{
	struct sl_control_request request;
	struct sl_error error;
	if (sl_control_request_parse(line, len, &request, &error) == SL_OK)
		conn_run(conn, request.argc, request.argv);
	else
		conn_refuse(conn, "usage", error.text);
}

static void conn_read(struct control_conn *conn)
{
	long got = control_stream_read(conn->stream, conn->in + conn->in_len,
				       SL_CONTROL_REQUEST_MAX - conn->in_len);
	if (got == CONTROL_STREAM_AGAIN)
		return;
	if (got <= 0) { // an end before the newline: no request
		conn_end(conn);
		return;
	}
	char *newline = memchr(conn->in + conn->in_len, '\n', (size_t)got);
	conn->in_len += (size_t)got;
	if (!newline && conn->in_len < SL_CONTROL_REQUEST_MAX)
		return;
	control_stream_want(conn->stream, 0); // one request a connection
	if (newline)
		conn_request(conn, conn->in, (size_t)(newline - conn->in));
	else
		conn_refuse(conn, "usage", "a request is one line of at most 4096 bytes");
}

static void conn_ready(void *arg, unsigned ready)
{
	struct control_conn *conn = arg;
	if (conn->backlog) {
		if (!(ready & SL_IO_READ) || watch_read(conn))
			watch_write(conn);
	} else if (conn->out)
		conn_write(conn);
	else
		conn_read(conn);
}

static void conn_timeout(void *arg)
{
	struct control_conn *conn = arg;
	struct sl_env *env = conn_env(conn);
	if (conn->backlog && !control_stream_hung_up(conn->stream)) {
		env->ops->timer_set(conn->timer, env->now_ns + HANG_UP_NS);
	} else if (!conn->backlog && !conn->out) {
		control_stream_want(conn->stream, 0);
		conn_refuse(conn, "timeout",
			    "the request was not complete within " STRING(SL_CONTROL_REQUEST_S) " s");
	} else {
		conn_end(conn);
	}
}

struct control_conn *control_conn_new(struct control_conn_owner *owner, struct control_stream *stream)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		control_stream_close(stream);
		return NULL;
	}
	conn->owner = owner;
	conn->stream = stream;
	struct sl_env *env = conn_env(conn);
	conn->timer = env->ops->timer_new(env, conn_timeout, conn);
	if (!conn->timer || control_stream_start(stream, owner->loop, conn_ready, conn) != SL_OK ||
	    control_stream_want(stream, SL_IO_READ) != SL_OK) {
		control_conn_free(conn);
		return NULL;
	}
	env->ops->timer_set(conn->timer, env->now_ns + SL_CONTROL_REQUEST_S * SL_NS_PER_S);
	return conn;
}

void control_conn_free(struct control_conn *conn)
{
	if (!conn)
		return;
	control_stream_close(conn->stream);
	if (conn->timer)
		conn_env(conn)->ops->timer_free(conn->timer);
	free(conn->out);
	free(conn->backlog);
	free(conn);
}
