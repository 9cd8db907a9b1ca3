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

void sl_endpoint_rooms(const struct sl_endpoint_view *view, int argc, const char *const *argv,
		       struct sl_control_reply *reply)
{
	if (sl_control_usage(reply, argc, 2, "rooms [CODE]") && room_matches(view, argc, argv, reply))
		sl_control_answer(reply, sl_report_rooms(view->session, view->config));
}

void sl_endpoint_peers(const struct sl_endpoint_view *view, int argc, const char *const *argv,
		       struct sl_control_reply *reply)
{
	if (sl_control_usage(reply, argc, 2, "peers [CODE]") && room_matches(view, argc, argv, reply))
		sl_control_answer(reply, sl_report_peers(view->session, view->config, view->now_ns));
}
