// The real environment: libevent's loop, the system's clock, UDP sockets with batched I/O. With
// net/udp.c and net/resolve.c the only code that names libevent.
#pragma once

#include "net/env.h"

struct sl_loop;

// NULL with `error` when the system refuses. `log` must outlive the loop.
struct sl_loop *sl_loop_new(struct sl_log *log, struct sl_error *error);
void sl_loop_free(struct sl_loop *loop);
struct sl_env *sl_loop_env(struct sl_loop *loop);

// Other files than /etc/resolv.conf and /etc/hosts for name look-ups (not on Windows); NULL leaves one as it
// is. The strings must outlive the loop.
void sl_loop_resolver_files(struct sl_loop *loop, const char *resolv_conf, const char *hosts);

// Calls `fn` when the loop is awake and `every_ns` or more have passed since the last call. It never wakes up
// for it. One such function a loop; NULL: none any more.
void sl_loop_often(struct sl_loop *loop, uint64_t every_ns, void (*fn)(void *arg), void *arg);

int sl_loop_run(struct sl_loop *loop); // until sl_loop_stop; SL_OK or SL_ERR_SYSTEM; not recursively
void sl_loop_stop(struct sl_loop *loop);

// Signals (TERM, INT, HUP …), delivered from the loop. On Windows a console's Ctrl-C and Ctrl-Break are INT,
// its closing, a log-off and a shutdown TERM (which wait until the process has ended, SetConsoleCtrlHandler);
// without a console, as in a service, the last two are none. The rest comes by sl_loop_raise.
struct sl_signal;
struct sl_signal *sl_loop_signal(struct sl_loop *loop, int signum, void (*fn)(void *arg), void *arg);
void sl_signal_free(struct sl_signal *signal);
#ifdef _WIN32
// Delivers a signal, from any thread. Signals that wait already are one.
void sl_loop_raise(struct sl_loop *loop, int signum);
#define SL_SIGNAL_RESUME 30 // the computer has slept
#endif

// Not on Windows, which has net/overlapped.h. File descriptors (TAP, packet socket, netlink, control socket).
// Level-triggered; the fd stays the caller's, and is closed after sl_io_free.
#define SL_IO_READ 1u
#define SL_IO_WRITE 2u
struct sl_io;
typedef void (*sl_io_fn)(void *arg, unsigned ready); // SL_IO_READ and/or SL_IO_WRITE
struct sl_io *sl_loop_io(struct sl_loop *loop, int fd, sl_io_fn fn, void *arg); // nothing awaited yet
int sl_io_want(struct sl_io *io, unsigned events);                              // replaces what is awaited
void sl_io_frames(struct sl_io *io); // it brings frames, perhaps many: its wake-ups keep a distance
void sl_io_free(struct sl_io *io);
