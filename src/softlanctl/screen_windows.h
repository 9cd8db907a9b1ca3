// What top_windows.c needs of the screen beyond screen.h.
#pragma once

#include "softlanctl/screen.h"

#include <windows.h>

// Signalled when there is something to read.
HANDLE ctl_screen_event(const struct ctl_screen *screen);
