// A scripted relay, and a session that joins it: real loop, real sockets on loopback, real QUIC. The
// script can break the rules, which the real relay does not.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop.h"
#include "obs/events.h"
#include "proto/overlay.h"
#include "session/session.h"

#define US 7 // the peer id that the script gives us
#define MS SL_NS_PER_MS

static const struct sl_mac our_mac = {{0x02, 0, 0, 0, 0, 0x77}};

struct world {
	char dir[64], der[96], log_text[16384];
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *server_tls, *client_tls;
	struct sl_quic *server;
	struct sl_addr address;
	struct sl_session *session;
	struct sl_timer *poll, *limit;
	bool (*done)(struct world *);
	bool timed_out;

	// the relay's side
	void (*on_hello)(struct world *);
	struct sl_conn *conn;
	struct sl_msg_reader reader;
	const char *bad_text; // the script's wrong message
	size_t bad_len;
	unsigned hellos, stats_messages, connections;
	struct sl_msg hello, last_stats;
	char disconnect[SL_REASON_MAX + 1];
	bool stream_fin;
	struct sl_closed relay_closed;
	bool relay_saw_close;
	uint8_t last_datagram[2000], datagram_before[2000];
	size_t last_datagram_len, datagram_before_len, datagrams;
	bool split; // the script grants the feature

	// what the session told: one letter per event, J joined, p peer_joined, l peer_left, f frame,
	// N notice, D down, E ended
	char events[256];
	uint8_t frames[64]; // first bytes of the frames, in order
	size_t frame_count, batches;
	uint8_t last_frame[2000];
	size_t last_frame_len;
	char left_reason[SL_REASON_MAX + 1], sentence[512];
	bool ended_null;
	struct sl_session_notice notice;
	uint64_t retry_ns, joined_ns;
	unsigned joins;
	enum sl_drop verdict;
	unsigned before_connects;
	bool refuse_connect;
	bool stop_in_joined, stop_in_left;

	// `watch`: the events as JSON texts, one a line
	struct sl_events events_to;
	char watched[4096];
};

#include "quic_world.h"

// ---- the relay's side

static inline void relay_send(struct world *w, const struct sl_msg *msg)
{
	uint8_t *bytes;
	size_t len;
	assert_int_equal(sl_msg_encode(msg, &bytes, &len), SL_OK);
	assert_int_equal(sl_conn_stream_write(w->conn, bytes, len, false), SL_OK);
	free(bytes);
}

static inline void relay_send_text(struct world *w, const char *json)
{
	uint8_t prefix[4] = {0, 0, (uint8_t)(strlen(json) >> 8), (uint8_t)strlen(json)};
	assert_int_equal(sl_conn_stream_write(w->conn, prefix, 4, false), SL_OK);
	assert_int_equal(sl_conn_stream_write(w->conn, json, strlen(json), false), SL_OK);
}

static inline void relay_frame(struct world *w, uint16_t peer, uint8_t mark)
{
	uint8_t datagram[64 + SL_OVERLAY_HEADER] = {0};
	sl_overlay_encode_header(datagram, peer);
	datagram[SL_OVERLAY_HEADER] = mark;
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, NULL, 0, datagram, sizeof datagram), SL_OK);
}

static inline void relay_welcome(struct world *w)
{
	struct sl_msg msg = {.type = SL_MSG_WELCOME};
	msg.welcome.protocol = 1;
	msg.welcome.peer_id = US;
	msg.welcome.room_id = 3;
	msg.welcome.effective_tap_mtu = w->split ? 1500 : 1382;
	msg.welcome.features = w->split ? SL_FEATURE_SPLIT : 0;
	msg.welcome.max_datagram_size = 1400;
	relay_send(w, &msg);
}

static inline void relay_announce(struct world *w, uint16_t id)
{
	struct sl_msg msg = {.type = SL_MSG_PEER_JOINED};
	msg.peer_joined.peer_id = id;
	msg.peer_joined.role = SL_ROLE_CLIENT;
	msg.peer_joined.mac = (struct sl_mac){{2, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id}};
	relay_send(w, &msg);
}

static inline void *relay_accept(void *arg, struct sl_conn *conn)
{
	struct world *w = arg;
	w->conn = conn;
	w->connections++;
	sl_msg_reader_fini(&w->reader);
	return w;
}

static inline void relay_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len,
				bool fin, bool reset)
{
	struct world *w = arg;
	const uint8_t *json;
	size_t json_len;
	(void)user, (void)reset;
	if (conn != w->conn)
		return;
	assert_int_equal(sl_msg_reader_push(&w->reader, data, len), SL_OK);
	while (sl_msg_reader_next(&w->reader, &json, &json_len) == SL_OK) {
		struct sl_msg msg;
		struct sl_error error;
		if (sl_msg_decode(json, json_len, &msg, NULL, &error) != SL_OK)
			fail_msg("the session sent a bad message: %s", error.text);
		if (msg.type == SL_MSG_HELLO) {
			w->hellos++;
			w->hello = msg;
			if (w->on_hello != NULL)
				w->on_hello(w);
		} else if (msg.type == SL_MSG_STATS) {
			w->stats_messages++;
			w->last_stats = msg;
		} else if (msg.type == SL_MSG_DISCONNECT) {
			strcpy(w->disconnect, msg.disconnect.reason);
		} else {
			fail_msg("the session sent a message of type %d", (int)msg.type);
		}
	}
	w->stream_fin |= fin;
}

static inline void relay_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data,
				  size_t len)
{
	struct world *w = arg;
	(void)conn, (void)user;
	assert_true(len <= sizeof w->last_datagram);
	memcpy(w->datagram_before, w->last_datagram, sizeof w->datagram_before);
	w->datagram_before_len = w->last_datagram_len;
	w->datagrams++;
	memcpy(w->last_datagram, data, len);
	w->last_datagram_len = len;
}

static inline void relay_drained(void *arg, struct sl_conn *conn, void *user)
{
	(void)arg, (void)conn, (void)user;
}

static inline void relay_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason,
				 uint64_t count)
{
	(void)arg, (void)conn, (void)user, (void)reason, (void)count;
}

static inline void relay_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct world *w = arg;
	(void)user;
	if (conn != w->conn)
		return;
	w->conn = NULL;
	w->relay_saw_close = true;
	w->relay_closed = *why;
}

// ---- the bridge's side

static inline void event(struct world *w, char letter)
{
	size_t n = strlen(w->events);
	if (n + 1 < sizeof w->events)
		w->events[n] = letter;
}

static inline void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct world *w = arg;
	event(w, 'J');
	w->joins++;
	w->joined_ns = w->env->now_ns;
	assert_int_equal(welcome->peer_id, US);
	assert_int_equal(welcome->mtu, w->split ? 1500 : 1382);
	assert_int_equal(welcome->split, w->split);
	assert_int_equal(welcome->budget, 1400);
	assert_int_equal(welcome->room_id, 3);
	if (w->stop_in_joined)
		sl_session_stop(w->session, "enough");
}

static inline void on_peer_joined(void *arg, const struct sl_session_peer *peer)
{
	struct world *w = arg;
	event(w, 'p');
	assert_ptr_equal(sl_session_peer_by_id(w->session, peer->id), peer);
	if (peer->role == SL_ROLE_CLIENT)
		assert_ptr_equal(sl_session_peer_by_mac(w->session, &peer->mac), peer);
}

static inline void on_peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	struct world *w = arg;
	event(w, 'l');
	strcpy(w->left_reason, reason);
	assert_null(sl_session_peer_by_id(w->session, peer->id));
	assert_null(sl_session_peer_by_mac(w->session, &peer->mac));
	if (w->stop_in_left)
		sl_session_stop(w->session, "enough");
}

static inline void on_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct world *w = arg;
	event(w, 'f');
	if (w->split) {
		assert_true(len <= sizeof w->last_frame);
		memcpy(w->last_frame, frame, len);
		w->last_frame_len = len;
	} else {
		assert_int_equal(len, 64);
	}
	assert_true(w->frame_count < sizeof w->frames);
	w->frames[w->frame_count++] = frame[0];
	sl_session_count_rx(w->session, peer, len, w->verdict);
}

static inline void on_batch_end(void *arg)
{
	((struct world *)arg)->batches++;
}

static inline void on_notice(void *arg, const struct sl_session_notice *notice)
{
	struct world *w = arg;
	event(w, 'N');
	w->notice = *notice;
}

static inline void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct world *w = arg;
	event(w, 'D');
	snprintf(w->sentence, sizeof w->sentence, "%s", sentence);
	w->retry_ns = retry_ns;
}

static inline void on_ended(void *arg, const char *sentence)
{
	struct world *w = arg;
	event(w, 'E');
	w->ended_null = sentence == NULL;
	if (sentence != NULL)
		snprintf(w->sentence, sizeof w->sentence, "%s", sentence);
}

static inline int before_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	struct world *w = arg;
	w->before_connects++;
	assert_true(sl_addr_equal(relay, &w->address));
	return w->refuse_connect ? sl_fail(error, SL_ERR_SYSTEM, "no route can be pinned") : SL_OK;
}

// ---- the world

static inline bool is_joined(struct world *w)
{
	return w->joins > 0;
}

static inline bool is_joined_twice(struct world *w)
{
	return w->joins > 1;
}

static inline bool is_down(struct world *w)
{
	return strchr(w->events, 'D') != NULL;
}

static inline bool is_ended(struct world *w)
{
	return strchr(w->events, 'E') != NULL;
}

static inline bool is_closed(struct world *w)
{
	return w->relay_saw_close;
}

static inline void relay_start(struct world *w)
{
	struct sl_error error = {""};
	struct sl_quic_config config = {.tls = w->server_tls,
					.offload = true,
					.idle_timeout_ns = 3 * SL_NS_PER_S,
					.keep_alive_ns = 300 * MS};
	struct sl_quic_ops ops = {.accept = relay_accept,
				  .stream = relay_stream,
				  .stream_drained = relay_drained,
				  .datagram = relay_datagram,
				  .dropped = relay_dropped,
				  .closed = relay_closed,
				  .arg = w};
	if (sl_quic_server_new(w->env, &config, &ops, &w->address, false, &w->server, &error) != SL_OK)
		fail_msg("%s", error.text);
	sl_quic_local(w->server, &w->address);
}

static inline void relay_kill(struct world *w)
{
	w->conn = NULL;
	sl_quic_free(w->server); // says nothing on the wire, as kill -9
	w->server = NULL;
}

static inline void keep_log(void *arg, enum sl_log_level level, const char *line)
{
	struct world *w = arg;
	size_t n = strlen(w->log_text);
	(void)level;
	snprintf(w->log_text + n, sizeof w->log_text - n, "%s\n", line);
}

static inline bool is_watched(void *arg)
{
	(void)arg;
	return true;
}

static inline void keep_event(void *arg, json_t *json)
{
	struct world *w = arg;
	char *text = json_dumps(json, JSON_COMPACT);
	size_t n = strlen(w->watched);
	snprintf(w->watched + n, sizeof w->watched - n, "%s\n", text);
	free(text);
	json_decref(json);
}

static inline int setup(void **state)
{
	struct world *w = world_new("session");
	struct sl_error error = {""};
	bool dual;
	w->log.sink = keep_log;
	w->log.sink_arg = w;
	w->verdict = SL_DROP_NONE;
	w->events_to = (struct sl_events){is_watched, keep_event, w};
	w->env->events = &w->events_to;
	sl_msg_reader_init(&w->reader);
	assert_int_equal(sl_listen_parse("127.0.0.1:1", &w->address, &dual, &error), SL_OK);
	sl_addr_set_port(&w->address, 0);
	relay_start(w);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	sl_session_free(w->session);
	sl_quic_free(w->server);
	sl_msg_reader_fini(&w->reader);
	world_free(w);
	return 0;
}

static inline struct sl_session_config session_config(struct world *w)
{
	struct sl_session_config config = {.role = SL_ROLE_CLIENT,
					   .scope = "client",
					   .server_name = NAME,
					   .tls = w->client_tls,
					   .room = "ROOM1",
					   .mac = our_mac,
					   .max_datagram_size = 1400,
					   .congestion = SL_CC_BBR,
					   .offload = true,
					   .idle_timeout_ns = 3 * SL_NS_PER_S,
					   .keep_alive_ns = 300 * MS,
					   .stats_interval_ns = 10 * SL_NS_PER_S,
					   .agent = "test/1",
					   .before_connect = before_connect};
	strcpy(config.relay.name, "127.0.0.1");
	config.relay.port = sl_addr_port(&w->address);
	config.relay.literal = true;
	return config;
}

static inline void start_with(struct world *w, const struct sl_session_config *config)
{
	struct sl_error error = {""};
	const struct sl_session_ops ops = {on_joined, on_peer_joined, on_peer_left, on_frame, on_batch_end,
					   on_notice, on_down,        on_ended,     w};
	if (sl_session_new(w->env, config, &ops, &w->session, &error) != SL_OK)
		fail_msg("%s", error.text);
	sl_session_start(w->session);
}

static inline void start(struct world *w, void (*on_hello)(struct world *))
{
	struct sl_session_config config = session_config(w);
	w->on_hello = on_hello;
	start_with(w, &config);
}

static inline void join(struct world *w)
{
	start(w, relay_welcome);
	if (!run_until(w, is_joined, 3000))
		fail_msg("did not join: %s", w->log_text);
}

static inline const struct sl_counters *counters(struct world *w)
{
	return sl_session_counters(w->session);
}
