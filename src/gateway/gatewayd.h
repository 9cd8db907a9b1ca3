// The gateway daemon: the bridge between an interface and a session, run by daemon/daemon.h.
#pragma once

#include <net/if.h>

#include "daemon/daemon.h"
#include "gateway/bridge.h"
#include "gateway/config.h"
#include "session/verbs.h"

struct sl_gateway {
	struct sl_endpoint_view view; // first: for the verbs
	struct sl_runtime *runtime;
	char interface[IFNAMSIZ];
	struct sl_session_config session_config;
	struct sl_tls *tls;
	struct sl_gateway_bridge *bridge;
	struct sl_port *port;
	struct sl_session *session;
	int exit_code;                   // once the session has ended
	struct sl_gateway_stats at_join; // the last one: broadcasts are judged from there
	bool stopping;
};

// The whole program. `sysfs`: where interfaces are looked up; NULL: "/sys".
int sl_gateway_main(int argc, char **argv, const char *sysfs);

// status, rooms, peers, stats; run with a struct sl_gateway.
extern const struct sl_control_verb sl_gateway_verbs[];
