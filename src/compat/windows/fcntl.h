// Files are opened as they are, without a translation of line ends, and not for child processes.
#pragma once

#include_next <fcntl.h>

#define O_CLOEXEC (O_NOINHERIT | O_BINARY)
#define O_NOCTTY 0
