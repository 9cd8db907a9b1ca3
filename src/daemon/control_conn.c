#include "daemon/control_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/control_backlog.h"
#include "daemon/control_request.h"
#include "obs/events.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define HANG_UP_NS SL_NS_PER_S // how often one that said its last word is looked after

struct control_conn {
	struct control_conn_owner *owner;
	int fd;
	struct sl_io *io;
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
		ssize_t sent = send(conn->fd, conn->out + conn->out_sent, conn->out_len - conn->out_sent,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			sl_io_want(conn->io, SL_IO_WRITE);
			return;
		}
		if (sent < 0) // the reader went away
			break;
		conn->out_sent += (size_t)sent;
	}
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
	sl_io_want(conn->io, (conn->half_closed ? 0 : SL_IO_READ) | (conn->backlog->len ? SL_IO_WRITE : 0));
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
		ssize_t sent = send(conn->fd, backlog->data + backlog->start, backlog->len,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (sent < 0) { // the reader went away
			conn_end(conn);
			return;
		}
		control_backlog_sent(backlog, (size_t)sent);
	}
	watch_want(conn);
}

static bool hung_up(const struct control_conn *conn)
{
	struct pollfd poll_fd = {.fd = conn->fd};
	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

// What it still says is of no interest, but its end is. False: it has ended. One that closed its sending
// side only (`… | nc -N -U`) goes on to watch; that leaves nothing to wait for, so it is looked after.
static bool watch_read(struct control_conn *conn)
{
	struct sl_env *env = conn_env(conn);
	ssize_t got = recv(conn->fd, conn->in, sizeof(conn->in), MSG_DONTWAIT);
	if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)))
		return true;
	if (got < 0 || hung_up(conn)) {
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
	sl_io_want(conn->io, (conn->half_closed ? 0 : SL_IO_READ) | SL_IO_WRITE);
}

void control_conn_flush(struct control_conn *conn)
{
	if (conn->backlog)
		watch_write(conn);
}

// ---- requests

static bool may_change(const struct control_conn *conn)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	return getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof(peer) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static const struct sl_control_verb *find_verb(const struct sl_control_verb *verb, const char *name)
{
	while (verb && verb->name && strcmp(verb->name, name) != 0)
		verb++;
	return verb && verb->name ? verb : NULL;
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
	if (verb->changes && !may_change(conn)) {
		sl_fail(&error, SL_ERR_PERMISSION, "%s is for root and the daemon's own user only",
			verb->name);
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
		char *out = NULL;
		size_t len = 0;
		FILE *stream = reply.json ? open_memstream(&out, &len) : NULL;
		bool good = stream && fputs("OK\n", stream) >= 0 &&
			    json_dumpf(reply.json, stream, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 &&
			    fputc('\n', stream) != EOF;
		if (stream && fclose(stream) != 0)
			good = false;
		if (good) {
			conn_answer(conn, out, len);
		} else {
			free(out);
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
	ssize_t got =
		recv(conn->fd, conn->in + conn->in_len, SL_CONTROL_REQUEST_MAX - conn->in_len, MSG_DONTWAIT);
	if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0) { // an end before the newline: no request
		conn_end(conn);
		return;
	}
	char *newline = memchr(conn->in + conn->in_len, '\n', (size_t)got);
	conn->in_len += (size_t)got;
	if (!newline && conn->in_len < SL_CONTROL_REQUEST_MAX)
		return;
	sl_io_want(conn->io, 0); // one request a connection
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
	if (conn->backlog && !hung_up(conn)) {
		env->ops->timer_set(conn->timer, env->now_ns + HANG_UP_NS);
	} else if (!conn->backlog && !conn->out) {
		sl_io_want(conn->io, 0);
		conn_refuse(conn, "timeout",
			    "the request was not complete within " STRING(SL_CONTROL_REQUEST_S) " s");
	} else {
		conn_end(conn);
	}
}

struct control_conn *control_conn_new(struct control_conn_owner *owner, int fd)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));
	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->owner = owner;
	conn->fd = fd;
	struct sl_env *env = conn_env(conn);
	conn->timer = env->ops->timer_new(env, conn_timeout, conn);
	conn->io = sl_loop_io(owner->loop, fd, conn_ready, conn);
	if (!conn->timer || !conn->io || sl_io_want(conn->io, SL_IO_READ) != SL_OK) {
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
	if (conn->io)
		sl_io_free(conn->io);
	if (conn->timer)
		conn_env(conn)->ops->timer_free(conn->timer);
	close(conn->fd);
	free(conn->out);
	free(conn->backlog);
	free(conn);
}
