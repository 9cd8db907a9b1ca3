// One connection of the control socket, whatever carries it: an AF_UNIX socket, on Windows a named pipe.
// Nothing in here waits.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/loop.h"

struct control_stream; // made by control_listen.h, or by control_stream_{unix,pipe}.h

#define CONTROL_STREAM_ENDED 0 // read: the peer will send nothing more
#define CONTROL_STREAM_AGAIN (-1)
#define CONTROL_STREAM_GONE (-2) // the connection is broken

// Whom to tell what the connection is ready for (SL_IO_READ, SL_IO_WRITE), from the loop; to be called once,
// before all else. SL_OK or SL_ERR_NOMEM.
int control_stream_start(struct control_stream *stream, struct sl_loop *loop, sl_io_fn fn, void *arg);
// What is awaited from now: SL_IO_READ, SL_IO_WRITE, both or 0. SL_OK or SL_ERR_SYSTEM.
int control_stream_want(struct control_stream *stream, unsigned events);
// How many bytes were read or taken, or one of the above.
long control_stream_read(struct control_stream *stream, char *out, size_t size);
long control_stream_write(struct control_stream *stream, const char *data, size_t len);
// Has all that was taken left for the peer? If not, SL_IO_WRITE comes when it has, and a close before would
// lose the rest.
bool control_stream_drained(const struct control_stream *stream);
// Has the peer gone away altogether, and not only ended its own sending?
bool control_stream_hung_up(const struct control_stream *stream);
// Who may change what the daemon does: "root and …", for a sentence.
extern const char control_stream_changers[];
// Is the peer one of them? To be asked after something was read from it.
bool control_stream_may_change(struct control_stream *stream);
void control_stream_close(struct control_stream *stream); // NULL is fine
