// How QUIC connections end: refused, closed at bad moments, lost, by the thousand. Each end is told once,
// says what it was, and leaves nothing behind. Proves CORE-1 in part.
#include "quic_attack.h"

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

// What was queued and can't leave any more is counted, and told before the end.
static void test_close_with_frames_waiting(void **state)
{
	struct world *w = *state;
	server_start(w);
	struct side *a = client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 3000));
	send_datagrams(a, 40);
	sl_conn_close(a->conn, 0, "done");
	assert_true(run_until(w, first_ended, 1000));
	run_for(w, 50);
	assert_int_equal(w->b.datagrams, 0);
	assert_int_equal(a->dropped, 40);
}

// The server closes while its socket is full: what could not be said then answers the client's next packets.
static void test_close_while_blocked(void **state)
{
	struct world *w = *state;
	server_start(w);
	struct side *a = client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 3000));
	run_for(w, 100);
	w->server->blocked = true;
	sl_conn_close(w->b.conn, 4, "kicked");
	run_for(w, 5);
	assert_int_equal(w->closed, 1);
	assert_int_equal(a->ends, 0);
	w->server->blocked = false;
	send_datagrams(a, 1);
	assert_true(run_until(w, first_ended, 1000));
	assert_int_equal(a->closed.cause, SL_CAUSE_PEER);
	assert_true(a->closed.application);
	assert_int_equal(a->closed.code, 4);
	assert_true(run_until(w, forgotten, 6000));
}

// A packet whose first frame made the user close, and whose next one is an error: the user's word counts.
// And the longest reason goes over whole.
static void test_close_then_error(void **state)
{
	struct world *w = *state;
	static const char reason[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	server_start(w);
	struct side *a = client_start(w, 0, NULL, NAME);
	assert_true(run_until(w, first_open, 3000));
	sl_conn_close(w->b.conn, 3, reason);
	sl_conn_fail(w->b.conn, NGTCP2_ERR_FRAME_ENCODING);
	assert_true(run_until(w, first_ended, 1000));
	assert_int_equal(a->closed.cause, SL_CAUSE_PEER);
	assert_true(a->closed.application);
	assert_int_equal(a->closed.code, 3);
	assert_string_equal(a->closed.text, reason);
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
		T(test_refused_by_accept),         T(test_close_under_load),
		T(test_close_with_frames_waiting), T(test_close_while_blocked),
		T(test_close_then_error),          T(test_reset_after_end),
		T(test_silence_in_handshake),      T(test_churn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
