// The control stream over an AF_UNIX socket.
#include "daemon/control_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/control_stream_unix.h"

const char control_stream_changers[] = "root and the daemon's own user";

struct control_stream {
	int fd;
	struct sl_io *io;
};

struct control_stream *control_stream_unix(int fd)
{
	struct control_stream *stream = calloc(1, sizeof(*stream));
	if (stream)
		stream->fd = fd;
	else
		close(fd);
	return stream;
}

int control_stream_start(struct control_stream *stream, struct sl_loop *loop, sl_io_fn fn, void *arg)
{
	stream->io = sl_loop_io(loop, stream->fd, fn, arg);
	return stream->io ? SL_OK : SL_ERR_NOMEM;
}

int control_stream_want(struct control_stream *stream, unsigned events)
{
	return sl_io_want(stream->io, events);
}

static bool later(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

long control_stream_read(struct control_stream *stream, char *out, size_t size)
{
	ssize_t got;
	do
		got = recv(stream->fd, out, size, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got >= 0 ? got : later() ? CONTROL_STREAM_AGAIN : CONTROL_STREAM_GONE;
}

long control_stream_write(struct control_stream *stream, const char *data, size_t len)
{
	ssize_t sent;
	do
		sent = send(stream->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : later() ? CONTROL_STREAM_AGAIN : CONTROL_STREAM_GONE;
}

bool control_stream_drained(const struct control_stream *stream)
{
	(void)stream;
	return true; // what the kernel has taken outlives the socket
}

bool control_stream_hung_up(const struct control_stream *stream)
{
	struct pollfd poll_fd = {.fd = stream->fd};
	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

bool control_stream_may_change(struct control_stream *stream)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	return getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof(peer) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void control_stream_close(struct control_stream *stream)
{
	if (!stream)
		return;
	if (stream->io)
		sl_io_free(stream->io);
	close(stream->fd);
	free(stream);
}
