// OPS-1: the sample files etc/*.conf. As installed they change nothing; with every line made active they
// hold every key of the table, at its default; with the keys that must be set they are a whole configuration.
// That they are what man/generate prints today is tests/docs.sh's affair.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/config.h"
#include "conf_file.h"
#include "daemon/options_value.h"
#include "gateway/config.h"
#include "relay/config.h"

union any_config {
	struct relay_config relay;
	struct sl_gateway_config gateway;
	struct sl_client_config client;
};

struct sample {
	const char *name;
	const struct sl_option *table;
	void (*validate)(const void *config, const char *file, struct sl_option_errors *errors);
	const char *required; // a comma before and after each
};

static const struct sample samples[] = {
	{"relay", relay_options, relay_config_validate, ",certificate,private_key,"},
	{"gateway", sl_gateway_options, sl_gateway_validate, ",relay,room,interface,"},
	{"client", sl_client_options, sl_client_validate, ",relay,room,"},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

// The sample names the paths of a system installation; `configure --prefix` may have chosen others.
static void put_line(FILE *out, const char *line)
{
	static const char *const paths[][2] = {
		{"/etc/softlan", SL_CONFDIR}, {"/run/softlan", SL_RUNDIR}, {"/var/lib/softlan", SL_STATEDIR}};

	for (size_t i = 0; i < 3; i++) {
		const char *at = strstr(line, paths[i][0]);

		if (at == NULL)
			continue;
		fprintf(out, "%.*s%s%s", (int)(at - line), line, paths[i][1], at + strlen(paths[i][0]));
		return;
	}
	fputs(line, out);
}

// Copies the sample with the lines of `keys` (a comma before and after each) made active; "*": all. Gives how
// many.
static unsigned activate(const struct sample *sample, const char *keys)
{
	const char *srcdir = getenv("srcdir");
	char line[512], name[1024], key[64], listed[70];
	unsigned count = 0;
	FILE *in, *out;

	snprintf(name, sizeof(name), "%s/etc/%s.conf", srcdir != NULL ? srcdir : ".", sample->name);
	in = fopen(name, "r");
	if (in == NULL)
		fail_msg("%s is not found: set srcdir", name);
	out = fopen(path, "w");
	assert_non_null(out);
	while (fgets(line, sizeof(line), in) != NULL) {
		char *mark = line + strspn(line, "\t");

		key[0] = '\0';
		if (strncmp(mark, "//", 2) == 0 && sscanf(mark + 2, "%60[a-z0-9_] =", key) != 1)
			fail_msg("not a setting: %s", line);
		snprintf(listed, sizeof(listed), ",%s,", key);
		if (key[0] != '\0' && (strcmp(keys, "*") == 0 || strstr(keys, listed) != NULL)) {
			memset(mark, ' ', 2);
			count++;
		}
		put_line(out, line);
	}
	fclose(in);
	assert_int_equal(fclose(out), 0);
	return count;
}

static void load(const struct sample *sample, union any_config *config, bool validate)
{
	struct sl_option_errors errors = {.text = NULL};

	memset(config, 0, sizeof(*config));
	assert_int_equal(sl_options_defaults(sample->table, config), SL_OK);
	if (sl_options_load(sample->table, config, path, &errors) == SL_OK && validate)
		sample->validate(config, path, &errors);
	if (errors.count > 0)
		fail_msg("%s.conf is refused: %s", sample->name, errors.text);
}

// Every option but those with an example is at its default.
static void assert_defaults(const struct sample *sample, const union any_config *config, bool examples)
{
	union any_config defaults;

	memset(&defaults, 0, sizeof(defaults));
	assert_int_equal(sl_options_defaults(sample->table, &defaults), SL_OK);
	for (const struct sl_option *option = sample->table; option->name != NULL; option++) {
		if (examples && option->example != NULL)
			assert_string_equal(*(char *const *)option_field_const(option, config),
					    option->example);
		else if (!sl_option_equal(option, &defaults, config))
			fail_msg("%s.conf: %s is not at its default", sample->name, option->name);
	}
	sl_options_free(sample->table, &defaults);
}

static void ops1_an_untouched_sample_changes_nothing(void **state)
{
	union any_config config;

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_int_equal(activate(&samples[i], ""), 0);
		load(&samples[i], &config, false);
		assert_defaults(&samples[i], &config, false);
		sl_options_free(samples[i].table, &config);
	}
}

static void ops1_a_sample_shows_every_key_at_its_default(void **state)
{
	union any_config config;

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		unsigned options = 0;

		for (const struct sl_option *option = samples[i].table; option->name != NULL; option++) {
			options++;
			if (option->help == NULL || option->help[0] == '\0')
				fail_msg("%s: %s has no help", samples[i].name, option->name);
		}
		// libconfig refuses a key that is given twice: as many as there are options is each once.
		assert_int_equal(activate(&samples[i], "*"), options);
		load(&samples[i], &config, true);
		assert_defaults(&samples[i], &config, true);
		sl_options_free(samples[i].table, &config);
	}
}

static void ops1_the_required_keys_are_enough(void **state)
{
	union any_config config;

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_in_range(activate(&samples[i], samples[i].required), 2, 3);
		load(&samples[i], &config, true);
		sl_options_free(samples[i].table, &config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops1_an_untouched_sample_changes_nothing),
		cmocka_unit_test(ops1_a_sample_shows_every_key_at_its_default),
		cmocka_unit_test(ops1_the_required_keys_are_enough),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
