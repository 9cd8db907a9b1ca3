// softlanctl's command line: one table drives parsing, help and completion.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define CTL_TIMEOUT_DEFAULT_S 5
#define CTL_TIMEOUT_MAX_S 3600
#define CTL_SOCKET_TEXT 256 // a path made by ctl_socket_path

struct ctl_options {
	const char *socket, *daemon; // NULL: not given
	unsigned timeout_s;
	bool json, prometheus, version, help;
};

struct ctl_option {
	const char *name;
	int letter;      // 0: has no short form
	const char *arg; // "SOCKET", "DAEMON", "SECONDS"; NULL: takes none
	const char *help;
};

extern const struct ctl_option ctl_options[]; // ends with a NULL name
extern const char *const ctl_daemons[];       // ends with NULL, in the order in which they are looked for

// Reads the options and sets *first to the index of the first word after them (getopt's optind). False: a
// mistake, which has been said on stderr.
bool ctl_options_parse(int argc, char **argv, struct ctl_options *out, int *first);
void ctl_options_help(FILE *out);
// The usual path of a daemon's control socket. Returns `out`.
char *ctl_socket_path(const char *daemon, char out[static CTL_SOCKET_TEXT]);
// "softlanctl: PROBLEM "WHAT"; softlanctl --help lists what there is" on stderr; `what` may be NULL.
void ctl_usage_error(const char *problem, const char *what);
