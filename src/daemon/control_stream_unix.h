// An accepted AF_UNIX socket as a control stream.
#pragma once

#include "daemon/control_stream.h"

// Takes the descriptor (non-blocking) over, also when it fails. NULL: out of memory.
struct control_stream *control_stream_unix(int fd);
