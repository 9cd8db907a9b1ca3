// One frame-log vocabulary for relay, gateway and client (OBS-1).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "common/counters.h"
#include "proto/eth.h"

struct sl_framelog {
	const char *scope;     // "relay", "gateway", "client"
	const char *direction; // "lan_to_relay", "relay_to_lan", "tap_to_relay", "relay_to_tap", "forward"
	const char *room;
	uint16_t peer;            // the frame's source peer, 0: none
	const struct sl_eth *eth; // may be NULL: the frame could not be read at all
	size_t frame_len;
	enum sl_drop drop;  // SL_DROP_NONE: forwarded
	const char *reason; // NULL: the drop's name; or "periodic", "peer_joined" for CAM refresh
	unsigned targets;   // to how many peers it went
};

// Writes `scope: frame, direction D room R peer P src S dst D ethertype 0xNNNN|length N len N
// action forwarded|filtered|dropped|rate_limited [reason=R] targets N` at info level. Call only
// when log->frames is set: the check is the caller's, so that no argument is made in vain.
void sl_framelog_write(struct sl_log *log, const struct sl_framelog *entry);

// The same without scope and level, for other lines about a frame. Returns `out`.
#define SL_FRAMELOG_TEXT 512
const char *sl_framelog_text(const struct sl_framelog *entry, char out[static SL_FRAMELOG_TEXT]);
// What such a line is about.
struct sl_log_about sl_framelog_about(const struct sl_framelog *entry);
// "forwarded", "filtered", "rate_limited", "dropped".
const char *sl_framelog_action(enum sl_drop drop);
