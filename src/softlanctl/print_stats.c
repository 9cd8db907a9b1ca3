#include "softlanctl/print.h"

#include <string.h>

#include "softlanctl/scalars.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"

struct stats_print {
	FILE *out;
	bool colour;
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

// A frame or a peer that was turned away.
static bool is_loss(const char *name, const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) > 0 &&
	       (strstr(name, ".drops.") || strstr(name, ".dropped_out.") || strstr(name, ".rejects."));
}

static void put_counter(void *arg, const char *name, const json_t *value)
{
	struct stats_print *print = arg;
	size_t width = ctl_width(name);
	ctl_put_styled(print->out, name, is_loss(name, value) ? CTL_WARN : CTL_PLAIN, print->colour);
	fprintf(print->out, "%*s", (int)(print->width > width ? print->width - width + 2 : 2), "");
	ctl_put_scalar(print->out, value);
	fputc('\n', print->out);
}

int ctl_print_stats(FILE *out, bool colour, const json_t *document)
{
	struct stats_print print = {.out = out, .colour = colour};
	if (!json_is_object(document))
		return -1;
	ctl_scalars(document, measure, &print);
	ctl_scalars(document, put_counter, &print);
	return 0;
}
