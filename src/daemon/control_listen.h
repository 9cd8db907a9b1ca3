// Where the control socket's readers knock: an AF_UNIX socket, on Windows a named pipe.
#pragma once

#include "daemon/control_stream.h"

struct control_listen;

// Listens at `path` for readers of the group (NULL or "": of none beside those who may do anything here) and
// gives each to `accepted`, from the loop; the stream is its to close. SL_OK, or a code with a sentence:
// SL_ERR_INVALID (such a path cannot be), SL_ERR_EXISTS (another daemon answers there), SL_ERR_PERMISSION,
// SL_ERR_SYSTEM, SL_ERR_NOMEM.
int control_listen_open(struct sl_loop *loop, const char *path, const char *group,
			void (*accepted)(void *arg, struct control_stream *stream), void *arg,
			struct control_listen **out, struct sl_error *error);
void control_listen_close(struct control_listen *listener); // nobody finds it any more; NULL is fine
