// The gateway's bridge: frames between an L2 port on the LAN and a session with the relay. It knows
// sl_env, sl_port and sl_session only, so it runs on a real interface and in a simulation alike.
//
//   LAN -> relay   reflected? unrelated? filter, probe? repeats, rate, session
//   relay -> LAN   filter with the source peer's announced MAC (GW-3), guard, repeats, port
//
// Lifecycle before frames (GW-6): the relay's control messages change the session's peers as they
// arrive, and the session holds frames back whose source is not announced yet; frames from the LAN
// are read in a turn of the loop of their own, and each is judged by the peers known at that moment.
#pragma once

#include "net/env.h"
#include "port/port.h"
#include "session/membership.h"

struct sl_gateway_bridge;

struct sl_gateway_stats {
	uint64_t lan_unrelated;       // LAN unicast that is for no remote client (GW-4): no error
	uint64_t lan_offline;         // LAN frames seen while there was no session
	uint64_t cam_frames;          // GW-5
	uint64_t group_out, group_in; // broadcast and multicast frames that passed (OBS-3)
	// Loop probes that came from the LAN: those of our room, handed to the relay, and those of others
	uint64_t own_probes, foreign_probes;
};

// `room` is for the log; `cam_interval_ns` 0: no CAM refresh. NULL: out of memory.
struct sl_gateway_bridge *sl_gateway_bridge_new(struct sl_env *env, const char *room,
						uint64_t cam_interval_ns, const struct sl_observer *observer);
void sl_gateway_bridge_free(
	struct sl_gateway_bridge *bridge); // NULL is fine; port and session are the caller's

// Which rules are switched off, and how many broadcast and multicast frames a second the LAN may send into
// the room (0: no limit). Until then all rules hold, and the limit is LAN_GUARD_BROADCAST_PPS. May be called
// again.
void sl_gateway_bridge_rules(struct sl_gateway_bridge *bridge, uint32_t relaxed, uint64_t broadcast_pps);

// Whether the MSS of TCP connections is lowered to what goes unsplit (proto/mss.h); until then it is not.
void sl_gateway_bridge_mss_clamp(struct sl_gateway_bridge *bridge, bool on);

// The callbacks that the port and the session are to be opened with.
void sl_gateway_bridge_port_handler(struct sl_gateway_bridge *bridge, struct sl_port_handler *out);
void sl_gateway_bridge_session_ops(struct sl_gateway_bridge *bridge, struct sl_session_ops *out);
// Before any of them is called.
void sl_gateway_bridge_attach(struct sl_gateway_bridge *bridge, struct sl_session *session,
			      struct sl_port *port);

void sl_gateway_bridge_stats(const struct sl_gateway_bridge *bridge, struct sl_gateway_stats *out);
