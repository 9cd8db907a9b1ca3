// Colour on a terminal: bold headers, yellow for what deserves a look, red for what is wrong.
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum ctl_style {
	CTL_PLAIN,
	CTL_BOLD,
	CTL_WARN,   // yellow
	CTL_BAD,    // red
	CTL_CHOSEN, // reversed: the line that a key would open
};

// Is `out` a terminal that shows colour, and is it wanted? Not with NO_COLOR set (and not
// empty), nor with TERM unset or "dumb" (Windows: in a console that obeys no control sequences).
bool ctl_colour_wanted(FILE *out);
// The bytes before and after a text in this style; "" without colour.
const char *ctl_style_on(enum ctl_style style, bool colour);
const char *ctl_style_off(enum ctl_style style, bool colour);
// The text, escaped as by ctl_put_text, in this style.
void ctl_put_styled(FILE *out, const char *text, enum ctl_style style, bool colour);
