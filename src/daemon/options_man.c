#include "daemon/options_text.h"

#include <string.h>

#include "daemon/options_value.h"

// Text as roff takes it literally.
static void put_text(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '\\':
			fputs("\\e", out);
			break;
		case '`':
			fputs("\\(ga", out);
			break;
		case '^':
			fputs("\\(ha", out);
			break;
		case '~':
			fputs("\\(ti", out);
			break;
		default:
			// A line that begins so would be a request.
			if (i == 0 && (text[0] == '.' || text[0] == '\''))
				fputs("\\&", out);
			fputc(text[i], out);
		}
	}
}

// Each sentence on a line of its own, as mdoc(7) wants it.
static void put_sentences(FILE *out, const char *text, size_t len)
{
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		bool last = i + 1 == len;

		if (!last && !(strchr(".!?:", text[i]) && text[i + 1] == ' '))
			continue;
		put_text(out, text + from, i + 1 - from);
		fputc('\n', out);
		from = i + 2;
	}
}

static void put_paragraphs(FILE *out, const char *text)
{
	bool first = true, literal = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool line = text[0] == '\t';

		if (line && !literal)
			fputs(".Bd -literal -offset indent\n", out);
		if (!line && literal)
			fputs(".Ed\n", out);
		if (!line && !first)
			fputs(".Pp\n", out);
		literal = line;
		first = false;
		if (line) {
			put_text(out, text + 1, len - 1);
			fputc('\n', out);
		} else {
			put_sentences(out, text, len);
		}
		text += len + (text[len] == '\n');
	}
	if (literal)
		fputs(".Ed\n", out);
}

// Type, range, default, and when a change takes effect.
static void put_facts(FILE *out, const struct sl_option *option, const void *config)
{
	fputs("(", out);
	switch (option->type) {
	case SL_OPT_STRING:
		fputs("string", out);
		for (size_t i = 0; option->choices && option->choices[i]; i++)
			fprintf(out, "%s \"%s\"", i ? " or" : ",", option->choices[i]);
		break;
	case SL_OPT_INT:
		fprintf(out, "integer, %lld to %lld", option->min, option->max);
		break;
	case SL_OPT_BOOL:
		fputs("true or false", out);
		break;
	case SL_OPT_LIST:
		fputs("list", out);
		break;
	}
	if (option->example) {
		fputs("; required", out);
	} else {
		fputs("; default ", out);
		option_dump_value(option, config, out);
	}
	fprintf(out, "; %s)\n", option->restart ? "restart" : "reload");
}

void sl_options_man(const struct sl_option *table, const void *config, FILE *out)
{
	const char *group = NULL;

	fputs(".Bl -tag -width Ds\n", out);
	for (const struct sl_option *option = table; option->name; option++) {
		if (option->group && (!group || strcmp(group, option->group) != 0)) {
			fprintf(out, ".It Ic %.*s\n", (int)strcspn(option->name, "."), option->name);
			put_paragraphs(out, option->group);
			group = option->group;
		}
		fprintf(out, ".It Ic %s\n", option->name);
		put_facts(out, option, config);
		fputs(".br\n", out);
		put_sentences(out, option->help, strlen(option->help));
		if (option->note)
			put_paragraphs(out, option->note);
	}
	fputs(".El\n", out);
}
