#include "daemon/options.h"

#include <libconfig.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_source.h"
#include "daemon/options_value.h"

#define KEY_MAX 256

struct loader {
	const struct sl_option *table;
	void *config;
	const char *file;
	struct sl_option_errors *errors;
};

static unsigned setting_line(const config_setting_t *setting)
{
	return (unsigned)config_setting_source_line(setting);
}

// What stands in the file, in words.
static void describe(const config_setting_t *setting, char *out, size_t size)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(out, size, "the integer %lld", config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(out, size, "the fraction %g", config_setting_get_float(setting));
		break;
	case CONFIG_TYPE_STRING: {
		const char *text = config_setting_get_string(setting);
		const char *name = config_setting_name(setting);
		if (name && strcmp(name, "secret") == 0)
			snprintf(out, size, "a string");
		else
			snprintf(out, size, "the string \"%.60s\"", text ? text : "");
		break;
	}
	case CONFIG_TYPE_BOOL:
		snprintf(out, size, "the word %s", config_setting_get_bool(setting) ? "true" : "false");
		break;
	case CONFIG_TYPE_GROUP:
		snprintf(out, size, "a group { … }");
		break;
	case CONFIG_TYPE_ARRAY:
		snprintf(out, size, "an array [ … ]");
		break;
	default:
		snprintf(out, size, "a list ( … )");
		break;
	}
}

static void wrong_type(struct loader *loader, const struct sl_option *option, const config_setting_t *setting)
{
	char expected[256], found[128];
	const char *key = option_last_part(option);
	option_expected(option, expected, sizeof(expected));
	describe(setting, found, sizeof(found));
	const char *remedy = option->type == SL_OPT_STRING ? " = \"…\", in quotes"
			     : option->type == SL_OPT_INT  ? " = a whole number, without quotes"
							   : " = true or = false, without quotes";
	sl_option_errors_add(loader->errors, loader->file, setting_line(setting), option->name,
			     "%s, found %s. Write %s%s", expected, found, key, remedy);
}

static void read_value(struct loader *loader, const struct sl_option *option, config_setting_t *setting)
{
	struct sl_error error = {.text = ""};
	int rc = SL_OK, type = config_setting_type(setting);

	switch (option->type) {
	case SL_OPT_STRING:
		if (type != CONFIG_TYPE_STRING)
			wrong_type(loader, option, setting);
		else
			rc = option_store_string(option, loader->config, config_setting_get_string(setting),
						 &error);
		break;
	case SL_OPT_INT:
		if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
			wrong_type(loader, option, setting);
		else
			rc = option_store_int(option, loader->config, config_setting_get_int64(setting),
					      &error);
		break;
	case SL_OPT_BOOL:
		if (type != CONFIG_TYPE_BOOL)
			wrong_type(loader, option, setting);
		else
			*(bool *)option_field(option, loader->config) = config_setting_get_bool(setting) != 0;
		break;
	case SL_OPT_LIST: {
		void *field = option_field(option, loader->config);
		option->free_list(field);
		option->load_list(setting, field, loader->file, loader->errors);
		break;
	}
	}
	if (rc != SL_OK)
		sl_option_errors_add(loader->errors, loader->file, setting_line(setting), option->name, "%s",
				     error.text);
}

// The edit distance of two keys, for "did you mean"; keys longer than the row count as far apart.
static size_t distance(const char *a, const char *b)
{
	size_t row[64], len_b = strlen(b);
	if (len_b >= 64 || strlen(a) >= 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[len_b];
}

static void unknown_key(struct loader *loader, const char *key, const config_setting_t *setting)
{
	const struct sl_option *nearest = NULL;
	size_t least = 3;
	const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key;
	for (const struct sl_option *option = loader->table; option->name; option++) {
		size_t far = distance(key, option->name);
		// The right key in the wrong group is as near as can be.
		if (far >= least && strcmp(last, option_last_part(option)) == 0)
			far = least - 1;
		if (far < least) {
			least = far;
			nearest = option;
		}
	}
	if (nearest)
		sl_option_errors_add(loader->errors, loader->file, setting_line(setting), key,
				     "expected a known key, found an unknown one. Did you mean %s?",
				     nearest->name);
	else
		sl_option_errors_add(loader->errors, loader->file, setting_line(setting), key,
				     "expected a known key, found an unknown one. --dump-config -c /dev/null "
				     "lists them all");
}

static void walk_group(struct loader *loader, config_setting_t *group, const char *prefix)
{
	int count = config_setting_length(group);
	for (int i = 0; i < count; i++) {
		config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		if (!setting || config_setting_type(setting) == CONFIG_TYPE_NONE)
			continue; // its value is where the parser stopped
		char key[KEY_MAX];
		snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] ? "." : "",
			 config_setting_name(setting));
		size_t len = strlen(key);
		const struct sl_option *option = loader->table;
		bool is_group = false;
		while (option->name && strcmp(option->name, key) != 0) {
			is_group |= strncmp(option->name, key, len) == 0 && option->name[len] == '.';
			option++;
		}
		if (option->name) {
			read_value(loader, option, setting);
		} else if (is_group && config_setting_is_group(setting)) {
			walk_group(loader, setting, key);
		} else if (is_group) {
			char found[128];
			describe(setting, found, sizeof(found));
			sl_option_errors_add(loader->errors, loader->file, setting_line(setting), key,
					     "expected a group, found %s. Write %s: { … };", found,
					     config_setting_name(setting));
		} else {
			unknown_key(loader, key, setting);
		}
	}
}

// How many settings of this name the tree has from this line.
static size_t count_settings(const config_setting_t *group, const char *key, unsigned line)
{
	size_t count = 0;
	int length = config_setting_length(group);
	for (int i = 0; i < length; i++) {
		const config_setting_t *setting =
			config_setting_get_elem((config_setting_t *)group, (unsigned)i);
		if (!setting)
			continue;
		const char *name = config_setting_name(setting);
		count += name && strcmp(name, key) == 0 && setting_line(setting) == line;
		if (config_setting_is_aggregate(setting))
			count += count_settings(setting, key, line);
	}
	return count;
}

static size_t seen_settings(void *arg, const char *key, unsigned line)
{
	return count_settings(arg, key, line);
}

static void parse_error(struct loader *loader, const struct conf_source *source, config_t *tree)
{
	const char *text = config_error_text(tree);
	int at = config_error_line(tree);
	unsigned line = at > 0 ? (unsigned)at : 1;
	char key[64];

	if (text && strstr(text, "duplicate")) {
		bool known = conf_source_duplicate(source, line, seen_settings, config_root_setting(tree),
						   key, sizeof(key));
		sl_option_errors_add(loader->errors, loader->file, line, known ? key : NULL,
				     "expected each key once, found it again (%s). Remove one of the two",
				     text);
		return;
	}
	sl_option_errors_add(
		loader->errors, loader->file, line, NULL,
		"expected key = value; found something else (%s). Look for a missing quote, bracket or "
		"semicolon here or just above",
		text ? text : "no reason given");
}

int sl_options_load(const struct sl_option *table, void *config, const char *file,
		    struct sl_option_errors *errors)
{
	struct loader loader = {.table = table, .config = config, .file = file, .errors = errors};
	struct conf_source source;
	config_t tree;
	size_t before = errors->count;

	config_init(&tree);
	if (conf_source_load(&source, file, errors) != SL_OK)
		goto out;
	errors->source = &source;
	int parsed = config_read_string(&tree, source.text);
	// What was read before a fault is checked too, so that all errors show at once.
	walk_group(&loader, config_root_setting(&tree), "");
	if (!parsed)
		parse_error(&loader, &source, &tree);
	errors->source = NULL;
out:
	config_destroy(&tree);
	conf_source_fini(&source);
	return errors->count == before ? SL_OK : SL_ERR_INVALID;
}
