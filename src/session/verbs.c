#include "session/verbs.h"

#include <string.h>

#include "session/report.h"

// An endpoint knows its own room alone. False: the reply says why.
static bool room_matches(const struct sl_endpoint_view *view, int argc, const char *const *argv,
			 struct sl_control_reply *reply)
{
	if (argc < 2 || strcmp(argv[1], view->config->room) == 0)
		return true;
	reply->code = "not_found";
	sl_fail(&reply->error, SL_ERR_NOT_FOUND, "this %s is not in room %.64s but in room %s", view->who,
		argv[1], view->config->room);
	return false;
}

void sl_endpoint_rooms(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_endpoint_view *view = arg;

	if (sl_control_usage(reply, argc, 2, "rooms [CODE]") && room_matches(view, argc, argv, reply))
		sl_control_answer(reply, sl_report_rooms(view->session, view->config));
}

void sl_endpoint_peers(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_endpoint_view *view = arg;

	if (sl_control_usage(reply, argc, 2, "peers [CODE]") && room_matches(view, argc, argv, reply))
		sl_control_answer(reply,
				  sl_report_peers(view->session, view->config, view->runtime->env->now_ns));
}

static void answer_with(json_t *report, json_t *more, struct sl_control_reply *reply)
{
	if (json_object_update(report, more) != 0) {
		json_decref(report);
		report = NULL;
	}
	json_decref(more);
	sl_control_answer(reply, report);
}

void sl_endpoint_status(const struct sl_endpoint_view *view, const struct sl_broadcast *broadcast,
			json_t *sentences, json_t *more, struct sl_control_reply *reply)
{
	json_t *status = sl_runtime_status(view->runtime), *said;
	char sentence[SL_BROADCAST_SENTENCE];
	int rc;

	rc = sl_report_status(status, view->session, view->config, view->runtime->env->now_ns);
	said = json_object_get(status, "sentences");
	if (json_is_true(json_object_get(status, "connected"))) {
		rc |= json_array_extend(said, sentences);
		rc |= json_array_append_new(said, json_string(sl_broadcast_sentence(broadcast, sentence)));
	}
	rc |= json_object_set_new(status, "broadcast", sl_broadcast_json(broadcast));
	json_decref(sentences);
	if (rc != SL_OK) {
		json_decref(status);
		status = NULL;
	}
	answer_with(status, more, reply);
}

void sl_endpoint_stats(const struct sl_endpoint_view *view, json_t *more, struct sl_control_reply *reply)
{
	answer_with(sl_report_stats(view->session), more, reply);
}
