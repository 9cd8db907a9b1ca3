// The printers of the verbs: each turns one JSON document into text for people. A member that is
// missing or of another type is shown as "-"; a document of another shape is an error (-1). `colour`: mark
// what deserves a look (style.h).
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

int ctl_print_status(FILE *out, bool colour, const json_t *document);
int ctl_print_rooms(FILE *out, bool colour, const json_t *document);
int ctl_print_peers(FILE *out, bool colour, const json_t *document);
int ctl_print_stats(FILE *out, bool colour, const json_t *document);
int ctl_print_kick(FILE *out, bool colour, const json_t *document);
int ctl_print_reload(FILE *out, bool colour, const json_t *document);
int ctl_print_log(FILE *out, bool colour, const json_t *document);
int ctl_print_event(FILE *out, bool colour, const json_t *event); // one line
