#include "daemon/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_source.h"

static void put_escaped(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else
			fputc(*p, out);
	}
}

void sl_option_errors_add(struct sl_option_errors *errors, const char *file, unsigned line, const char *key,
			  const char *format, ...)
{
	errors->count++;
	if (errors->count > SL_OPTION_ERRORS_MAX)
		return;
	if (errors->source && line > 0)
		conf_source_place(errors->source, line, &file, &line);

	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);

	char *added = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&added, &len);
	if (!out)
		return;
	if (file)
		put_escaped(out, file);
	if (file && line > 0)
		fprintf(out, ":%u", line);
	if (file)
		fputs(": ", out);
	if (key) {
		put_escaped(out, key);
		fputs(": ", out);
	}
	put_escaped(out, message);
	if (errors->count == SL_OPTION_ERRORS_MAX)
		fputs(" (further errors are not listed)", out);
	fputc('\n', out);
	if (fclose(out) == 0) {
		size_t old = errors->text ? strlen(errors->text) : 0;
		char *text = realloc(errors->text, old + len + 1);
		if (text) {
			memcpy(text + old, added, len + 1);
			errors->text = text;
		}
	}
	free(added);
}

void sl_option_errors_free(struct sl_option_errors *errors)
{
	free(errors->text);
	*errors = (struct sl_option_errors){0};
}
