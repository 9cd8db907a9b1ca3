// The one verb table: it drives parsing, help, completion and, with it, the printers.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum ctl_verb_kind {
	CTL_ASKS,    // one question, one document
	CTL_STREAMS, // many documents, until the daemon ends
	CTL_SCREEN,  // softlanctl's own: a live view of the terminal
	CTL_HELP,    // softlanctl's own: the list of verbs
};

// What a verb's first argument names, for completion.
enum ctl_verb_arg { CTL_ARG_NONE, CTL_ARG_ROOM, CTL_ARG_PEER, CTL_ARG_LEVEL };

struct ctl_verb {
	const char *name;
	const char *args; // for help: "[CODE]"
	int min_args, max_args;
	enum ctl_verb_arg arg;
	const char *help;
	enum ctl_verb_kind kind;
	int (*print)(FILE *out, bool colour, const json_t *document); // of those that ask or stream
};

extern const struct ctl_verb ctl_verbs[];               // ends with a NULL name
const struct ctl_verb *ctl_verb_find(const char *name); // NULL: there is none
void ctl_verbs_help(FILE *out);
