// A QUIC server, its clients, and a UDP proxy between them that does all that a network may do.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"
#include "quic/internal.h"

#define CLIENTS 80
#define CAPTURES 400

struct side {
	struct sl_quic *quic; // a client's
	struct sl_conn *conn;
	bool open;
	unsigned ends, stream_ends;
	struct sl_closed closed;
	uint64_t datagrams, dropped;
	size_t text_len;
};

// Between the clients and the server: another address for the server, and all that a network may do.
struct proxy {
	struct sl_udp *front, *back;
	struct sl_addr client, server;
	bool deaf;   // nothing reaches the client
	bool mutate; // each packet comes with broken brothers
	unsigned loss_percent;
	size_t widest;         // larger packets do not pass; 0: all do
	size_t first_probe[2]; // the first packet above 1,200 bytes, to the server and from it
	uint64_t seed;
	struct {
		uint8_t data[1500];
		size_t len;
	} captured[CAPTURES]; // towards the server
	size_t captures;
};

struct world {
	char dir[64], der[96];
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *server_tls, *client_tls;
	struct sl_quic *server;
	struct sl_quic_config config;
	struct side clients[CLIENTS], b; // b: the server's latest connection
	unsigned accepted, closed;
	bool refuse_all, close_in_accept, echo, refill;
	struct proxy proxy;
	bool (*done)(struct world *);
	struct sl_timer *poll, *limit;
	bool timed_out;
	uint64_t expected;
};

#include "quic_world.h"

static inline void *on_accept(void *arg, struct sl_conn *conn)
{
	struct world *w = arg;
	if (w->close_in_accept)
		sl_conn_close(conn, 4, "not you");
	if (w->refuse_all)
		return NULL;
	w->accepted++;
	memset(&w->b, 0, sizeof(w->b));
	w->b.conn = conn;
	w->b.open = true;
	return &w->b;
}

static inline void on_established(void *arg, struct sl_conn *conn, void *user)
{
	(void)arg, (void)conn;
	((struct side *)user)->open = true;
}

static inline void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len,
			     bool fin, bool reset)
{
	struct side *s = user;
	(void)arg, (void)conn, (void)data, (void)reset;
	s->text_len += len;
	s->stream_ends += fin;
}

static inline void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct world *w = arg;
	struct side *s = user;
	assert_true(s->open);
	s->datagrams++;
	if (w->echo && s == &w->b)
		sl_conn_datagram_send(conn, 0, NULL, 0, data, len);
}

static inline void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason,
			      uint64_t count)
{
	static const uint8_t data[1000];
	struct world *w = arg;
	(void)reason;
	((struct side *)user)->dropped += count;
	for (int i = 0; w->refill && i < 60; i++)
		assert_int_equal(sl_conn_datagram_send(conn, 0, NULL, 0, data, sizeof(data)), SL_OK);
	w->refill = false;
}

static inline void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct world *w = arg;
	struct side *s = user;
	assert_non_null(user);
	s->ends++;
	if (s->conn == conn) // b has the latest of the server's
		s->conn = NULL;
	s->closed = *why;
	if (s == &w->b)
		w->closed++;
}

static inline struct sl_quic_ops ops_of(struct world *w)
{
	return (struct sl_quic_ops){.accept = on_accept,
				    .established = on_established,
				    .stream = on_stream,
				    .datagram = on_datagram,
				    .dropped = on_dropped,
				    .closed = on_closed,
				    .arg = w};
}

static inline void server_start(struct world *w)
{
	struct sl_error error = {""};
	struct sl_quic_ops ops = ops_of(w);
	struct sl_addr bind;
	assert_true(sl_addr_literal("127.0.0.1", 0, &bind));
	w->config.tls = w->server_tls;
	if (sl_quic_server_new(w->env, &w->config, &ops, &bind, false, &w->server, &error) != SL_OK)
		fail_msg("%s", error.text);
}

static inline struct side *client_start(struct world *w, unsigned i, const struct sl_addr *remote,
					const char *name)
{
	struct sl_error error = {""};
	struct sl_quic_config config = w->config;
	struct sl_quic_ops ops = ops_of(w);
	struct side *s = &w->clients[i];
	struct sl_addr server;

	sl_quic_free(s->quic);
	memset(s, 0, sizeof(*s));
	config.tls = w->client_tls;
	sl_quic_local(w->server, &server);
	if (sl_quic_client_new(w->env, &config, &ops, remote != NULL ? remote : &server, name, s, &s->quic,
			       &s->conn, &error) != SL_OK)
		fail_msg("%s", error.text);
	return s;
}

static inline uint64_t next(struct proxy *p)
{
	p->seed = p->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return p->seed >> 33;
}

static inline void pass(struct world *w, struct sl_udp *udp, const struct sl_addr *to, const uint8_t *data,
			size_t len)
{
	struct sl_udp_tx tx = {.remote = to, .data = data, .len = len};
	if (len > 0)
		w->env->ops->udp_send(udp, &tx, 1);
}

// The broken brothers: cut short, a byte changed, a tail added, the same again.
static inline void torment(struct world *w, struct sl_udp *udp, const struct sl_addr *to, const uint8_t *data,
			   size_t len)
{
	struct proxy *p = &w->proxy;
	uint8_t copy[2048];
	// A changed version would be answered by a true version negotiation: that does end a handshake.
	size_t from = (data[0] & 0x80) != 0 ? 5 : 0;

	if (len <= from || len > 1500)
		return;
	pass(w, udp, to, data, next(p) % len);
	memcpy(copy, data, len);
	copy[from + next(p) % (len - from)] ^= (uint8_t)(1 + next(p) % 255);
	pass(w, udp, to, copy, len);
	memcpy(copy, data, len);
	for (size_t i = 0; i < 40; i++)
		copy[len + i] = (uint8_t)next(p);
	pass(w, udp, to, copy + (next(p) & 1), len + next(p) % 40);
	pass(w, udp, to, data, len);
}

static inline void relay(struct world *w, const struct sl_udp_rx *rx, struct sl_udp *udp,
			 const struct sl_addr *to)
{
	struct proxy *p = &w->proxy;
	size_t segment = rx->segment != 0 ? rx->segment : rx->len;
	for (size_t at = 0; at < rx->len; at += segment) {
		size_t len = rx->len - at < segment ? rx->len - at : segment;
		size_t *probe = &p->first_probe[to != &p->server];
		if (*probe == 0 && len > NGTCP2_MAX_UDP_PAYLOAD_SIZE)
			*probe = len;
		if (next(p) % 100 < p->loss_percent || (p->widest != 0 && len > p->widest))
			continue;
		if (to == &p->server && p->captures < CAPTURES && len <= sizeof(p->captured[0].data)) {
			memcpy(p->captured[p->captures].data, rx->data + at, len);
			p->captured[p->captures++].len = len;
		}
		if (p->mutate)
			torment(w, udp, to, rx->data + at, len);
		pass(w, udp, to, rx->data + at, len);
	}
}

static inline void on_front(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct world *w = arg;
	for (size_t i = 0; i < count; i++) {
		w->proxy.client = *batch[i].remote;
		relay(w, &batch[i], w->proxy.back, &w->proxy.server);
	}
}

static inline void on_back(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct world *w = arg;
	for (size_t i = 0; i < count && !w->proxy.deaf; i++)
		relay(w, &batch[i], w->proxy.front, &w->proxy.client);
}

static inline void on_writable(void *arg)
{
	(void)arg;
}

static inline struct sl_udp *proxy_socket(struct world *w,
					  void (*recv)(void *, const struct sl_udp_rx *, size_t))
{
	struct sl_udp_options options = {.offload = false};
	struct sl_udp_handler handler = {recv, on_writable, w};
	struct sl_error error = {""};
	struct sl_udp *udp = NULL;
	assert_true(sl_addr_literal("127.0.0.1", 0, &options.bind));
	assert_int_equal(w->env->ops->udp_open(w->env, &options, &handler, &udp, &error), SL_OK);
	return udp;
}

// Starts the proxy; returns where clients have to go.
static inline struct sl_addr proxy_start(struct world *w)
{
	struct sl_addr front;
	w->proxy.seed = 42;
	w->proxy.front = proxy_socket(w, on_front);
	w->proxy.back = proxy_socket(w, on_back);
	sl_quic_local(w->server, &w->proxy.server);
	w->env->ops->udp_local(w->proxy.front, &front);
	return front;
}

static inline int setup(void **state)
{
	struct world *w = world_new("hostile");
	w->config = (struct sl_quic_config){.idle_timeout_ns = 4 * SL_NS_PER_S,
					    .keep_alive_ns = 300 * SL_NS_PER_MS,
					    .handshake_timeout_ns = 2 * SL_NS_PER_S,
					    // A busy machine is no reason to drop anything.
					    .queue_age_ns = 800 * SL_NS_PER_MS};
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	for (unsigned i = 0; i < CLIENTS; i++)
		sl_quic_free(w->clients[i].quic);
	sl_quic_free(w->server);
	w->env->ops->udp_close(w->proxy.front);
	w->env->ops->udp_close(w->proxy.back);
	world_free(w);
	return 0;
}

static inline bool first_open(struct world *w)
{
	return w->clients[0].open && w->b.open;
}
static inline bool first_ended(struct world *w)
{
	return w->clients[0].ends != 0;
}
static inline bool all_decided(struct world *w)
{
	for (unsigned i = 0; i < w->expected; i++)
		if (!w->clients[i].open && w->clients[i].ends == 0)
			return false;
	return true;
}
static inline bool echoed(struct world *w)
{
	return w->clients[0].datagrams >= w->expected;
}
// Nothing is left of any connection, and no accounting has slipped.
static inline bool forgotten(struct world *w)
{
	return w->server->conn_count == 0 && w->server->half_open == 0 && w->server->cids.count == 0;
}

static inline void send_datagrams(struct side *s, unsigned count)
{
	static const uint8_t data[600] = {1};
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(sl_conn_datagram_send(s->conn, 0, NULL, 0, data, sizeof(data)), SL_OK);
}

static inline int raw_socket(struct world *w, struct sl_addr *server)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sl_quic_local(w->server, server);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &server->sa, server->len), 0);
	return fd;
}

// Answers that have come to a raw socket; the last one's length in *len.
static inline unsigned answers(struct world *w, int fd, uint8_t *last, size_t room, size_t *len)
{
	unsigned count = 0;
	ssize_t n;
	run_for(w, 20);
	while ((n = recv(fd, last, room, MSG_DONTWAIT)) >= 0) {
		*len = (size_t)n;
		count++;
	}
	return count;
}
