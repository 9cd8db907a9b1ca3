// Whether broadcasts cross both ways, for programs and for people (OBS-3, OBS-4).
#include "session/broadcast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void obs_4_each_way(void **state)
{
	static const struct {
		uint64_t out, in;
		const char *flow, *sentence;
	} rows[] = {
		{0, 0, "none", "No broadcast has crossed yet."},
		{1, 0, "out_only",
		 "Broadcasts cross one way only: the LAN's enter the room, none has come from it yet."},
		{0, 1, "in_only",
		 "Broadcasts cross one way only: the room's arrive here, none has come from the LAN yet."},
		{7, 1, "both", "Broadcasts cross both ways."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_broadcast broadcast = {rows[i].out, rows[i].in, "the LAN"};
		char sentence[SL_BROADCAST_SENTENCE];
		json_t *json = sl_broadcast_json(&broadcast);

		assert_string_equal(json_string_value(json_object_get(json, "flow")), rows[i].flow);
		assert_int_equal(json_integer_value(json_object_get(json, "out")), rows[i].out);
		assert_int_equal(json_integer_value(json_object_get(json, "in")), rows[i].in);
		assert_string_equal(sl_broadcast_sentence(&broadcast, sentence), rows[i].sentence);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(obs_4_each_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
