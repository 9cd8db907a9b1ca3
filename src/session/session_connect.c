// Making a connection with the relay, and what it reports.
#include "session/session.h"

#include <string.h>

#include "session/session_internal.h"

// A path on which something came back in time is given longer for its next handshake.
#define HANDSHAKE_CAP (10 * SL_NS_PER_S)

// Frees the endpoint; never from inside its callbacks.
void connect_drop(struct sl_session *s)
{
	struct sl_quic_stats stats;
	if (s->quic == NULL)
		return;
	sl_quic_stats(s->quic, &stats);
	status_add_udp(&s->udp_before, &stats.udp);
	sl_quic_free(s->quic);
	s->quic = NULL;
	s->conn = NULL;
	s->closing = false;
}

void connect_close(struct sl_session *s, uint64_t code, const char *reason)
{
	if (s->conn == NULL || s->closing)
		return;
	s->closing = true;
	sl_conn_close(s->conn, code, reason);
}

// ---- the connection's callbacks

static bool current(const struct sl_session *s, const struct sl_conn *conn)
{
	return conn == s->conn && !s->closing;
}

static void on_established(void *arg, struct sl_conn *conn, void *user)
{
	struct sl_session *s = arg;
	(void)user;
	if (current(s, conn) && s->state == SL_SESSION_CONNECTING)
		control_established(s);
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	struct sl_session *s = arg;
	(void)user;
	if (current(s, conn) && (s->state == SL_SESSION_JOINING || s->state == SL_SESSION_JOINED))
		control_stream(s, data, len, fin, reset);
}

static void on_stream_drained(void *arg, struct sl_conn *conn, void *user)
{
	struct sl_session *s = arg;
	(void)user;
	// Our `disconnect` has arrived.
	if (current(s, conn) && s->state == SL_SESSION_ENDING) {
		connect_close(s, SL_CLOSE_DONE, "done");
		session_timer(s, CLOSE_WAIT);
	}
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct sl_session *s = arg;
	(void)user;
	if (current(s, conn))
		frames_datagram(s, data, len);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	(void)conn;
	(void)user;
	frames_dropped(arg, reason, count);
}

static void on_batch_end(void *arg)
{
	struct sl_session *s = arg;
	if (s->ops.batch_end != NULL)
		s->ops.batch_end(s->ops.arg);
}

// A handshake that came to nothing.
static void connect_failed(struct sl_session *s, struct sl_conn *conn, const struct sl_closed *why)
{
	char relay[RELAY_TEXT];
	struct sl_conn_info info;

	control_relay_text(s, relay);
	if (why->certificate) {
		session_end(s, "no connection with the relay %s: %s", relay, why->text); // with the remedy
		return;
	}
	sl_conn_info(conn, &info);
	bool heard = info.last_rx_ns > s->since_ns; // the try began then
	if (!heard)
		s->handshake_ns = HANDSHAKE_FIRST;
	else if (s->handshake_ns < HANDSHAKE_CAP)
		s->handshake_ns *= 2;
	if (!heard && s->addr_next < s->addr_count) {
		sl_info(s->env->log, s->config.scope, "no answer from the relay %s, trying its next address",
			relay);
		session_timer(s, 0); // the endpoint can't be freed from here
		return;
	}
	session_lose(s, heard ? LOSS_REFUSED : LOSS_NO_ANSWER, SL_CLOSE_DONE,
		     "no connection with the relay %s: %s", relay,
		     why->text[0] != '\0' ? why->text : "no answer");
}

static void connection_lost(struct sl_session *s, const struct sl_closed *why)
{
	char relay[RELAY_TEXT];
	enum loss loss = LOSS_DEAD;
	const char *what = "the connection broke";

	if (why->cause == SL_CAUSE_PEER && why->application) {
		loss = LOSS_REFUSED;
		what = "it closed the connection";
	} else if (why->cause == SL_CAUSE_RESET) {
		what = "it was restarted";
	} else if (why->cause == SL_CAUSE_IDLE) {
		what = "it fell silent";
	}
	session_lose(s, loss, SL_CLOSE_DONE, "lost the relay %s: %s%s%s%s", control_relay_text(s, relay),
		     what, why->text[0] != '\0' ? " (" : "", why->text, why->text[0] != '\0' ? ")" : "");
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct sl_session *s = arg;
	bool ours = s->closing;

	(void)user;
	if (conn != s->conn)
		return;
	s->conn = NULL;
	s->closing = false;
	s->env->ops->timer_set(s->reap, s->env->now_ns);
	switch (s->state) {
	case SL_SESSION_ENDING:
		session_timer(s, 0);
		break;
	case SL_SESSION_CONNECTING:
		if (!ours)
			connect_failed(s, conn, why);
		break;
	case SL_SESSION_JOINING:
	case SL_SESSION_JOINED:
		if (!ours)
			connection_lost(s, why);
		break;
	default:
		break; // it was given up before
	}
}

// ---- connecting

// The address that worked last comes first, and while the relay does not answer mostly alone: a name
// with a dead second address must not double the time to find a relay that is back.
static void order_addrs(struct sl_session *s)
{
	for (size_t i = 0; i < s->addr_count; i++) {
		if (s->last_good.len == 0 || !sl_addr_equal(&s->addrs[i], &s->last_good))
			continue;
		s->addrs[i] = s->addrs[0];
		s->addrs[0] = s->last_good;
		if (s->failures % 4 != 3)
			s->addr_count = 1;
		return;
	}
}

static void on_resolved(void *arg, const struct sl_addr *addrs, size_t count, const char *error)
{
	struct sl_session *s = arg;

	s->resolve = NULL;
	if (count > 0) {
		s->addr_count = count < SESSION_ADDRS_MAX ? count : SESSION_ADDRS_MAX;
		memcpy(s->addrs, addrs, s->addr_count * sizeof addrs[0]);
		order_addrs(s);
	} else if (s->last_good.len != 0) {
		sl_debug(s->env->log, s->config.scope, "look-up failed, using the last address (%s)", error);
		s->addrs[0] = s->last_good;
		s->addr_count = 1;
	} else {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "%s", error);
		return;
	}
	s->addr_next = 0;
	connect_next(s);
}

// NET-3: the name is resolved before anything else happens.
void connect_start(struct sl_session *s)
{
	session_enter(s, SL_SESSION_RESOLVING);
	s->resolve = s->env->ops->resolve(s->env, &s->config.relay, on_resolved, s);
	if (s->resolve == NULL)
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "cannot look the relay up (out of memory)");
}

void connect_next(struct sl_session *s)
{
	const struct sl_quic_ops ops = {
		.established = on_established,
		.stream = on_stream,
		.stream_drained = on_stream_drained,
		.datagram = on_datagram,
		.dropped = on_dropped,
		.closed = on_closed,
		.batch_end = on_batch_end,
		.arg = s,
	};
	const struct sl_quic_config config = {
		.tls = s->config.tls,
		.congestion = s->config.congestion,
		.offload = s->config.offload,
		.datagram_size = s->config.max_datagram_size,
		.idle_timeout_ns = s->config.idle_timeout_ns,
		.keep_alive_ns = s->config.keep_alive_ns,
		.handshake_timeout_ns = s->handshake_ns,
	};
	struct sl_error error = {{0}};
	char relay[RELAY_TEXT];

	s->relay = s->addrs[s->addr_next++];
	session_enter(s, SL_SESSION_CONNECTING);
	if ((s->config.before_connect != NULL &&
	     s->config.before_connect(s->ops.arg, &s->relay, &error) != SL_OK) ||
	    sl_quic_client_new(s->env, &config, &ops, &s->relay, s->config.server_name, s, &s->quic, &s->conn,
			       &error) != SL_OK) {
		s->quic = NULL;
		s->conn = NULL;
		if (s->addr_next < s->addr_count)
			session_timer(s, 0); // perhaps of a family that this host has no way out for
		else
			session_lose(s, LOSS_NO_ANSWER, SL_CLOSE_DONE, "%s",
				     error.text[0] != '\0' ? error.text : "no way to the relay");
		return;
	}
	sl_debug(s->env->log, s->config.scope, "connecting, relay %s", control_relay_text(s, relay));
}
