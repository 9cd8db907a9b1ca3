// The control stream over a named pipe. A pipe knows operations that end and no readiness: one read and one
// write are under way at a time, in buffers of our own, and what that means for the reader is told from the
// loop.
#include "daemon/control_stream_pipe.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/user_windows.h"

const char control_stream_changers[] = "administrators (run it as administrator) and the daemon's own user";

struct control_stream {
	struct sl_device *device;
	struct sl_env *env;
	struct sl_timer *soon; // to tell from the loop what is so already
	sl_io_fn fn;
	void *arg;
	unsigned want;
	struct sl_overlapped reading, writing;
	bool read_under_way, write_under_way;
	bool broken; // the peer is gone
	size_t in_start, in_len;
	char in[CONTROL_PIPE_IN];
	char out[CONTROL_PIPE_OUT];
};

struct control_stream *control_stream_pipe(struct sl_device *device)
{
	struct control_stream *stream = calloc(1, sizeof(*stream));
	if (stream)
		stream->device = device;
	else
		sl_device_close(device);
	return stream;
}

static unsigned is_ready(const struct control_stream *stream)
{
	unsigned ready = 0;
	if (stream->in_len > 0 || stream->broken)
		ready |= SL_IO_READ;
	if (!stream->write_under_way || stream->broken)
		ready |= SL_IO_WRITE;
	return ready & stream->want;
}

// May close the stream.
static void tell(struct control_stream *stream)
{
	unsigned ready = is_ready(stream);
	if (ready)
		stream->fn(stream->arg, ready);
}

static void on_soon(void *arg)
{
	tell(arg);
}

static void read_on(struct control_stream *stream)
{
	if (stream->broken || stream->read_under_way || stream->in_len > 0)
		return;
	stream->in_start = 0;
	if (sl_device_read(stream->device, &stream->reading, stream->in, sizeof(stream->in)) == 0)
		stream->read_under_way = true;
	else
		stream->broken = true;
}

static void on_read(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct control_stream *stream = operation->arg;
	stream->read_under_way = false;
	stream->in_len = error ? 0 : bytes;
	stream->broken |= error != 0;
	read_on(stream); // a write of nothing ends a read too
	tell(stream);
}

static void on_written(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct control_stream *stream = operation->arg;
	(void)bytes;
	stream->write_under_way = false;
	stream->broken |= error != 0;
	tell(stream);
}

int control_stream_start(struct control_stream *stream, struct sl_loop *loop, sl_io_fn fn, void *arg)
{
	stream->env = sl_loop_env(loop);
	stream->fn = fn;
	stream->arg = arg;
	stream->soon = stream->env->ops->timer_new(stream->env, on_soon, stream);
	if (!stream->soon)
		return SL_ERR_NOMEM;
	stream->reading.done = on_read;
	stream->writing.done = on_written;
	stream->reading.arg = stream->writing.arg = stream;
	read_on(stream);
	return SL_OK;
}

int control_stream_want(struct control_stream *stream, unsigned events)
{
	stream->want = events;
	stream->env->ops->timer_set(stream->soon, is_ready(stream) ? stream->env->now_ns : SL_TIME_NEVER);
	return SL_OK;
}

long control_stream_read(struct control_stream *stream, char *out, size_t size)
{
	size_t len = stream->in_len < size ? stream->in_len : size;
	if (len == 0)
		return stream->broken ? CONTROL_STREAM_ENDED : CONTROL_STREAM_AGAIN;
	memcpy(out, stream->in + stream->in_start, len);
	stream->in_start += len;
	stream->in_len -= len;
	read_on(stream);
	return (long)len;
}

long control_stream_write(struct control_stream *stream, const char *data, size_t len)
{
	if (stream->broken)
		return CONTROL_STREAM_GONE;
	if (stream->write_under_way)
		return CONTROL_STREAM_AGAIN;
	if (len > sizeof(stream->out))
		len = sizeof(stream->out);
	memcpy(stream->out, data, len);
	if (sl_device_write(stream->device, &stream->writing, stream->out, (uint32_t)len) != 0) {
		stream->broken = true;
		return CONTROL_STREAM_GONE;
	}
	stream->write_under_way = true;
	return (long)len;
}

bool control_stream_drained(const struct control_stream *stream)
{
	return !stream->write_under_way || stream->broken;
}

bool control_stream_hung_up(const struct control_stream *stream)
{
	return stream->broken; // a pipe's end is both directions'
}

// ---- who it is

// SYSTEM is among the administrators, too. One whom UAC has not asked yet is not.
static bool is_administrator(HANDLE token)
{
	unsigned char sid[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(sid);
	BOOL member = FALSE;
	return CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, sid, &size) &&
	       CheckTokenMembership(token, sid, &member) && member;
}

static bool is_own_user(HANDLE token)
{
	TOKEN_USER *own = user_of_process(), *peer = user_of_token(token);
	bool same = own && peer && EqualSid(own->User.Sid, peer->User.Sid);
	LocalFree(own);
	LocalFree(peer);
	return same;
}

bool control_stream_may_change(struct control_stream *stream)
{
	HANDLE token = NULL;
	if (!ImpersonateNamedPipeClient(sl_device_handle(stream->device)))
		return false;
	// True: opened as ourselves, the peer may have nothing to say about its own token.
	if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
		token = NULL;
	if (!RevertToSelf())
		abort(); // nothing may be done in the peer's name
	if (!token)
		return false;
	bool may = is_administrator(token) || is_own_user(token);
	CloseHandle(token);
	return may;
}

void control_stream_close(struct control_stream *stream)
{
	if (!stream)
		return;
	if (stream->soon)
		stream->env->ops->timer_free(stream->soon);
	// Else the system has not given back its buffers, and may still write there.
	if (sl_device_close(stream->device))
		free(stream);
}
