#include "common/console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool sl_console_start(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return true;
}

void sl_console_end(void)
{
}

bool sl_console_obeys(FILE *out)
{
	const char *term = getenv("TERM");
	return isatty(fileno(out)) && term && term[0] && strcmp(term, "dumb") != 0;
}
