#include "daemon/options_text.h"

#include <string.h>

#include "daemon/options_value.h"

#define WIDTH 100
#define TAB 8

// One paragraph as comment lines.
static void put_words(FILE *out, unsigned depth, const char *text, size_t len)
{
	const char *end = text + len;
	size_t column = 0;

	while (text < end) {
		const char *blank = memchr(text, ' ', (size_t)(end - text));
		size_t word = (size_t)((blank ? blank : end) - text);

		if (column > 0 && column + 1 + word > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0) {
			option_indent(out, depth);
			fputc('#', out);
			column = depth * TAB + 1;
		}
		fprintf(out, " %.*s", (int)word, text);
		column += 1 + word;
		text += word + (blank != NULL);
	}
	fputc('\n', out);
}

// An example: its own indentation is kept, four columns for each tab behind the first.
static void put_line(FILE *out, unsigned depth, const char *line, size_t len)
{
	option_indent(out, depth);
	fputs("#   ", out);
	for (size_t i = 1; i < len; i++) {
		if (line[i] == '\t')
			fputs("    ", out);
		else
			fputc(line[i], out);
	}
	fputc('\n', out);
}

static void put_comment(FILE *out, unsigned depth, const char *text)
{
	bool first = true, was_line = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool line = text[0] == '\t';

		if (!first && !(line && was_line)) {
			option_indent(out, depth);
			fputs("#\n", out);
		}
		if (line)
			put_line(out, depth, text, len);
		else
			put_words(out, depth, text, len);
		first = false;
		was_line = line;
		text += len + (text[len] == '\n');
	}
}

static void put_option(FILE *out, unsigned depth, const struct sl_option *option, const void *config)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s%s%s", option->help ? option->help : "",
		 !option->note             ? ""
		 : option->note[0] == '\t' ? "\n"
					   : " ",
		 option->note ? option->note : "");
	put_comment(out, depth, text);
	option_indent(out, depth);
	fprintf(out, "//%s = ", option_last_part(option));
	if (option->example)
		fprintf(out, "\"%s\"", option->example);
	else
		option_dump_value(option, config, out);
	fputs(";\n", out);
}

static void put_section(FILE *out, const char *name)
{
	fprintf(out, "\n# ---- %s ", name);
	for (size_t i = strlen(name) + 8; i < WIDTH; i++)
		fputc('-', out);
	fputc('\n', out);
}

void sl_options_sample(const struct sl_option *table, const void *config, const char *intro, FILE *out)
{
	const char *section = NULL, *group = NULL; // what is open; `group` begins with its name
	size_t group_len = 0;

	put_comment(out, 0, intro);
	for (const struct sl_option *option = table; option->name; option++) {
		const char *dot = strrchr(option->name, '.');
		size_t len = dot ? (size_t)(dot - option->name) : 0;
		bool same = group_len > 0 && len == group_len && strncmp(group, option->name, len) == 0;

		if (group_len > 0 && !same) {
			fputs("};\n", out);
			group_len = 0;
		}
		if (option->section && (!section || strcmp(section, option->section) != 0)) {
			section = option->section;
			put_section(out, section);
		}
		fputc('\n', out);
		if (len > 0 && !same) {
			if (option->group)
				put_comment(out, 0, option->group);
			fprintf(out, "%.*s: {\n", (int)len, option->name);
			group = option->name;
			group_len = len;
		}
		put_option(out, len > 0, option, config);
	}
	if (group_len > 0)
		fputs("};\n", out);
}
