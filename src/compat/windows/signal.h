// Two signals that Windows has not: nobody sends the first one by itself there (net/loop.h has
// sl_loop_raise).
#pragma once

#include_next <signal.h>

#ifndef SIGHUP
#define SIGHUP 1
#endif
#ifndef SIGPIPE
#define SIGPIPE 13
#endif
