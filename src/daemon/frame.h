// What daemon.c (start and end) and reload.c (configuration, reload, log level) share: the one context of a
// daemon's process.
#pragma once

#include "daemon/cli.h"
#include "daemon/daemon.h"
#include "daemon/priority.h"
#include "obs/events.h"

struct frame {
	struct sl_runtime runtime;
	const struct sl_daemon *daemon;
	struct sl_log log;
	struct cli cli;
	char *file;    // the configuration's path, whether it exists or not
	void *config;  // what holds
	void *started; // as it was at the start: what holds for the options marked `restart`
	void *state;
	struct sl_control *control;
	struct sl_events events; // to those who watch at the control socket
	struct sl_signal *term, *interrupt, *hup;
	struct sl_timer *end_timer;
	struct sl_priority priority;
	bool stopping;
};

// A string of the configuration, by its offset.
const char *frame_string(const void *config, size_t offset);
// Does the command line alone say what to do? Without -c the default file may be absent then.
bool frame_without_file(const struct frame *frame);
// Defaults, then the file, then the command line, then the checks across keys. SL_OK: the caller frees
// `*out`.
int frame_load(const struct frame *frame, void **out, struct sl_option_errors *errors);
void frame_config_free(const struct sl_daemon *daemon, void *config); // NULL is fine
// The log as the configuration and -v want it.
void frame_apply_log(struct frame *frame, const void *config);
// For SIGHUP: reads the configuration anew (`arg`: the frame).
void frame_reload(void *arg);
// `reload` and `log LEVEL`, which every daemon has; run with the frame.
extern const struct sl_control_verb frame_verbs[];
