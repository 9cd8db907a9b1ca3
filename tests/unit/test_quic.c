// The QUIC engine over real loopback sockets: handshake, trust, control stream, datagrams, path MTU,
// queue bounds, close, stateless reset after a restart. Proves CORE-1 and RELAY-14 in part.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/loop.h"
#include "quic/internal.h"

struct side {
	struct sl_conn *conn;
	bool open, ended, finished, drained;
	struct sl_closed closed;
	char text[4096];
	size_t text_len;
	uint64_t datagrams, bytes, bad, dropped[SL_DROP_COUNT];
};

struct world {
	char dir[64], der[96];
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *server_tls, *client_tls;
	struct sl_quic *server, *client;
	struct side a, b; // client, server
	bool (*done)(struct world *);
	struct sl_timer *poll, *limit;
	bool timed_out;
	bool echo;
	uint64_t expected;
	bool offload;
	bool update_keys;
};

#include "quic_world.h"

static void *on_accept(void *arg, struct sl_conn *conn)
{
	struct world *w = arg;
	w->b.conn = conn;
	w->b.open = true;
	return &w->b;
}

static void on_established(void *arg, struct sl_conn *conn, void *user)
{
	struct side *s = user;
	(void)arg, (void)conn;
	s->open = true;
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	struct side *s = user;
	(void)arg, (void)conn, (void)reset;
	if (s->text_len + len <= sizeof(s->text))
		memcpy(s->text + s->text_len, data, len);
	s->text_len += len;
	s->finished |= fin;
}

static void on_drained(void *arg, struct sl_conn *conn, void *user)
{
	(void)arg, (void)conn;
	((struct side *)user)->drained = true;
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct side *s = user;
	struct world *w = arg;
	s->datagrams++;
	s->bytes += len;
	for (size_t i = 4; i < len; i++)
		if (data[i] != (uint8_t)(data[0] + i))
			s->bad++;
	if (w->echo && s == &w->b)
		assert_int_equal(sl_conn_datagram_send(conn, 0, NULL, 0, data, len), SL_OK);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	(void)arg, (void)conn;
	((struct side *)user)->dropped[reason] += count;
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct side *s = user;
	(void)arg, (void)conn;
	s->ended = true;
	s->conn = NULL;
	s->closed = *why;
}

static struct sl_quic_ops ops_of(struct world *w)
{
	return (struct sl_quic_ops){on_accept,  on_established, on_stream, on_drained, on_datagram,
				    on_dropped, on_closed,      NULL,      w};
}

static struct sl_quic_config config_of(struct world *w, struct sl_tls *tls)
{
	return (struct sl_quic_config){.tls = tls,
				       .offload = w->offload,
				       .idle_timeout_ns = 3 * SL_NS_PER_S,
				       .keep_alive_ns = 300 * SL_NS_PER_MS,
				       .handshake_timeout_ns = 2 * SL_NS_PER_S};
}

static void server_start(struct world *w, uint16_t port)
{
	struct sl_error error = {""};
	struct sl_addr bind;
	bool dual;
	char text[32];
	struct sl_quic_config config = config_of(w, w->server_tls);
	struct sl_quic_ops ops = ops_of(w);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port != 0 ? port : 1u);
	assert_int_equal(sl_listen_parse(text, &bind, &dual, &error), SL_OK);
	if (port == 0)
		sl_addr_set_port(&bind, 0);
	if (sl_quic_server_new(w->env, &config, &ops, &bind, dual, &w->server, &error) != SL_OK)
		fail_msg("%s", error.text);
}

static void client_start_at(struct world *w, const struct sl_addr *remote, const char *name)
{
	struct sl_error error = {""};
	struct sl_quic_config config = config_of(w, w->client_tls);
	struct sl_quic_ops ops = ops_of(w);
	memset(&w->a, 0, sizeof(w->a));
	if (sl_quic_client_new(w->env, &config, &ops, remote, name, &w->a, &w->client, &w->a.conn, &error) !=
	    SL_OK)
		fail_msg("%s", error.text);
}

static void client_start(struct world *w, const char *name)
{
	struct sl_addr remote;
	sl_quic_local(w->server, &remote);
	client_start_at(w, &remote, name);
}

static int setup(void **state)
{
	struct world *w = world_new("quic");
	w->offload = true;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	sl_quic_free(w->client);
	sl_quic_free(w->server);
	world_free(w);
	return 0;
}

static bool both_open(struct world *w)
{
	return w->a.open && w->b.open;
}
static bool client_ended(struct world *w)
{
	return w->a.ended;
}
static bool settled(struct world *w)
{
	return sl_conn_pmtu_settled(w->a.conn) && sl_conn_pmtu_settled(w->b.conn);
}

static bool all_there(struct world *w)
{
	return w->b.text_len == 600000 && w->b.finished && w->a.drained;
}
static bool answered(struct world *w)
{
	return w->a.text_len == 6;
}

static void test_handshake_and_stream(void **state)
{
	struct world *w = *state;
	struct sl_conn_info info;
	server_start(w, 0);
	client_start(w, NAME);
	assert_true(run_until(w, both_open, 3000));
	sl_conn_info(w->a.conn, &info);
	assert_string_equal(info.cipher, "AES-128-GCM");

	// More than one window's worth of bytes both ways would hang if credit were not given back.
	char block[1000];
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 600; i++)
		assert_int_equal(sl_conn_stream_write(w->a.conn, block, sizeof(block), i == 599), SL_OK);
	assert_true(run_until(w, all_there, 5000));
	assert_int_equal(sl_conn_stream_pending(w->a.conn), 0);
	assert_int_equal(sl_conn_stream_write(w->a.conn, "x", 1, false), SL_ERR_CLOSED); // finished
	assert_int_equal(sl_conn_stream_write(w->b.conn, "answer", 6, false), SL_OK);
	assert_true(run_until(w, answered, 1000));
	assert_memory_equal(w->a.text, "answer", 6);

	sl_conn_close(w->b.conn, 4, "kicked: bad\x01manners");
	assert_true(run_until(w, client_ended, 1000));
	assert_int_equal(w->a.closed.cause, SL_CAUSE_PEER);
	assert_true(w->a.closed.application);
	assert_int_equal(w->a.closed.code, 4);
	assert_string_equal(w->a.closed.text, "kicked: bad?manners");
	assert_true(w->b.ended);
	assert_int_equal(w->b.closed.cause, SL_CAUSE_LOCAL);
}

static bool all_echoed(struct world *w)
{
	return w->a.datagrams >= w->expected;
}

// New keys in both directions (RFC 9001 section 6); not before three PTO after the last ones.
static void update_keys(struct world *w, const struct side *side)
{
	int rv = NGTCP2_ERR_INVALID_STATE;

	for (unsigned i = 0; i < 100 && rv != 0; i++) {
		run_for(w, 20);
		rv = ngtcp2_conn_initiate_key_update(side->conn->nc, w->env->now_ns);
	}
	assert_int_equal(rv, 0);
}

// Every datagram of 4 bytes to the largest comes back whole; small ones share packets.
static void datagrams(struct world *w)
{
	static uint8_t data[2048];
	server_start(w, 0);
	client_start(w, NAME);
	w->echo = true;
	assert_true(run_until(w, both_open, 3000));
	assert_true(run_until(w, settled, 3000));
	size_t max = sl_conn_max_datagram(w->a.conn);
	assert_int_equal(max, 1472 - 32); // loopback carries all that is probed for
	assert_int_equal(sl_conn_datagram_send(w->a.conn, 0, NULL, 0, data, max + 1), SL_ERR_TOO_LARGE);
	assert_int_equal(sl_conn_datagram_send(w->a.conn, 0, NULL, 0, data, 0), SL_ERR_TOO_LARGE);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 100; i++) {
			size_t len = 4 + (round * 100 + i) * 7919u % (max - 3);
			data[0] = (uint8_t)i;
			for (size_t j = 4; j < len; j++)
				data[j] = (uint8_t)(data[0] + j);
			assert_int_equal(sl_conn_datagram_send(w->a.conn, 0, data, 4, data + 4, len - 4),
					 SL_OK);
		}
		w->expected += 100;
		assert_true(run_until(w, all_echoed, 3000));
		if (w->update_keys && round % 10 == 5)
			update_keys(w, round % 20 == 5 ? &w->a : &w->b);
	}
	assert_int_equal(w->b.datagrams, 4000);
	assert_int_equal(w->a.datagrams, 4000);
	assert_int_equal(w->a.bytes, w->b.bytes);
	assert_int_equal(w->a.bad + w->b.bad, 0);
}

static void test_datagrams_offload(void **state)
{
	struct world *w = *state;
	struct sl_quic_stats stats;
	datagrams(w);
	sl_quic_stats(w->client, &stats);
	// 4,000 datagrams of 724 bytes on average: packets are shared and leave in trains.
	assert_true(stats.udp.tx_datagrams < 4000);
	if (stats.udp.gso)
		assert_true(stats.udp.tx_calls < stats.udp.tx_datagrams);
}

static void test_datagrams_plain(void **state)
{
	struct world *w = *state;
	w->offload = false;
	datagrams(w);
}

// Whichever library protects the packets of an end, the other end understands it, and before and after
// updates of the keys.
static void protected_by(struct world *w, bool client_gnutls, bool server_gnutls)
{
	struct sl_tls *plain[2] = {client_gnutls ? w->client_tls : NULL,
				   server_gnutls ? w->server_tls : NULL};

	for (unsigned i = 0; i < 2; i++)
		if (plain[i] != NULL) {
			sl_protect_free(plain[i]->protect);
			plain[i]->protect = NULL;
		}
	w->update_keys = true;
	datagrams(w);
#ifdef HAVE_IPSEC_MB
	if (__builtin_cpu_supports("avx2")) { // then it has AES instructions too
		assert_int_equal(sl_protect_can(w->client_tls->protect, w->a.conn->nc, w->a.conn->session),
				 !client_gnutls);
		assert_int_equal(sl_protect_can(w->server_tls->protect, w->b.conn->nc, w->b.conn->session),
				 !server_gnutls);
	}
#endif
}

static void test_protected_by_both(void **state)
{
	protected_by(*state, false, false);
}

static void test_protected_by_gnutls(void **state)
{
	protected_by(*state, true, true);
}

static void test_client_protected_by_gnutls(void **state)
{
	protected_by(*state, true, false);
}

static void test_server_protected_by_gnutls(void **state)
{
	protected_by(*state, false, true);
}

// The queue is bounded in frames and in age; nothing is lost without being counted.
static bool all_accounted(struct world *w)
{
	return w->b.datagrams + w->a.dropped[SL_DROP_EGRESS_AGE] >= w->expected;
}

static void test_queue_bounds(void **state)
{
	struct world *w = *state;
	uint8_t data[1000] = {0};
	uint64_t queued = 0, refused = 0;
	server_start(w, 0);
	client_start(w, NAME);
	assert_true(run_until(w, both_open, 3000));
	for (size_t j = 4; j < sizeof(data); j++)
		data[j] = (uint8_t)j;
	for (unsigned i = 0; i < 5000; i++) {
		int rv = sl_conn_datagram_send(w->a.conn, 0, NULL, 0, data, sizeof(data));
		if (rv == SL_OK)
			queued++;
		else {
			assert_int_equal(rv, SL_ERR_AGAIN);
			refused++;
		}
	}
	assert_int_equal(queued, 1024); // the default bound; nothing left while we held the loop
	assert_int_equal(refused, 5000 - 1024);
	w->expected = queued;
	assert_true(run_until(w, all_accounted, 3000));
	assert_int_equal(w->b.datagrams + w->a.dropped[SL_DROP_EGRESS_AGE], queued);
	assert_int_equal(w->b.bad, 0);
}

static void refused(struct world *w, const char *name, const char *expected)
{
	server_start(w, 0);
	client_start(w, name);
	assert_true(run_until(w, client_ended, 3000));
	assert_int_equal(w->a.closed.cause, SL_CAUSE_HANDSHAKE);
	assert_true(w->a.closed.certificate);
	if (strstr(w->a.closed.text, expected) == NULL)
		fail_msg("'%s' is not in: %s", expected, w->a.closed.text);
	assert_false(w->a.open);
}

static void test_wrong_name(void **state)
{
	refused(*state, "other.example", "set server_name");
}

static void test_wrong_pin(void **state)
{
	struct world *w = *state;
	struct sl_error error = {""};
	char dir[96], der[128], command[256];
	snprintf(dir, sizeof(dir), "%s/other", w->dir);
	snprintf(der, sizeof(der), "%s/other.der", w->dir);
	struct sl_tls *other = sl_tls_server_dev(dir, NAME, der, &error);
	assert_non_null(other);
	sl_tls_free(other);
	sl_tls_free(w->client_tls);
	w->client_tls = sl_tls_client_new(der, &error);
	assert_non_null(w->client_tls);
	refused(w, NAME, "relay_ca");
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

// A CA that signed the relay's certificate, in PEM; made with the openssl program.
static void test_authority(void **state)
{
	struct world *w = *state;
	struct sl_error error = {""};
	char command[2048], crt[128], key[128], ca[128];
	snprintf(
		command, sizeof(command),
		"cd %s && exec 2>/dev/null && openssl ecparam -name prime256v1 -genkey -noout -out ca.key && "
		"openssl req -x509 -new -key ca.key -subj /CN=party-ca -days 2 -out ca.pem && "
		"openssl ecparam -name prime256v1 -genkey -noout -out relay.key && "
		"openssl req -new -key relay.key -subj /CN=relay.example -out relay.csr && "
		"printf 'subjectAltName=DNS:relay.example' > ext && "
		"openssl x509 -req -in relay.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "
		"ext "
		"-out relay.pem",
		w->dir);
	assert_int_equal(system(command), 0);
	snprintf(crt, sizeof(crt), "%s/relay.pem", w->dir);
	snprintf(key, sizeof(key), "%s/relay.key", w->dir);
	snprintf(ca, sizeof(ca), "%s/ca.pem", w->dir);
	sl_tls_free(w->server_tls);
	sl_tls_free(w->client_tls);
	w->server_tls = sl_tls_server_new(crt, key, &error);
	if (w->server_tls == NULL)
		fail_msg("%s", error.text);
	w->client_tls = sl_tls_client_new(ca, &error);
	assert_non_null(w->client_tls);
	server_start(w, 0);
	client_start(w, "relay.example");
	assert_true(run_until(w, both_open, 3000));

	// The key of another pair is refused with the remedy.
	snprintf(key, sizeof(key), "%s/ca.key", w->dir);
	assert_null(sl_tls_server_new(crt, key, &error));
	assert_non_null(strstr(error.text, "does not belong"));
	assert_null(sl_tls_server_new("/nonexistent", key, &error));
	assert_non_null(strstr(error.text, "/nonexistent"));
	assert_null(sl_tls_client_new(key, &error));
	assert_non_null(strstr(error.text, "relay_ca"));
}

// RELAY-14: the development pair is kept and reused; so are the secrets that come from its key.
static void test_dev_certificate_kept(void **state)
{
	struct world *w = *state;
	struct sl_error error = {""};
	struct sl_tls_info first, second;
	uint8_t a[SL_TLS_SECRET], b[SL_TLS_SECRET], c[SL_TLS_SECRET];
	char path[128];
	struct stat st;

	sl_tls_info(w->server_tls, &first);
	assert_int_equal(sl_tls_derive(w->server_tls, "x", a), SL_OK);
	assert_int_equal(sl_tls_derive(w->server_tls, "y", c), SL_OK);
	sl_tls_free(w->server_tls);
	w->server_tls = sl_tls_server_dev(w->dir, NAME, w->der, &error);
	assert_non_null(w->server_tls);
	sl_tls_info(w->server_tls, &second);
	assert_int_equal(sl_tls_derive(w->server_tls, "x", b), SL_OK);
	assert_string_equal(first.sha256, second.sha256);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, c, sizeof(a));
	assert_true(first.development);
	snprintf(path, sizeof(path), "%s/dev-relay.key", w->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

// A restarted server answers the first old packet with a stateless reset: the client knows at once.
static void test_stateless_reset(void **state)
{
	struct world *w = *state;
	struct sl_addr local;
	struct sl_quic_stats stats;
	server_start(w, 0);
	client_start(w, NAME);
	assert_true(run_until(w, both_open, 3000));
	sl_quic_local(w->server, &local);
	sl_quic_free(w->server); // without a word
	server_start(w, sl_addr_port(&local));
	assert_true(run_until(w, client_ended,
			      1500)); // the keep-alive's ping after 300 ms, not the 3 s of silence
	assert_int_equal(w->a.closed.cause, SL_CAUSE_RESET);
	sl_quic_stats(w->server, &stats);
	assert_in_range(stats.resets_sent, 1, 4); // each packet that was under way gets one
}

static void test_idle_and_no_answer(void **state)
{
	struct world *w = *state;
	struct sl_addr local;
	server_start(w, 0);
	client_start(w, NAME);
	assert_true(run_until(w, both_open, 3000));
	sl_quic_local(w->server, &local);
	sl_quic_free(w->server);
	w->server = NULL;
	assert_true(run_until(w, client_ended, 6000));
	assert_int_equal(w->a.closed.cause, SL_CAUSE_IDLE);
	sl_quic_free(w->client);
	client_start_at(w, &local, NAME);
	assert_true(run_until(w, client_ended, 3000));
	assert_int_equal(w->a.closed.cause, SL_CAUSE_HANDSHAKE);
	assert_string_equal(w->a.closed.text, "no answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_handshake_and_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_datagrams_offload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_datagrams_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protected_by_both, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protected_by_gnutls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_protected_by_gnutls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_protected_by_gnutls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dev_certificate_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stateless_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_and_no_answer, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
