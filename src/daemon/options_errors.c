#include "daemon/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_source.h"

static void put_escaped(struct sl_text *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			sl_text_add(out, "\\x%02x", *p);
		else
			sl_text_put(out, (const char *)p, 1);
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

	struct sl_text out = {0};
	if (errors->text)
		sl_text_put(&out, errors->text, strlen(errors->text));
	if (file)
		put_escaped(&out, file);
	if (file && line > 0)
		sl_text_add(&out, ":%u", line);
	if (file)
		sl_text_add(&out, ": ");
	if (key) {
		put_escaped(&out, key);
		sl_text_add(&out, ": ");
	}
	put_escaped(&out, message);
	sl_text_add(&out, "%s\n",
		    errors->count == SL_OPTION_ERRORS_MAX ? " (further errors are not listed)" : "");
	char *text = sl_text_take(&out);
	if (text) {
		free(errors->text);
		errors->text = text;
	}
}

void sl_option_errors_free(struct sl_option_errors *errors)
{
	free(errors->text);
	*errors = (struct sl_option_errors){0};
}
