#include "client/clientd.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/identity.h"
#include "common/time.h"
#include "port/tap.h"

// So long the TAP looks plugged in while the relay is away: games, leases and addresses live through it.
#define OUTAGE_NS (30 * SL_NS_PER_S)

// ---- what people see ----

static void show_joined(struct sl_client *client)
{
	struct sl_session_status session;
	struct tap_net_status net;
	char address[PREFIX_TEXT] = "no address yet";

	if (client->stopping)
		return;
	sl_session_status(client->session, &session);
	if (session.isolated) {
		sl_notify_status(client->runtime->notify, "Cut off from room %s by the relay: %s",
				 client->session_config.room, session.isolation);
		return;
	}
	tap_net_status(client->net, &net);
	if (net.preferred >= 0)
		prefix_format(&net.addrs[net.preferred], address);
	sl_notify_status(client->runtime->notify, "In room %s at %s, %s: %s%s%s", client->session_config.room,
			 client->session_config.relay.name, client->tap_name, address,
			 net.clash[0] ? "; " : "", net.clash);
}

static void set_carrier(struct sl_client *client, bool on)
{
	if (client->carrier == on)
		return;
	if (sl_tap_set_carrier(client->port, on) == SL_OK)
		client->carrier = on;
}

static void on_outage(void *arg)
{
	struct sl_client *client = arg;

	sl_info(client->runtime->log, "client",
		"the relay has been away for %llu s, %s shows no carrier until it is back",
		(unsigned long long)(OUTAGE_NS / SL_NS_PER_S), client->tap_name);
	set_carrier(client, false);
}

// ---- what the bridge tells ----

static void stop_session(struct sl_client *client, int exit_code, const char *reason)
{
	client->stopping = true;
	client->exit_code = exit_code;
	sl_session_stop(client->session, reason);
}

static void on_way_lost(void *arg, const char *sentence)
{
	struct sl_client *client = arg;

	// The next connection looks the way up, and pins it, anew: a computer that was moved from a cable to
	// a wireless network is back at once.
	sl_warn(client->runtime->log, "client", "bridging ends, %s", sentence);
	sl_session_reconnect(client->session, sentence);
}

static void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct sl_client *client = arg;
	struct sl_error error = {0};

	sl_client_bridge_stats(client->bridge, &client->at_join);
	client->runtime->env->ops->timer_set(client->outage, SL_TIME_NEVER);
	client->outage_running = false;
	if (tap_net_up(client->net, welcome->mtu, &error) != SL_OK) {
		sl_err(client->runtime->log, "client", "stops, %s", error.text);
		stop_session(client, SL_EXIT_FAILED, "tap_failed");
		return;
	}
	set_carrier(client, true);
	if (tap_net_plugged(client->net, &error) != SL_OK) {
		sl_err(client->runtime->log, "client", "stops, %s", error.text);
		stop_session(client, SL_EXIT_FAILED, "tap_failed");
		return;
	}
	if (route_guard_verify(client->guard, &error) != SL_OK) {
		on_way_lost(client, error.text);
		return;
	}
	sl_info(client->runtime->log, "client", "%s is up, MTU %zu, room %s, peer %u, gateway %s",
		client->tap_name, welcome->mtu, client->session_config.room, welcome->peer_id,
		welcome->gateway ? "present" : "not there yet");
	sl_notify_ready(client->runtime->notify);
	show_joined(client);
}

static void on_notice(void *arg, const struct sl_session_notice *notice)
{
	(void)notice;
	show_joined(arg); // isolated, or no longer
}

static void on_net_changed(void *arg)
{
	struct sl_client *client = arg;
	struct sl_session_status status;

	sl_session_status(client->session, &status);
	if (status.state == SL_SESSION_JOINED)
		show_joined(client);
}

static void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_client *client = arg;

	(void)retry_ns;
	if (client->stopping)
		return;
	sl_notify_status(client->runtime->notify, "%s", sentence);
	// Counted from the first loss of this outage: `down` comes with each attempt that fails.
	if (client->carrier && !client->outage_running) {
		client->outage_running = true;
		client->runtime->env->ops->timer_set(client->outage,
						     client->runtime->env->now_ns + OUTAGE_NS);
	}
}

static void on_ended(void *arg, const char *sentence)
{
	struct sl_client *client = arg;

	if (sentence)
		client->exit_code = SL_EXIT_FAILED;
	sl_runtime_exit(client->runtime, client->exit_code, sentence);
}

static void on_port_failed(void *arg, const char *why)
{
	struct sl_client *client = arg;

	sl_err(client->runtime->log, "client", "stops, %s (%s)", client->tap_name, why);
	stop_session(client, SL_EXIT_FAILED, "tap_failed");
}

static int on_before_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	struct sl_client *client = arg;

	return route_guard_pin(client->guard, relay, error);
}

#ifdef SL_SIGNAL_RESUME
// The computer has slept: the relay may have given us up, and the network may be another.
static void on_resume(void *arg)
{
	struct sl_client *client = arg;

	sl_info(client->runtime->log, "client", "the computer has slept, connecting anew");
	sl_session_reconnect(client->session, "the computer has slept");
}

static void watch_resume(struct sl_client *client)
{
	client->resume = sl_loop_signal(client->runtime->loop, SL_SIGNAL_RESUME, on_resume, client);
}
#else
static void watch_resume(struct sl_client *client)
{
	client->resume = NULL; // this system tells nobody
}
#endif

// ---- struct sl_daemon ----

static void client_free(void *state)
{
	struct sl_client *client = state;

	if (!client)
		return;
	sl_signal_free(client->resume);
	sl_session_free(client->session);
	if (client->outage)
		client->runtime->env->ops->timer_free(client->outage);
	if (client->port)
		set_carrier(client, false); // as in client_stop
	tap_net_free(client->net); // before the guard: the relay's route is kept as long as the TAP is up
	route_guard_free(client->guard);
	if (client->port)
		client->port->ops->close(
			client->port); // the device goes, and with it its addresses and routes
	sl_client_bridge_free(client->bridge);
	sl_tls_free(client->tls);
	free(client->routes);
	free(client);
}

// The TAP in standby, what watches over it, and nothing up yet.
static int open_tap(struct sl_client *client, const struct sl_client_config *config, struct sl_error *error)
{
	struct sl_loop *loop = client->runtime->loop;
	struct sl_tap_config tap = {
		.name = client->tap_name,
		.instance_id = config->tap_instance_id,
		.mac = client->mac,
		.offload = config->endpoint.offload,
	};
	struct tap_net_config net = {
		.name = client->tap_name,
		.mac = client->mac,
		.metric = (uint32_t)config->tap_metric,
	};
	struct route_guard_config guard = {.tap = client->tap_name, .failed = on_way_lost, .arg = client};
	struct sl_port_handler handler;
	int result;

	sl_client_bridge_port_handler(client->bridge, &handler);
	result = sl_tap_open(loop, &tap, &handler, &client->port, error);
	if (result != SL_OK)
		return result;
	// What it is before the first join does not matter: the link is down.
	client->carrier = false;
	snprintf(client->tap_name, sizeof(client->tap_name), "%s", sl_tap_name(client->port));
	if (config->tap_address[0] && !prefix_parse(config->tap_address, &net.address))
		return sl_fail(error, SL_ERR_INVALID, "tap.address: \"%s\" is no address",
			       config->tap_address);
	if (config->tap_routes.count) {
		client->routes = calloc(config->tap_routes.count, sizeof *client->routes);
		if (!client->routes)
			return sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
		memcpy(client->routes, config->tap_routes.list,
		       config->tap_routes.count * sizeof *client->routes);
		net.routes = client->routes;
		net.route_count = config->tap_routes.count;
	}
	net.ifindex = sl_tap_ifindex(client->port);
	result = tap_net_new(loop, &net, on_net_changed, client, &client->net, error);
	if (result != SL_OK)
		return result;
	guard.tap_ifindex = net.ifindex;
	return route_guard_new(loop, &guard, &client->guard, error);
}

static void apply_rules(struct sl_client *client, const struct sl_client_config *config)
{
	uint32_t relaxed = sl_client_relaxed(config);

	sl_client_bridge_rules(client->bridge, relaxed);
	sl_endpoint_warn_relaxed(client->runtime->log, "client", relaxed);
}

static int client_reload(void *state, const void *config, struct sl_error *error)
{
	(void)error;
	apply_rules(state, config);
	return SL_OK;
}

static int client_start(struct sl_runtime *runtime, void **state, struct sl_error *error)
{
	const struct sl_client_config *config = runtime->config;
	struct sl_observer observer = {
		.joined = on_joined,
		.notice = on_notice,
		.down = on_down,
		.ended = on_ended,
		.failed = on_port_failed,
		.before_connect = on_before_connect,
	};
	struct sl_session_ops session_ops;
	struct sl_client *client = calloc(1, sizeof *client);
	char mac[SL_MAC_TEXT];
	int result;

	*state = NULL;
	if (!client)
		return sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
	client->runtime = runtime;
	snprintf(client->tap_name, sizeof client->tap_name, "%s", config->tap_name);
	observer.arg = client;
	result = identity_load(runtime->env, config->identity_file, config->virtual_mac, &client->mac, error);
	if (result != SL_OK) {
		if (config->virtual_mac[0] == '\0')
			result = SL_ERR_SYSTEM; // the configuration is fine, the file is not
		goto out;
	}
	result = sl_endpoint_session_config(&config->endpoint, SL_ROLE_CLIENT, &client->session_config,
					    &client->tls, error);
	if (result != SL_OK)
		goto out;
	client->session_config.mac = client->mac;
	client->session_config.before_connect = sl_membership_before_connect;
	client->outage = runtime->env->ops->timer_new(runtime->env, on_outage, client);
	client->bridge =
		sl_client_bridge_new(runtime->env, &client->mac, client->session_config.room, &observer);
	if (!client->bridge || !client->outage) {
		result = sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
		goto out;
	}
	apply_rules(client, config);
	sl_client_bridge_mss_clamp(client->bridge, config->endpoint.mss_clamp);
	result = open_tap(client, config, error);
	if (result != SL_OK)
		goto out;
	sl_client_bridge_session_ops(client->bridge, &session_ops);
	result = sl_session_new(runtime->env, &client->session_config, &session_ops, &client->session, error);
	if (result != SL_OK)
		goto out;
	sl_client_bridge_attach(client->bridge, client->session, client->port);
	watch_resume(client);
	client->view = (struct sl_endpoint_view){"client", runtime, client->session, &client->session_config};
	sl_info(runtime->log, "client", "%s is ready, MAC %s, offloads %s, room %s, relay %s",
		client->tap_name, sl_mac_format(&client->mac, mac), sl_tap_offload(client->port),
		client->session_config.room, client->session_config.relay.name);
	sl_notify_status(runtime->notify, "Connecting to %s", client->session_config.relay.name);
	sl_session_start(client->session);
	*state = client;
	client = NULL;
out:
	client_free(client);
	return result;
}

static void client_stop(void *state)
{
	struct sl_client *client = state;
	struct sl_error error = {0};

	// Down first: the machine's programs learn at once that the party is over. And unplugged before: with
	// a cable in it, an interface that may have default routes again could take one of the LAN's.
	set_carrier(client, false);
	if (tap_net_down(client->net, &error) != SL_OK)
		sl_debug(client->runtime->log, "client", "%s", error.text);
	stop_session(client, client->exit_code, "shutting_down");
}

int sl_client_main(int argc, char **argv)
{
	static const struct sl_daemon daemon = {
		.name = "softlan-client",
		.scope = "client",
		.summary = "joins this machine to the LAN of a softlan room",
		.options = sl_client_options,
		.versions = sl_quic_library_versions,
		.config_size = sizeof(struct sl_client_config),
		.log_level_offset = offsetof(struct sl_client_config, endpoint.log_level),
		.log_frames_offset = offsetof(struct sl_client_config, endpoint.log_frames),
		.control_socket_offset = offsetof(struct sl_client_config, endpoint.control_socket),
		.control_group_offset = offsetof(struct sl_client_config, endpoint.control_group),
		.user_offset = offsetof(struct sl_client_config, endpoint.user),
		.capabilities = SL_CAPABILITY_NET_ADMIN,
		.validate = sl_client_validate,
		.start = client_start,
		.stop = client_stop,
		.reload = client_reload,
		.free = client_free,
		.verbs = sl_client_verbs,
		.flags = sl_client_flags,
	};

	return sl_daemon_main(&daemon, argc, argv);
}
