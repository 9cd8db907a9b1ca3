#include "softlanctl/verbs.h"

#include <string.h>

#include "softlanctl/print.h"

const struct ctl_verb ctl_verbs[] = {
	{"status", "", 0, 0, CTL_ARG_NONE, "How the daemon is, in sentences", CTL_ASKS, ctl_print_status},
	{"rooms", "[CODE]", 0, 1, CTL_ARG_ROOM, "The rooms (gateway and client: their own)", CTL_ASKS,
	 ctl_print_rooms},
	{"peers", "[CODE]", 0, 1, CTL_ARG_ROOM, "The peers, of all rooms or of one", CTL_ASKS,
	 ctl_print_peers},
	{"stats", "", 0, 0, CTL_ARG_NONE, "Every counter", CTL_ASKS, ctl_print_stats},
	{"top", "", 0, 0, CTL_ARG_NONE, "Rooms and peers live, on the whole terminal", CTL_SCREEN, NULL},
	{"watch", "", 0, 0, CTL_ARG_NONE, "Events as they happen, until the daemon ends", CTL_STREAMS,
	 ctl_print_event},
	{"kick", "ID [REASON]", 1, 7, CTL_ARG_PEER, "Disconnect a peer from the relay", CTL_ASKS,
	 ctl_print_kick},
	{"reload", "", 0, 0, CTL_ARG_NONE, "Read the configuration again", CTL_ASKS, ctl_print_reload},
	{"log", "LEVEL", 1, 1, CTL_ARG_LEVEL, "Log from this level on: error, warning, info or debug",
	 CTL_ASKS, ctl_print_log},
	{"help", "", 0, 0, CTL_ARG_NONE, "This list", CTL_HELP, NULL},
	{NULL, NULL, 0, 0, CTL_ARG_NONE, NULL, CTL_HELP, NULL},
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
		fprintf(out, "  %-18s %s\n", text, verb->help);
	}
}
