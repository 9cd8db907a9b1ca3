// The printers of the verbs: each turns one JSON document into text for people. A member that is
// missing or of another type is shown as "-"; a document of another shape is an error (-1).
#pragma once

#include <jansson.h>
#include <stdio.h>

int ctl_print_status(FILE *out, const json_t *document);
int ctl_print_rooms(FILE *out, const json_t *document);
int ctl_print_peers(FILE *out, const json_t *document);
int ctl_print_stats(FILE *out, const json_t *document);
int ctl_print_event(FILE *out, const json_t *event); // one line
