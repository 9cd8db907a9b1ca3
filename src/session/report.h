// A session as JSON for the control socket: the parts of `status`, and the whole of `rooms` and
// `peers`, that gateway and client share. Shapes: interfaces (docs/protocol.md).
#pragma once

#include <jansson.h>

#include "session/session.h"

// Adds to `status`: role, room, relay, connected, state, sentences, peer_id, mtu, datagram_budget,
// gateway, rtt_ms, reconnects, since_s, path (max_udp_payload, max_datagram), cipher.
int sl_report_status(json_t *status, const struct sl_session *session, const struct sl_session_config *config,
		     uint64_t now_ns);
json_t *sl_report_rooms(const struct sl_session *session, const struct sl_session_config *config);
json_t *sl_report_peers(const struct sl_session *session, const struct sl_session_config *config,
			uint64_t now_ns);
// `stats`: {"counters":{…OBS-2…},"udp":{…},"unknown_messages":n}; the caller adds "port".
json_t *sl_report_stats(const struct sl_session *session);
