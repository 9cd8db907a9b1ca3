// What softlanctl asks of a gateway.
#include "gateway/gatewayd.h"

#include "port/report.h"
#include "session/report.h"

static json_t *warnings_json(const struct sl_gateway *gateway)
{
	json_t *warnings = json_array();

	sl_report_warnings(warnings, gateway->session, gateway->runtime->env->now_ns);
	return warnings;
}

static void verb_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_gateway *gateway = arg;
	struct sl_gateway_stats bridge;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "status"))
		return;
	sl_gateway_bridge_stats(gateway->bridge, &bridge);
	sl_endpoint_status(
		&gateway->view,
		&(struct sl_broadcast){bridge.group_out - gateway->at_join.group_out,
				       bridge.group_in - gateway->at_join.group_in, "the LAN"},
		json_array(),
		json_pack("{s:s, s:o}", "interface", gateway->interface, "warnings", warnings_json(gateway)),
		reply);
}

static json_t *bridge_json(const struct sl_gateway *gateway)
{
	struct sl_gateway_stats bridge;

	sl_gateway_bridge_stats(gateway->bridge, &bridge);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "group_out", (json_int_t)bridge.group_out,
			 "group_in", (json_int_t)bridge.group_in, "lan_unrelated",
			 (json_int_t)bridge.lan_unrelated, "lan_offline", (json_int_t)bridge.lan_offline,
			 "cam_frames", (json_int_t)bridge.cam_frames, "own_probes",
			 (json_int_t)bridge.own_probes, "foreign_probes", (json_int_t)bridge.foreign_probes);
}

static void verb_stats(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_gateway *gateway = arg;

	(void)argv;
	if (sl_control_usage(reply, argc, 1, "stats"))
		sl_endpoint_stats(&gateway->view,
				  json_pack("{s:o, s:o}", "port", sl_port_json(gateway->port), "bridge",
					    bridge_json(gateway)),
				  reply);
}

const struct sl_control_verb sl_gateway_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = sl_endpoint_rooms},
	{.name = "peers", .run = sl_endpoint_peers},
	{.name = "stats", .run = verb_stats},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = NULL},
};
