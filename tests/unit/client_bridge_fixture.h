// For test_client_bridge.c and test_client_rules.c: a client's bridge between a port in memory and a session
// that records what it is told. The rest of a session is not needed here: tests/sim joins the bridge with the
// real one.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bridge.h"
#include "net/loop.h"
#include "obs/events.h"

static const struct sl_mac own = {{0x02, 0, 0, 0, 0, 1}}, friend = {{0x02, 0, 0, 0, 0, 2}},
			   lan_host = {{0x00, 0x10, 0x20, 0, 0, 3}},
			   broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
			   multicast = {{0x01, 0x00, 0x5e, 0x7f, 0, 1}};

struct fixture;
struct sl_session { // what the bridge asks of one
	bool joined;
	size_t unsplit_mtu;
	struct sl_session_peer client, gateway;
	struct sl_counters counters;
	const struct sl_session_peer *sent_to;
	uint8_t sent[2048];
	size_t sent_len;
};

struct port {
	struct sl_port port;
	unsigned frames, flushes;
	uint8_t frame[2048];
	size_t len;
};

struct fixture {
	struct sl_log log;
	char lines[16384];
	struct sl_events events;
	char watched[8192]; // as JSON texts, one a line
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_client_bridge *bridge;
	struct sl_session session;
	struct sl_session_ops ops;
	struct sl_port_handler handler;
	struct port port;
	unsigned joined, down, ended, changed, failed, notices;
};

// ---- the recording session ----

enum sl_drop sl_session_send(struct sl_session *session, const uint8_t *frame, size_t len, uint32_t flow,
			     struct sl_session_peer *destination)
{
	(void)flow;
	if (!session->joined) {
		session->counters.drops[SL_DROP_UNKNOWN_PEER]++;
		return SL_DROP_UNKNOWN_PEER;
	}
	session->counters.tx_frames++;
	session->sent_to = destination;
	session->sent_len = len;
	memcpy(session->sent, frame, len);
	return SL_DROP_NONE;
}

void sl_session_count_rx(struct sl_session *session, struct sl_session_peer *peer, size_t len,
			 enum sl_drop verdict)
{
	if (verdict == SL_DROP_NONE) {
		session->counters.rx_frames++;
		session->counters.rx_bytes += len;
		peer->rx_frames++;
	} else {
		session->counters.drops[verdict]++;
	}
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
	return sl_mac_equal(mac, &session->client.mac) ? &session->client : NULL;
}

// ---- the port ----

static inline int port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct port *p = (struct port *)(void *)port;

	p->frames++;
	p->len = len;
	memcpy(p->frame, frame, len);
	return SL_OK;
}

static inline void port_flush(struct sl_port *port)
{
	((struct port *)(void *)port)->flushes++;
}

static const struct sl_port_ops port_ops = {.send = port_send, .flush = port_flush};

// ---- the owner ----

static inline void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	(void)welcome;
	((struct fixture *)arg)->joined++;
}
static inline void on_changed(void *arg)
{
	((struct fixture *)arg)->changed++;
}
static inline void on_notice(void *arg, const struct sl_session_notice *notice)
{
	(void)notice;
	((struct fixture *)arg)->notices++;
}
static inline void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	(void)sentence, (void)retry_ns;
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
static inline int on_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	(void)arg, (void)relay;
	return sl_fail(error, SL_ERR_NOT_FOUND, "no way");
}

static inline void on_line(void *arg, enum sl_log_level level, const char *line)
{
	struct fixture *f = arg;
	size_t used = strlen(f->lines);

	(void)level;
	snprintf(f->lines + used, sizeof f->lines - used, "%s\n", line);
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

	snprintf(f->watched + used, sizeof f->watched - used, "%s\n", text);
	free(text);
	json_decref(event);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct sl_observer observer = {on_joined, on_changed, on_notice,  on_down,
				       on_ended,  on_failed,  on_connect, f};

	assert_non_null(f);
	sl_log_init(&f->log);
	f->log.sink = on_line;
	f->log.sink_arg = f;
	f->loop = sl_loop_new(&f->log, NULL);
	f->env = sl_loop_env(f->loop);
	f->events = (struct sl_events){is_watched, on_event, f};
	f->env->events = &f->events;
	f->port.port.ops = &port_ops;
	f->session.client = (struct sl_session_peer){.id = 7, .role = SL_ROLE_CLIENT, .mac = friend};
	f->session.gateway = (struct sl_session_peer){.id = 8, .role = SL_ROLE_GATEWAY};
	f->bridge = sl_client_bridge_new(f->env, &own, "ROOM1", &observer);
	assert_non_null(f->bridge);
	sl_client_bridge_port_handler(f->bridge, &f->handler);
	sl_client_bridge_session_ops(f->bridge, &f->ops);
	sl_client_bridge_attach(f->bridge, &f->session, &f->port.port);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	sl_client_bridge_free(f->bridge);
	sl_loop_free(f->loop);
	free(f);
	return 0;
}

static inline void join(struct fixture *f)
{
	struct sl_session_welcome welcome = {.peer_id = 3, .room_id = 1, .mtu = 1382, .budget = 1400};

	f->session.joined = true;
	f->ops.joined(f->ops.arg, &welcome);
}

static inline size_t make(uint8_t *out, const struct sl_mac *dst, const struct sl_mac *src, size_t payload)
{
	memset(out, 0x5a, 14 + payload);
	memcpy(out, dst->b, 6);
	memcpy(out + 6, src->b, 6);
	out[12] = 0x88; // local experimental: nothing to judge inside
	out[13] = 0xb5;
	return 14 + payload;
}

static inline void from_tap(struct fixture *f, const struct sl_mac *dst, const struct sl_mac *src,
			    size_t payload)
{
	uint8_t frame[2048];
	size_t len = make(frame, dst, src, payload);

	f->session.sent_len = 0;
	f->handler.receive(f->handler.arg, frame, len);
}

static inline void from_relay(struct fixture *f, struct sl_session_peer *peer, const struct sl_mac *dst,
			      const struct sl_mac *src, size_t payload)
{
	uint8_t frame[2048];
	size_t len = make(frame, dst, src, payload);

	f->port.len = 0;
	f->ops.frame(f->ops.arg, peer, frame, len);
}

// Exactly this drop was counted, and nothing else.
static inline void dropped(struct fixture *f, enum sl_drop reason)
{
	if (f->session.counters.drops[reason] != 1 || sl_counters_dropped(&f->session.counters) != 1)
		fail_msg("expected one %s", sl_drop_name(reason));
	memset(&f->session.counters, 0, sizeof f->session.counters);
}
