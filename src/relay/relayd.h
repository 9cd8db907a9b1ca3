// The relay as a daemon: process, configuration, certificate and control socket around a sl_relay.
#pragma once

#include <stdbool.h>

#include "daemon/daemon.h"
#include "relay/relay.h"

struct relayd {
	struct sl_runtime *runtime;
	struct sl_tls *tls;
	struct sl_relay *relay;
	struct sl_timer *status_timer;
	uint64_t status_ns; // when systemd's status line was last written
	bool status_due;
	struct sl_timer *expiry_timer; // looks at the certificate's end
};

extern const struct sl_daemon relay_daemon;
extern const struct sl_control_verb relay_verbs[];
