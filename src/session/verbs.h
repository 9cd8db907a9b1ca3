// The control socket's verbs that gateway and client answer alike, and what is alike in the others.
#pragma once

#include "daemon/daemon.h"
#include "session/broadcast.h"
#include "session/session.h"

// The first member of the gateway's and the client's state, with which the verbs run.
struct sl_endpoint_view {
	const char *who; // "gateway" or "client"
	const struct sl_runtime *runtime;
	const struct sl_session *session;
	const struct sl_session_config *config;
};

// `rooms [CODE]` and `peers [CODE]`, for struct sl_control_verb; `view` is a struct sl_endpoint_view.
void sl_endpoint_rooms(void *view, int argc, const char *const *argv, struct sl_control_reply *reply);
void sl_endpoint_peers(void *view, int argc, const char *const *argv, struct sl_control_reply *reply);

// The answer to `status`: what all endpoints have (OBS-3, OBS-4), what the bridge says of broadcasts, the
// sentences of this one and then the members of `more`; both are taken over (NULL: out of memory).
void sl_endpoint_status(const struct sl_endpoint_view *view, const struct sl_broadcast *broadcast,
			json_t *sentences, json_t *more, struct sl_control_reply *reply);
// The answer to `stats`: likewise.
void sl_endpoint_stats(const struct sl_endpoint_view *view, json_t *more, struct sl_control_reply *reply);
