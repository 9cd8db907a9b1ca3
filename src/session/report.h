// A session as JSON for the control socket: the parts of `status`, and the whole of `rooms` and
// `peers`, that gateway and client share. Shapes: docs/protocol.md.
#pragma once

#include <jansson.h>

#include "session/session.h"

// A text for people as JSON; if it is not valid UTF-8, with '?' in its place. NULL: out of memory.
json_t *sl_report_sentence(const char *text);

// Adds to `status`: role, room, relay, connected, isolated, state, sentences, peer_id, mtu, datagram_budget,
// gateway, rtt_ms, reconnects, since_s, path (max_udp_payload, max_datagram), cipher, counters (OBS-2).
int sl_report_status(json_t *status, const struct sl_session *session, const struct sl_session_config *config,
		     uint64_t now_ns);
// Appends to `warnings`: the remedy if the relay has cut us off from the room, then what it told of our
// frames that it dropped.
void sl_report_warnings(json_t *warnings, const struct sl_session *session, uint64_t now_ns);
json_t *sl_report_rooms(const struct sl_session *session, const struct sl_session_config *config);
json_t *sl_report_peers(const struct sl_session *session, const struct sl_session_config *config,
			uint64_t now_ns);
// `stats`: {"counters":{…OBS-2…},"udp":{…},"unknown_messages":n}; the caller adds "port".
json_t *sl_report_stats(const struct sl_session *session);
