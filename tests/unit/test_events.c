// Events for `watch` (OPS-3): their shape, and that they cost nothing when nobody watches.
#include "obs/events.h"

#include "ear.h"

static void test_OPS_3_events_have_time_and_name_first(void **state)
{
	struct ear *ear = *state;

	ear->wall_ns = 1769862896 * SL_NS_PER_S + 78999999;
	sl_event(&ear->env, "peer_left", "{s:s, s:i, s:s}", "room", "ROOM1", "peer", 7, "reason", "done");
	assert_string_equal(ear->text, "{\"time\":\"2026-01-31T12:34:56.078Z\",\"event\":\"peer_left\","
				       "\"room\":\"ROOM1\",\"peer\":7,\"reason\":\"done\"}");
	ear->wall_ns = 0;
	sl_event(&ear->env, "reloaded", "{}");
	assert_string_equal(ear->text, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"reloaded\"}");
	ear->wall_ns = UINT64_MAX;
	sl_event(&ear->env, "reloaded", "{}");
	assert_string_equal(ear->text, "{\"time\":\"2554-07-21T23:34:33.709Z\",\"event\":\"reloaded\"}");
}

// Members cannot pass themselves off as another event or time.
static void test_OPS_3_events_keep_their_name(void **state)
{
	struct ear *ear = *state;

	sl_event(&ear->env, "loop", "{s:s, s:s, s:i}", "event", "reloaded", "time", "never", "peer", 1);
	assert_string_equal(ear->text,
			    "{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"loop\",\"peer\":1}");
}

static void test_OPS_3_events_without_watchers(void **state)
{
	struct ear *ear = *state;
	json_t *members = json_pack("{s:i}", "peer", 1), *again;

	assert_true(sl_events_watched(&ear->env));
	ear->open = false;
	assert_false(sl_events_watched(&ear->env));
	sl_event(&ear->env, "reloaded", "{s:i}", "n", 1);
	again = json_incref(members);
	sl_event_members(&ear->env, "loop", members); // taken over all the same
	assert_int_equal(again->refcount, 1);
	ear->env.events = NULL;
	assert_false(sl_events_watched(&ear->env));
	sl_event(&ear->env, "reloaded", "{s:i}", "n", 1);
	sl_event_members(&ear->env, "loop", again);
	assert_int_equal(ear->heard, 0);
}

static void test_OPS_3_events_that_cannot_be_made(void **state)
{
	struct ear *ear = *state;

	sl_event(&ear->env, "rejected", "{s:s}", "room", "\xff\xfe"); // no UTF-8
	sl_event_members(&ear->env, "rejected", NULL);
	assert_int_equal(ear->heard, 0);
	sl_event(&ear->env, "rejected", "{s:s?}", "room", NULL);
	assert_int_equal(ear->heard, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, ear_setup, ear_teardown)
		T(test_OPS_3_events_have_time_and_name_first),
		T(test_OPS_3_events_keep_their_name),
		T(test_OPS_3_events_without_watchers),
		T(test_OPS_3_events_that_cannot_be_made),
	};
	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
