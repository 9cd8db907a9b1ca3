// What softlanctl asks of a relay.
#include <stdlib.h>
#include <string.h>

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

// A peer id in decimal: 1 to 65535. 0: it is none.
static uint16_t parse_id(const char *text)
{
	unsigned long id = strspn(text, "0123456789") == strlen(text) ? strtoul(text, NULL, 10) : 0;

	return id <= UINT16_MAX ? (uint16_t)id : 0;
}

// The words of a reason with blanks between them, as they were typed. False: longer than a reason may be, or
// more than printable ASCII.
static bool join_reason(int argc, const char *const *argv, char out[static SL_REASON_MAX + 1])
{
	size_t len = 0;

	out[0] = '\0';
	for (int i = 2; i < argc; i++) {
		size_t blank = i > 2 ? 1 : 0, more = strlen(argv[i]);

		if (len + blank + more > SL_REASON_MAX)
			return false;
		for (const char *p = argv[i]; *p; p++)
			if (*p < 0x21 || *p > 0x7e)
				return false;
		if (blank)
			out[len++] = ' ';
		memcpy(out + len, argv[i], more + 1);
		len += more;
	}
	return true;
}

static void verb_kick(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct relayd *relayd = arg;
	char reason[SL_REASON_MAX + 1], room[SL_ROOM_MAX + 1];
	uint16_t id = argc < 2 ? 0 : parse_id(argv[1]);

	if (id == 0) {
		reply->code = "usage";
		sl_fail(&reply->error, SL_ERR_INVALID,
			"usage: kick ID [REASON]; ID is a peer's number, 1 to 65535, as peers shows it");
	} else if (!join_reason(argc, argv, reason)) {
		reply->code = "usage";
		sl_fail(&reply->error, SL_ERR_INVALID,
			"a reason has at most %d characters, of printable ASCII only", SL_REASON_MAX);
	} else if (sl_relay_kick(relayd->relay, id, reason, room) != SL_OK) {
		reply->code = "not_found";
		sl_fail(&reply->error, SL_ERR_NOT_FOUND,
			"no peer %u is on this relay; peers lists those there are", id);
	} else {
		sl_control_answer(reply, json_pack("{s:i, s:s, s:s}", "peer", (int)id, "room", room, "reason",
						   reason[0] ? reason : "kicked"));
	}
}

const struct sl_control_verb relay_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = verb_rooms},
	{.name = "peers", .run = verb_peers},
	{.name = "stats", .run = verb_stats},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = "kick", .changes = true, .run = verb_kick},
	{.name = NULL},
};
