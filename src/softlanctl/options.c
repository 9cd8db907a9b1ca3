#include "softlanctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/paths.h"
#include "softlanctl/text.h"

#define OPTIONS_MAX 16
#define LONG_ONLY 256 // getopt's value of an option without a letter: this and its place in the table

const struct ctl_option ctl_options[] = {
	{"socket", 's', "SOCKET", "the daemon's control socket"},
	{"daemon", 'd', "DAEMON", "relay, gateway or client (default: the first that runs)"},
	{"json", 'j', NULL, "print the JSON document"},
	{"prometheus", 0, NULL, "stats: print Prometheus' text format"},
	{"timeout", 't', "SECONDS", "wait so long for the answer, of watch for its start (default 5)"},
	{"version", 'V', NULL, "print the version, exit"},
	{"help", 'h', NULL, "print this, exit"},
	{NULL, 0, NULL, NULL},
};

const char *const ctl_daemons[] = {"relay", "gateway", "client", NULL};

void ctl_options_help(FILE *out)
{
	for (const struct ctl_option *option = ctl_options; option->name; option++) {
		char text[64], letter[8] = "";
		if (option->letter)
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(text, sizeof(text), "%s--%s%s%s", letter, option->name, option->arg ? " " : "",
			 option->arg ? option->arg : "");
		fprintf(out, "  %-22s %s\n", text, option->help);
	}
}

char *ctl_socket_path(const char *daemon, char out[static CTL_SOCKET_TEXT])
{
	snprintf(out, CTL_SOCKET_TEXT, SL_CONTROL_PATH("%s"), daemon);
	return out;
}

void ctl_usage_error(const char *problem, const char *what)
{
	fprintf(stderr, "softlanctl: %s", problem);
	if (what) {
		fputs(" \"", stderr);
		ctl_put_text(stderr, what);
		fputc('"', stderr);
	}
	fputs("; softlanctl --help lists what there is\n", stderr);
}

static bool take(struct ctl_options *out, const char *name, const char *arg)
{
	if (strcmp(name, "socket") == 0) {
		out->socket = arg;
	} else if (strcmp(name, "daemon") == 0) {
		size_t i = 0;
		while (ctl_daemons[i] && strcmp(ctl_daemons[i], arg) != 0)
			i++;
		if (!ctl_daemons[i]) {
			ctl_usage_error("expected relay, gateway or client after -d, found", arg);
			return false;
		}
		out->daemon = arg;
	} else if (strcmp(name, "json") == 0) {
		out->json = true;
	} else if (strcmp(name, "prometheus") == 0) {
		out->prometheus = true;
	} else if (strcmp(name, "timeout") == 0) {
		char *end;
		long seconds = strtol(arg, &end, 10);
		if (end == arg || *end || seconds < 1 || seconds > CTL_TIMEOUT_MAX_S) {
			ctl_usage_error("expected 1 to 3600 seconds after -t, found", arg);
			return false;
		}
		out->timeout_s = (unsigned)seconds;
	} else if (strcmp(name, "version") == 0) {
		out->version = true;
	} else {
		out->help = true;
	}
	return true;
}

// The table as getopt wants it.
static void getopt_tables(struct option longs[static OPTIONS_MAX], char shorts[static 2 * OPTIONS_MAX])
{
	size_t count = 0, len = 0;
	for (; ctl_options[count].name && count + 1 < OPTIONS_MAX; count++) {
		const struct ctl_option *option = &ctl_options[count];
		longs[count] = (struct option){.name = option->name,
					       .has_arg = option->arg ? required_argument : no_argument,
					       .val = LONG_ONLY + (int)count};
		if (option->letter)
			shorts[len++] = (char)option->letter;
		if (option->letter && option->arg)
			shorts[len++] = ':';
	}
	longs[count] = (struct option){.name = NULL};
	shorts[len] = '\0';
}

bool ctl_options_parse(int argc, char **argv, struct ctl_options *out, int *first)
{
	struct option longs[OPTIONS_MAX];
	char shorts[2 * OPTIONS_MAX];
	int value;

	*out = (struct ctl_options){.timeout_s = CTL_TIMEOUT_DEFAULT_S};
	getopt_tables(longs, shorts);
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct ctl_option *option =
			value >= LONG_ONLY ? &ctl_options[value - LONG_ONLY] : ctl_options;
		while (value < LONG_ONLY && option->name && option->letter != value)
			option++;
		if (!option->name) { // getopt has said what is wrong
			fputs("softlanctl --help lists what there is\n", stderr);
			return false;
		}
		if (!take(out, option->name, optarg))
			return false;
		if (out->version || out->help)
			break; // whatever else stands there
	}
	*first = optind;
	if (out->socket && out->daemon) {
		ctl_usage_error("-s and -d exclude each other", NULL);
		return false;
	}
	if (out->json && out->prometheus) {
		ctl_usage_error("--json and --prometheus exclude each other", NULL);
		return false;
	}
	return true;
}
