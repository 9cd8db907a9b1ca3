// The one verb table: it drives parsing, help and, with it, the printers.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct ctl_verb {
	const char *name;
	const char *args; // for help: "[CODE]"
	int max_args;
	const char *help;
	int (*print)(FILE *out, const json_t *document); // NULL: softlanctl's own verb
	bool streams;                                    // many documents, until the daemon ends
};

extern const struct ctl_verb ctl_verbs[];               // ends with a NULL name
const struct ctl_verb *ctl_verb_find(const char *name); // NULL: there is none
void ctl_verbs_help(FILE *out);
