// The control stream, from the endpoint's side (docs/protocol.md).
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/events.h"
#include "proto/mtu.h"
#include "session/session_internal.h"

#define PMTU_WAIT_MAX (4 * SL_NS_PER_S) // the relay waits five seconds for `hello`
#define PMTU_POLL (10 * SL_NS_PER_MS)
#define PATH_POLL (100 * SL_NS_PER_MS)
#define HELLO_WAIT (5 * SL_NS_PER_S)
// A relay that does not take our control messages gets no more `stats`; they are cumulative.
#define PENDING_MAX 16384

const char *control_relay_text(const struct sl_session *s, char out[static RELAY_TEXT])
{
	char addr[SL_ADDR_TEXT];
	sl_addr_format(&s->relay, addr);
	if (s->config.relay.literal)
		snprintf(out, RELAY_TEXT, "%s", addr);
	else
		snprintf(out, RELAY_TEXT, "%s (%s)", s->config.relay.name, addr);
	return out;
}

int control_send(struct sl_session *s, const struct sl_msg *msg, bool fin)
{
	uint8_t *bytes;
	size_t len;
	int result = sl_msg_encode(msg, &bytes, &len);
	if (result != SL_OK)
		return result;
	result = sl_conn_stream_write(s->conn, bytes, len, fin);
	free(bytes);
	return result;
}

static void protocol_error(struct sl_session *s, const char *what)
{
	char relay[RELAY_TEXT];
	session_lose(s, LOSS_REFUSED, SL_CLOSE_PROTOCOL_ERROR, "the relay %s broke the protocol: %s",
		     control_relay_text(s, relay), what);
}

// ---- before `welcome`

// With `split` any path will do, and hello names what is configured, at once; unless this path was found too
// narrow for a relay that does not grant it: then hello names the path's size, as without the feature.
static bool waits_for_path(const struct sl_session *s)
{
	return !s->config.split || s->narrow;
}

static void send_hello(struct sl_session *s)
{
	struct sl_msg msg = {.type = SL_MSG_HELLO};
	char relay[RELAY_TEXT];
	size_t path = sl_conn_max_datagram(s->conn);

	if (path == 0) {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE,
			     "the relay %s takes no QUIC datagrams; is it a softlan relay, of this version?",
			     control_relay_text(s, relay));
		return;
	}
	// A budget below SL_BUDGET_MIN is sent too: the relay answers it with its own sentence.
	s->hello_budget = s->config.max_datagram_size;
	if (path < s->hello_budget && waits_for_path(s))
		s->hello_budget = path;
	// On a long or lossy path the wait has ended before the search: what the relay then says of the size
	// is not its last word.
	s->budget_unsettled = path < s->config.max_datagram_size && !sl_conn_pmtu_settled(s->conn);
	msg.hello.protocol = SL_CTRL_PROTOCOL;
	msg.hello.role = s->config.role;
	msg.hello.has_mac = s->config.role == SL_ROLE_CLIENT;
	if (msg.hello.has_mac)
		msg.hello.mac = s->config.mac;
	memcpy(msg.hello.room, s->config.room, sizeof msg.hello.room);
	memcpy(msg.hello.agent, s->config.agent, sizeof msg.hello.agent);
	msg.hello.max_datagram_size = s->hello_budget;
	msg.hello.features = s->config.split ? SL_FEATURE_SPLIT : 0;
	msg.hello.has_secret = s->config.secret[0] != '\0';
	memcpy(msg.hello.secret, s->config.secret, sizeof msg.hello.secret);
	int result = control_send(s, &msg, false);
	if (result != SL_OK) {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "hello could not be sent (%s)",
			     sl_strerror(result));
		return;
	}
	s->hello_sent = true;
	sl_debug(s->env->log, s->config.scope, "hello sent, budget %zu", s->hello_budget);
	session_timer(s, HELLO_WAIT);
}

void control_established(struct sl_session *s)
{
	session_enter(s, SL_SESSION_JOINING);
	control_timer(s);
}

// Without `split` the budget that `hello` names is the path's real one: discovery comes first, if it ends
// soon.
void control_timer(struct sl_session *s)
{
	char relay[RELAY_TEXT];

	if (s->closing || s->conn == NULL)
		return;
	if (s->hello_sent) {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_TIMED_OUT,
			     "the relay %s did not answer hello within %llu s", control_relay_text(s, relay),
			     (unsigned long long)(HELLO_WAIT / SL_NS_PER_S));
		return;
	}
	if (!waits_for_path(s) || sl_conn_pmtu_settled(s->conn) ||
	    sl_conn_max_datagram(s->conn) >= s->config.max_datagram_size ||
	    s->env->now_ns - s->since_ns >= s->pmtu_wait_ns)
		send_hello(s);
	else
		session_timer(s, PMTU_POLL);
}

static void on_welcome(struct sl_session *s, const struct sl_msg *msg)
{
	char gateway[32] = "none", relay[RELAY_TEXT];
	struct sl_log_about about;
	bool split = (msg->welcome.features & SL_FEATURE_SPLIT) != 0;

	if (msg->welcome.max_datagram_size > s->hello_budget) {
		protocol_error(s, "it agreed to larger datagrams than asked for");
		return;
	}
	if ((msg->welcome.features & ~(s->config.split ? SL_FEATURE_SPLIT : 0)) != 0) {
		protocol_error(s, "it agreed to a feature that was not asked for");
		return;
	}
	if (split && msg->welcome.max_datagram_size < SL_SPLIT_BUDGET_MIN) {
		protocol_error(s, "the datagrams it agreed to are too small for `split`");
		return;
	}
	if (!split && sl_budget_from_mtu(msg->welcome.effective_tap_mtu) > msg->welcome.max_datagram_size) {
		protocol_error(s, "the MTU it set does not fit the datagrams it agreed to");
		return;
	}
	s->welcome = (struct sl_session_welcome){
		.peer_id = msg->welcome.peer_id,
		.room_id = msg->welcome.room_id,
		.mtu = msg->welcome.effective_tap_mtu,
		.budget = msg->welcome.max_datagram_size,
		.gateway = msg->welcome.gateway,
		.split = split,
	};
	session_enter(s, SL_SESSION_JOINED);
	s->env->ops->timer_set(s->timer, SL_TIME_NEVER);
	if (!split)
		session_timer(s, PATH_POLL); // control_check_path
	s->narrow = s->narrow && !split;
	s->last_good = s->relay;
	s->failures = 0;
	s->sentence[0] = '\0';
	s->log_down = (struct sl_log_limit){0};
	if (s->ever_joined)
		s->reconnects++;
	s->ever_joined = true;
	if (s->config.role == SL_ROLE_GATEWAY)
		snprintf(gateway, sizeof gateway, "this one");
	else if (s->welcome.gateway != 0)
		snprintf(gateway, sizeof gateway, "peer %u", s->welcome.gateway);
	about = (struct sl_log_about){.room = s->config.room, .peer = s->welcome.peer_id};
	sl_log_write_about(s->env->log, SL_LOG_INFO, s->config.scope, &about,
			   "joined room %s as peer %u, relay %s mtu %zu budget %zu%s gateway %s",
			   s->config.room, s->welcome.peer_id, control_relay_text(s, relay), s->welcome.mtu,
			   s->welcome.budget, split ? " split" : "", gateway);
	if (s->config.stats_interval_ns != 0)
		s->env->ops->timer_set(s->stats_timer, s->env->now_ns + s->config.stats_interval_ns);
	sl_event(s->env, "connected", "{s:s, s:s, s:i}", "room", s->config.room, "relay", relay, "peer",
		 (int)s->welcome.peer_id);
	frames_welcome(s);
	s->ops.joined(s->ops.arg, &s->welcome);
}

// Hello may have named more than the path carries, for `split`. Where the relay did not grant that, frames
// would get lost in silence: the next hello names the path's size then, and the relay decides.
void control_check_path(struct sl_session *s)
{
	char relay[RELAY_TEXT];
	size_t path, needed = sl_budget_from_mtu(s->welcome.mtu);

	if (s->conn == NULL || s->closing || s->welcome.split)
		return;
	path = sl_conn_max_datagram(s->conn);
	if (path >= needed)
		return;
	if (!sl_conn_pmtu_settled(s->conn)) {
		session_timer(s, PATH_POLL);
		return;
	}
	s->narrow = true;
	session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE,
		     "the path to the relay %s carries datagrams of %zu bytes, and its room needs %zu",
		     control_relay_text(s, relay), path, needed);
}

static void on_reject(struct sl_session *s, const struct sl_msg *msg)
{
	char relay[RELAY_TEXT];
	const char *message = msg->reject.message, *token = msg->reject.token;

	control_relay_text(s, relay);
	bool unsettled = msg->reject.reason == SL_REJECT_MTU_TOO_SMALL && s->budget_unsettled;
	s->narrow |= unsettled;
	if (unsettled) // on this path the search takes longer, with the next connection too
		s->pmtu_wait_ns = 2 * s->pmtu_wait_ns < PMTU_WAIT_MAX ? 2 * s->pmtu_wait_ns : PMTU_WAIT_MAX;
	if (sl_reject_may_retry(msg->reject.reason) || unsettled)
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "the relay %s refused: %s (%s)", relay, message,
			     token);
	else
		session_end(s, "the relay %s refused: %s (%s)", relay, message, token);
}

static void on_disconnect(struct sl_session *s, const struct sl_msg *msg)
{
	char relay[RELAY_TEXT];
	session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "the relay %s ended the session (%s)",
		     control_relay_text(s, relay), msg->disconnect.reason);
}

// ---- messages

static void handle_joining(struct sl_session *s, const struct sl_msg *msg)
{
	if (s->hello_sent && msg->type == SL_MSG_WELCOME)
		on_welcome(s, msg);
	else if (s->hello_sent && msg->type == SL_MSG_REJECT)
		on_reject(s, msg);
	else if (msg->type == SL_MSG_DISCONNECT)
		on_disconnect(s, msg);
	else
		protocol_error(s, "its first message was neither welcome nor reject");
}

static void handle_joined(struct sl_session *s, const struct sl_msg *msg)
{
	struct sl_error error = {{0}};
	uint64_t suppressed;
	int result;

	switch (msg->type) {
	case SL_MSG_PEER_JOINED:
		result = peers_join(s, msg, &error);
		if (result == SL_ERR_PROTO)
			protocol_error(s, error.text);
		else if (result != SL_OK)
			session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "%s", error.text);
		break;
	case SL_MSG_PEER_LEFT:
		peers_leave(s, msg->peer_left.peer_id, msg->peer_left.reason);
		break;
	case SL_MSG_DISCONNECT:
		on_disconnect(s, msg);
		break;
	case SL_MSG_NOTICE:
		notices_take(s, msg);
		break;
	case SL_MSG_UNKNOWN:
		s->unknown_messages++;
		if (sl_log_every(&s->log_unknown, s->env->now_ns, &suppressed))
			sl_info(s->env->log, s->config.scope,
				"message ignored, type %s (unknown to this version)", msg->unknown.type);
		break;
	case SL_MSG_WELCOME:
		protocol_error(s, "a second welcome");
		break;
	case SL_MSG_REJECT:
		protocol_error(s, "a reject after welcome");
		break;
	case SL_MSG_HELLO:
	case SL_MSG_STATS:
		protocol_error(s, "a message that only endpoints send");
		break;
	}
}

static void handle_message(struct sl_session *s, const uint8_t *json, size_t len)
{
	struct sl_error error = {{0}};
	struct sl_msg msg;

	if (sl_msg_decode(json, len, &msg, NULL, &error) != SL_OK)
		protocol_error(s, error.text);
	else if (s->state == SL_SESSION_JOINING)
		handle_joining(s, &msg);
	else
		handle_joined(s, &msg);
}

// Is the connection still one whose messages count? What is said to the bridge may stop the session.
static bool listening(const struct sl_session *s)
{
	return s->conn != NULL && !s->closing &&
	       (s->state == SL_SESSION_JOINING || s->state == SL_SESSION_JOINED);
}

void control_stream(struct sl_session *s, const uint8_t *data, size_t len, bool fin, bool reset)
{
	char relay[RELAY_TEXT];
	const uint8_t *json;
	size_t json_len;
	int result = sl_msg_reader_push(&s->reader, data, len);

	while (result == SL_OK && listening(s)) {
		result = sl_msg_reader_next(&s->reader, &json, &json_len);
		if (result == SL_OK)
			handle_message(s, json, json_len);
	}
	if (!listening(s))
		return;
	if (result == SL_ERR_PROTO) {
		protocol_error(s, "a control message of an impossible length");
	} else if (result == SL_ERR_NOMEM) {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE, "out of memory for a control message");
	} else if (fin || reset) {
		session_lose(s, LOSS_REFUSED, SL_CLOSE_DONE,
			     "the relay %s ended the control stream without a word",
			     control_relay_text(s, relay));
	}
}

void control_stats(struct sl_session *s)
{
	struct sl_msg msg = {.type = SL_MSG_STATS};

	if (s->state != SL_SESSION_JOINED || !listening(s))
		return;
	if (sl_conn_stream_pending(s->conn) <= PENDING_MAX) {
		msg.stats = s->counters;
		int result = control_send(s, &msg, false);
		if (result != SL_OK)
			sl_debug(s->env->log, s->config.scope, "stats not sent (%s)", sl_strerror(result));
	}
	s->env->ops->timer_set(s->stats_timer, s->env->now_ns + s->config.stats_interval_ns);
}
