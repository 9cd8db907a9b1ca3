// A relay without a network: connections that only record, and a clock that the test turns. The relay's
// code is the real one; what stands in is QUIC (struct relay_link) and the environment.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "obs/events.h"
#include "proto/overlay.h"
#include "proto/probe.h"
#include "relay/core.h"

#define MS(n) ((uint64_t)(n)*SL_NS_PER_MS)
#define S(n) ((uint64_t)(n)*SL_NS_PER_S)
#define CONNS_MAX 128
#define DATAGRAMS_MAX 64

struct sl_timer {
	struct sl_timer *next;
	struct harness *h;
	sl_timer_fn fn;
	void *arg;
	uint64_t deadline_ns;
};

struct sent {
	uint8_t data[2048];
	size_t len;
};

struct sl_conn {
	struct harness *h;
	void *user;
	uint8_t written[256 * 1024]; // the control stream to the peer
	size_t len, read;
	uint64_t first_write, last_write; // places in the order of all writes
	unsigned writes;
	bool fin;
	size_t pending;       // what stream_pending says
	unsigned reads_until; // it reads so many writes, and nothing of the next; 0: all
	size_t max_datagram, datagram_limit;
	bool no_room; // for two more datagrams
	bool settled;
	uint64_t last_rx_ns;
	int datagram_rc;
	struct sent sent[DATAGRAMS_MAX]; // what was forwarded
	size_t sent_count;
	struct sent probe; // the last loop probe, and how many there were
	size_t probes;
	bool close_called;
	uint64_t close_code;
	char close_text[256];
};

struct harness {
	struct sl_env env;
	struct sl_log log;
	char log_text[16384];
	struct sl_timer *timers;
	struct sl_relay *relay;
	struct relay_config config;
	struct sl_quic_ops ops;
	struct sl_conn *conns[CONNS_MAX];
	size_t conn_count;
	uint64_t writes;
	unsigned stopped;
	struct sl_events events;
	bool watched;
	json_t *seen; // array: the events since it was asked last
};

// --- the environment ----------------------------------------------------------------------------

static struct sl_timer *h_timer_new(struct sl_env *env, sl_timer_fn fn, void *arg)
{
	struct harness *h = (struct harness *)env; // env is its first member
	struct sl_timer *timer = calloc(1, sizeof(*timer));

	*timer = (struct sl_timer){
		.next = h->timers, .h = h, .fn = fn, .arg = arg, .deadline_ns = SL_TIME_NEVER};
	h->timers = timer;
	return timer;
}

static void h_timer_set(struct sl_timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
}

static void h_timer_free(struct sl_timer *timer)
{
	if (!timer)
		return;
	for (struct sl_timer **link = &timer->h->timers; *link; link = &(*link)->next) {
		if (*link == timer) {
			*link = timer->next;
			break;
		}
	}
	free(timer);
}

static void h_random(struct sl_env *env, void *out, size_t len)
{
	(void)env;
	memset(out, 0x5a, len);
}

static uint64_t h_wall_ns(struct sl_env *env)
{
	return S(1700000000) + env->now_ns;
}

static bool h_watched(void *arg)
{
	return ((struct harness *)arg)->watched;
}

static void h_emit(void *arg, json_t *event)
{
	assert_int_equal(json_array_append_new(((struct harness *)arg)->seen, event), 0);
}

static void h_log(void *arg, enum sl_log_level level, const char *line)
{
	struct harness *h = arg;
	size_t used = strlen(h->log_text);

	(void)level;
	snprintf(h->log_text + used, sizeof(h->log_text) - used, "%s\n", line);
}

static const struct sl_env_ops h_env_ops = {.timer_new = h_timer_new,
					    .timer_set = h_timer_set,
					    .timer_free = h_timer_free,
					    .random = h_random,
					    .wall_ns = h_wall_ns};

// --- the connections ----------------------------------------------------------------------------

static int h_stream_write(struct sl_conn *conn, const void *data, size_t len, bool fin)
{
	if (conn->close_called || conn->fin)
		return SL_ERR_CLOSED;
	assert_true(conn->len + len <= sizeof(conn->written));
	if (len)
		memcpy(conn->written + conn->len, data, len);
	conn->len += len;
	conn->fin = fin;
	conn->last_write = ++conn->h->writes;
	if (conn->writes++ == 0)
		conn->first_write = conn->last_write;
	return SL_OK;
}

static size_t h_stream_pending(const struct sl_conn *conn)
{
	return conn->reads_until && conn->writes > conn->reads_until ? 70000 : conn->pending;
}

static bool is_probe(const uint8_t *frame, size_t len)
{
	struct sl_probe probe;
	struct sl_eth eth;

	return sl_eth_parse(frame, len, &eth) == SL_OK && sl_probe_parse(&eth, &probe);
}

static int h_datagram_send(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
			   const void *body, size_t body_len)
{
	struct sent *sent;

	(void)flow;
	if (conn->datagram_rc != SL_OK)
		return conn->datagram_rc;
	if (head_len + body_len > conn->max_datagram)
		return SL_ERR_TOO_LARGE;
	assert_true(head_len + body_len <= sizeof(sent->data));
	if (is_probe(body, body_len)) {
		sent = &conn->probe;
		conn->probes++;
	} else {
		assert_true(conn->sent_count < DATAGRAMS_MAX);
		sent = &conn->sent[conn->sent_count++];
	}
	memcpy(sent->data, head, head_len);
	memcpy(sent->data + head_len, body, body_len);
	sent->len = head_len + body_len;
	return SL_OK;
}

static size_t h_max_datagram(const struct sl_conn *conn)
{
	return conn->max_datagram;
}

static bool h_datagram_room(struct sl_conn *conn, uint32_t flow)
{
	(void)flow;
	return !conn->no_room && conn->datagram_rc != SL_ERR_AGAIN;
}

static size_t h_datagram_limit(const struct sl_conn *conn)
{
	return conn->max_datagram > 0 ? conn->datagram_limit : 0;
}

static bool h_pmtu_settled(const struct sl_conn *conn)
{
	return conn->settled;
}

static void h_close(struct sl_conn *conn, uint64_t code, const char *reason)
{
	assert_false(conn->close_called);
	conn->close_called = true;
	conn->close_code = code;
	snprintf(conn->close_text, sizeof(conn->close_text), "%s", reason);
}

static void h_info(const struct sl_conn *conn, struct sl_conn_info *out)
{
	*out = (struct sl_conn_info){.last_rx_ns = conn->last_rx_ns, .rtt_ns = MS(25)};
	out->remote.len = sizeof(out->remote.in);
	out->remote.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = 0x901f};
	out->remote.in.sin_addr.s_addr = 0x0100007f;
}

static const struct relay_link h_link = {
	.stream_write = h_stream_write,
	.stream_pending = h_stream_pending,
	.datagram_send = h_datagram_send,
	.datagram_rest = h_datagram_send,
	.datagram_room = h_datagram_room,
	.max_datagram = h_max_datagram,
	.datagram_limit = h_datagram_limit,
	.pmtu_settled = h_pmtu_settled,
	.close = h_close,
	.info = h_info,
};

// --- the test's tools ---------------------------------------------------------------------------

static struct harness *harness_config(void)
{
	struct harness *h = calloc(1, sizeof(*h));

	sl_log_init(&h->log);
	h->log.sink = h_log;
	h->log.sink_arg = h;
	h->events = (struct sl_events){.watched = h_watched, .emit = h_emit, .arg = h};
	h->watched = true;
	h->seen = json_array();
	h->env = (struct sl_env){.ops = &h_env_ops, .log = &h->log, .events = &h->events, .now_ns = S(1000)};
	assert_int_equal(sl_options_defaults(relay_options, &h->config), SL_OK);
	return h;
}

static void harness_start(struct harness *h)
{
	struct sl_error error = {.text = ""};

	if (relay_core_new(&h->env, &h->config, &h_link, &h->relay, &error) != SL_OK)
		fail_msg("relay: %s", error.text);
	relay_callbacks(h->relay, &h->ops);
}

static struct harness *harness_new(void)
{
	struct harness *h = harness_config();

	harness_start(h);
	return h;
}

// The configuration as `text` of a relay.conf says.
static inline void harness_load(struct harness *h, const char *text)
{
	struct sl_option_errors errors = {.text = NULL};
	char path[] = "/tmp/softlan-test-relay-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	sl_options_free(relay_options, &h->config);
	assert_int_equal(sl_options_defaults(relay_options, &h->config), SL_OK);
	if (sl_options_load(relay_options, &h->config, path, &errors) != SL_OK)
		fail_msg("%s", errors.text);
	unlink(path);
}

static inline struct harness *harness_with(const char *text)
{
	struct harness *h = harness_config();

	harness_load(h, text);
	harness_start(h);
	return h;
}

static inline void harness_reload(struct harness *h, const char *text)
{
	harness_load(h, text);
	assert_int_equal(sl_relay_reload(h->relay, &h->config, NULL), SL_OK);
}

// How often a line with these words was logged.
static inline unsigned logged(const struct harness *h, const char *words)
{
	unsigned count = 0;

	for (const char *at = h->log_text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

// The number of events of this name since they were forgotten last; *out (may be NULL): the last one.
static inline unsigned events(const struct harness *h, const char *name, json_t **out)
{
	unsigned count = 0;
	json_t *event;
	size_t i;

	json_array_foreach(h->seen, i, event)
	{
		const char *found = json_string_value(json_object_get(event, "event"));

		assert_non_null(found);
		assert_non_null(json_string_value(json_object_get(event, "time")));
		if (strcmp(found, name) != 0)
			continue;
		count++;
		if (out)
			*out = event;
	}
	return count;
}

static inline void forget_events(struct harness *h)
{
	json_array_clear(h->seen);
}

static inline const char *text_of(const json_t *event, const char *member)
{
	const char *text = json_string_value(json_object_get(event, member));

	return text ? text : "(none)";
}

static inline long long number_of(const json_t *event, const char *member)
{
	return json_integer_value(json_object_get(event, member));
}

static void harness_free(struct harness *h)
{
	sl_relay_free(h->relay);
	assert_null(h->timers);
	json_decref(h->seen);
	sl_options_free(relay_options, &h->config);
	for (size_t i = 0; i < h->conn_count; i++)
		free(h->conns[i]);
	free(h);
}

// Turns the clock, firing what falls due on the way.
static inline void advance(struct harness *h, uint64_t ns)
{
	uint64_t end = h->env.now_ns + ns;

	for (;;) {
		struct sl_timer *first = NULL;

		for (struct sl_timer *timer = h->timers; timer; timer = timer->next)
			if (timer->deadline_ns <= end && (!first || timer->deadline_ns < first->deadline_ns))
				first = timer;
		if (!first)
			break;
		if (first->deadline_ns > h->env.now_ns)
			h->env.now_ns = first->deadline_ns;
		first->deadline_ns = SL_TIME_NEVER;
		first->fn(first->arg);
	}
	h->env.now_ns = end;
}

static struct sl_conn *conn_open(struct harness *h)
{
	struct sl_conn *conn = calloc(1, sizeof(*conn));

	assert_true(h->conn_count < CONNS_MAX);
	h->conns[h->conn_count++] = conn;
	conn->h = h;
	conn->max_datagram = 1430;
	conn->datagram_limit = 65532;
	conn->settled = true;
	conn->last_rx_ns = h->env.now_ns;
	conn->user = h->ops.accept(h->ops.arg, conn);
	return conn;
}

static void say_bytes(struct sl_conn *conn, const void *bytes, size_t len)
{
	conn->h->ops.stream(conn->h->ops.arg, conn, conn->user, bytes, len, false, false);
}

static void say(struct sl_conn *conn, const char *json)
{
	uint8_t bytes[4096];
	size_t len = strlen(json);

	assert_true(len + 4 <= sizeof(bytes));
	bytes[0] = bytes[1] = 0;
	bytes[2] = (uint8_t)(len >> 8);
	bytes[3] = (uint8_t)len;
	memcpy(bytes + 4, json, len);
	say_bytes(conn, bytes, len + 4);
}

static inline void conn_closed(struct sl_conn *conn, enum sl_close_cause cause)
{
	struct sl_closed why = {.cause = cause};

	conn->h->ops.closed(conn->h->ops.arg, conn, conn->user, &why);
}

// `n` gives the MAC 02:00:00:00:hi:lo; 0: a gateway.
static struct sl_mac client_mac(unsigned n)
{
	return (struct sl_mac){{2, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void say_hello(struct sl_conn *conn, const char *room, unsigned n, unsigned budget, const char *more)
{
	char json[1024], mac[SL_MAC_TEXT], member[40] = "";
	struct sl_mac address = client_mac(n);

	if (n)
		snprintf(member, sizeof(member), "\"mac\":\"%s\",", sl_mac_format(&address, mac));
	snprintf(json, sizeof(json),
		 "{\"type\":\"hello\",\"protocol\":1,\"role\":\"%s\",\"room\":\"%s\",%s"
		 "\"max_datagram_size\":%u,\"agent\":\"test/1\"%s}",
		 n ? "client" : "gateway", room, member, budget, more);
	say(conn, json);
}

static struct sl_conn *try_join(struct harness *h, const char *room, unsigned n)
{
	struct sl_conn *conn = conn_open(h);

	say_hello(conn, room, n, 1400, "");
	return conn;
}

// The next control message that was written to this connection.
static bool next_message(struct sl_conn *conn, struct sl_msg *msg)
{
	struct sl_error error = {.text = ""};
	const uint8_t *at = conn->written + conn->read;
	bool bad_room;
	size_t len;

	if (conn->read == conn->len)
		return false;
	len = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	conn->read += 4 + len;
	assert_true(conn->read <= conn->len);
	if (sl_msg_decode(at + 4, len, msg, &bad_room, &error) != SL_OK)
		fail_msg("the relay wrote what it would refuse: %s", error.text);
	return true;
}

#define expect_message(conn, msg, wanted)                                                                    \
	do {                                                                                                 \
		assert_true(next_message((conn), (msg)));                                                    \
		assert_int_equal((msg)->type, (wanted));                                                     \
	} while (0)

static inline void expect_silence(struct sl_conn *conn)
{
	struct sl_msg msg;

	assert_false(next_message(conn, &msg));
}

static inline void skip_messages(struct harness *h)
{
	for (size_t i = 0; i < h->conn_count; i++)
		h->conns[i]->read = h->conns[i]->len;
}

static struct relay_peer *peer_of(struct sl_conn *conn)
{
	return conn->user;
}

static struct sl_conn *join(struct harness *h, const char *room, unsigned n)
{
	struct sl_conn *conn = try_join(h, room, n);
	struct sl_msg msg;

	expect_message(conn, &msg, SL_MSG_WELCOME);
	return conn;
}

static inline void expect_reject(struct sl_conn *conn, enum sl_reject reason)
{
	struct sl_msg msg;

	expect_message(conn, &msg, SL_MSG_REJECT);
	assert_string_equal(msg.reject.token, sl_reject_token(reason));
	assert_true(strlen(msg.reject.message) > 10);
	assert_true(conn->fin);
	assert_false(conn->close_called);
	expect_silence(conn);
}
