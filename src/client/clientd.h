// The client daemon: the bridge between a TAP and a session, run by daemon/daemon.h.
#pragma once

#include "client/bridge.h"
#include "client/config.h"
#include "client/route_guard.h"
#include "client/tap_net.h"
#include "daemon/daemon.h"
#include "port/tap.h"
#include "session/verbs.h"

struct sl_client {
	struct sl_endpoint_view view; // first: for the verbs
	struct sl_runtime *runtime;
	char tap_name[SL_TAP_NAME]; // as the system has it
	struct sl_mac mac;
	struct sl_session_config session_config;
	struct sl_tls *tls;
	struct prefix *routes; // a copy of tap.routes
	struct sl_client_bridge *bridge;
	struct sl_port *port;
	struct tap_net *net;
	struct route_guard *guard;
	struct sl_session *session;
	struct sl_signal *resume; // NULL: none
	struct sl_timer *outage;  // after it the TAP's carrier goes off
	bool carrier, outage_running;
	bool stopping;
	int exit_code;                  // once the session has ended
	struct sl_client_stats at_join; // the last one: broadcasts are judged from there
};

int sl_client_main(int argc, char **argv);

// status, rooms, peers, stats; run with a struct sl_client.
extern const struct sl_control_verb sl_client_verbs[];

// Command line options that one system alone has (flags.c, flags_windows.c).
extern const struct sl_daemon_flag sl_client_flags[];
