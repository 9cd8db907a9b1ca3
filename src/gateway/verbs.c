// What softlanctl asks of a gateway.
#include "gateway/gatewayd.h"

#include "port/report.h"
#include "session/report.h"
#include "session/verbs.h"

static struct sl_endpoint_view view_of(const struct sl_gateway *gateway)
{
	return (struct sl_endpoint_view){"gateway", gateway->session, &gateway->session_config,
					 gateway->runtime->env->now_ns};
}

static void verb_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct sl_gateway *gateway = arg;
	json_t *status;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "status"))
		return;
	status = sl_runtime_status(gateway->runtime);
	if (status != NULL &&
	    (sl_report_status(status, gateway->session, &gateway->session_config,
			      gateway->runtime->env->now_ns) != SL_OK ||
	     json_object_set_new(status, "interface", json_string(gateway->interface)) != 0)) {
		json_decref(status);
		status = NULL;
	}
	sl_control_answer(reply, status);
}

static void verb_rooms(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_endpoint_view view = view_of(arg);

	sl_endpoint_rooms(&view, argc, argv, reply);
}

static void verb_peers(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_endpoint_view view = view_of(arg);

	sl_endpoint_peers(&view, argc, argv, reply);
}

static json_t *bridge_json(struct sl_gateway *gateway)
{
	struct sl_gateway_stats bridge;

	sl_gateway_bridge_stats(gateway->bridge, &bridge);
	return json_pack("{s:I, s:I, s:I}", "lan_unrelated", (json_int_t)bridge.lan_unrelated, "lan_offline",
			 (json_int_t)bridge.lan_offline, "cam_frames", (json_int_t)bridge.cam_frames);
}

static void verb_stats(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct sl_gateway *gateway = arg;
	json_t *stats;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "stats"))
		return;
	stats = sl_report_stats(gateway->session);
	if (stats != NULL && (json_object_set_new(stats, "port", sl_port_json(gateway->port)) != 0 ||
			      json_object_set_new(stats, "bridge", bridge_json(gateway)) != 0)) {
		json_decref(stats);
		stats = NULL;
	}
	sl_control_answer(reply, stats);
}

const struct sl_control_verb sl_gateway_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = verb_rooms},
	{.name = "peers", .run = verb_peers},
	{.name = "stats", .run = verb_stats},
	{.name = NULL},
};
