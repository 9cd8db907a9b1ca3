// What softlanctl asks of a relay.
#include "relay/relayd.h"
#include "relay/report.h"

static bool room_is_open(const struct relayd *relayd, int argc, const char *const *argv,
			 struct sl_control_reply *reply)
{
	if (argc < 2 || relay_report_has_room(relayd->relay, argv[1]))
		return true;
	reply->code = "not_found";
	sl_fail(&reply->error, SL_ERR_NOT_FOUND,
		"no peer is in a room %.64s on this relay; rooms lists those there are", argv[1]);
	return false;
}

static void verb_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct relayd *relayd = arg;
	json_t *status;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "status"))
		return;
	status = sl_runtime_status(relayd->runtime);
	if (status && relay_report_status(status, relayd->relay, relayd->tls) != SL_OK) {
		json_decref(status);
		status = NULL;
	}
	sl_control_answer(reply, status);
}

static void verb_rooms(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct relayd *relayd = arg;

	if (sl_control_usage(reply, argc, 2, "rooms [CODE]") && room_is_open(relayd, argc, argv, reply))
		sl_control_answer(reply, relay_report_rooms(relayd->relay, argc == 2 ? argv[1] : NULL));
}

static void verb_peers(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct relayd *relayd = arg;

	if (sl_control_usage(reply, argc, 2, "peers [CODE]") && room_is_open(relayd, argc, argv, reply))
		sl_control_answer(reply, relay_report_peers(relayd->relay, argc == 2 ? argv[1] : NULL));
}

static void verb_stats(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct relayd *relayd = arg;

	(void)argv;
	if (sl_control_usage(reply, argc, 1, "stats"))
		sl_control_answer(reply, relay_report_stats(relayd->relay));
}

const struct sl_control_verb relay_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = verb_rooms},
	{.name = "peers", .run = verb_peers},
	{.name = "stats", .run = verb_stats},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = NULL},
};
