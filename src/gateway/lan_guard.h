// What the gateway remembers to keep the LAN safe, on its own account: who holds which address (the ARP and
// neighbor guard), which frames go round, how much broadcast the LAN sends into the room, and the loop probes
// that come back. It sees frames that passed the filter.
#pragma once

#include "common/bucket.h"
#include "net/env.h"
#include "proto/filter.h"
#include "proto/guard.h"
#include "proto/probe.h"
#include "proto/repeats.h"
#include "session/membership.h"

#define LAN_GUARD_BROADCAST_PPS 1000 // lan_rate.broadcast_pps, the default

// Loop probes of ours that are handed on in a second. Each client has four at most; a LAN host that makes
// some up gets no more through, and the true ones among them come again.
#define LAN_GUARD_PROBE_PPS 64

// One line in 10 s for each culprit; those whose ids have the same remainder share it.
#define LAN_GUARD_CULPRITS 64

struct lan_guard {
	struct sl_env *env;
	struct sl_session *session;
	uint32_t relaxed;
	uint64_t broadcast_pps; // 0: no limit
	struct sl_guard guard;
	// One for each direction: a player's broadcast that the LAN answers with the same bytes goes once
	// each way.
	struct sl_repeats from_lan, from_relay;
	struct sl_bucket bucket, probe_bucket;
	struct sl_log_limit culprits[LAN_GUARD_CULPRITS];
	uint64_t own_probes, foreign_probes;
};

void lan_guard_init(struct lan_guard *lan, struct sl_env *env);
void lan_guard_fini(struct lan_guard *lan);
void lan_guard_attach(struct lan_guard *lan, struct sl_session *session);
void lan_guard_rules(struct lan_guard *lan, uint32_t relaxed, uint64_t broadcast_pps);

void lan_guard_joined(struct lan_guard *lan, const struct sl_session_peer *peer);
void lan_guard_left(struct lan_guard *lan, const struct sl_session_peer *peer);

// A frame of the LAN, no probe, that is to go to the relay; learns from it when it may.
enum sl_drop lan_guard_outward(struct lan_guard *lan, const uint8_t *frame, size_t len,
			       const struct sl_view *view);
// A frame of this client that is to go to the LAN. `what`: the guard's words, "" if it has none.
enum sl_drop lan_guard_inward(struct lan_guard *lan, const struct sl_mac *client, const uint8_t *frame,
			      size_t len, const struct sl_view *view, char what[static SL_GUARD_TEXT]);

enum lan_probe {
	LAN_PROBE_NONE,    // it is none
	LAN_PROBE_OURS,    // of our room: the relay must see it
	LAN_PROBE_EXCESS,  // of our room, and more of them than there can be
	LAN_PROBE_FOREIGN, // of another room or relay: nobody's loop here
};
// Is this frame of the LAN a loop probe? One of ours is reported, with its culprit.
enum lan_probe lan_guard_probe(struct lan_guard *lan, const struct sl_membership *member,
			       const struct sl_view *view);
