// What softlanctl asks of a client.
#include "client/clientd.h"

#include "obs/drops.h"
#include "obs/json.h"
#include "port/report.h"
#include "port/tap.h"
#include "session/report.h"

static json_t *tap_json(const struct sl_client *client, const struct tap_net_status *net)
{
	char mac[SL_MAC_TEXT], text[PREFIX_TEXT];
	json_t *addresses = json_array();

	for (size_t i = 0; i < net->addr_count; i++)
		json_array_append_new(addresses, json_string(prefix_format(&net->addrs[i], text)));
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:I, s:s, s:o, s:o}", "name", client->tap_name, "driver",
			 sl_tap_driver(client->port), "ifindex", sl_tap_ifindex(client->port), "mac",
			 sl_mac_format(&client->mac, mac), "state",
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

// Frames of this computer that were stopped here, with the likely cause.
static void warn_drops(json_t *warnings, const struct sl_client *client)
{
	struct sl_client_stats bridge;
	char sentence[SL_DROP_SENTENCE];

	sl_client_bridge_stats(client->bridge, &bridge);
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		if (bridge.dropped_out[i] != 0)
			warn(warnings, sl_drop_sentence((enum sl_drop)i, bridge.dropped_out[i], sentence));
	}
}

// One of its own, not one that every interface makes for itself.
static bool has_lan_address(const struct tap_net_status *net)
{
	return net->preferred >= 0 && !prefix_is_link_local(&net->addrs[net->preferred]);
}

static json_t *warnings_json(const struct sl_client *client, const struct tap_net_status *net)
{
	struct route_guard_status route;
	struct sl_session_status session;
	json_t *warnings = json_array();

	route_guard_status(client->guard, &route);
	sl_session_status(client->session, &session);
	sl_report_warnings(warnings, client->session, client->runtime->env->now_ns);
	warn_drops(warnings, client);
	warn(warnings, net->clash);
	warn(warnings, net->warning);
	if (net->up && !has_lan_address(net))
		warn(warnings,
		     "the TAP has no address of the LAN: start a DHCP client on it, or set tap.address");
	if (session.state == SL_SESSION_JOINED && route.pin == ROUTE_PIN_NONE)
		warn(warnings, "the way to the relay is not kept: a route of the LAN's could take it");
	if (session.state == SL_SESSION_JOINED && session.welcome.gateway == 0)
		warn(warnings, "no gateway is in the room: the LAN cannot be reached yet");
	return warnings;
}

// What goes well; what does not is among the warnings (OBS-4).
static json_t *sentences_json(const struct sl_client *client, const struct tap_net_status *net)
{
	struct route_guard_status route;
	json_t *sentences = json_array();
	char text[SL_TAP_NAME + 160], address[PREFIX_TEXT];

	route_guard_status(client->guard, &route);
	if (has_lan_address(net)) {
		snprintf(text, sizeof(text), "%s has the address %s.", client->tap_name,
			 prefix_format(&net->addrs[net->preferred], address));
		json_array_append_new(sentences, json_string(text));
	}
	if (route.pin != ROUTE_PIN_NONE && route.interface[0]) {
		snprintf(text, sizeof(text), "The way to the relay is kept: %s%s%s.", route.interface,
			 route.gateway[0] ? " via " : "", route.gateway);
		json_array_append_new(sentences, json_string(text));
	}
	return sentences;
}

static void verb_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_client *client = arg;
	struct sl_client_stats bridge;
	struct tap_net_status net;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "status"))
		return;
	tap_net_refresh(client->net);
	tap_net_status(client->net, &net);
	sl_client_bridge_stats(client->bridge, &bridge);
	sl_endpoint_status(&client->view,
			   &(struct sl_broadcast){bridge.group_out - client->at_join.group_out,
						  bridge.group_in - client->at_join.group_in,
						  "this computer"},
			   sentences_json(client, &net),
			   json_pack("{s:o, s:o, s:o}", "tap", tap_json(client, &net), "route",
				     route_json(client), "warnings", warnings_json(client, &net)),
			   reply);
}

static json_t *bridge_json(const struct sl_client *client)
{
	struct sl_client_stats bridge;

	sl_client_bridge_stats(client->bridge, &bridge);
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "group_out", (json_int_t)bridge.group_out, "group_in",
			 (json_int_t)bridge.group_in, "offline", (json_int_t)bridge.offline, "probes",
			 (json_int_t)bridge.probes, "dropped_out", sl_drops_json(bridge.dropped_out, false));
}

static void verb_stats(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct sl_client *client = arg;

	(void)argv;
	if (sl_control_usage(reply, argc, 1, "stats"))
		sl_endpoint_stats(&client->view,
				  json_pack("{s:o, s:o}", "port", sl_port_json(client->port), "bridge",
					    bridge_json(client)),
				  reply);
}

const struct sl_control_verb sl_client_verbs[] = {
	{.name = "status", .run = verb_status},
	{.name = "rooms", .run = sl_endpoint_rooms},
	{.name = "peers", .run = sl_endpoint_peers},
	{.name = "stats", .run = verb_stats},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = NULL},
};
