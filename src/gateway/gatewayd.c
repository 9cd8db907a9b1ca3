#include "gateway/gatewayd.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/time.h"
#include "port/packet.h"

// The daemon's description and, beside it, what main gave: found again by `start`.
struct program {
	struct sl_daemon daemon; // first
	const char *sysfs;
};

// --- what the bridge tells -------------------------------------------------------------------

static unsigned count_clients(const struct sl_gateway *gateway)
{
	const struct sl_session_peer *peer;
	unsigned cursor = 0, clients = 0;

	while ((peer = sl_session_peer_next(gateway->session, &cursor)) != NULL)
		clients += peer->role == SL_ROLE_CLIENT;
	return clients;
}

static void show_joined(struct sl_gateway *gateway)
{
	unsigned clients = count_clients(gateway);

	sl_notify_status(gateway->runtime->notify, "Bridging %s and room %s at %s, %u client%s",
			 gateway->interface, gateway->session_config.room, gateway->session_config.relay.name,
			 clients, clients == 1 ? "" : "s");
}

static void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct sl_gateway *gateway = arg;

	(void)welcome;
	sl_gateway_bridge_stats(gateway->bridge, &gateway->at_join);
	sl_notify_ready(gateway->runtime->notify);
	show_joined(gateway);
}

static void on_peers_changed(void *arg)
{
	struct sl_gateway *gateway = arg;

	if (!gateway->stopping)
		show_joined(gateway);
}

static void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_gateway *gateway = arg;

	(void)retry_ns;
	sl_notify_status(gateway->runtime->notify, "%s", sentence);
}

static void on_ended(void *arg, const char *sentence)
{
	struct sl_gateway *gateway = arg;

	if (sentence != NULL)
		gateway->exit_code = SL_EXIT_FAILED;
	sl_runtime_exit(gateway->runtime, gateway->exit_code, sentence);
}

static void on_port_failed(void *arg, const char *why)
{
	struct sl_gateway *gateway = arg;

	sl_err(gateway->runtime->log, "gateway", "stops (%s)", why);
	gateway->exit_code = SL_EXIT_FAILED;
	gateway->stopping = true;
	sl_session_stop(gateway->session, "interface_lost");
}

// --- struct sl_daemon ------------------------------------------------------------------------

static void gateway_free(void *state)
{
	struct sl_gateway *gateway = state;

	if (gateway == NULL)
		return;
	sl_session_free(gateway->session);
	if (gateway->port != NULL)
		gateway->port->ops->close(gateway->port);
	sl_gateway_bridge_free(gateway->bridge);
	sl_tls_free(gateway->tls);
	free(gateway);
}

static int open_port(struct sl_gateway *gateway, const char *sysfs, bool offload, struct sl_error *error)
{
	struct sl_port_handler handler;
	int rc = sl_packet_check(sysfs, gateway->interface, error);

	if (rc != SL_OK)
		return rc;
	sl_gateway_bridge_port_handler(gateway->bridge, &handler);
	return sl_packet_open(gateway->runtime->loop, gateway->interface, offload, &handler, &gateway->port,
			      error);
}

static void apply_rules(struct sl_gateway *gateway, const struct sl_gateway_config *config)
{
	uint32_t relaxed = sl_policy_relaxed(&config->policy);

	sl_gateway_bridge_rules(gateway->bridge, relaxed, (uint64_t)config->broadcast_pps);
	sl_endpoint_warn_relaxed(gateway->runtime->log, "gateway", relaxed);
}

static int gateway_reload(void *state, const void *config, struct sl_error *error)
{
	(void)error;
	apply_rules(state, config);
	return SL_OK;
}

static int gateway_start(struct sl_runtime *runtime, void **state, struct sl_error *error)
{
	const struct program *program = (const struct program *)runtime->daemon;
	const struct sl_gateway_config *config = runtime->config;
	struct sl_observer observer = {
		.joined = on_joined,
		.peers_changed = on_peers_changed,
		.down = on_down,
		.ended = on_ended,
		.failed = on_port_failed,
	};
	struct sl_session_ops session_ops;
	struct sl_gateway *gateway = calloc(1, sizeof(*gateway));
	int rc;

	*state = NULL;
	if (gateway == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "gateway: out of memory");
	gateway->runtime = runtime;
	snprintf(gateway->interface, sizeof(gateway->interface), "%s", config->interface);
	observer.arg = gateway;
	rc = sl_endpoint_session_config(&config->endpoint, SL_ROLE_GATEWAY, &gateway->session_config,
					&gateway->tls, error);
	if (rc != SL_OK)
		goto out;
	gateway->bridge =
		sl_gateway_bridge_new(runtime->env, gateway->session_config.room,
				      (uint64_t)config->cam_refresh_interval * SL_NS_PER_S, &observer);
	if (gateway->bridge == NULL) {
		rc = sl_fail(error, SL_ERR_NOMEM, "gateway: out of memory");
		goto out;
	}
	apply_rules(gateway, config);
	sl_gateway_bridge_mss_clamp(gateway->bridge, config->endpoint.mss_clamp);
	// The interface comes first: a gateway without a LAN must not take the room's place (GW-1).
	rc = open_port(gateway, program->sysfs, config->endpoint.offload, error);
	if (rc != SL_OK)
		goto out;
	sl_gateway_bridge_session_ops(gateway->bridge, &session_ops);
	rc = sl_session_new(runtime->env, &gateway->session_config, &session_ops, &gateway->session, error);
	if (rc != SL_OK)
		goto out;
	sl_gateway_bridge_attach(gateway->bridge, gateway->session, gateway->port);
	gateway->view =
		(struct sl_endpoint_view){"gateway", runtime, gateway->session, &gateway->session_config};
	sl_info(runtime->log, "gateway",
		"interface is open, interface %s, room %s, relay %s (this computer's own programs are not "
		"reached "
		"through it: a game or a server for the party runs on another host of the LAN)",
		gateway->interface, gateway->session_config.room, gateway->session_config.relay.name);
	sl_notify_status(runtime->notify, "Connecting to %s", gateway->session_config.relay.name);
	sl_session_start(gateway->session);
	*state = gateway;
	gateway = NULL;
out:
	gateway_free(gateway);
	return rc;
}

static void gateway_stop(void *state)
{
	struct sl_gateway *gateway = state;

	gateway->stopping = true;
	sl_session_stop(gateway->session, "shutting_down");
}

int sl_gateway_main(int argc, char **argv, const char *sysfs)
{
	struct program program = {
		.daemon =
			{
				.name = "softlan-gateway",
				.scope = "gateway",
				.summary = "bridges a wired LAN into a softlan room",
				.options = sl_gateway_options,
				.versions = sl_quic_library_versions,
				.config_size = sizeof(struct sl_gateway_config),
				.log_level_offset = offsetof(struct sl_gateway_config, endpoint.log_level),
				.log_frames_offset = offsetof(struct sl_gateway_config, endpoint.log_frames),
				.control_socket_offset =
					offsetof(struct sl_gateway_config, endpoint.control_socket),
				.control_group_offset =
					offsetof(struct sl_gateway_config, endpoint.control_group),
				.user_offset = offsetof(struct sl_gateway_config, endpoint.user),
				.capabilities = SL_CAPABILITY(CAP_NET_RAW),
				.validate = sl_gateway_validate,
				.start = gateway_start,
				.stop = gateway_stop,
				.reload = gateway_reload,
				.free = gateway_free,
				.verbs = sl_gateway_verbs,
			},
		.sysfs = sysfs != NULL ? sysfs : "/sys",
	};

	return sl_daemon_main(&program.daemon, argc, argv);
}
