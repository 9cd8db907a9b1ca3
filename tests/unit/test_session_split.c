// A session with the feature `split`: hello and welcome, frames in two parts, in and out (PROTO-1, PROTO-3,
// CORE-1, CORE-3, CTRL-2, CTRL-3).
#include "session_relay.h"

#include "session/report.h"

#define FULL 1514

static uint8_t frame[FULL + 5];

static void make_frame(uint8_t mark)
{
	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = (uint8_t)(i * 7 + (i >> 8));
	frame[0] = mark;
}

static void relay_part(struct world *w, uint16_t peer, enum sl_overlay_type type, uint16_t id, size_t from,
		       size_t to)
{
	uint8_t header[SL_OVERLAY_PART_HEADER];

	sl_overlay_encode_part(header, type, peer, id);
	assert_int_equal(sl_conn_datagram_send(w->conn, 0, header, sizeof header, frame + from, to - from),
			 SL_OK);
}

static void start_split(struct world *w, void (*on_hello)(struct world *), bool granted)
{
	struct sl_session_config config = session_config(w);

	config.split = true;
	w->split = granted;
	w->on_hello = on_hello;
	make_frame('a');
	start_with(w, &config);
}

static void join_split(struct world *w)
{
	start_split(w, relay_welcome, true);
	if (!run_until(w, is_joined, 3000))
		fail_msg("did not join: %s", w->log_text);
	relay_announce(w, 9);
	run_for(w, 20);
}

static void expect_frame(const struct world *w, uint8_t mark, size_t len)
{
	assert_int_equal(w->last_frame_len, len);
	assert_int_equal(w->last_frame[0], mark);
	assert_memory_equal(w->last_frame + 1, frame + 1, len - 1);
}

// ---- hello and welcome

// CORE-1, CTRL-2, CTRL-3: hello comes at once and names what is configured, whatever the path carries as yet.
static void core1_hello_does_not_wait_for_the_path(void **state)
{
	struct world *w = *state;
	struct sl_session_status status;
	json_t *json = json_object();
	struct sl_session_config config = session_config(w);

	start_split(w, relay_welcome, true);
	assert_true(run_until(w, is_joined, 3000));
	assert_int_equal(w->hello.hello.features, SL_FEATURE_SPLIT);
	assert_int_equal(w->hello.hello.max_datagram_size, 1400);
	sl_session_status(w->session, &status);
	assert_true(status.welcome.split);
	assert_int_equal(status.welcome.mtu, 1500);
	assert_int_equal(status.welcome.budget, 1400);
	assert_non_null(strstr(w->log_text, "mtu 1500 budget 1400 split"));
	assert_int_equal(sl_report_status(json, w->session, &config, w->env->now_ns), SL_OK);
	assert_true(json_is_true(json_object_get(json, "split")));
	json_decref(json);
}

// CTRL-3: a relay without the feature leaves it out; then all is as without it.
static void ctrl3_the_relay_does_not_grant_it(void **state)
{
	struct world *w = *state;

	start_split(w, relay_welcome, false);
	assert_true(run_until(w, is_joined, 3000));
	relay_announce(w, 9);
	relay_part(w, 9, SL_OVERLAY_FIRST, 1, 0, 1000);
	relay_part(w, 9, SL_OVERLAY_REST, 1, 1000, FULL);
	run_for(w, 300); // by now the path is known to carry 1400
	assert_string_equal(w->events, "Jp");
	assert_int_equal(counters(w)->drops[SL_DROP_MALFORMED], 2);
	assert_int_equal(sl_session_send(w->session, frame, 1397, 0, NULL), SL_DROP_DATAGRAM_BUDGET);
	assert_int_equal(sl_session_send(w->session, frame, 1396, 0, NULL), SL_DROP_NONE);
}

static void welcome_of_764(struct world *w)
{
	relay_send_text(
		w, "{\"type\":\"welcome\",\"protocol\":1,\"mode\":\"ethernet\",\"peer_id\":7,\"room_id\":3,"
		   "\"effective_tap_mtu\":1500,\"max_datagram_size\":764,\"gateway\":null,"
		   "\"features\":[\"split\"]}");
}

static void ctrl3_split_with_a_budget_that_is_too_small(void **state)
{
	struct world *w = *state;

	start_split(w, welcome_of_764, true);
	assert_true(run_until(w, is_down, 3000));
	assert_string_equal(w->events, "D");
	assert_non_null(strstr(w->sentence, "too small for `split`"));
	assert_true(run_until(w, is_closed, 1000));
	assert_int_equal(w->relay_closed.code, SL_CLOSE_PROTOCOL_ERROR);
}

static void refuse_for_its_size(struct world *w)
{
	relay_send_text(
		w,
		"{\"type\":\"reject\",\"reason\":\"mtu_too_small\",\"message\":\"the path is too narrow\"}");
}

static bool second_hello(struct world *w)
{
	return w->hellos >= 2;
}

// A relay that refuses the size while the path is not known yet: the next hello waits for the path, as
// without the feature.
static void core1_refused_for_the_size(void **state)
{
	struct world *w = *state;

	start_split(w, refuse_for_its_size, false);
	assert_true(run_until(w, second_hello, 5000));
	assert_int_equal(w->hello.hello.max_datagram_size, 1400); // the path's, which is known now
	assert_int_equal(w->hello.hello.features, SL_FEATURE_SPLIT);
	assert_true(run_until(w, is_ended, 3000)); // and what the relay says now is its last word
	assert_non_null(strstr(w->sentence, "the path is too narrow"));
}

// ---- in

// PROTO-1, CORE-3: in either order.
static void core3_joins_what_comes_in_two_parts(void **state)
{
	struct world *w = *state;

	join_split(w);
	relay_part(w, 9, SL_OVERLAY_FIRST, 7, 0, 1394);
	relay_part(w, 9, SL_OVERLAY_REST, 7, 1394, FULL);
	run_for(w, 20);
	assert_string_equal(w->events, "Jpf");
	expect_frame(w, 'a', FULL);
	make_frame('b');
	relay_part(w, 9, SL_OVERLAY_REST, 8, 200, 1518);
	run_for(w, 20);
	assert_string_equal(w->events, "Jpf");
	relay_part(w, 9, SL_OVERLAY_FIRST, 8, 0, 200);
	run_for(w, 20);
	assert_string_equal(w->events, "Jpff");
	expect_frame(w, 'b', 1518);
	assert_int_equal(counters(w)->rx_datagrams, 4);
	assert_int_equal(counters(w)->split_rx, 2);
	assert_int_equal(counters(w)->rx_frames, 2);
	assert_int_equal(counters(w)->rx_bytes, FULL + 1518);
	assert_int_equal(sl_counters_dropped(counters(w)), 0);
	assert_int_equal(sl_session_peer_by_id(w->session, 9)->rx_frames, 2);
}

// The frame ids are each peer's own; all that is left over is counted once.
static void core3_parts_that_are_left_over(void **state)
{
	struct world *w = *state;

	join_split(w);
	relay_announce(w, 10);
	run_for(w, 20);
	relay_part(w, 9, SL_OVERLAY_FIRST, 1, 0, 1000);
	relay_part(w, 10, SL_OVERLAY_REST, 1, 1000, FULL); // another's
	relay_part(w, 9, SL_OVERLAY_FIRST, 1, 0, 1000);    // repeated
	run_for(w, 20);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 1);
	run_for(w, 250);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 3);
	relay_part(w, 9, SL_OVERLAY_REST, 1, 1000, FULL); // late
	run_for(w, 250);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 4);
	relay_part(w, 9, SL_OVERLAY_FIRST, 2, 0, 1394);
	relay_part(w, 9, SL_OVERLAY_REST, 2, 1394, 1519); // together too long
	run_for(w, 20);
	assert_int_equal(counters(w)->drops[SL_DROP_MALFORMED], 1);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 5);
	for (uint16_t id = 0; id < 40; id++)
		relay_part(w, 9, SL_OVERLAY_FIRST, id, 0, 100);
	run_for(w, 20);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 5 + 8);
	assert_string_equal(w->events, "Jpp");
	struct sl_msg msg = {.type = SL_MSG_PEER_LEFT, .peer_left = {.peer_id = 9, .reason = "done"}};
	relay_send(w, &msg);
	run_for(w, 20);
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 5 + 40); // what waited goes with its peer
	assert_int_equal(counters(w)->rx_datagrams, 6 + 40);
	assert_int_equal(counters(w)->split_rx, 0);
}

// CORE-3: parts that overtake `welcome` or `peer_joined` wait as they are, each in a place of its own.
static void welcome_late_parts_first(struct world *w)
{
	relay_part(w, 9, SL_OVERLAY_FIRST, 1, 0, 1000);
	relay_part(w, 10, SL_OVERLAY_REST, 1, 1000, FULL);
	relay_part(w, US, SL_OVERLAY_FIRST, 3, 0, 1000);
}

static bool three_received(struct world *w)
{
	return w->session != NULL && counters(w)->rx_datagrams >= 3;
}

static void core3_parts_wait_for_their_peer(void **state)
{
	struct world *w = *state;

	start_split(w, welcome_late_parts_first, true);
	assert_true(run_until(w, three_received, 3000));
	assert_string_equal(w->events, "");
	relay_welcome(w);
	assert_true(run_until(w, is_joined, 1000));
	relay_part(w, 9, SL_OVERLAY_REST, 1, 1000, FULL);
	run_for(w, 20);
	assert_string_equal(w->events, "J");
	relay_announce(w, 9);
	run_for(w, 20);
	assert_string_equal(w->events, "Jpf");
	expect_frame(w, 'a', FULL);
	relay_announce(w, 10);
	run_for(w, 20);
	relay_part(w, 10, SL_OVERLAY_FIRST, 1, 0, 1000); // one had waited, the other has not
	run_for(w, 20);
	assert_string_equal(w->events, "Jpfpf");
	expect_frame(w, 'a', FULL);
	assert_int_equal(counters(w)->split_rx, 2);
	assert_int_equal(counters(w)->drops[SL_DROP_REFLECTED], 1);
	assert_int_equal(sl_counters_dropped(counters(w)), 1);
	// Nobody announces this one.
	relay_part(w, 11, SL_OVERLAY_FIRST, 1, 0, 1000);
	relay_part(w, 11, SL_OVERLAY_REST, 1, 1000, FULL);
	run_for(w, 250);
	assert_int_equal(counters(w)->drops[SL_DROP_UNKNOWN_PEER], 2);
}

// The relay did not grant what we asked for: parts that came before it said so are malformed.
static void core3_parts_before_a_welcome_without_split(void **state)
{
	struct world *w = *state;

	start_split(w, welcome_late_parts_first, false);
	assert_true(run_until(w, three_received, 3000));
	relay_welcome(w);
	relay_announce(w, 9);
	relay_announce(w, 10);
	assert_true(run_until(w, is_joined, 1000));
	run_for(w, 20);
	assert_string_equal(w->events, "Jpp");
	assert_int_equal(counters(w)->drops[SL_DROP_MALFORMED], 2);
	assert_int_equal(counters(w)->drops[SL_DROP_REFLECTED], 1);
}

// A lost connection leaves no part behind.
static void core5_a_loss_forgets_the_parts(void **state)
{
	struct world *w = *state;

	join_split(w);
	relay_part(w, 9, SL_OVERLAY_FIRST, 1, 0, 1000);
	run_for(w, 20);
	sl_conn_close(w->conn, SL_CLOSE_SHUTTING_DOWN, "going down");
	assert_true(run_until(w, is_down, 1000));
	assert_int_equal(counters(w)->drops[SL_DROP_SPLIT_TIMEOUT], 1);
	assert_true(run_until(w, is_joined_twice, 8000));
	relay_announce(w, 9);
	relay_part(w, 9, SL_OVERLAY_REST, 1, 1000, FULL);
	run_for(w, 20);
	assert_null(strchr(w->events, 'f'));
}

// ---- out

static bool got_two(struct world *w)
{
	return w->datagrams >= 2;
}

// PROTO-1, PROTO-3: what does not fit goes in two parts, of the budget's size or the path's, and counts as
// one frame.
static void proto3_sends_full_frames_in_two_parts(void **state)
{
	struct world *w = *state;
	struct sl_session_status status;

	join_split(w);
	run_for(w, 300); // the path is settled
	assert_int_equal(sl_session_send(w->session, frame, FULL, 0, sl_session_peer_by_id(w->session, 9)),
			 SL_DROP_NONE);
	assert_true(run_until(w, got_two, 1000));
	sl_session_status(w->session, &status);
	assert_true(status.max_datagram > 1400);
	assert_int_equal(w->datagram_before_len, 1400);
	assert_memory_equal(w->datagram_before, "\x12\x00\x00\x07", 4);
	assert_memory_equal(w->datagram_before + 6, frame, 1394);
	assert_int_equal(w->last_datagram_len, 6 + FULL - 1394);
	assert_memory_equal(w->last_datagram, "\x13\x00\x00\x07", 4);
	assert_memory_equal(w->last_datagram + 4, w->datagram_before + 4, 2); // the frame id
	assert_memory_equal(w->last_datagram + 6, frame + 1394, FULL - 1394);
	assert_int_equal(counters(w)->tx_frames, 1);
	assert_int_equal(counters(w)->tx_bytes, FULL);
	assert_int_equal(counters(w)->tx_datagrams, 2);
	assert_int_equal(counters(w)->split_tx, 1);
	assert_int_equal(sl_session_peer_by_id(w->session, 9)->tx_frames, 1);
	// The longest: with one VLAN tag. With two, a full frame does not cross.
	assert_int_equal(sl_session_send(w->session, frame, 1518, 0, NULL), SL_DROP_NONE);
	assert_int_equal(sl_session_send(w->session, frame, 1519, 0, NULL), SL_DROP_DATAGRAM_BUDGET);
	// What fits goes whole.
	assert_int_equal(sl_session_send(w->session, frame, 1396, 0, NULL), SL_DROP_NONE);
	assert_int_equal(counters(w)->split_tx, 2);
	assert_int_equal(counters(w)->tx_datagrams, 5);
	run_for(w, 50);
	assert_int_equal(w->datagrams, 5);
	assert_int_equal(w->last_datagram[0], 0x11);
	assert_int_equal(w->last_datagram_len, 1400);
}

static void send_at_once(struct world *w)
{
	relay_welcome(w);
}

// Right after the handshake the path is known to carry little: the first part is as long as that.
static void proto3_the_path_is_what_it_is_now(void **state)
{
	struct world *w = *state;
	struct sl_overlay first, rest;
	size_t path;

	start_split(w, send_at_once, true);
	assert_true(run_until(w, is_joined, 3000));
	struct sl_session_status status;
	sl_session_status(w->session, &status);
	path = status.max_datagram < 1400 ? status.max_datagram : 1400;
	assert_int_equal(sl_session_send(w->session, frame, FULL, 0, NULL), SL_DROP_NONE);
	assert_true(run_until(w, got_two, 1000));
	assert_int_equal(w->datagram_before_len, path);
	assert_int_equal(sl_overlay_decode(w->datagram_before, w->datagram_before_len, true, &first), SL_OK);
	assert_int_equal(sl_overlay_decode(w->last_datagram, w->last_datagram_len, true, &rest), SL_OK);
	assert_int_equal(first.frame_len + rest.frame_len, FULL);
}

// Both parts or neither: no half frame leaves when the queue is full.
static void egress_both_parts_or_neither(void **state)
{
	struct world *w = *state;
	uint64_t frames, full = 0;

	join_split(w);
	run_for(w, 300);
	for (int i = 0; i < 3; i++) // an odd number, so that one place is left at the end
		assert_int_equal(sl_session_send(w->session, frame, 1000, 0, NULL), SL_DROP_NONE);
	for (int i = 0; i < 2000; i++)
		full += sl_session_send(w->session, frame, FULL, 0, NULL) == SL_DROP_EGRESS_FULL;
	frames = counters(w)->tx_frames;
	assert_true(full > 0);
	assert_int_equal(frames + full, 2003);
	assert_int_equal(counters(w)->drops[SL_DROP_EGRESS_FULL], full);
	assert_int_equal(counters(w)->split_tx, frames - 3);
	assert_int_equal(counters(w)->tx_datagrams, 3 + 2 * (frames - 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(core1_hello_does_not_wait_for_the_path, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl3_the_relay_does_not_grant_it, setup, teardown),
		cmocka_unit_test_setup_teardown(ctrl3_split_with_a_budget_that_is_too_small, setup, teardown),
		cmocka_unit_test_setup_teardown(core1_refused_for_the_size, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_joins_what_comes_in_two_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_parts_that_are_left_over, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_parts_wait_for_their_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(core3_parts_before_a_welcome_without_split, setup, teardown),
		cmocka_unit_test_setup_teardown(core5_a_loss_forgets_the_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(proto3_sends_full_frames_in_two_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(proto3_the_path_is_what_it_is_now, setup, teardown),
		cmocka_unit_test_setup_teardown(egress_both_parts_or_neither, setup, teardown),
	};
	return cmocka_run_group_tests_name("session_split", tests, NULL, NULL);
}
