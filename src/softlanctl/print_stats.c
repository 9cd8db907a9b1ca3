#include "softlanctl/print.h"

#include <stdlib.h>

#include "softlanctl/scalars.h"
#include "softlanctl/text.h"

struct stats_print {
	FILE *out;
	size_t width;
};

static void measure(void *arg, const char *name, const json_t *value)
{
	struct stats_print *print = arg;
	size_t width = ctl_width(name);
	(void)value;
	if (width > print->width)
		print->width = width;
}

static void put_counter(void *arg, const char *name, const json_t *value)
{
	struct stats_print *print = arg;
	size_t width = ctl_width(name);
	ctl_put_text(print->out, name);
	fprintf(print->out, "%*s", (int)(print->width > width ? print->width - width + 2 : 2), "");
	ctl_put_scalar(print->out, value);
	fputc('\n', print->out);
}

int ctl_print_stats(FILE *out, const json_t *document)
{
	struct stats_print print = {.out = out};
	if (!json_is_object(document))
		return -1;
	ctl_scalars(document, measure, &print);
	ctl_scalars(document, put_counter, &print);
	return 0;
}
