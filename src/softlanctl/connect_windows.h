// What top_windows.c needs of a connection beyond connect.h.
#pragma once

#include "softlanctl/connect.h"

#include <windows.h>

// Signalled when ctl_link_read, which came back with SL_ERR_AGAIN, has something.
HANDLE ctl_link_event(const struct ctl_link *link);
