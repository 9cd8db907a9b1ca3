// A QUIC server on loopback under attack and on bad lines: garbage, mutated, truncated and replayed packets,
// floods of first packets, wrong ALPN, a client behind a NAT that forgets it, narrow paths. What it must do
// at the same time: serve its real clients, and forget all of the rest. Proves CORE-1 in part, and the
// issue's "bad input" for QUIC.
#include "quic_attack.h"

static void test_garbage_and_amplification(void **state)
{
	struct world *w = *state;
	struct sl_addr server;
	struct sl_quic_stats stats;
	uint8_t packet[1500], answer[1500];
	size_t len = 0;
	server_start(w);
	client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 3000));
	int fd = raw_socket(w, &server);

	w->proxy.seed = 7;
	uint64_t began = w->env->now_ns;
	for (unsigned i = 0; i < 3000; i++) {
		size_t size = 1 + next(&w->proxy) % 1400;
		for (size_t j = 0; j < size; j++)
			packet[j] = (uint8_t)next(&w->proxy);
		if (i % 3 == 0) // long headers of QUIC version 1
			memcpy(packet, "\xc3\0\0\0\1\x08", 6);
		send(fd, packet, size, 0);
		if (i % 100 == 99)
			run_for(w, 2);
	}
	unsigned answered = answers(w, fd, answer, sizeof(answer), &len);
	assert_in_range(answered, 1, 500 + 500 * (w->env->now_ns - began + SL_NS_PER_S) / SL_NS_PER_S);
	sl_quic_stats(w->server, &stats);
	assert_true(stats.rx_packets_bad > 100);
	run_for(w, 1000); // the buckets are full again

	// A stateless reset is shorter than its cause; sent back again and again, it comes to an end.
	memset(packet, 0x41, sizeof(packet));
	size_t probe = 100, rounds = 0;
	memcpy(answer, packet, probe);
	for (;; rounds++) {
		send(fd, answer, probe, 0);
		if (answers(w, fd, answer, sizeof(answer), &len) == 0)
			break;
		assert_true(len < probe);
		probe = len;
		answer[0] &= 0x7f;
		assert_true(rounds < 50);
	}
	assert_true(rounds > 10 && probe < 30);

	// Version negotiation: for a client's first packet of whatever version, with ids of whatever length.
	memset(packet, 0x55, sizeof(packet));
	memcpy(packet, "\xc0\x1a\x2a\x3a\x4a\xff", 6);
	packet[6 + 255] = 0xff;
	send(fd, packet, 1199, 0);
	assert_int_equal(answers(w, fd, answer, sizeof(answer), &len), 0);
	send(fd, packet, 1200, 0);
	assert_int_equal(answers(w, fd, answer, sizeof(answer), &len), 1);
	assert_int_equal(len, 7 + 255 + 255 + 4);
	assert_memory_equal(answer + 1, "\0\0\0\0\xff", 5);
	assert_memory_equal(answer + len - 4, "\0\0\0\1", 4);
	memset(packet + 1, 0, 4); // a version negotiation is not answered
	send(fd, packet, 1200, 0);
	assert_int_equal(answers(w, fd, answer, sizeof(answer), &len), 0);
	// Version 2 (RFC 9369) is another version, though the library knows it.
	memcpy(packet,
	       "\xd0\x6b\x33\x43\xcf\x08"
	       "12345678"
	       "\x08"
	       "abcdefgh",
	       23);
	send(fd, packet, 1200, 0);
	assert_int_equal(answers(w, fd, answer, sizeof(answer), &len), 1);
	assert_int_equal(len, 7 + 8 + 8 + 4);
	assert_memory_equal(answer + 1, "\0\0\0\0", 4);
	assert_memory_equal(answer + len - 4, "\0\0\0\1", 4);
	close(fd);

	w->echo = true;
	w->expected = 100;
	send_datagrams(&w->clients[0], 100);
	assert_true(run_until(w, echoed, 2000));
	assert_int_equal(w->accepted, 1);
	assert_int_equal(w->server->half_open, 0);
}

// Broken and repeated packets in both directions, from the first on: all datagrams that arrive, arrive once.
static void test_mutated_and_replayed(void **state)
{
	struct world *w = *state;
	static const uint8_t text[100000];
	server_start(w);
	struct sl_addr front = proxy_start(w);
	struct sl_addr server;
	w->proxy.mutate = true;
	w->echo = true;
	struct side *a = client_start(w, 0, &front, NAME);
	assert_true(run_until(w, first_open, 5000));
	assert_int_equal(sl_conn_stream_write(a->conn, text, sizeof(text), true), SL_OK);
	for (unsigned round = 1; round <= 10; round++) {
		send_datagrams(a, 50);
		w->expected = round * 50;
		assert_true(run_until(w, echoed, 3000));
	}
	assert_int_equal(a->datagrams, 500);
	assert_int_equal(w->b.datagrams, 500);
	assert_int_equal(w->b.text_len, sizeof(text));
	assert_int_equal(w->b.stream_ends, 1);
	assert_int_equal(w->accepted, 1);
	w->proxy.mutate = false;

	// Everything again, from the same sender and from another, while the connection lives and after.
	int fd = raw_socket(w, &server);
	for (unsigned again = 0; again < 2; again++) {
		for (size_t i = 0; i < w->proxy.captures; i++) {
			pass(w, w->proxy.back, &server, w->proxy.captured[i].data, w->proxy.captured[i].len);
			send(fd, w->proxy.captured[i].data, w->proxy.captured[i].len, 0);
		}
		run_for(w, 100);
		assert_int_equal(w->b.datagrams, 500);
		assert_int_equal(w->accepted, 1);
		if (again == 0) {
			assert_int_equal(a->ends, 0);
			sl_conn_close(a->conn, 0, "done");
			assert_true(run_until(w, first_ended, 1000));
		}
	}
	close(fd);
	assert_true(run_until(w, forgotten, 5000)); // what the replay began has timed out
	assert_int_equal(w->closed, 1);
}

// The control stream comes through a bad line. Its credit may be lost on the way and come after the last
// acknowledgement: what was blocked then is tried again, too.
static bool all_read(struct world *w)
{
	return w->b.stream_ends == 1;
}

static void test_stream_under_loss(void **state)
{
	struct world *w = *state;
	static const uint8_t text[1500000];
	server_start(w);
	struct sl_addr front = proxy_start(w);
	struct side *a = client_start(w, 0, &front, NAME);
	assert_true(run_until(w, first_open, 5000));
	w->proxy.loss_percent = 10;
	a->conn->stream_blocked = true;
	assert_int_equal(sl_conn_stream_write(a->conn, text, sizeof(text), true), SL_OK);
	assert_true(run_until(w, all_read, 8000));
	assert_int_equal(w->b.text_len, sizeof(text));
}

// RFC 9000 section 9: the NAT forgets its client, which goes on from another port.
static bool settled_again(struct world *w)
{
	return sl_conn_max_datagram(w->clients[0].conn) == 1440 && sl_conn_max_datagram(w->b.conn) == 1440;
}

static void test_nat_rebinding(void **state)
{
	struct world *w = *state;
	struct sl_conn_info info;
	struct sl_addr back;
	server_start(w);
	struct sl_addr front = proxy_start(w);
	struct side *a = client_start(w, 0, &front, NAME);
	w->echo = true;
	assert_true(run_until(w, first_open, 3000));
	assert_true(run_until(w, settled_again, 3000));
	for (unsigned round = 1; round <= 3; round++) {
		w->env->ops->udp_close(w->proxy.back);
		w->proxy.back = proxy_socket(w, on_back);
		w->env->ops->udp_local(w->proxy.back, &back);
		send_datagrams(a, 50);
		w->expected = round * 50;
		assert_true(run_until(w, echoed, 3000));
		sl_conn_info(w->b.conn, &info);
		assert_true(sl_addr_equal(&info.remote, &back));
	}
	assert_true(run_until(w, settled_again, 3000)); // the new path's MTU is found as well
	assert_int_equal(a->ends + w->closed, 0);
	sl_conn_close(a->conn, 0, "done");
	assert_true(run_until(w, forgotten, 5000));
}

static bool settled(struct world *w)
{
	return sl_conn_pmtu_settled(w->clients[0].conn) && sl_conn_pmtu_settled(w->b.conn);
}

static bool carries_1360(struct world *w)
{
	return sl_conn_max_datagram(w->clients[0].conn) >= 1360 && sl_conn_max_datagram(w->b.conn) >= 1360;
}

static bool carries_1380(struct world *w)
{
	return sl_conn_max_datagram(w->clients[0].conn) >= 1380 && sl_conn_max_datagram(w->b.conn) >= 1380;
}

// Settled before the size above could have failed.
static bool settled_at_once(const struct world *w, struct sl_conn *conn)
{
	return sl_conn_pmtu_settled(conn) &&
	       w->env->now_ns - conn->mtu_changed_ns < 5 * ngtcp2_conn_get_pto(conn->nc);
}

// Paths that are narrower than they should be: "settled" is not said before the search has ended, and what
// the configured size of datagrams needs is tried before all else.
static void test_narrow_paths(void **state)
{
	struct world *w = *state;
	static const struct {
		size_t width, found;
	} paths[] = {{1440, 1432}, {1412, 1412}, {1392, 1392}, {1372, 1372}, {1333, 1332}, {1331, 1330},
		     {1329, 1312}, {1252, 1252}, {1251, 1232}, {1232, 1232}, {1231, 1200}};
	server_start(w);
	struct sl_addr front = proxy_start(w);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		w->proxy.widest = paths[i].width;
		struct side *a = client_start(w, 0, &front, NAME);
		w->b.open = false;
		assert_true(run_until(w, first_open, 3000));
		assert_true(run_until(w, settled, 5000));
		assert_int_equal(sl_conn_max_datagram(a->conn), paths[i].found - 32);
		assert_int_equal(sl_conn_max_datagram(w->b.conn), paths[i].found - 32);
	}
	sl_quic_free(w->server);
	w->config.datagram_size = 1360;
	server_start(w);
	sl_quic_local(w->server, &w->proxy.server);
	w->proxy.widest = 1392;
	memset(w->proxy.first_probe, 0, sizeof(w->proxy.first_probe));
	client_start(w, 0, &front, NAME);
	w->b.open = false;
	assert_true(run_until(w, first_open, 3000));
	assert_true(run_until(w, carries_1360, 3000));
	assert_int_equal(w->proxy.first_probe[0], 1392);
	assert_int_equal(w->proxy.first_probe[1], 1392);
	// A size that stands in the list anyway, and is asked first: the larger ones are still to come.
	sl_quic_free(w->server);
	w->config.datagram_size = 1380;
	server_start(w);
	sl_quic_local(w->server, &w->proxy.server);
	w->proxy.widest = 1431;
	client_start(w, 0, &front, NAME);
	w->b.open = false;
	assert_true(run_until(w, first_open, 3000));
	assert_true(run_until(w, carries_1380, 3000));
	assert_false(settled_at_once(w, w->clients[0].conn) || settled_at_once(w, w->b.conn));
}

static unsigned open_clients(struct world *w)
{
	unsigned count = 0;
	for (unsigned i = 0; i < CLIENTS; i++)
		count += w->clients[i].open;
	return count;
}

static bool flooded(struct world *w)
{
	return w->server->stats.retries_sent >= 6;
}

// First packets that nobody follows up: beyond 64 of them newcomers have to prove their address, and do.
static void test_retry(void **state)
{
	struct world *w = *state;
	struct sl_quic_stats stats;
	server_start(w);
	struct sl_addr front = proxy_start(w);
	w->proxy.deaf = true;
	for (unsigned i = 1; i <= 70; i++)
		client_start(w, i, &front, NAME);
	assert_true(run_until(w, flooded, 1500));
	assert_int_equal(w->server->half_open, 64);
	client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 1500));
	sl_quic_stats(w->server, &stats);
	assert_int_equal(stats.connections, 65);
	w->echo = true;
	w->expected = 10;
	send_datagrams(&w->clients[0], 10);
	assert_true(run_until(w, echoed, 1000));

	// A token for another address, and a made-up one, are refused: nothing comes of them.
	struct sl_addr server;
	uint8_t packet[1200] = {0}, answer[1500];
	size_t len = 0;
	int fd = raw_socket(w, &server);
	memcpy(packet,
	       "\xc3\0\0\0\1\x08"
	       "12345678"
	       "\x04"
	       "abcd"
	       "\x40\x4f\xb6",
	       22);
	memcpy(packet + 22 + 78, "\x44\x00", 2);
	send(fd, packet, sizeof(packet), 0);
	assert_int_equal(answers(w, fd, answer, sizeof(answer), &len), 1);
	assert_true(len < 200 && (answer[0] & 0xf0) == 0xc0); // an Initial packet with CONNECTION_CLOSE
	close(fd);

	// All of them run out; then nobody is asked for a proof.
	run_for(w, 2500);
	assert_int_equal(w->server->half_open, 0);
	sl_quic_stats(w->server, &stats);
	uint64_t retries = stats.retries_sent;
	client_start(w, 79, NULL, NAME);
	run_for(w, 200);
	assert_true(w->clients[79].open);
	assert_int_equal(open_clients(w), 2);
	sl_quic_stats(w->server, &stats);
	assert_int_equal(stats.retries_sent, retries);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (w->clients[i].conn != NULL)
			sl_conn_close(w->clients[i].conn, 0, "done");
	assert_true(run_until(w, forgotten, 5000));
}

// First packets of version 1 that nobody can open, each with a connection id of its own.
static void send_false_firsts(int fd, unsigned *number, unsigned count)
{
	uint8_t packet[1200] = {0};
	memcpy(packet,
	       "\xc3\0\0\0\1\x08"
	       "12345678"
	       "\x04"
	       "abcd"
	       "\0\x44\x00",
	       22);
	for (unsigned i = 0; i < count; i++) {
		memcpy(packet + 6, number, sizeof(*number));
		++*number;
		send(fd, packet, sizeof(packet), 0);
	}
}

// A flood of such packets uses up what unproved newcomers may have; who proves his address gets in.
static void test_newcomer_in_a_flood(void **state)
{
	struct world *w = *state;
	struct sl_addr server;
	unsigned number = 0;
	w->config.handshakes_per_second = 100;
	server_start(w);
	int fd = raw_socket(w, &server);
	for (unsigned i = 0; i < 15; i++) {
		send_false_firsts(fd, &number, 20);
		run_for(w, 1);
	}
	struct side *a = client_start(w, 0, NULL, NAME);
	for (unsigned i = 0; i < 1000 && !a->open && a->ends == 0; i++) {
		send_false_firsts(fd, &number, 2);
		run_for(w, 1);
	}
	if (!a->open)
		fail_msg("%s", a->closed.text);
	assert_true(w->server->stats.retries_sent > 0);
	assert_int_equal(w->server->stats.handshakes_refused, 0);

	// RFC 9000 section 7.2: an id that a client chose has eight bytes at least, token or no token.
	uint8_t packet[1200] = {0};
	uint64_t bad = w->server->stats.rx_packets_bad, failed = w->server->stats.handshakes_failed;
	run_for(w, 1100);
	memcpy(packet,
	       "\xc3\0\0\0\1\x04"
	       "1234"
	       "\x04"
	       "abcd"
	       "\x01x\x44\x00",
	       19);
	send(fd, packet, sizeof(packet), 0);
	run_for(w, 20);
	assert_int_equal(w->server->stats.rx_packets_bad, bad + 1);
	assert_int_equal(w->server->stats.handshakes_failed, failed);
	close(fd);
}

static void test_limits(void **state)
{
	struct world *w = *state;
	struct sl_quic_stats stats;
	w->config.handshakes_per_second = 2;
	w->config.max_connections = 3;
	server_start(w);
	for (unsigned i = 0; i < 5; i++)
		client_start(w, i, NULL, NAME);
	w->expected = 5;
	assert_true(run_until(w, all_decided, 3000));
	sl_quic_stats(w->server, &stats);
	assert_int_equal(stats.handshakes_refused, 5 - stats.connections);
	assert_in_range(stats.connections, 2, 3); // a slow machine may earn a token on the way
	for (unsigned i = 0; i < 5; i++)
		if (w->clients[i].ends != 0) {
			assert_int_equal(w->clients[i].closed.cause, SL_CAUSE_HANDSHAKE);
			assert_non_null(strstr(w->clients[i].closed.text, "refuses new connections"));
		}
	run_for(w, 1100);
	for (unsigned i = 5; i < 7; i++)
		client_start(w, i, NULL, NAME);
	w->expected = 7;
	assert_true(run_until(w, all_decided, 3000));
	assert_int_equal(open_clients(w), 3); // max_connections

	// The bucket neither overflows nor loses what is left of a thousandth.
	struct sl_bucket bucket = {0};
	unsigned taken = 0;
	for (uint64_t now = 0; now < 10 * SL_NS_PER_S; now += 1700000)
		taken += sl_bucket_take(&bucket, now, 1);
	assert_in_range(taken, 9, 10);
	bucket = (struct sl_bucket){0};
	assert_true(sl_bucket_take(&bucket, SL_NS_PER_S - 1, UINT32_MAX));
	assert_in_range(bucket.tokens, (uint64_t)UINT32_MAX * 999, (uint64_t)UINT32_MAX * 1000);
}

// Gives a client that has not sent anything yet another TLS session: it speaks HTTP/3.
static void speak_h3(struct world *w, struct sl_conn *conn)
{
	static const gnutls_datum_t h3 = {(unsigned char *)(uintptr_t) "h3", 2};
	gnutls_session_t session;
	assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_TICKETS), 0);
	assert_int_equal(ngtcp2_crypto_gnutls_configure_client_session(session), 0);
	assert_int_equal(gnutls_priority_set(session, w->client_tls->priority), 0);
	assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, w->client_tls->credentials),
			 0);
	assert_int_equal(gnutls_alpn_set_protocols(session, &h3, 1, 0), 0);
	gnutls_session_set_ptr(session, &conn->ref);
	ngtcp2_conn_set_tls_native_handle(conn->nc, session);
	gnutls_deinit(conn->session);
	conn->session = session;
}

// Another application's client (ALPN), many times: refused by TLS, with nothing left behind at once.
static void test_wrong_alpn(void **state)
{
	struct world *w = *state;
	server_start(w);
	for (unsigned i = 0; i < 20; i++) {
		struct side *a = client_start(w, 0, NULL, NAME);
		speak_h3(w, a->conn);
		assert_true(run_until(w, first_ended, 3000));
		assert_int_equal(a->closed.cause, SL_CAUSE_HANDSHAKE);
		assert_false(a->closed.certificate);
		if (strstr(a->closed.text, SL_ALPN) == NULL)
			fail_msg("%s", a->closed.text);
		assert_true(forgotten(w));
	}
	assert_int_equal(w->accepted + w->closed, 0);
	assert_int_equal(w->server->stats.handshakes_failed, 20);
}

// Hides the transport parameters (extension 57) of a ClientHello that is on its way out.
static int hide_parameters(gnutls_session_t session, gnutls_record_encryption_level_t level,
			   gnutls_handshake_description_t type, const void *data, size_t len)
{
	ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
	uint8_t copy[4096];
	if (type == GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC)
		return 0;
	assert_true(len <= sizeof(copy));
	memcpy(copy, data, len);
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO) {
		uint8_t *at = memmem(copy + 38, len - 38, "\x00\x39\x00", 3);
		assert_non_null(at);
		at[0] = 0xfa;
	}
	return ngtcp2_conn_submit_crypto_data(ref->get_conn(ref),
					      ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(level),
					      copy, len) == 0
		       ? 0
		       : -1;
}

// RFC 9001 section 8.2: a client whose TLS says nothing of QUIC.
static void test_no_transport_parameters(void **state)
{
	struct world *w = *state;
	server_start(w);
	for (unsigned i = 0; i < 3; i++) {
		struct side *a = client_start(w, 0, NULL, NAME);
		gnutls_handshake_set_read_function(a->conn->session, hide_parameters);
		assert_true(run_until(w, first_ended, 3000));
		assert_int_equal(a->closed.cause, SL_CAUSE_HANDSHAKE);
		assert_true(run_until(w, forgotten, 3000));
	}
	assert_int_equal(w->accepted, 0);
}

// The `dropped` callback queues more than the queue's memory holds, while a packet is being written.
static void test_queueing_from_dropped(void **state)
{
	struct world *w = *state;
	static const uint8_t old[1000];
	server_start(w);
	struct side *a = client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 3000));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(sl_egress_put(&a->conn->egress, 0, NULL, 0, old, sizeof(old), false,
					       w->env->now_ns - SL_NS_PER_S),
				 SL_OK);
	w->refill = true;
	send_datagrams(a, 2);
	run_for(w, 300);
	assert_int_equal(a->dropped, 5);
	assert_int_equal(w->b.datagrams, 62);
}

// An address as the server's name: in the certificate as such, kept, checked, and not sent as SNI.
static void test_address_as_name(void **state)
{
	struct world *w = *state;
	struct sl_error error = {""};
	struct sl_tls_info first, second;
	static const char *const names[] = {"127.0.0.1", "2001:db8::1"};
	for (unsigned i = 0; i < 2; i++) {
		sl_tls_free(w->server_tls);
		w->server_tls = sl_tls_server_dev(w->dir, names[i], w->der, &error);
		assert_non_null(w->server_tls);
		sl_tls_info(w->server_tls, &first);
		sl_tls_free(w->server_tls);
		w->server_tls = sl_tls_server_dev(w->dir, names[i], w->der, &error);
		assert_non_null(w->server_tls);
		sl_tls_info(w->server_tls, &second);
		assert_string_equal(first.sha256, second.sha256);
		sl_tls_free(w->client_tls);
		w->client_tls = sl_tls_client_new(w->der, &error);
		assert_non_null(w->client_tls);
		sl_quic_free(w->server);
		server_start(w);
		client_start(w, 0, NULL, names[i]);
		w->b.open = false;
		if (!run_until(w, first_open, 3000))
			fail_msg("%s: %s", names[i], w->clients[0].closed.text);
		char name[64];
		size_t size = sizeof(name);
		unsigned type;
		assert_int_equal(gnutls_server_name_get(w->b.conn->session, name, &size, &type, 0),
				 GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_garbage_and_amplification),
		T(test_mutated_and_replayed),
		T(test_stream_under_loss),
		T(test_nat_rebinding),
		T(test_narrow_paths),
		T(test_retry),
		T(test_newcomer_in_a_flood),
		T(test_limits),
		T(test_wrong_alpn),
		T(test_no_transport_parameters),
		T(test_queueing_from_dropped),
		T(test_address_as_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
