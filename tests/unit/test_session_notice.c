// A session that is told: the relay's notices, and what it tells in turn to `status` and `watch` (RELAY-9,
// OPS-3).
#include "session_relay.h"

#include "session/report.h"

static void relay_notice(struct world *w, enum sl_drop reason, uint64_t frames, bool isolated,
			 const char *message)
{
	struct sl_msg msg = {.type = SL_MSG_NOTICE};
	msg.notice.reason = reason;
	msg.notice.frames = frames;
	msg.notice.isolated = isolated;
	strcpy(msg.notice.message, message);
	relay_send(w, &msg);
	run_for(w, 20);
}

static json_t *status_of(struct world *w)
{
	struct sl_session_config config = session_config(w);
	json_t *status = json_object();
	assert_int_equal(sl_report_status(status, w->session, &config, w->env->now_ns), SL_OK);
	return status;
}

// The sentence at this place of "warnings"; "" when there are not so many.
static const char *warning(struct world *w, size_t at, char out[static 512])
{
	json_t *warnings = json_array();
	const char *text;
	sl_report_warnings(warnings, w->session, w->env->now_ns);
	text = json_string_value(json_array_get(warnings, at));
	snprintf(out, 512, "%s", text != NULL ? text : "");
	json_decref(warnings);
	return out;
}

// RELAY-9: what the relay tells of our frames is remembered, counted, logged and told on.
static void relay9_notices(void **state)
{
	struct world *w = *state;
	char text[512];
	unsigned cursor = 0;
	join(w);
	assert_null(sl_session_notice_next(w->session, &cursor));
	relay_notice(w, SL_DROP_ARP_GUARD, 12, false, "12 frames filtered: this computer uses 192.168.1.1");
	assert_string_equal(w->events, "JN");
	assert_int_equal(w->notice.reason, SL_DROP_ARP_GUARD);
	assert_int_equal(w->notice.frames, 12);
	assert_false(w->notice.isolated);
	assert_string_equal(warning(w, 0, text),
			    "the relay dropped 12 frames: this computer uses 192.168.1.1");
	assert_non_null(
		strstr(w->log_text, "the relay dropped 12 frames: 12 frames filtered: this computer"));
	assert_non_null(strstr(w->watched, "\"event\":\"notice\",\"reason\":\"arp_guard\",\"message\":"));
	assert_non_null(strstr(w->watched, "\"frames\":12,\"isolated\":false"));

	relay_notice(w, SL_DROP_ARP_GUARD, 28, false, "28 frames filtered: this computer uses fe80::1");
	relay_notice(w, SL_DROP_RATE_BROADCAST, 1, false, "1 frame dropped: too many: far too many");
	assert_string_equal(warning(w, 0, text), "the relay dropped 40 frames: this computer uses fe80::1");
	assert_string_equal(warning(w, 1, text), "the relay dropped 1 frame: too many: far too many");
	assert_string_equal(warning(w, 2, text), "");
	cursor = 0;
	assert_int_equal(sl_session_notice_next(w->session, &cursor)->total, 40);
	// The same reason is one line in 10 s, whatever the relay does.
	assert_null(strstr(w->log_text, "fe80::1"));

	// A reason of a later version is shown with its own sentence, and no frames are none.
	relay_send_text(w,
			"{\"type\":\"notice\",\"reason\":\"later\",\"message\":\"Do this.\",\"frames\":3}");
	relay_send_text(w, "{\"type\":\"notice\",\"reason\":\"vlan_tag\",\"message\":\"Do that.\"}");
	run_for(w, 30);
	assert_string_equal(warning(w, 2, text), "the relay dropped 3 frames: Do this.");
	assert_string_equal(warning(w, 3, text), "");
	assert_string_equal(w->events, "JNNNNN");
	json_t *status = status_of(w);
	assert_true(json_is_false(json_object_get(status, "isolated")));
	json_decref(status);
}

// RELAY-9: cut off from the room, and let in again; only the same reason ends it.
static void relay9_isolation(void **state)
{
	struct world *w = *state;
	struct sl_session_status now;
	char text[512];
	json_t *status;
	join(w);
	relay_notice(w, SL_DROP_LOOP, 0, true, "This computer bridges softlan0: take it out of the bridge.");
	assert_true(w->notice.isolated);
	relay_notice(w, SL_DROP_RATE_BROADCAST, 5, false, "Too many.");
	sl_session_status(w->session, &now);
	assert_true(now.isolated);
	assert_string_equal(now.isolation, "This computer bridges softlan0: take it out of the bridge.");
	status = status_of(w);
	assert_true(json_is_true(json_object_get(status, "isolated")));
	json_decref(status);
	assert_non_null(strstr(warning(w, 0, text), "cut this computer off"));
	assert_non_null(strstr(text, "take it out of the bridge"));
	assert_string_equal(warning(w, 1, text), "the relay dropped 5 frames: Too many.");
	assert_non_null(strstr(w->log_text, "isolated from room ROOM1: This computer bridges softlan0"));

	relay_notice(w, SL_DROP_LOOP, 700, false, "You are in the room again.");
	sl_session_status(w->session, &now);
	assert_false(now.isolated);
	assert_string_equal(now.isolation, "");
	assert_non_null(strstr(w->log_text, "let into room ROOM1 again: You are in the room again."));
	assert_string_equal(warning(w, 0, text), "the relay dropped 700 frames: You are in the room again.");
	assert_non_null(strstr(warning(w, 1, text), "Too many."));
}

// RELAY-9: while it lasts, notices of other reasons say so too; one of them may come first.
static void relay9_isolation_told_by_another_notice(void **state)
{
	struct world *w = *state;
	struct sl_session_status now;
	char text[512];
	join(w);
	relay_notice(w, SL_DROP_ARP_GUARD, 2, true, "An address.");
	sl_session_status(w->session, &now);
	assert_true(now.isolated);
	relay_notice(w, SL_DROP_LOOP, 0, true, "A loop.");
	relay_notice(w, SL_DROP_ARP_GUARD, 2, true, "An address.");
	sl_session_status(w->session, &now);
	assert_true(now.isolated);
	assert_string_equal(now.isolation, "A loop.");
	assert_string_equal(warning(w, 1, text), "the relay dropped 4 frames: An address.");
	assert_string_equal(warning(w, 2, text), "");
	relay_notice(w, SL_DROP_LOOP, 0, false, "You are back.");
	sl_session_status(w->session, &now);
	assert_false(now.isolated);
	// And when the relay had no time to say it again.
	relay_notice(w, SL_DROP_ARP_GUARD, 2, true, "An address.");
	relay_notice(w, SL_DROP_LOOP, 0, false, "You are back.");
	sl_session_status(w->session, &now);
	assert_false(now.isolated);
}

static bool is_down_and_joined_again(struct world *w)
{
	return is_down(w) && is_joined_twice(w);
}

// RELAY-9: another connection starts with a clean sheet.
static void relay9_notices_end_with_the_connection(void **state)
{
	struct world *w = *state;
	struct sl_msg bye = {.type = SL_MSG_DISCONNECT, .disconnect.reason = "kicked"};
	struct sl_session_status now;
	char text[512];
	join(w);
	relay_notice(w, SL_DROP_LOOP, 3, true, "A loop.");
	relay_notice(w, SL_DROP_ARP_GUARD, 3, false, "An address.");
	relay_send(w, &bye);
	assert_true(run_until(w, is_down, 1000));
	sl_session_status(w->session, &now);
	assert_false(now.isolated);
	assert_string_equal(warning(w, 0, text), "");
	assert_true(run_until(w, is_down_and_joined_again, 5000));
	sl_session_status(w->session, &now);
	assert_false(now.isolated);
	assert_string_equal(warning(w, 0, text), "");
}

// OPS-3: an endpoint's own events, in their order.
static void ops3_watch(void **state)
{
	struct world *w = *state;
	struct sl_msg gateway = {.type = SL_MSG_PEER_JOINED,
				 .peer_joined = {.peer_id = 4, .role = SL_ROLE_GATEWAY}};
	struct sl_msg left = {.type = SL_MSG_PEER_LEFT, .peer_left = {.peer_id = 9, .reason = "bye"}};
	struct sl_msg bye = {.type = SL_MSG_DISCONNECT, .disconnect.reason = "kicked"};
	static const char *const expected[] = {
		"\"event\":\"connected\",\"room\":\"ROOM1\",\"relay\":\"127.0.0.1:",
		"\"event\":\"peer_joined\",\"room\":\"ROOM1\",\"peer\":4,\"role\":\"gateway\"}",
		("\"event\":\"peer_joined\",\"room\":\"ROOM1\",\"peer\":9,\"role\":\"client\","
		 "\"mac\":\"02:00:00:00:00:09\"}"),
		"\"event\":\"peer_left\",\"room\":\"ROOM1\",\"peer\":9,\"reason\":\"bye\"}",
		"\"event\":\"disconnected\",\"room\":\"ROOM1\",\"sentence\":\"the relay 127.0.0.1:",
		"\"event\":\"peer_left\",\"room\":\"ROOM1\",\"peer\":4,\"reason\":\"connection_lost\"}",
	};
	const char *at = w->watched;
	join(w);
	relay_send(w, &gateway);
	relay_announce(w, 9);
	relay_send(w, &left);
	relay_send(w, &bye);
	assert_true(run_until(w, is_down, 1000));
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		const char *found = strstr(at, expected[i]);
		if (found == NULL)
			fail_msg("no %s in %s", expected[i], w->watched);
		at = found + 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(relay9_notices, setup, teardown),
		cmocka_unit_test_setup_teardown(relay9_isolation, setup, teardown),
		cmocka_unit_test_setup_teardown(relay9_isolation_told_by_another_notice, setup, teardown),
		cmocka_unit_test_setup_teardown(relay9_notices_end_with_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(ops3_watch, setup, teardown),
	};
	return cmocka_run_group_tests_name("session notices", tests, NULL, NULL);
}
