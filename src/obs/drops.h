// Drops that people should hear of: a log line with the frame vocabulary (OBS-1) and an event `filtered`, at
// most one of both for each reason in 10 s; and the sentence with a hint that `status` shows.
#pragma once

#include <stddef.h>

#include "net/env.h"
#include "obs/framelog.h"

// One for each party that may be at fault (a peer at the relay, a direction at an endpoint). Zero-initialise.
struct sl_drop_limits {
	struct sl_log_limit reason[SL_DROP_COUNT];
};

// Reports a frame that was dropped (entry->drop). The first of each reason is reported at once. What is
// filtered, rate-limited, goes round (`loop`, `reflected`) or came to the wrong place (`misdirected`) is a
// warning and an event, the rest is daily life: debug, no event. `detail` (may be NULL) is what the guard
// said. With log.frames on, the line is not written again: the frame log has it.
void sl_drop_report(struct sl_env *env, struct sl_drop_limits *limits, const struct sl_framelog *entry,
		    const char *detail);

// The verdict on one frame, dropped or not: into the frame log, when that is on, and reported, if it was
// dropped.
void sl_frame_report(struct sl_env *env, struct sl_drop_limits *limits, const struct sl_framelog *entry,
		     const char *detail);

// For the machine that sent such frames, in one sentence with the likely cause: "12 frames filtered: this
// computer answers DHCP; is Internet Connection Sharing on?". Returns `out`; "" for reasons that are
// nobody's fault (egress_full, unknown_unicast …), and for no frames.
#define SL_DROP_SENTENCE 256
const char *sl_drop_sentence(enum sl_drop reason, uint64_t frames, char out[static SL_DROP_SENTENCE]);
