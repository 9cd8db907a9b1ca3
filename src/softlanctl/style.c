#include "softlanctl/style.h"

#include <stdlib.h>

#include "common/console.h"
#include "softlanctl/text.h"

bool ctl_colour_wanted(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	return sl_console_obeys(out) && !(no_color && no_color[0]);
}

const char *ctl_style_on(enum ctl_style style, bool colour)
{
	static const char *const on[] = {
		[CTL_PLAIN] = "",       [CTL_BOLD] = "\x1b[1m",   [CTL_WARN] = "\x1b[33m",
		[CTL_BAD] = "\x1b[31m", [CTL_CHOSEN] = "\x1b[7m",
	};
	return colour ? on[style] : "";
}

const char *ctl_style_off(enum ctl_style style, bool colour)
{
	return colour && style != CTL_PLAIN ? "\x1b[0m" : "";
}

void ctl_put_styled(FILE *out, const char *text, enum ctl_style style, bool colour)
{
	fputs(ctl_style_on(style, colour), out);
	ctl_put_text(out, text);
	fputs(ctl_style_off(style, colour), out);
}
