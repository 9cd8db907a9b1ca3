// The journal, with what a line is about in fields of its own (systemd.journal-fields(7)): SOFTLAN_ROOM,
// SOFTLAN_PEER, SOFTLAN_MAC, SOFTLAN_REASON, for `journalctl SOFTLAN_ROOM=…`.
#pragma once

#include "common/log.h"

// Sends the log there when stderr is the journal's. `identifier` (the program's name) must outlive the log. A
// line that the journal does not take goes to stderr.
// On Windows it is the event log and a file, for a service.
void sl_journal_start(struct sl_log *log, const char *identifier);
void sl_journal_stop(struct sl_log *log); // lines go to stderr again
