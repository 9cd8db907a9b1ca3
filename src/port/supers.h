// Towards the system: super-frames (proto/coalesce.h) and what is done where it takes none. Shared by
// packet.c and tap_linux.c; inside of src/port only.
#pragma once

#include "common/log.h"
#include "port/port.h"
#include "proto/coalesce.h"

// One super-frame or frame that the system has taken, for the statistics.
void sl_supers_sent(struct sl_port_stats *stats, unsigned segments);

// Did the system refuse this one as such, with this errno, so that its wire frames may fare better?
bool sl_supers_refused(int why);

// Cuts a super-frame that was refused (sl_supers_refused) and gives its wire frames to `send`. If the system
// does not know its kind, says so, and no more are made.
void sl_supers_cut(struct sl_coalesce *coalesce, struct sl_log *log, const char *interface, int why,
		   const struct sl_super *super, sl_frame_fn send, void *arg);
