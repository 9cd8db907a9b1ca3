// A configuration file with its @include files put in place: one text for libconfig, and for each
// of its lines the file and line it came from. Done here because libconfig before 1.7 looks for
// includes below one directory only, ends the process when one of them is a directory, and cuts
// integers of more than 32 bits silently.
#pragma once

#include <stddef.h>

#include "daemon/options.h"

#define CONF_SOURCE_MAX ((size_t)1 << 20) // bytes, includes and all
#define CONF_SOURCE_FILES_MAX 64
#define CONF_SOURCE_DEPTH_MAX 8

struct conf_place {
	unsigned file, line; // an index into `files`; from 1
};

struct conf_source {
	char *text; // ends in a NUL
	size_t len, capacity;
	char *files[CONF_SOURCE_FILES_MAX];
	unsigned file_count;
	struct conf_place *places; // one for each line of text
	size_t line_count, place_capacity;
};

// Reads `file`. An include is looked for next to the file that names it. Every problem is reported;
// SL_OK as long as there is a text to parse (then errors->count tells about its includes).
int conf_source_load(struct conf_source *source, const char *file, struct sl_option_errors *errors);
void conf_source_fini(struct conf_source *source);

// Where a line of the text came from.
void conf_source_place(const struct conf_source *source, unsigned text_line, const char **file,
		       unsigned *line);
// The key of a "duplicate setting name" error at `text_line`: `seen` tells how often a key of that
// line made it into the tree. False: not found.
bool conf_source_duplicate(const struct conf_source *source, unsigned text_line,
			   size_t (*seen)(void *arg, const char *key, unsigned text_line), void *arg,
			   char *key, size_t key_size);
