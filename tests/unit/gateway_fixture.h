// For test_gateway_bridge.c and test_gateway_guard.c: a gateway's bridge between a session and a port that
// both live in memory, with a clock that the test moves. The functions of the session are defined here in
// place of the real ones.
#pragma once

#include "gateway/bridge.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "obs/events.h"

#define MTU 1382
#define INTERVAL (30 * SL_NS_PER_S)
#define ROOM_ID 7

static const struct sl_mac alice = {{0x02, 0xa1, 1, 1, 1, 1}};
static const struct sl_mac bob = {{0x02, 0xb0, 2, 2, 2, 2}};
static const struct sl_mac lan_host = {{0x3c, 0x22, 3, 3, 3, 3}};
static const struct sl_mac lan_other = {{0x3c, 0x22, 4, 4, 4, 4}};
static const struct sl_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// The session's place: peers, and a record of what the bridge asked of it.
struct sl_session {
	struct sl_session_peer peers[4];
	unsigned count;
	size_t unsplit_mtu;
	struct sl_counters counters;
	unsigned sent;
	uint8_t last[2048];
	struct sl_session_peer *last_destination;
	enum sl_drop refuse; // what sending answers
};

struct fixture {
	struct sl_env env; // first
	struct sl_log log;
	char logged[8192];
	uint64_t timer_ns;
	sl_timer_fn timer_fn;
	void *timer_arg;

	struct sl_session session;
	struct sl_port port;
	unsigned injected, flushed;
	uint8_t frames[64][2048];
	size_t lens[64];

	struct sl_gateway_bridge *bridge;
	struct sl_port_handler lan;
	struct sl_session_ops relay;
	unsigned joined, changed, down, ended, failed;

	struct sl_events events; // for `watch`, as JSON texts, one a line
	char watched[8192];
};

// --- a session in memory -----------------------------------------------------------------------

enum sl_drop sl_session_send(struct sl_session *session, const uint8_t *frame, size_t len, uint32_t flow,
			     struct sl_session_peer *destination)
{
	(void)flow;
	if (session->refuse != SL_DROP_NONE) {
		session->counters.drops[session->refuse]++;
		return session->refuse;
	}
	session->sent++;
	memcpy(session->last, frame, len);
	session->last_destination = destination;
	session->counters.tx_frames++;
	session->counters.tx_bytes += len;
	return SL_DROP_NONE;
}

void sl_session_count_rx(struct sl_session *session, struct sl_session_peer *peer, size_t len,
			 enum sl_drop verdict)
{
	if (verdict != SL_DROP_NONE) {
		session->counters.drops[verdict]++;
		return;
	}
	session->counters.rx_frames++;
	session->counters.rx_bytes += len;
	peer->rx_frames++;
}

size_t sl_session_unsplit_mtu(const struct sl_session *session)
{
	return session->unsplit_mtu;
}

void sl_session_flush(struct sl_session *session)
{
	(void)session;
}

void sl_session_count_drop(struct sl_session *session, enum sl_drop reason)
{
	session->counters.drops[reason]++;
}

struct sl_session_peer *sl_session_peer_by_mac(struct sl_session *session, const struct sl_mac *mac)
{
	for (unsigned i = 0; i < session->count; i++) {
		if (session->peers[i].role == SL_ROLE_CLIENT && sl_mac_equal(&session->peers[i].mac, mac))
			return &session->peers[i];
	}
	return NULL;
}

struct sl_session_peer *sl_session_peer_by_id(struct sl_session *session, uint16_t id)
{
	for (unsigned i = 0; i < session->count; i++) {
		if (session->peers[i].id == id)
			return &session->peers[i];
	}
	return NULL;
}

const struct sl_session_peer *sl_session_peer_next(const struct sl_session *session, unsigned *cursor)
{
	return *cursor < session->count ? &session->peers[(*cursor)++] : NULL;
}

// --- an environment and a port in memory -------------------------------------------------------

static inline struct sl_timer *timer_new(struct sl_env *env, sl_timer_fn fn, void *arg)
{
	struct fixture *f = (struct fixture *)env;

	f->timer_fn = fn;
	f->timer_arg = arg;
	f->timer_ns = SL_TIME_NEVER;
	return (struct sl_timer *)f;
}

static inline void timer_set(struct sl_timer *timer, uint64_t deadline_ns)
{
	((struct fixture *)timer)->timer_ns = deadline_ns;
}

static inline void timer_free(struct sl_timer *timer)
{
	((struct fixture *)timer)->timer_fn = NULL;
}

static inline void env_random(struct sl_env *env, void *out, size_t len)
{
	(void)env;
	memset(out, 0x42, len);
}

static inline uint64_t env_wall_ns(struct sl_env *env)
{
	return env->now_ns;
}

static const struct sl_env_ops env_ops = {
	.random = env_random,
	.wall_ns = env_wall_ns,
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_free = timer_free,
};

static inline void pass_time(struct fixture *f, uint64_t ns)
{
	uint64_t end = f->env.now_ns + ns;

	while (f->timer_ns <= end) {
		f->env.now_ns = f->timer_ns;
		f->timer_ns = SL_TIME_NEVER;
		f->timer_fn(f->timer_arg);
	}
	f->env.now_ns = end;
}

static inline struct fixture *of_port(struct sl_port *port)
{
	return (struct fixture *)((char *)port - offsetof(struct fixture, port));
}

static inline int port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct fixture *f = of_port(port);

	assert_true(f->injected < 64);
	memcpy(f->frames[f->injected], frame, len);
	f->lens[f->injected++] = len;
	return SL_OK;
}

static inline void port_flush(struct sl_port *port)
{
	struct fixture *f = of_port(port);

	f->flushed = f->injected;
}

static const struct sl_port_ops port_ops = {.send = port_send, .flush = port_flush};

// --- the fixture -------------------------------------------------------------------------------

static inline void on_log(void *arg, enum sl_log_level level, const char *line)
{
	struct fixture *f = arg;
	size_t used = strlen(f->logged);

	(void)level;
	snprintf(f->logged + used, sizeof(f->logged) - used, "%s\n", line);
}

static inline bool is_watched(void *arg)
{
	(void)arg;
	return true;
}

static inline void on_event(void *arg, json_t *event)
{
	struct fixture *f = arg;
	char *text = json_dumps(event, JSON_COMPACT);
	size_t used = strlen(f->watched);

	snprintf(f->watched + used, sizeof(f->watched) - used, "%s\n", text);
	free(text);
	json_decref(event);
}

static inline void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	(void)welcome;
	((struct fixture *)arg)->joined++;
}

static inline void on_changed(void *arg)
{
	((struct fixture *)arg)->changed++;
}

static inline void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	(void)sentence;
	(void)retry_ns;
	((struct fixture *)arg)->down++;
}

static inline void on_ended(void *arg, const char *sentence)
{
	(void)sentence;
	((struct fixture *)arg)->ended++;
}

static inline void on_failed(void *arg, const char *why)
{
	(void)why;
	((struct fixture *)arg)->failed++;
}

static inline struct sl_session_peer *add_peer(struct fixture *f, uint16_t id, enum sl_role role,
					       const struct sl_mac *mac)
{
	struct sl_session_peer *peer = &f->session.peers[f->session.count++];

	*peer = (struct sl_session_peer){.id = id, .role = role};
	if (mac != NULL)
		peer->mac = *mac;
	f->relay.peer_joined(f->relay.arg, peer);
	return peer;
}

static inline void join(struct fixture *f)
{
	const struct sl_session_welcome welcome = {
		.peer_id = 9, .room_id = ROOM_ID, .mtu = MTU, .budget = 1400};

	f->relay.joined(f->relay.arg, &welcome);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct sl_observer observer = {on_joined, on_changed, NULL, on_down,
					     on_ended,  on_failed,  NULL, f};

	sl_log_init(&f->log);
	f->log.sink = on_log;
	f->log.sink_arg = f;
	f->env = (struct sl_env){.ops = &env_ops, .log = &f->log, .now_ns = SL_NS_PER_S};
	f->events = (struct sl_events){is_watched, on_event, f};
	f->env.events = &f->events;
	f->session.refuse = SL_DROP_NONE;
	f->port.ops = &port_ops;
	f->bridge = sl_gateway_bridge_new(&f->env, "ROOM1", INTERVAL, &observer);
	sl_gateway_bridge_port_handler(f->bridge, &f->lan);
	sl_gateway_bridge_session_ops(f->bridge, &f->relay);
	sl_gateway_bridge_attach(f->bridge, &f->session, &f->port);
	*state = f;
	return 0;
}

// Joined, with alice in the room and the frames of her joining forgotten.
static inline int setup_joined(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	join(f);
	add_peer(f, 2, SL_ROLE_CLIENT, &alice);
	f->injected = f->flushed = 0;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	sl_gateway_bridge_free(f->bridge);
	assert_null(f->timer_fn); // its timer is freed
	free(f);
	return 0;
}

static inline uint8_t *make(uint8_t *out, const struct sl_mac *dst, const struct sl_mac *src, size_t len)
{
	memset(out, 0x5a, len);
	memcpy(out, dst->b, 6);
	memcpy(out + 6, src->b, 6);
	out[12] = 0x81;
	out[13] = 0x37;
	return out;
}

static inline uint64_t dropped(const struct fixture *f)
{
	return sl_counters_dropped(&f->session.counters);
}

static inline struct sl_gateway_stats stats(const struct fixture *f)
{
	struct sl_gateway_stats out;

	sl_gateway_bridge_stats(f->bridge, &out);
	return out;
}

static inline void from_lan(struct fixture *f, const struct sl_mac *dst, const struct sl_mac *src, size_t len)
{
	uint8_t frame[4096];

	f->lan.receive(f->lan.arg, make(frame, dst, src, len), len);
	f->lan.batch_end(f->lan.arg);
}

static inline void from_relay(struct fixture *f, struct sl_session_peer *peer, const struct sl_mac *dst,
			      const struct sl_mac *src, size_t len)
{
	uint8_t frame[4096];

	f->relay.frame(f->relay.arg, peer, make(frame, dst, src, len), len);
}
