#include "daemon/options.h"

#include <stdint.h>
#include <string.h>

#include "daemon/options_value.h"

static void dump_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p == '\n')
			fputs("\\n", out);
		else if (*p == '\t')
			fputs("\\t", out);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

void option_dump_value(const struct sl_option *option, const void *config, FILE *out)
{
	const void *field = option_field_const(option, config);

	switch (option->type) {
	case SL_OPT_STRING:
		dump_string(out, *(char *const *)field);
		break;
	case SL_OPT_INT: {
		long long value = *(const long long *)field;
		fprintf(out, "%lld%s", value, value > INT32_MAX || value < INT32_MIN ? "L" : "");
		break;
	}
	case SL_OPT_BOOL:
		fputs(*(const bool *)field ? "true" : "false", out);
		break;
	case SL_OPT_LIST: {
		struct sl_text text = {0};
		option->dump_list(&text, field);
		fputs(text.data ? text.data : "", out);
		sl_text_free(&text);
		break;
	}
	}
}

static void dump_option(const struct sl_option *option, const void *config, FILE *out, unsigned depth)
{
	if (option->help) {
		option_indent(out, depth);
		fprintf(out, "// %s\n", option->help);
	}
	option_indent(out, depth);
	fprintf(out, "%s = ", option_last_part(option));
	option_dump_value(option, config, out);
	fputs(";\n", out);
}

// Everything below `prefix` (its length includes the dot), each group once, where its first key is.
static void dump_level(const struct sl_option *table, const void *config, FILE *out, const char *prefix,
		       size_t prefix_len, unsigned depth)
{
	for (const struct sl_option *option = table; option->name; option++) {
		if (strncmp(option->name, prefix, prefix_len) != 0)
			continue;
		const char *part = option->name + prefix_len, *dot = strchr(part, '.');
		if (!dot) {
			dump_option(option, config, out, depth);
			continue;
		}
		size_t len = (size_t)(dot - option->name) + 1;
		const struct sl_option *first = table;
		while (strncmp(first->name, option->name, len) != 0)
			first++;
		if (first != option)
			continue;
		option_indent(out, depth);
		fprintf(out, "%.*s: {\n", (int)(dot - part), part);
		dump_level(table, config, out, option->name, len, depth + 1);
		option_indent(out, depth);
		fputs("};\n", out);
	}
}

void sl_options_dump(const struct sl_option *table, const void *config, FILE *out)
{
	dump_level(table, config, out, "", 0, 0);
}
