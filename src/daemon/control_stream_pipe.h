// One instance of a named pipe as a control stream.
#pragma once

#include "daemon/control_stream.h"
#include "net/overlapped.h"

#define CONTROL_PIPE_OUT 65536 // the pipe's buffers, in bytes
#define CONTROL_PIPE_IN 4096

// Takes the device over, a pipe that somebody has connected to, also when it fails. NULL: out of memory.
struct control_stream *control_stream_pipe(struct sl_device *device);
