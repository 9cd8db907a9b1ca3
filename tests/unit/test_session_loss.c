// A session when things go wrong, and at its end: broken rules, rejects, losses, restarts, the way back
// (CORE-1, CORE-5, CORE-6, GW-7, NET-3).
#include "session_relay.h"

static void send_bad_before(struct world *w)
{
	assert_int_equal(sl_conn_stream_write(w->conn, w->bad_text, w->bad_len, false), SL_OK);
}

static void send_bad_after(struct world *w)
{
	relay_welcome(w);
	relay_announce(w, 9);
	send_bad_before(w);
}

static void check_bad(struct world *w, const char *text, size_t len, bool joined)
{
	w->bad_text = text;
	w->bad_len = len;
	start(w, joined ? send_bad_after : send_bad_before);
	if (!run_until(w, is_closed, 3000))
		fail_msg("%s: the session went on", text);
	assert_true(w->relay_closed.application);
	assert_int_equal(w->relay_closed.code, SL_CLOSE_PROTOCOL_ERROR);
	// The bridge forgets the peers first, and only then hears of the loss.
	assert_string_equal(w->events, joined ? "JplD" : "D");
	if (joined)
		assert_string_equal(w->left_reason, "connection_lost");
	assert_non_null(strstr(w->sentence, "protocol"));
	assert_in_range(w->retry_ns, 500 * MS, 5000 * MS);
	// It tries again by itself, and can join.
	memset(w->events, 0, sizeof w->events);
	w->on_hello = relay_welcome;
	assert_true(run_until(w, joined ? is_joined_twice : is_joined, 3000));
	assert_string_equal(w->events, "J");
}

// Prefixes are written out by hand: the codec refuses to make these.
static void bad(void **state, const char *json, bool joined)
{
	char text[512] = {0};
	size_t len = strlen(json);
	text[2] = (char)(len >> 8);
	text[3] = (char)len;
	memcpy(text + 4, json, len);
	check_bad(*state, text, len + 4, joined);
}

#define WELCOME_JSON(mtu, size, features)                                                                    \
	"{\"type\":\"welcome\",\"protocol\":1,\"mode\":\"ethernet\",\"peer_id\":7,\"room_id\":3,"            \
	"\"effective_tap_mtu\":" mtu ",\"max_datagram_size\":" size                                          \
	",\"gateway\":null,\"features\":" features "}"

static void ctrl1_not_json(void **state)
{
	bad(state, "{\"type\":\"welcome\"", false);
}

static void ctrl1_length_over_the_cap(void **state)
{
	check_bad(*state, "\x00\x00\x40\x01", 4, false);
}

static void ctrl3_welcome_budget_too_large(void **state)
{
	bad(state, WELCOME_JSON("1382", "1401", "[]"), false);
}

static void ctrl3_welcome_mtu_does_not_fit(void **state)
{
	bad(state, WELCOME_JSON("1383", "1400", "[]"), false);
}

static void ctrl3_welcome_feature_not_asked_for(void **state)
{
	bad(state, WELCOME_JSON("1382", "1400", "[\"split\"]"), false);
}

static void ctrl1_peer_joined_before_welcome(void **state)
{
	bad(state, "{\"type\":\"peer_joined\",\"peer_id\":4,\"role\":\"gateway\"}", false);
}

static void ctrl1_notice_before_welcome(void **state)
{
	bad(state, "{\"type\":\"notice\",\"reason\":\"loop\",\"message\":\"No.\",\"isolated\":true}", false);
}

static void ctrl1_notice_without_a_message(void **state)
{
	bad(state, "{\"type\":\"notice\",\"reason\":\"loop\"}", true);
}

static void ctrl1_second_welcome(void **state)
{
	bad(state, WELCOME_JSON("1382", "1400", "[]"), true);
}

static void ctrl1_wrong_direction(void **state)
{
	bad(state, "{\"type\":\"stats\"}", true);
}

static void ctrl1_hello_from_the_relay(void **state)
{
	bad(state,
	    "{\"type\":\"hello\",\"protocol\":1,\"role\":\"gateway\",\"room\":\"R\",\"max_datagram_size\":1,"
	    "\"agent\":\"x\"}",
	    true);
}

static void ctrl6_ourselves_announced(void **state)
{
	bad(state, "{\"type\":\"peer_joined\",\"peer_id\":7,\"role\":\"gateway\"}", true);
}

static void ctrl6_our_mac_announced(void **state)
{
	bad(state,
	    "{\"type\":\"peer_joined\",\"peer_id\":8,\"role\":\"client\",\"mac\":\"02:00:00:00:00:77\"}",
	    true);
}

static void ctrl6_peer_announced_twice(void **state)
{
	bad(state, "{\"type\":\"peer_joined\",\"peer_id\":9,\"role\":\"gateway\"}", true);
}

static void welcome_and_the_future(struct world *w)
{
	relay_welcome(w);
	relay_send_text(w, "{\"type\":\"from_the_future\",\"peer_id\":-1}");
	relay_announce(w, 9);
}

static bool has_peer(struct world *w)
{
	return w->session != NULL && sl_session_peer_by_id(w->session, 9) != NULL;
}

// An unknown type after the handshake is counted and ignored.
static void ctrl1_unknown_type_is_ignored(void **state)
{
	struct world *w = *state;
	struct sl_session_status status;
	start(w, welcome_and_the_future);
	assert_true(run_until(w, has_peer, 3000));
	sl_session_status(w->session, &status);
	assert_int_equal(status.unknown_messages, 1);
	assert_string_equal(w->events, "Jp");
}

// ---- rejects

static void reject_full(struct world *w)
{
	struct sl_msg msg = {.type = SL_MSG_REJECT,
			     .reject = {.reason = SL_REJECT_ROOM_FULL, .message = "The room is full."}};
	relay_send(w, &msg);
}

static void reject_secret(struct world *w)
{
	struct sl_msg msg = {.type = SL_MSG_REJECT,
			     .reject = {.reason = SL_REJECT_UNAUTHORIZED, .message = "Wrong secret."}};
	relay_send(w, &msg);
}

static bool three_hellos(struct world *w)
{
	return w->hellos >= 3;
}

// CTRL-4: a full room is tried again, ever more seldom.
static void ctrl4_reject_is_tried_again(void **state)
{
	struct world *w = *state;
	start(w, reject_full);
	assert_true(run_until(w, is_down, 3000));
	assert_non_null(strstr(w->sentence, "The room is full."));
	assert_non_null(strstr(w->sentence, "room_full"));
	assert_in_range(w->retry_ns, 500 * MS, 625 * MS);
	assert_true(run_until(w, three_hellos, 5000));
	assert_true(w->retry_ns >= 1000 * MS);
	w->on_hello = relay_welcome;
	assert_true(run_until(w, is_joined, 6000));
	assert_non_null(strstr(w->events, "DDDJ"));
	// A welcome ends the waiting that has grown.
	struct sl_msg msg = {.type = SL_MSG_DISCONNECT, .disconnect = {.reason = "kicked"}};
	memset(w->events, 0, sizeof w->events);
	relay_send(w, &msg);
	assert_true(run_until(w, is_down, 1000));
	assert_in_range(w->retry_ns, 500 * MS, 625 * MS);
}

// CTRL-4: a wrong secret ends it, with the relay's own sentence.
static void ctrl4_reject_ends_it(void **state)
{
	struct world *w = *state;
	struct sl_session_status status;
	start(w, reject_secret);
	assert_true(run_until(w, is_ended, 3000));
	assert_string_equal(w->events, "E");
	assert_false(w->ended_null);
	assert_non_null(strstr(w->sentence, "Wrong secret."));
	sl_session_status(w->session, &status);
	assert_int_equal(status.state, SL_SESSION_ENDED);
	assert_non_null(strstr(status.sentence, "Wrong secret."));
	run_for(w, 700);
	assert_int_equal(w->hellos, 1);
	assert_string_equal(w->events, "E");
	// Stopping it now still answers.
	memset(w->events, 0, sizeof w->events);
	sl_session_stop(w->session, "bye");
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->ended_null);
}

// CORE-1: a relay whose certificate is another one.
static void core1_wrong_pin_ends_it(void **state)
{
	struct world *w = *state;
	struct sl_error error = {""};
	char dir[96], der[160];
	snprintf(dir, sizeof dir, "%s/other", w->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(der, sizeof der, "%s/other.der", w->dir);
	struct sl_tls *other = sl_tls_server_dev(dir, NAME, der, &error);
	assert_non_null(other);
	struct sl_tls *client = sl_tls_client_new(der, &error);
	assert_non_null(client);
	struct sl_session_config config = session_config(w);
	config.tls = client;
	start_with(w, &config);
	assert_true(run_until(w, is_ended, 3000));
	assert_string_equal(w->events, "E");
	assert_false(w->ended_null);
	assert_non_null(strstr(w->sentence, "relay_ca"));
	assert_null(strstr(w->sentence, "server_name")); // one remedy, and the right one
	assert_int_equal(w->hellos, 0);
	sl_session_free(w->session);
	w->session = NULL;
	sl_tls_free(client);
	sl_tls_free(other);
	snprintf(der, sizeof der, "%s/dev-relay.key", dir);
	unlink(der);
	snprintf(der, sizeof der, "%s/dev-relay.crt", dir);
	unlink(der);
	rmdir(dir);
}

// LIN-4: when the way to the relay can't be prepared there is no connection, and another try.
static void lin4_before_connect_fails(void **state)
{
	struct world *w = *state;
	w->refuse_connect = true;
	start(w, relay_welcome);
	assert_true(run_until(w, is_down, 1000));
	assert_string_equal(w->sentence, "no route can be pinned");
	assert_int_equal(w->connections, 0);
	w->refuse_connect = false;
	assert_true(run_until(w, is_joined, 2000));
}

// ---- losses

// The relay says why it ends the session; a new try comes by backoff.
static void ctrl5_relay_disconnects(void **state)
{
	struct world *w = *state;
	struct sl_msg msg = {.type = SL_MSG_DISCONNECT, .disconnect = {.reason = "kicked"}};
	join(w);
	relay_announce(w, 9);
	relay_send(w, &msg);
	assert_true(run_until(w, is_closed, 1000));
	assert_int_equal(w->relay_closed.code, SL_CLOSE_DONE);
	assert_string_equal(w->events, "JplD");
	assert_non_null(strstr(w->sentence, "kicked"));
	assert_true(w->retry_ns >= 500 * MS);
	assert_true(run_until(w, is_joined_twice, 3000));
	struct sl_session_status status;
	sl_session_status(w->session, &status);
	assert_int_equal(status.reconnects, 1);
}

// An application close without a word before it.
static void again_relay_closes(void **state)
{
	struct world *w = *state;
	join(w);
	sl_conn_close(w->conn, SL_CLOSE_SHUTTING_DOWN, "going down");
	assert_true(run_until(w, is_down, 1000));
	assert_non_null(strstr(w->sentence, "going down"));
	assert_true(w->retry_ns >= 500 * MS);
	assert_true(run_until(w, is_joined_twice, 3000));
}

// The relay is killed and starts again while nobody sends: the next keep-alive is answered by a stateless
// reset, and the way back begins at once. Counters and the session itself go on.
static void again_restarted_relay(void **state)
{
	struct world *w = *state;
	uint8_t frame[60] = {0};
	join(w);
	relay_announce(w, 9);
	assert_int_equal(sl_session_send(w->session, frame, sizeof frame, 0, NULL), SL_DROP_NONE);
	run_for(w, 1200);
	relay_kill(w);
	run_for(w, 100);
	assert_string_equal(w->events, "Jp");
	relay_start(w);
	assert_true(run_until(w, is_down, 1000));
	assert_string_equal(w->events, "JplD");
	assert_true(w->retry_ns <= 100 * MS);
	assert_true(run_until(w, is_joined_twice, 1000));
	assert_int_equal(counters(w)->tx_frames, 1);
	assert_int_equal(sl_session_send(w->session, frame, sizeof frame, 0, NULL), SL_DROP_NONE);
	assert_int_equal(counters(w)->tx_frames, 2);
}

// A session that dies young is a path that does not work: the next try is not made at once. What waited for
// its peer dies with it, and is counted.
static void again_a_young_session_dies(void **state)
{
	struct world *w = *state;
	uint8_t frame[60] = {0};
	join(w);
	relay_frame(w, 9, 'x');
	run_for(w, 30);
	relay_kill(w);
	relay_start(w);
	assert_int_equal(sl_session_send(w->session, frame, sizeof frame, 0, NULL), SL_DROP_NONE);
	assert_true(run_until(w, is_down, 1000));
	assert_non_null(strstr(w->sentence, "restarted"));
	assert_true(w->retry_ns >= 500 * MS);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 1);
}

// A relay that is not there, for as long as it likes: once it is back, the session is, within 3 s. The
// pauses are not multiples of anything, so that the return falls into different phases of the tries.
static void again_absent_relay_is_found_soon(void **state)
{
	struct world *w = *state;
	static const uint64_t absent_ms[] = {2300, 8500};
	struct sl_session_status status;
	join(w);
	for (size_t i = 0; i < 2; i++) {
		unsigned before = w->before_connects;
		relay_kill(w);
		run_for(w, absent_ms[i]);
		// However long nothing answers, the tries stay frequent: the idle time-out, then three of
		// them.
		assert_true(i == 0 || w->before_connects - before >= 3);
		relay_start(w);
		w->joins = 0;
		uint64_t ready_ns = w->env->now_ns;
		if (!run_until(w, is_joined, 3000))
			fail_msg("not back within 3 s: %s", w->log_text);
		assert_true(w->joined_ns - ready_ns < 3000 * MS);
	}
	// OBS-2: what the sockets of the vain tries have counted stays: here, that the port was closed.
	sl_session_status(w->session, &status);
	assert_true(status.udp.rx_errors > 0);
}

// NET-3: a name that does not resolve is said, and tried again; nothing is connected.
static void net3_unresolvable_relay(void **state)
{
	struct world *w = *state;
	struct sl_session_config config = session_config(w);
	strcpy(config.relay.name, "no-such-relay.invalid");
	config.relay.literal = false;
	start_with(w, &config);
	assert_true(run_until(w, is_down, 10000));
	assert_non_null(strstr(w->sentence, "no-such-relay.invalid"));
	assert_int_equal(w->before_connects, 0);
	sl_session_stop(w->session, "bye"); // while it waits
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->ended_null);
}

// WIN-5: whoever watches the way to the relay says that it has changed.
static void win5_reconnect(void **state)
{
	struct world *w = *state;
	join(w);
	sl_session_reconnect(w->session, "the way to the relay has changed");
	assert_string_equal(w->events, "JD");
	assert_string_equal(w->sentence, "the way to the relay has changed");
	// While it waits it goes on at once, whatever it was waiting for.
	sl_session_reconnect(w->session, "and again");
	assert_true(run_until(w, is_joined_twice, 400));
	assert_int_equal(w->connections, 2);
	// Nothing is left to be done for one that ends.
	sl_session_stop(w->session, "bye");
	sl_session_reconnect(w->session, "too late");
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->ended_null);
}

static void say_nothing(struct world *w)
{
	(void)w;
}

static bool said_hello(struct world *w)
{
	return w->hellos > 0;
}

// A relay that never answers hello.
static void core1_hello_is_not_answered(void **state)
{
	struct world *w = *state;
	start(w, say_nothing);
	assert_true(run_until(w, said_hello, 3000));
	run_for(w, 4800);
	assert_string_equal(w->events, "");
	assert_true(run_until(w, is_down, 500));
	assert_non_null(strstr(w->sentence, "hello"));
	assert_true(run_until(w, is_closed, 500));
	assert_int_equal(w->relay_closed.code, SL_CLOSE_TIMED_OUT);
}

// ---- the end

// CORE-6, GW-7: `disconnect` with its reason and the end of the stream, then close code 0.
static void core6_stop_says_goodbye(void **state)
{
	struct world *w = *state;
	uint8_t frame[60] = {0};
	join(w);
	relay_announce(w, 9);
	run_for(w, 20);
	sl_session_stop(w->session, "shut\ndown");
	sl_session_stop(w->session, "again");
	assert_string_equal(w->events, "Jp"); // `ended` comes from the loop
	assert_int_equal(sl_session_send(w->session, frame, sizeof frame, 0, NULL), SL_DROP_UNKNOWN_PEER);
	uint64_t began = w->env->now_ns;
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->ended_null);
	assert_true(w->env->now_ns - began < 450 * MS); // it was acknowledged: no waiting
	assert_string_equal(w->events, "JpE");
	run_for(w, 50);
	assert_string_equal(w->disconnect, "shut?down");
	assert_true(w->stream_fin);
	assert_true(w->relay_saw_close);
	assert_int_equal(w->relay_closed.code, SL_CLOSE_DONE);
	assert_int_equal(w->connections, 1);
}

// CORE-6: with nobody there to hear it, the end comes all the same.
static void core6_stop_waits_at_most_500_ms(void **state)
{
	struct world *w = *state;
	join(w);
	relay_kill(w);
	sl_session_stop(w->session, "bye");
	uint64_t began = w->env->now_ns;
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->env->now_ns - began >= 450 * MS);
	assert_true(w->ended_null);
}

static void stop_at_hello(struct world *w)
{
	sl_session_stop(w->session, "bye");
}

// CORE-6: stopping in every earlier state, and from inside a callback.
static void core6_stop_early(void **state)
{
	struct world *w = *state;
	struct sl_error error;
	struct sl_session_config config = session_config(w);
	const struct sl_session_ops ops = {on_joined, on_peer_joined, on_peer_left, on_frame, on_batch_end,
					   on_notice, on_down,        on_ended,     w};
	// Never started.
	assert_int_equal(sl_session_new(w->env, &config, &ops, &w->session, &error), SL_OK);
	sl_session_stop(w->session, "bye");
	assert_string_equal(w->events, "");
	assert_true(run_until(w, is_ended, 1000));
	sl_session_free(w->session);
	// While it resolves; while it connects; while it joins; at `joined`.
	for (int phase = 0; phase < 4; phase++) {
		memset(w->events, 0, sizeof w->events);
		w->session = NULL;
		w->stop_in_joined = phase == 3;
		w->ended_null = false;
		start(w, phase == 2 ? stop_at_hello : relay_welcome);
		if (phase == 1)
			run_for(w, 0);
		if (phase <= 1)
			sl_session_stop(w->session, "bye");
		assert_true(run_until(w, is_ended, 2000));
		assert_true(w->ended_null);
		assert_string_equal(w->events, phase == 3 ? "JE" : "E");
		sl_session_free(w->session);
	}
	w->session = NULL;
	assert_string_equal(w->disconnect, "enough");
}

// CORE-6: stopped from inside the first of several peer_left; nothing more is told but the end.
static void core6_stop_in_peer_left(void **state)
{
	struct world *w = *state;
	join(w);
	for (uint16_t id = 9; id < 12; id++)
		relay_announce(w, id);
	run_for(w, 30);
	w->stop_in_left = true;
	sl_conn_close(w->conn, SL_CLOSE_SHUTTING_DOWN, "going down");
	assert_true(run_until(w, is_ended, 1000));
	assert_true(w->ended_null);
	assert_string_equal(w->events, "JppplE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ctrl1_not_json, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_length_over_the_cap, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl3_welcome_budget_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl3_welcome_mtu_does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl3_welcome_feature_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_peer_joined_before_welcome, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_notice_before_welcome, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_notice_without_a_message, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_second_welcome, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_wrong_direction, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_hello_from_the_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl6_ourselves_announced, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl6_our_mac_announced, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl6_peer_announced_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl1_unknown_type_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl4_reject_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl4_reject_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(core1_wrong_pin_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(lin4_before_connect_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl5_relay_disconnects, setup, teardown),
		cmocka_unit_test_setup_teardown(again_relay_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(again_restarted_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(again_a_young_session_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(again_absent_relay_is_found_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(net3_unresolvable_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(win5_reconnect, setup, teardown),
		cmocka_unit_test_setup_teardown(core1_hello_is_not_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(core6_stop_says_goodbye, setup, teardown),
		cmocka_unit_test_setup_teardown(core6_stop_waits_at_most_500_ms, setup, teardown),
		cmocka_unit_test_setup_teardown(core6_stop_early, setup, teardown),
		cmocka_unit_test_setup_teardown(core6_stop_in_peer_left, setup, teardown),
	};
	return cmocka_run_group_tests_name("session_loss", tests, NULL, NULL);
}
