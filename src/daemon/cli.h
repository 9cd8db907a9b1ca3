// The daemons' command line.
#pragma once

#include "daemon/daemon.h"

#define CLI_SETTINGS_MAX 64

struct cli {
	const char *config;  // NULL: the default file
	const char *service; // what to do with the service of Windows; NULL: nothing
	bool check, dump, help, version;
	const struct sl_daemon_flag *flag; // of the daemon's own; NULL: none
	unsigned verbose;
	// Settings, pointing into argv; they win over the file.
	struct {
		char name[64];
		const char *value;
	} settings[CLI_SETTINGS_MAX];
	size_t setting_count;
};

// SL_OK or SL_ERR_INVALID with a sentence. Values are checked against the option table.
int cli_parse(const struct sl_daemon *daemon, int argc, char **argv, struct cli *out, struct sl_error *error);
// Puts the settings into a configuration (all were checked by cli_parse).
int cli_apply(const struct sl_daemon *daemon, const struct cli *cli, void *config);
void cli_help(const struct sl_daemon *daemon, FILE *out);
void cli_version(const struct sl_daemon *daemon, FILE *out);
