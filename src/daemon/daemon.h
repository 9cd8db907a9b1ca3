// What the three daemons do alike: the command line, loading the configuration, the log, the loop,
// signals, the control socket, sd_notify. Each main.c is a struct sl_daemon and one call.
#pragma once

#include "daemon/control.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/privileges.h"
#include "net/loop.h"

#define SL_EXIT_OK 0
#define SL_EXIT_FAILED 1
#define SL_EXIT_USAGE 2 // usage or configuration

// What runs inside: made by `start` once the configuration is good.
struct sl_runtime {
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_log *log;
	struct sl_notify *notify;
	const void *config;      // the daemon's configuration struct
	const char *config_file; // NULL: there is none, defaults and command line only
	const struct sl_daemon *daemon;
	uint64_t started_ns;
	int exit_code;
	bool ended; // sl_runtime_exit was called
};

// Ends the loop; the process exits with this code. With a sentence it is logged as an error first.
void sl_runtime_exit(struct sl_runtime *runtime, int code, const char *sentence);

// A command line option that does something else than to start the daemon.
struct sl_daemon_flag {
	const char *name; // without its dashes
	const char *help;
	// Prints to `out`. An exit status, and a sentence when it is not SL_EXIT_OK.
	int (*run)(FILE *out, struct sl_error *error);
};

struct sl_daemon {
	const char *name;    // "softlan-relay"
	const char *scope;   // "relay": log scope and default file name
	const char *summary; // one line for --help
	const struct sl_option *options;
	const char *(*versions)(void); // of the libraries, for --version; may be NULL
	size_t config_size;
	// Where in the configuration struct the common settings are (long long is not used for these).
	size_t log_level_offset;      // char *
	size_t log_frames_offset;     // bool
	size_t control_socket_offset; // char *
	size_t control_group_offset;  // char *
	size_t user_offset;           // char *: whom one that was started as root becomes
	uint64_t capabilities;        // SL_CAPABILITY() of those that it keeps then
	// Checks across keys, after loading; reports through errors (line 0: the file as a whole).
	// NULL: none.
	void (*validate)(const void *config, const char *file, struct sl_option_errors *errors);
	// Starts; on failure returns a code with a sentence: SL_ERR_INVALID exits 2, all else 1.
	int (*start)(struct sl_runtime *runtime, void **state, struct sl_error *error);
	// TERM or INT: begin an orderly end, which calls sl_runtime_exit when done (1.5 s later, or
	// at a second signal, the loop is ended anyway).
	void (*stop)(void *state);
	// HUP or `softlanctl reload`: a new configuration that passed validation. SL_OK: it is in force, all
	// of it, and the old one is freed after the call. Else a code with a sentence, and nothing has
	// changed. Options marked `restart` may differ too (the log says so): leave them alone.
	int (*reload)(void *state, const void *config, struct sl_error *error);
	void (*free)(void *state);           // NULL state is fine
	const struct sl_control_verb *verbs; // run with `state` as arg
	const struct sl_daemon_flag *flags;  // beside those that all have, ends with a NULL name; may be NULL
};

int sl_daemon_main(const struct sl_daemon *daemon, int argc, char **argv);

// `status` members that all daemons share: daemon, version, pid, uptime_s, config.
json_t *sl_runtime_status(const struct sl_runtime *runtime);
