// Configuration: one table per daemon over libconfig (OPS-1). The table drives parsing, errors,
// --dump-config, the command line's names, the sample file and the manual.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/err.h"
#include "common/text.h"

enum sl_option_type {
	SL_OPT_STRING, // char *, allocated; never NULL after loading
	SL_OPT_INT,    // long long
	SL_OPT_BOOL,   // bool
	SL_OPT_LIST,   // a list of groups or strings: the table's own functions read it
};

struct config_setting_t;
struct sl_option;

// Collects every error of a file: "FILE:LINE: key: what was expected (…)".
// At most SL_OPTION_ERRORS_MAX lines are kept; control bytes in them are escaped.
#define SL_OPTION_ERRORS_MAX 200
struct conf_source;
struct sl_option_errors {
	char *text; // lines, each ending in a newline; NULL: none
	size_t count;
	const struct conf_source *source; // while a file is read: maps its lines to @include files
};
// `line` 0: the file as a whole; `key` NULL: no key.
void sl_option_errors_add(struct sl_option_errors *errors, const char *file, unsigned line, const char *key,
			  const char *format, ...) SL_PRINTF(5, 6);
void sl_option_errors_free(struct sl_option_errors *errors);

struct sl_option {
	const char *name; // dotted path: "limits.rooms"
	enum sl_option_type type;
	size_t offset;              // of the field in the daemon's configuration struct
	const char *text;           // STRING: default
	long long number, min, max; // INT: default and range; BOOL: default
	bool path;                  // STRING: what a file is called (daemon/path.h)
	const char *const *choices; // STRING: NULL, or the allowed words, NULL-terminated
	bool restart;               // takes effect at a restart only
	bool cli;                   // may be given on the command line as --name (the last part, '_' as '-')
	const char *help;           // one sentence
	// For the sample file and the manual (daemon/options_text.h). Texts are paragraphs, parted by
	// newlines; one that begins with a tab is an example and stays as it is.
	const char *section; // the sample's heading; NULL, or the same again: still the one before
	const char *group;   // what is said above the group whose first key this is
	const char *note;    // what `help` leaves open
	const char *example; // STRING that has to be set: what the sample shows instead of the empty default
	// STRING: an additional check, may be NULL: SL_OK or a code with "expected …".
	int (*check)(const char *value, struct sl_error *error);
	// LIST: overwrites the field with what `setting` holds (NULL: with an empty list) and reports
	// through errors, giving `file` and config_setting_source_line() as they are. `free_list` leaves
	// an empty list. `dump_list` prints the value only: "( … )" or "[ … ]".
	void (*load_list)(struct config_setting_t *setting, void *field, const char *file,
			  struct sl_option_errors *errors);
	void (*free_list)(void *field);
	void (*dump_list)(struct sl_text *out, const void *field);
};

// A table ends with a NULL name.

// Fills every field with its default; what the fields held before is not freed.
int sl_options_defaults(const struct sl_option *table, void *config);
// Reads the file over the defaults: unknown, repeated, wrongly typed and out-of-range keys are
// errors; all of them are collected. SL_OK or SL_ERR_INVALID.
int sl_options_load(const struct sl_option *table, void *config, const char *file,
		    struct sl_option_errors *errors);
// One value from the command line, by the last part of the name (only options with `cli`). SL_OK,
// SL_ERR_NOT_FOUND (no such option) or SL_ERR_INVALID.
int sl_options_set(const struct sl_option *table, void *config, const char *name, const char *value,
		   struct sl_error *error);
void sl_options_dump(const struct sl_option *table, const void *config, FILE *out); // a loadable file
void sl_options_free(const struct sl_option *table, void *config);

// Is this option's value the same in both?
bool sl_option_equal(const struct sl_option *option, const void *config_a, const void *config_b);
