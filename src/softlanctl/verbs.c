#include "softlanctl/verbs.h"

#include <string.h>

#include "softlanctl/print.h"

const struct ctl_verb ctl_verbs[] = {
	{"status", "", 0, "How the daemon is, in sentences", ctl_print_status, false},
	{"rooms", "[CODE]", 1, "The rooms (gateway and client: their own)", ctl_print_rooms, false},
	{"peers", "[CODE]", 1, "The peers, of all rooms or of one", ctl_print_peers, false},
	{"stats", "", 0, "Every counter", ctl_print_stats, false},
	{"watch", "", 0, "Events as they happen, until the daemon ends", ctl_print_event, true},
	{"help", "", 0, "This list", NULL, false},
	{NULL, NULL, 0, NULL, NULL, false},
};

const struct ctl_verb *ctl_verb_find(const char *name)
{
	const struct ctl_verb *verb = ctl_verbs;
	while (verb->name && strcmp(verb->name, name) != 0)
		verb++;
	return verb->name ? verb : NULL;
}

void ctl_verbs_help(FILE *out)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->name; verb++) {
		char text[64];
		snprintf(text, sizeof(text), "%s %s", verb->name, verb->args);
		fprintf(out, "  %-16s %s\n", text, verb->help);
	}
}
