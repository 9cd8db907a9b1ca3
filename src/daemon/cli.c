#include "daemon/cli.h"

#include <jansson.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options_value.h"
#include "daemon/service.h"

#define SEE_HELP "; --help lists what there is"

static int cli_set(const struct sl_daemon *daemon, struct cli *cli, void *scratch, const char *name,
		   const char *value, struct sl_error *error)
{
	struct sl_error why;
	int rc = sl_options_set(daemon->options, scratch, name, value, &why);
	if (rc != SL_OK)
		return sl_fail(error, SL_ERR_INVALID, "--%s: %s", name, why.text);
	if (cli->setting_count == CLI_SETTINGS_MAX)
		return sl_fail(error, SL_ERR_INVALID,
			       "too many settings on the command line; put them into a file");
	snprintf(cli->settings[cli->setting_count].name, sizeof(cli->settings[0].name), "%s", name);
	cli->settings[cli->setting_count++].value = value;
	return SL_OK;
}

static const struct sl_daemon_flag *own_flag(const struct sl_daemon *daemon, const char *name)
{
	for (const struct sl_daemon_flag *flag = daemon->flags; flag && flag->name; flag++) {
		if (strcmp(flag->name, name) == 0)
			return flag;
	}
	return NULL;
}

// One long option; *used is set when its value is the next argument.
static int cli_long(const struct sl_daemon *daemon, struct cli *cli, void *scratch, const char *arg,
		    const char *next, bool *used, struct sl_error *error)
{
	static const struct {
		const char *name;
		size_t offset;
	} flags[] = {
		{"check", offsetof(struct cli, check)},
		{"dump-config", offsetof(struct cli, dump)},
		{"help", offsetof(struct cli, help)},
		{"version", offsetof(struct cli, version)},
	};
	char name[64];
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	if (len >= sizeof(name))
		return sl_fail(error, SL_ERR_INVALID, "unknown option --%.40s…" SEE_HELP, arg);
	memcpy(name, arg, len);
	name[len] = '\0';

	bool verbose = strcmp(name, "verbose") == 0, *flag = NULL;
	const struct sl_daemon_flag *own = own_flag(daemon, name);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(name, flags[i].name) == 0)
			flag = (bool *)((char *)cli + flags[i].offset);
	}
	if (verbose || flag || own) {
		if (equals)
			return sl_fail(error, SL_ERR_INVALID, "--%s takes no value" SEE_HELP, name);
		cli->verbose += verbose;
		if (flag)
			*flag = true;
		if (own)
			cli->flag = own;
		return SL_OK;
	}
	bool config = strcmp(name, "config") == 0,
	     service = strcmp(name, "service") == 0 && sl_service_actions();
	if (!config && !service && !option_by_cli_name(daemon->options, name))
		return sl_fail(error, SL_ERR_INVALID, "unknown option --%s" SEE_HELP, name);
	const char *value = equals ? equals + 1 : next;
	if (!value)
		return sl_fail(error, SL_ERR_INVALID, "--%s needs a value" SEE_HELP, name);
	*used = !equals;
	if (config)
		cli->config = value;
	else if (service)
		cli->service = value;
	else
		return cli_set(daemon, cli, scratch, name, value, error);
	return SL_OK;
}

// A cluster of short options, without its dash.
static int cli_short(struct cli *cli, const char *arg, const char *next, bool *used, struct sl_error *error)
{
	for (; *arg; arg++) {
		switch (*arg) {
		case 'v':
			cli->verbose++;
			break;
		case 'V':
			cli->version = true;
			break;
		case 'h':
			cli->help = true;
			break;
		case 'c':
			cli->config = arg[1] ? arg + 1 : next;
			*used = !arg[1];
			if (!cli->config)
				return sl_fail(error, SL_ERR_INVALID, "-c needs a file" SEE_HELP);
			return SL_OK;
		default:
			return sl_fail(error, SL_ERR_INVALID, "unknown option -%c" SEE_HELP, *arg);
		}
	}
	return SL_OK;
}

int cli_parse(const struct sl_daemon *daemon, int argc, char **argv, struct cli *out, struct sl_error *error)
{
	*out = (struct cli){0};
	void *scratch = calloc(1, daemon->config_size);
	if (!scratch || sl_options_defaults(daemon->options, scratch) != SL_OK) {
		free(scratch);
		return sl_fail(error, SL_ERR_INVALID, "out of memory");
	}
	int rc = SL_OK;
	for (int i = 1; i < argc && rc == SL_OK; i++) {
		const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
		bool used = false;
		if (arg[0] == '-' && arg[1] == '-' && arg[2])
			rc = cli_long(daemon, out, scratch, arg + 2, next, &used, error);
		else if (arg[0] == '-' && arg[1] && arg[1] != '-')
			rc = cli_short(out, arg + 1, next, &used, error);
		else
			rc = sl_fail(error, SL_ERR_INVALID, "unexpected argument \"%.60s\"" SEE_HELP, arg);
		i += used;
	}
	// The service manager would start it without them.
	if (rc == SL_OK && out->service && out->setting_count > 0)
		rc = sl_fail(error, SL_ERR_INVALID,
			     "--service takes no settings but -c FILE; put --%s into the file",
			     out->settings[0].name);
	sl_options_free(daemon->options, scratch);
	free(scratch);
	return rc;
}

int cli_apply(const struct sl_daemon *daemon, const struct cli *cli, void *config)
{
	for (size_t i = 0; i < cli->setting_count; i++) {
		int rc = sl_options_set(daemon->options, config, cli->settings[i].name,
					cli->settings[i].value, NULL);
		if (rc != SL_OK)
			return rc;
	}
	return SL_OK;
}

void cli_help(const struct sl_daemon *daemon, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION…]\n%s\n\n", daemon->name, daemon->summary);
	fprintf(out, "  -c, --config FILE          read FILE (default %s/%s.conf)\n", SL_CONFDIR,
		daemon->scope);
	fprintf(out, "      --check                read the configuration, report every error, exit\n"
		     "      --dump-config          print the configuration in force, exit\n"
		     "  -v, --verbose              say more (twice: a line for each frame)\n"
		     "  -V, --version              print the version, exit\n"
		     "  -h, --help                 print this, exit\n");
	for (const struct sl_daemon_flag *flag = daemon->flags; flag && flag->name; flag++)
		fprintf(out, "      --%-20s %s\n", flag->name, flag->help);
	if (sl_service_actions())
		fprintf(out, "      --service %s\n%29sthe service of Windows, with the file of -c\n",
			sl_service_actions(), "");
	bool first = true;
	for (const struct sl_option *option = daemon->options; option->name; option++) {
		char name[96], expected[256];
		if (!option->cli)
			continue;
		if (first)
			fprintf(out, "\nSettings, stronger than the file's:\n");
		first = false;
		snprintf(name, sizeof(name), "--%s %s", option_last_part(option),
			 option->type == SL_OPT_INT    ? "NUMBER"
			 : option->type == SL_OPT_BOOL ? "true|false"
						       : "VALUE");
		for (char *p = name; *p && *p != ' '; p++) {
			if (*p == '_')
				*p = '-';
		}
		if (strlen(name) <= 22)
			fprintf(out, "      %-22s ", name);
		else
			fprintf(out, "      %s\n%29s", name, "");
		fputs(option->help ? option->help : "", out);
		if (option->type == SL_OPT_INT) {
			fprintf(out, " (%lld to %lld, default %lld)", option->min, option->max,
				option->number);
		} else if (option->type == SL_OPT_BOOL) {
			fprintf(out, " (default %s)", option->number ? "true" : "false");
		} else if (option->choices) {
			option_expected(option, expected, sizeof(expected));
			fprintf(out, " (%s, default \"%s\")", expected + strlen("expected "),
				option->text ? option->text : "");
		} else if (option->text && option->text[0]) {
			fprintf(out, " (default \"%s\")", option->text);
		}
		fputc('\n', out);
	}
	fprintf(out, "\n%s Exit status: 0 done, 1 failed,\n2 usage or configuration.\n",
		sl_service_actions() ? "Ctrl-C ends the daemon in order, softlanctl reload reloads its file."
				     : "TERM and INT end the daemon in order, HUP reloads its file.");
}

void cli_version(const struct sl_daemon *daemon, FILE *out)
{
	fprintf(out, "%s %s\n", daemon->name, SL_VERSION);
	if (daemon->versions)
		fprintf(out, "%s, ", daemon->versions());
	fprintf(out, "libconfig %d.%d.%d, jansson %s\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR,
		LIBCONFIG_VER_REVISION, JANSSON_VERSION);
}
