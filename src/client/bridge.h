// The client's bridge: frames between the TAP and a session with the relay, with the L2 checks of
// both directions (CORE-3, CORE-4). It knows sl_env, sl_port and sl_session only, so it runs on a
// real device and in a simulation alike.
//
//   TAP -> relay   filter with our own announced MAC, session
//   relay -> TAP   filter by the source peer's role and MAC, reflected? misdirected? port
//
// One loop takes frames from both sides in turn: no lock, and no allocation per frame (LIN-5).
#pragma once

#include "net/env.h"
#include "port/port.h"
#include "session/membership.h"

struct sl_client_bridge;

struct sl_client_stats {
	uint64_t group_out, group_in;        // broadcast and multicast frames that passed (OBS-3)
	uint64_t offline;                    // frames from the TAP while there was no session
	uint64_t probes;                     // the relay's loop probes that came; no frame counter has them
	uint64_t dropped_out[SL_DROP_COUNT]; // frames from the TAP that did not leave, by reason
};

// `mac`: our identity; `room` is for the log. NULL: out of memory.
struct sl_client_bridge *sl_client_bridge_new(struct sl_env *env, const struct sl_mac *mac, const char *room,
					      const struct sl_observer *observer);
void sl_client_bridge_free(
	struct sl_client_bridge *bridge); // NULL is fine; port and session are the caller's

// Which rules are switched off; until then all hold. May be called again.
void sl_client_bridge_rules(struct sl_client_bridge *bridge, uint32_t relaxed);

// Whether the MSS of TCP connections is lowered to what goes unsplit (proto/mss.h); until then it is not.
void sl_client_bridge_mss_clamp(struct sl_client_bridge *bridge, bool on);

// The callbacks that the port and the session are to be opened with; sl_membership_before_connect goes with
// the latter.
void sl_client_bridge_port_handler(struct sl_client_bridge *bridge, struct sl_port_handler *out);
void sl_client_bridge_session_ops(struct sl_client_bridge *bridge, struct sl_session_ops *out);
// Before any of them is called.
void sl_client_bridge_attach(struct sl_client_bridge *bridge, struct sl_session *session,
			     struct sl_port *port);

void sl_client_bridge_stats(const struct sl_client_bridge *bridge, struct sl_client_stats *out);
