// Prints what is made from the option tables: a sample file (etc/NAME.conf), or the manual's source with its
// lists of keys made anew. `make update-docs` writes the files, tests/docs.sh compares them.
//
//   generate sample relay|gateway|client
//   generate man <man/softlan.conf.5
#include <stdlib.h>
#include <string.h>

#include "client/config.h"
#include "daemon/options_text.h"
#include "daemon/options_value.h"
#include "gateway/config.h"
#include "relay/config.h"

union any_config {
	struct relay_config relay;
	struct sl_gateway_config gateway;
	struct sl_client_config client;
};

static const struct manual {
	const char *name, *intro;
	const struct sl_option *table;
} manuals[] = {
	{"relay", relay_conf_intro, relay_options},
	{"gateway", sl_gateway_conf_intro, sl_gateway_options},
	{"client", sl_client_conf_intro, sl_client_options},
};
#define MANUALS (sizeof(manuals) / sizeof(manuals[0]))

static const struct manual *find(const char *name)
{
	for (size_t i = 0; i < MANUALS; i++)
		if (strcmp(manuals[i].name, name) == 0)
			return &manuals[i];
	return NULL;
}

// This build may be configured for another place; the texts name the paths of a system installation.
static bool system_path(char **value)
{
	static const char *const paths[][2] = {
		{SL_CONFDIR, "/etc/softlan"}, {SL_RUNDIR, "/run/softlan"}, {SL_STATEDIR, "/var/lib/softlan"}};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		size_t len = strlen(paths[i][0]);
		char *text = NULL;

		if (strncmp(*value, paths[i][0], len) != 0)
			continue;
		if (asprintf(&text, "%s%s", paths[i][1], *value + len) < 0)
			return false;
		free(*value);
		*value = text;
		break;
	}
	return true;
}

static bool load_defaults(const struct sl_option *table, union any_config *config)
{
	if (sl_options_defaults(table, config) != SL_OK)
		return false;
	for (const struct sl_option *option = table; option->name; option++)
		if (option->type == SL_OPT_STRING && !system_path(option_field(option, config)))
			return false;
	return true;
}

static bool print(const struct manual *manual, bool sample)
{
	union any_config config = {0};
	bool ok = load_defaults(manual->table, &config);

	if (ok && sample)
		sl_options_sample(manual->table, &config, manual->intro, stdout);
	else if (ok)
		sl_options_man(manual->table, &config, stdout);
	sl_options_free(manual->table, &config);
	return ok;
}

// Copies the page; what stands between `.\" keys of NAME` and `.\" end of keys` is made anew.
static bool print_page(void)
{
	char line[4096], name[16];
	bool skip = false, ok = true;

	while (ok && fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, ".\\\" end of keys\n") == 0)
			skip = false;
		if (!skip)
			fputs(line, stdout);
		if (sscanf(line, ".\\\" keys of %15s", name) == 1) {
			const struct manual *manual = find(name);

			ok = manual && print(manual, false);
			skip = true;
		}
	}
	return ok && !skip;
}

int main(int argc, char **argv)
{
	const struct manual *manual = argc == 3 ? find(argv[2]) : NULL;
	bool ok = false;

	if (manual && strcmp(argv[1], "sample") == 0)
		ok = print(manual, true);
	else if (argc == 2 && strcmp(argv[1], "man") == 0)
		ok = print_page();
	else
		fprintf(stderr,
			"Usage: generate sample relay|gateway|client, or generate man <softlan.conf.5\n");
	return ok && fflush(stdout) == 0 ? 0 : 1;
}
