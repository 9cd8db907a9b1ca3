#include "softlanctl/print.h"

#include <inttypes.h>
#include <string.h>

#include "softlanctl/members.h"
#include "softlanctl/scalars.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"

struct status_print {
	FILE *out;
	bool colour;
};

static void put_member(void *arg, const char *name, const json_t *value)
{
	static const char *const shown[] = {"daemon", "version",   "pid",     "uptime_s",
					    "state",  "sentences", "warnings"};
	const struct status_print *print = arg;
	FILE *out = print->out;
	bool bad = strcmp(name, "isolated") == 0 && json_is_true(value);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (strcmp(name, shown[i]) == 0) // above
			return;
	}
	if (strncmp(name, "counters.", 9) == 0) // for programs; people ask for `stats`
		return;
	ctl_put_text(out, name);
	fprintf(out, ": %s", ctl_style_on(bad ? CTL_BAD : CTL_PLAIN, print->colour));
	ctl_put_scalar(out, value);
	fprintf(out, "%s\n", ctl_style_off(bad ? CTL_BAD : CTL_PLAIN, print->colour));
}

static void put_sentence(const struct status_print *print, const char *before, enum ctl_style style,
			 const json_t *sentence)
{
	if (!json_is_string(sentence))
		return;
	fprintf(print->out, "  %s%s", ctl_style_on(style, print->colour), before);
	ctl_put_text(print->out, json_string_value(sentence));
	fprintf(print->out, "%s\n", ctl_style_off(style, print->colour));
}

static void put_sentences(const struct status_print *print, const char *before, enum ctl_style style,
			  const json_t *sentences)
{
	const json_t *sentence;
	size_t index;
	json_array_foreach(sentences, index, sentence)
	{
		put_sentence(print, before, style, sentence);
	}
}

int ctl_print_status(FILE *out, bool colour, const json_t *document)
{
	struct status_print print = {.out = out, .colour = colour};
	bool away = json_is_false(json_object_get(document, "connected"));
	const char *daemon = ctl_member_text(document, "daemon"),
		   *version = ctl_member_text(document, "version");
	const char *state = ctl_member_text(document, "state");
	char unit[CTL_UNIT_TEXT];
	uint64_t number;

	if (!json_is_object(document) || !daemon)
		return -1;
	ctl_put_styled(out, daemon, CTL_BOLD, colour);
	fputc(' ', out);
	ctl_put_text(out, version ? version : "-");
	if (ctl_member_count(document, "pid", &number))
		fprintf(out, ", pid %" PRIu64, number);
	if (ctl_member_count(document, "uptime_s", &number))
		fprintf(out, ", up %s", ctl_seconds(number, unit));
	if (state) {
		fputs(", ", out);
		ctl_put_styled(out, state, away ? CTL_BAD : CTL_PLAIN, colour);
	}
	fputc('\n', out);
	put_sentences(&print, "", CTL_PLAIN, json_object_get(document, "sentences"));
	put_sentences(&print, "warning: ", CTL_WARN, json_object_get(document, "warnings"));
	ctl_scalars(document, put_member, &print);
	return 0;
}
