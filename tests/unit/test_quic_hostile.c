// A QUIC server on loopback under attack: garbage, mutated, truncated and replayed packets, floods of first
// packets, wrong ALPN, a client behind a NAT that forgets it, ends at bad moments. What it must do at the
// same time: serve its real clients, and forget all of the rest. Proves CORE-1 in part, and the issue's
// "bad input" for QUIC.
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
	uint64_t tokens = 0, refill = 0;
	unsigned taken = 0;
	for (uint64_t now = 0; now < 10 * SL_NS_PER_S; now += 1700000)
		taken += sl_bucket_take(&tokens, &refill, now, 1);
	assert_in_range(taken, 9, 10);
	tokens = refill = 0;
	assert_true(sl_bucket_take(&tokens, &refill, SL_NS_PER_S - 1, UINT32_MAX));
	assert_in_range(tokens, (uint64_t)UINT32_MAX * 999, (uint64_t)UINT32_MAX * 1000);
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

// `accept` says no, with and without a reason of its own: `closed` is not for a connection it never took.
static void test_refused_by_accept(void **state)
{
	struct world *w = *state;
	server_start(w);
	w->refuse_all = true;
	for (unsigned i = 0; i < 2; i++) {
		w->close_in_accept = i == 1;
		struct side *a = client_start(w, 0, NULL, NAME);
		assert_true(run_until(w, first_ended, 3000));
		assert_true(a->closed.application);
		assert_int_equal(a->closed.code, i == 1 ? 4 : 0);
	}
	assert_int_equal(w->closed, 0);
	assert_true(run_until(w, forgotten, 6000));
}

// The server closes while the client sends; the close packet is lost, and is sent again for late packets.
static void test_close_under_load(void **state)
{
	struct world *w = *state;
	server_start(w);
	struct sl_addr front = proxy_start(w);
	struct side *a = client_start(w, 0, &front, NAME);
	assert_true(run_until(w, first_open, 3000));
	for (unsigned i = 0; i < 20; i++) {
		send_datagrams(a, 40);
		run_for(w, 2);
	}
	w->proxy.deaf = true;
	uint64_t before = w->b.datagrams;
	sl_conn_close(w->b.conn, 3, "full");
	send_datagrams(a, 40);
	run_for(w, 5);
	assert_int_equal(w->closed, 1);
	assert_int_equal(w->b.datagrams, before); // nothing is given out after the end
	w->proxy.deaf = false;
	for (unsigned i = 0; i < 200 && a->ends == 0; i++) {
		send_datagrams(a, 5);
		run_for(w, 3);
	}
	assert_int_equal(a->ends, 1);
	assert_int_equal(a->closed.cause, SL_CAUSE_PEER);
	assert_int_equal(a->closed.code, 3);
	assert_true(run_until(w, forgotten, 6000));
}

static bool end_told(struct world *w)
{
	return w->b.stream_ends != 0;
}

// A peer that resets the control stream after its end: the end is told once.
static void test_reset_after_end(void **state)
{
	struct world *w = *state;
	server_start(w);
	struct sl_addr front = proxy_start(w);
	struct side *a = client_start(w, 0, &front, NAME);
	assert_true(run_until(w, first_open, 3000));
	run_for(w, 50);
	w->proxy.deaf = true; // the end stays unacknowledged, else there is nothing to reset
	assert_int_equal(sl_conn_stream_write(a->conn, "x", 1, true), SL_OK);
	assert_true(run_until(w, end_told, 1000));
	assert_int_equal(ngtcp2_conn_shutdown_stream_write(a->conn->nc, 0, a->conn->stream_id, 7), 0);
	sl_quic_mark(a->conn);
	run_for(w, 50);
	assert_int_equal(w->b.stream_ends, 1);
	assert_int_equal(w->b.text_len, 1);
	assert_int_equal(w->closed, 0);
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
		assert_int_equal(sl_queue_put(&a->conn->queue, NULL, 0, old, sizeof(old),
					      w->env->now_ns - SL_NS_PER_S, 0),
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

// Silence during the handshake is a handshake that failed, whichever timer is first.
static void test_silence_in_handshake(void **state)
{
	struct world *w = *state;
	server_start(w);
	struct sl_addr front = proxy_start(w);
	w->proxy.deaf = true;
	w->config.idle_timeout_ns = 200 * SL_NS_PER_MS;
	w->config.handshake_timeout_ns = 20 * SL_NS_PER_S;
	struct side *a = client_start(w, 0, &front, NAME);
	assert_true(run_until(w, first_ended, 6000));
	assert_int_equal(a->closed.cause, SL_CAUSE_HANDSHAKE);
	assert_string_equal(a->closed.text, "no answer");
}

// Many connections come and go, in all ways: memory and tables come back to where they were.
static void test_churn(void **state)
{
	struct world *w = *state;
	size_t base = 0;
	server_start(w);
	w->expected = 40;
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 40; i++)
			client_start(w, i, NULL, NAME);
		assert_true(run_until(w, all_decided, 5000));
		for (unsigned i = 0; i < 40; i++) {
			if (i % 3 == 0)
				sl_conn_close(w->clients[i].conn, 0, "done");
			else
				send_datagrams(&w->clients[i], 3);
		}
		run_for(w, 5);
		for (struct sl_conn *conn = w->server->conns; conn != NULL; conn = conn->next)
			sl_conn_close(conn, 1, "go");
		run_for(w, 10);
		if (round == 5)
			base = mallinfo2().uordblks;
	}
	for (unsigned i = 0; i < 40; i++)
		assert_true(w->clients[i].ends == 1);
	assert_true(run_until(w, forgotten, 8000));
	assert_int_equal(w->accepted, 2000);
	assert_int_equal(w->closed, 2000);
	assert_true(mallinfo2().uordblks < base + 2000000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_garbage_and_amplification),
		T(test_mutated_and_replayed),
		T(test_stream_under_loss),
		T(test_nat_rebinding),
		T(test_retry),
		T(test_limits),
		T(test_wrong_alpn),
		T(test_no_transport_parameters),
		T(test_refused_by_accept),
		T(test_close_under_load),
		T(test_reset_after_end),
		T(test_queueing_from_dropped),
		T(test_address_as_name),
		T(test_silence_in_handshake),
		T(test_churn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
