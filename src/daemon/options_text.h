// The option tables as text for people: the sample file, and the manual's list of keys. Not used by the
// daemons at work: man/generate.c prints with them what is in etc/ and in man/softlan.conf.5.
#pragma once

#include <stdio.h>

#include "daemon/options.h"

// A whole configuration file that changes nothing: `intro` (paragraphs, as in struct sl_option), then every
// option of the table, section by section, each with its comment and commented out at its value in `config`
// (the defaults), or with its example. The keys of a group stand together in the table.
void sl_options_sample(const struct sl_option *table, const void *config, const char *intro, FILE *out);

// A list in mdoc(7): every key with its type, range, default in `config`, when it takes effect, and what it
// means.
void sl_options_man(const struct sl_option *table, const void *config, FILE *out);
