// Where things are unless the configuration says otherwise. SL_CONFDIR, SL_RUNDIR and SL_STATEDIR come from
// the build; `who` is the daemon's scope, "client".
#pragma once

#ifdef _WIN32
// One folder for all (%ProgramData%, daemon/path.h), as one daemon alone runs there.
#define SL_CONTROL_PATH(who) "\\\\.\\pipe\\softlan-" who
#define SL_CONTROL_PLACES "at " SL_CONTROL_PATH("client")
#define SL_STATE_PATH(who, file) SL_STATEDIR "/" file
#else
#define SL_CONTROL_PATH(who) SL_RUNDIR "/" who "/control.sock"
#define SL_CONTROL_PLACES "below " SL_RUNDIR
#define SL_STATE_PATH(who, file) SL_STATEDIR "/" who "/" file
#endif
