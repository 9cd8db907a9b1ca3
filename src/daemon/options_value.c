#include "daemon/options_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "daemon/path.h"

const char *option_last_part(const struct sl_option *option)
{
	const char *dot = strrchr(option->name, '.');
	return dot ? dot + 1 : option->name;
}

void option_expected(const struct sl_option *option, char *out, size_t size)
{
	switch (option->type) {
	case SL_OPT_STRING:
		if (!option->choices) {
			snprintf(out, size, "expected a string");
			break;
		}
		snprintf(out, size, "expected %s", option->choices[1] ? "one of" : "");
		for (size_t i = 0; option->choices[i]; i++) {
			size_t len = strlen(out);
			snprintf(out + len, size - len, "%s \"%s\"", i ? "," : "", option->choices[i]);
		}
		break;
	case SL_OPT_INT:
		snprintf(out, size, "expected an integer from %lld to %lld", option->min, option->max);
		break;
	case SL_OPT_BOOL:
		snprintf(out, size, "expected true or false");
		break;
	case SL_OPT_LIST:
		snprintf(out, size, "expected a list");
		break;
	}
}

int option_store_string(const struct sl_option *option, void *config, const char *value,
			struct sl_error *error)
{
	// A secret is never shown, not even a wrong one.
	bool secret = strcmp(option_last_part(option), "secret") == 0;
	char found[80], expected[256];
	snprintf(found, sizeof(found), "%s%.60s%s%s", secret ? "" : "\"",
		 secret ? "another value (not shown)" : value, !secret && strlen(value) > 60 ? "…" : "",
		 secret ? "" : "\"");

	if (option->choices) {
		size_t i = 0;
		while (option->choices[i] && strcmp(option->choices[i], value) != 0)
			i++;
		if (!option->choices[i]) {
			option_expected(option, expected, sizeof(expected));
			return sl_fail(error, SL_ERR_INVALID, "%s, found %s. Use one of these words",
				       expected, found);
		}
	}
	if (option->check) {
		struct sl_error why = {.text = ""};
		if (option->check(value, &why) != SL_OK)
			return sl_fail(error, SL_ERR_INVALID, "%s, found %s",
				       why.text[0] ? why.text : "expected another value", found);
	}
	char *copy = option->path ? sl_path(value) : strdup(value);
	if (!copy)
		return sl_fail(error, SL_ERR_NOMEM, "expected memory, found none left");
	char **field = option_field(option, config);
	free(*field);
	*field = copy;
	return SL_OK;
}

int option_store_int(const struct sl_option *option, void *config, long long value, struct sl_error *error)
{
	if (value < option->min || value > option->max) {
		char expected[256];
		option_expected(option, expected, sizeof(expected));
		return sl_fail(error, SL_ERR_INVALID, "%s, found %lld. The default is %lld", expected, value,
			       option->number);
	}
	*(long long *)option_field(option, config) = value;
	return SL_OK;
}

int sl_options_defaults(const struct sl_option *table, void *config)
{
	int rc = SL_OK;
	for (const struct sl_option *option = table; option->name; option++) {
		void *field = option_field(option, config);
		struct sl_option_errors errors = {0};
		switch (option->type) {
		case SL_OPT_STRING:
			*(char **)field = option->path ? sl_path(option->text)
						       : strdup(option->text ? option->text : "");
			if (!*(char **)field)
				rc = SL_ERR_NOMEM;
			break;
		case SL_OPT_INT:
			*(long long *)field = option->number;
			break;
		case SL_OPT_BOOL:
			*(bool *)field = option->number != 0;
			break;
		case SL_OPT_LIST:
			option->load_list(NULL, field, NULL, &errors);
			break;
		}
		sl_option_errors_free(&errors);
	}
	return rc;
}

void sl_options_free(const struct sl_option *table, void *config)
{
	for (const struct sl_option *option = table; option->name; option++) {
		void *field = option_field(option, config);
		if (option->type == SL_OPT_STRING) {
			free(*(char **)field);
			*(char **)field = NULL;
		} else if (option->type == SL_OPT_LIST) {
			option->free_list(field);
		}
	}
}

// '_' in a configuration key is '-' on the command line; both are taken there.
static bool same_name(const char *key, const char *given)
{
	for (; *key && *given; key++, given++) {
		if (*key != *given && !(*key == '_' && *given == '-'))
			return false;
	}
	return *key == *given;
}

const struct sl_option *option_by_cli_name(const struct sl_option *table, const char *name)
{
	const struct sl_option *option = table;
	while (option->name && !(option->cli && same_name(option_last_part(option), name)))
		option++;
	return option->name ? option : NULL;
}

int sl_options_set(const struct sl_option *table, void *config, const char *name, const char *value,
		   struct sl_error *error)
{
	const struct sl_option *option = option_by_cli_name(table, name);
	if (!option)
		return sl_fail(error, SL_ERR_NOT_FOUND, "unknown option --%s", name);

	char expected[256];
	option_expected(option, expected, sizeof(expected));
	switch (option->type) {
	case SL_OPT_STRING:
		return option_store_string(option, config, value, error);
	case SL_OPT_INT: {
		char *end;
		errno = 0;
		long long number = strtoll(value, &end, 10);
		if (end == value || *end || errno)
			return sl_fail(error, SL_ERR_INVALID, "%s, found \"%.60s\"", expected, value);
		return option_store_int(option, config, number, error);
	}
	case SL_OPT_BOOL:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return sl_fail(error, SL_ERR_INVALID, "%s, found \"%.60s\"", expected, value);
		*(bool *)option_field(option, config) = value[0] == 't';
		return SL_OK;
	case SL_OPT_LIST:
		break;
	}
	return sl_fail(error, SL_ERR_INVALID, "expected no list here, found \"%.60s\". Put it into the file",
		       value);
}

static bool same_list(const struct sl_option *option, const void *a, const void *b)
{
	struct sl_text text_a = {0}, text_b = {0};
	option->dump_list(&text_a, a);
	option->dump_list(&text_b, b);
	bool same = !text_a.failed && !text_b.failed && text_a.len == text_b.len &&
		    memcmp(text_a.data, text_b.data, text_a.len) == 0;
	sl_text_free(&text_a);
	sl_text_free(&text_b);
	return same;
}

bool sl_option_equal(const struct sl_option *option, const void *config_a, const void *config_b)
{
	const void *a = option_field_const(option, config_a), *b = option_field_const(option, config_b);
	switch (option->type) {
	case SL_OPT_STRING:
		return strcmp(*(char *const *)a, *(char *const *)b) == 0;
	case SL_OPT_INT:
		return *(const long long *)a == *(const long long *)b;
	case SL_OPT_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case SL_OPT_LIST:
		return same_list(option, a, b);
	}
	return false;
}
