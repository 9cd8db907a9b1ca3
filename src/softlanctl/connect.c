// The way to a daemon over an AF_UNIX socket.
#include "softlanctl/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/time.h"

struct ctl_link {
	int fd;
	int failed; // errno
};

int64_t ctl_now_ms(void)
{
	return (int64_t)(sl_clock_ns(CLOCK_MONOTONIC) / SL_NS_PER_MS);
}

static int fail(struct ctl_link *link)
{
	link->failed = errno;
	return SL_ERR_SYSTEM;
}

static int wait_for(struct ctl_link *link, short events, int64_t deadline_ms)
{
	struct pollfd poll_fd = {.fd = link->fd, .events = events};
	for (;;) {
		int64_t left = deadline_ms - ctl_now_ms();
		if (left <= 0)
			return SL_ERR_CLOSED;
		int ready = poll(&poll_fd, 1, left > 60000 ? 60000 : (int)left);
		if (ready > 0)
			return SL_OK;
		if (ready < 0 && errno != EINTR)
			return fail(link);
	}
}

static int open_socket(const char *path, int64_t deadline_ms, int *out, struct sl_error *error)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	*out = -1;
	if (!path[0] || strlen(path) >= sizeof(addr.sun_path))
		return sl_fail(error, SL_ERR_INVALID, "socket path \"%.40s…\": expected 1 to %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return sl_fail(error, SL_ERR_SYSTEM, "socket: %s", strerror(errno));
	// With a full backlog connect() says EAGAIN and there is nothing to wait on.
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int failed = errno;
		if ((failed == EAGAIN || failed == EINTR) && ctl_now_ms() < deadline_ms) {
			poll(NULL, 0, 20);
			continue;
		}
		close(fd);
		switch (failed) {
		case ENOENT:
		case ECONNREFUSED:
			return sl_fail(error, SL_ERR_NOT_FOUND,
				       "no daemon answers at %s (%s); is it running?", path,
				       strerror(failed));
		case EACCES:
		case EPERM:
			return sl_fail(error, SL_ERR_PERMISSION,
				       "%s: %s; be root, or a member of the group softlan (then log in anew)",
				       path, strerror(failed));
		case EAGAIN:
			return sl_fail(error, SL_ERR_CLOSED, "the daemon at %s is too busy to answer", path);
		default:
			return sl_fail(error, SL_ERR_SYSTEM, "%s: %s", path, strerror(failed));
		}
	}
	*out = fd;
	return SL_OK;
}

int ctl_link_open(const char *path, int64_t deadline_ms, struct ctl_link **out, struct sl_error *error)
{
	struct ctl_link *link = calloc(1, sizeof(*link));
	*out = NULL;
	if (!link)
		return sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", path);
	int rc = open_socket(path, deadline_ms, &link->fd, error);
	if (rc == SL_OK)
		*out = link;
	else
		free(link);
	return rc;
}

int ctl_link_write(struct ctl_link *link, const char *data, size_t len, int64_t deadline_ms)
{
	while (len > 0) {
		ssize_t sent = send(link->fd, data, len, MSG_NOSIGNAL);
		if (sent >= 0) {
			data += sent;
			len -= (size_t)sent;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return SL_OK;
		if (errno != EAGAIN && errno != EINTR)
			return fail(link);
		int rc = wait_for(link, POLLOUT, deadline_ms);
		if (rc != SL_OK)
			return rc;
	}
	return SL_OK;
}

int ctl_link_read(struct ctl_link *link, char *out, size_t size, size_t *got)
{
	ssize_t len;
	do
		len = recv(link->fd, out, size, 0);
	while (len < 0 && errno == EINTR);
	*got = len > 0 ? (size_t)len : 0;
	if (len >= 0 || errno == ECONNRESET)
		return SL_OK;
	return errno == EAGAIN ? SL_ERR_AGAIN : fail(link);
}

int ctl_link_wait(struct ctl_link *link, int64_t deadline_ms)
{
	return wait_for(link, POLLIN, deadline_ms);
}

const char *ctl_link_problem(const struct ctl_link *link)
{
	return strerror(link->failed);
}

void ctl_link_close(struct ctl_link *link)
{
	if (!link)
		return;
	close(link->fd);
	free(link);
}

int ctl_link_fd(const struct ctl_link *link)
{
	return link->fd;
}
