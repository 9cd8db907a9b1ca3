// The control socket's verbs that gateway and client answer alike.
#pragma once

#include "daemon/control.h"
#include "session/session.h"

struct sl_endpoint_view {
	const char *who; // "gateway" or "client"
	const struct sl_session *session;
	const struct sl_session_config *config;
	uint64_t now_ns;
};

void sl_endpoint_rooms(const struct sl_endpoint_view *view, int argc, const char *const *argv,
		       struct sl_control_reply *reply);
void sl_endpoint_peers(const struct sl_endpoint_view *view, int argc, const char *const *argv,
		       struct sl_control_reply *reply);
