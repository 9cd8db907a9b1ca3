// One option's field in the configuration struct, and the checks on a value for it.
#pragma once

#include "daemon/options.h"

static inline void *option_field(const struct sl_option *option, void *config)
{
	return (char *)config + option->offset;
}
static inline const void *option_field_const(const struct sl_option *option, const void *config)
{
	return (const char *)config + option->offset;
}

// One tab for each level of a file.
static inline void option_indent(FILE *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fputc('\t', out);
}

// The setting that the command line names, '-' for '_' allowed; NULL: there is none.
const struct sl_option *option_by_cli_name(const struct sl_option *table, const char *name);
// The part of the name after its last dot.
const char *option_last_part(const struct sl_option *option);
// "expected an integer from 1 to 65535" and so on, for errors and help.
void option_expected(const struct sl_option *option, char *out, size_t size);
// Checks a value and stores it. SL_OK, SL_ERR_INVALID with "expected …, found …" or SL_ERR_NOMEM.
int option_store_string(const struct sl_option *option, void *config, const char *value,
			struct sl_error *error);
int option_store_int(const struct sl_option *option, void *config, long long value, struct sl_error *error);
// The value in `config` as it stands behind "key = " in a file.
void option_dump_value(const struct sl_option *option, const void *config, FILE *out);
