// How a program meets its terminal and its command line.
#pragma once

#include <stdbool.h>
#include <stdio.h>

// The first and the last thing in main. On Windows the arguments become UTF-8 and the console takes UTF-8 and
// control sequences until the end; elsewhere all that is so already. False: out of memory.
bool sl_console_start(int *argc, char ***argv);
void sl_console_end(void);
// Is it a terminal that obeys control sequences?
bool sl_console_obeys(FILE *out);
