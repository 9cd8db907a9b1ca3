#include "softlanctl/print.h"

#include <inttypes.h>
#include <string.h>

#include "softlanctl/members.h"
#include "softlanctl/scalars.h"
#include "softlanctl/text.h"

static void put_member(void *arg, const char *name, const json_t *value)
{
	static const char *const shown[] = {"daemon", "version",   "pid",     "uptime_s",
					    "state",  "sentences", "warnings"};
	FILE *out = arg;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (strcmp(name, shown[i]) == 0) // above
			return;
	}
	ctl_put_text(out, name);
	fputs(": ", out);
	ctl_put_scalar(out, value);
	fputc('\n', out);
}

static void put_sentence(FILE *out, const char *before, const json_t *sentence)
{
	if (!json_is_string(sentence))
		return;
	fprintf(out, "  %s", before);
	ctl_put_text(out, json_string_value(sentence));
	fputc('\n', out);
}

static void put_sentences(FILE *out, const char *before, const json_t *sentences)
{
	const json_t *sentence;
	size_t index;
	json_array_foreach(sentences, index, sentence)
	{
		put_sentence(out, before, sentence);
	}
}

int ctl_print_status(FILE *out, const json_t *document)
{
	const char *daemon = ctl_member_text(document, "daemon"),
		   *version = ctl_member_text(document, "version");
	const char *state = ctl_member_text(document, "state");
	char unit[CTL_UNIT_TEXT];
	uint64_t number;

	if (!json_is_object(document) || !daemon)
		return -1;
	ctl_put_text(out, daemon);
	fputc(' ', out);
	ctl_put_text(out, version ? version : "-");
	if (ctl_member_count(document, "pid", &number))
		fprintf(out, ", pid %" PRIu64, number);
	if (ctl_member_count(document, "uptime_s", &number))
		fprintf(out, ", up %s", ctl_seconds(number, unit));
	if (state) {
		fputs(", ", out);
		ctl_put_text(out, state);
	}
	fputc('\n', out);
	put_sentences(out, "", json_object_get(document, "sentences"));
	put_sentences(out, "warning: ", json_object_get(document, "warnings"));
	ctl_scalars(document, put_member, out);
	return 0;
}
