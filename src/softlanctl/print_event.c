// One event of `watch` as a line: time, name, then the members as key and value.
#include "softlanctl/print.h"

#include <stdlib.h>
#include <string.h>

#include "softlanctl/members.h"
#include "softlanctl/scalars.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"

// In quotes where a reader could not tell where it ends.
static void put_value_text(FILE *out, const char *text)
{
	char *escaped = ctl_escape(text);
	if (!escaped)
		return;
	if (escaped[0] && !strpbrk(escaped, " \"")) {
		fputs(escaped, out);
	} else {
		fputc('"', out);
		for (const char *p = escaped; *p; p++) {
			if (*p == '"')
				fputc('\\', out);
			fputc(*p, out);
		}
		fputc('"', out);
	}
	free(escaped);
}

static void put_member(void *arg, const char *name, const json_t *value)
{
	FILE *out = arg;
	if (strcmp(name, "time") == 0 || strcmp(name, "event") == 0) // before the others
		return;
	fputc(' ', out);
	ctl_put_text(out, name);
	fputc(' ', out);
	if (json_is_string(value))
		put_value_text(out, json_string_value(value));
	else
		ctl_put_scalar(out, value);
}

// What went wrong, and what somebody should look at.
static enum ctl_style style_of(const char *name, const json_t *event)
{
	static const char *const bad[] = {"loop", "disconnected"}, *const warn[] = {"filtered", "rejected",
										    "notice", "kicked",
										    "lost"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(name, bad[i]) == 0)
			return CTL_BAD;
	}
	for (size_t i = 0; i < sizeof(warn) / sizeof(warn[0]); i++) {
		if (strcmp(name, warn[i]) == 0)
			return CTL_WARN;
	}
	return json_is_false(json_object_get(event, "ok")) ? CTL_BAD : CTL_PLAIN; // a reload that was refused
}

int ctl_print_event(FILE *out, bool colour, const json_t *event)
{
	const char *time = ctl_member_text(event, "time"), *name = ctl_member_text(event, "event");
	if (!name)
		return -1;
	ctl_put_text(out, time ? time : "-");
	fputc(' ', out);
	ctl_put_styled(out, name, style_of(name, event), colour);
	ctl_scalars(event, put_member, out);
	fputc('\n', out);
	return 0;
}
