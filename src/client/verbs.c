// What softlanctl asks of a client.
#include "client/clientd.h"

#include "port/report.h"
#include "port/tap.h"
#include "session/report.h"
#include "session/verbs.h"

static struct sl_endpoint_view view_of(const struct sl_client *client)
{
	return (struct sl_endpoint_view){"client", client->session, &client->session_config,
					 client->runtime->env->now_ns};
}

static json_t *tap_json(const struct sl_client *client, const struct tap_net_status *net)
{
	char mac[SL_MAC_TEXT], text[PREFIX_TEXT];
	json_t *addresses = json_array();

	for (size_t i = 0; i < net->addr_count; i++)
		json_array_append_new(addresses, json_string(prefix_format(&net->addrs[i], text)));
	return json_pack("{s:s, s:i, s:s, s:s, s:I, s:s, s:o, s:o}", "name", client->tap_name, "ifindex",
			 sl_tap_ifindex(client->port), "mac", sl_mac_format(&client->mac, mac), "state",
			 !net->up          ? "standby"
			 : client->carrier ? "up"
					   : "no carrier",
			 "mtu", (json_int_t)net->mtu, "offload", sl_tap_offload(client->port), "address",
			 net->preferred < 0 ? json_null()
					    : json_string(prefix_format(&net->addrs[net->preferred], text)),
			 "addresses", addresses);
}

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static json_t *route_json(const struct sl_client *client)
{
	struct route_guard_status route;

	route_guard_status(client->guard, &route);
	return json_pack("{s:s, s:o, s:o, s:o, s:I}", "pin", route.pin_name, "relay",
			 text_or_null(route.relay), "interface", text_or_null(route.interface), "gateway",
			 text_or_null(route.gateway), "defaults_removed", (json_int_t)route.defaults_removed);
}

static void warn(json_t *warnings, const char *text)
{
	if (text[0])
		json_array_append_new(warnings, json_string(text));
}

static json_t *warnings_json(const struct sl_client *client, const struct tap_net_status *net)
{
	struct sl_session_status session;
	json_t *warnings = json_array();

	sl_session_status(client->session, &session);
	warn(warnings, net->clash);
	warn(warnings, net->warning);
	if (net->up && net->addr_count == 0)
		warn(warnings, "the TAP has no address: start a DHCP client on it, or set tap.address");
	if (session.state == SL_SESSION_JOINED && session.welcome.gateway == 0)
		warn(warnings, "no gateway is in the room: the LAN cannot be reached yet");
	return warnings;
}

static void verb_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct sl_client *client = arg;
	struct tap_net_status net;
	json_t *status;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "status"))
		return;
	tap_net_refresh(client->net);
	tap_net_status(client->net, &net);
	status = sl_runtime_status(client->runtime);
	if (status && (sl_report_status(status, client->session, &client->session_config,
					client->runtime->env->now_ns) != SL_OK ||
		       json_object_set_new(status, "tap", tap_json(client, &net)) != 0 ||
		       json_object_set_new(status, "route", route_json(client)) != 0 ||
		       json_object_set_new(status, "warnings", warnings_json(client, &net)) != 0)) {
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

static json_t *bridge_json(const struct sl_client *client)
{
	struct sl_client_stats bridge;

	sl_client_bridge_stats(client->bridge, &bridge);
	return json_pack("{s:I, s:I, s:I}", "group_out", (json_int_t)bridge.group_out, "group_in",
			 (json_int_t)bridge.group_in, "offline", (json_int_t)bridge.offline);
}

static void verb_stats(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct sl_client *client = arg;
	json_t *stats;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "stats"))
		return;
	stats = sl_report_stats(client->session);
	if (stats && (json_object_set_new(stats, "port", sl_port_json(client->port)) != 0 ||
		      json_object_set_new(stats, "bridge", bridge_json(client)) != 0)) {
		json_decref(stats);
		stats = NULL;
	}
	sl_control_answer(reply, stats);
}

const struct sl_control_verb sl_client_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = verb_rooms},
	{.name = "peers", .run = verb_peers},
	{.name = "stats", .run = verb_stats},
	{.name = NULL},
};
