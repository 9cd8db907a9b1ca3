// The control socket as an AF_UNIX socket.
#include "daemon/control_listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control.h"
#include "daemon/control_stream_unix.h"
#include "daemon/group.h"

#define SCOPE "control"
#define ACCEPT_MAX 16               // at one wake-up
#define ACCEPT_PAUSE_NS SL_NS_PER_S // when the process is out of descriptors

struct control_listen {
	struct sl_loop *loop;
	void (*accepted)(void *arg, struct control_stream *stream);
	void *arg;
	struct sockaddr_un addr;
	int fd;
	bool bound;
	dev_t dev; // of the socket file, so that a successor's is left alone
	ino_t ino;
	struct sl_io *io;
	struct sl_timer *pause;
	struct sl_log_limit limit;
};

static void on_knock(void *arg, unsigned ready)
{
	struct control_listen *listener = arg;
	struct sl_env *env = sl_loop_env(listener->loop);
	(void)ready;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			struct control_stream *stream = control_stream_unix(fd);
			if (stream)
				listener->accepted(listener->arg, stream);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		uint64_t held_back;
		if (sl_log_every(&listener->limit, env->now_ns, &held_back))
			sl_warn(env->log, SCOPE, "a reader could not be accepted (%s)", strerror(errno));
		// The listening socket stays readable: without a pause this would spin.
		sl_io_want(listener->io, 0);
		env->ops->timer_set(listener->pause, env->now_ns + ACCEPT_PAUSE_NS);
		return;
	}
}

static void on_resume(void *arg)
{
	struct control_listen *listener = arg;
	sl_io_want(listener->io, SL_IO_READ);
}

// Makes the socket's missing parent directories, for the group to pass through.
static int make_parents(const char *path, bool has_group, gid_t group, struct sl_error *error)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(dir, 0750) == 0) {
			if (has_group && lchown(dir, (uid_t)-1, group) < 0 && errno != EPERM)
				return sl_fail(error, SL_ERR_SYSTEM,
					       "directory %s: cannot be given to the control group (%s)", dir,
					       strerror(errno));
		} else if (errno != EEXIST) {
			return sl_fail(
				error, SL_ERR_SYSTEM,
				"directory %s of the control socket cannot be made (%s); make it, or set "
				"control_socket to another path",
				dir, strerror(errno));
		}
		*p = '/';
	}
	return SL_OK;
}

// Removes what a daemon left behind that ended without cleaning up.
static int remove_stale(const struct sockaddr_un *addr, struct sl_error *error)
{
	const char *path = addr->sun_path;
	struct stat st;
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return SL_OK;
		return sl_fail(error, SL_ERR_SYSTEM,
			       "control socket %s: %s; set control_socket to another path", path,
			       strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return sl_fail(
			error, SL_ERR_EXISTS,
			"control socket %s: a file that is no socket is in its place; remove it, or set "
			"control_socket to another path",
			path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return sl_fail(error, SL_ERR_SYSTEM, "control socket: %s", strerror(errno));
	int failed = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
	close(fd);
	if (failed == ECONNREFUSED) {
		if (unlink(path) < 0 && errno != ENOENT)
			return sl_fail(error, SL_ERR_SYSTEM,
				       "control socket %s: a stale one cannot be removed (%s)", path,
				       strerror(errno));
		return SL_OK;
	}
	if (failed == ENOENT)
		return SL_OK;
	if (failed && failed != EAGAIN) // EAGAIN: alive, with a full backlog
		return sl_fail(error, SL_ERR_PERMISSION,
			       "control socket %s: whether a daemon is behind it cannot be told (%s); remove "
			       "it, or set "
			       "control_socket to another path",
			       path, strerror(failed));
	return sl_fail(error, SL_ERR_EXISTS,
		       "another softlan daemon is running and answers at %s; stop it, or set control_socket "
		       "to another path",
		       path);
}

static int listener_bind(struct control_listen *listener, const char *group, struct sl_error *error)
{
	struct sl_log *log = sl_loop_env(listener->loop)->log;
	const char *path = listener->addr.sun_path;
	gid_t gid = 0;
	bool has_group = sl_group_find(group, &gid);

	int rc = make_parents(path, has_group, gid, error);
	if (rc == SL_OK)
		rc = remove_stale(&listener->addr, error);
	if (rc != SL_OK)
		return rc;
	// The file has its final mode from the first moment on.
	mode_t mask = umask(0117);
	int failed = bind(listener->fd, (const struct sockaddr *)&listener->addr, sizeof(listener->addr)) < 0
			     ? errno
			     : 0;
	umask(mask);
	if (failed)
		return sl_fail(error, failed == EACCES || failed == EPERM ? SL_ERR_PERMISSION : SL_ERR_SYSTEM,
			       "control socket %s cannot be made (%s); check the directory's owner, or set "
			       "control_socket to another path",
			       path, strerror(failed));
	struct stat st = {.st_gid = (gid_t)-1};
	if (lstat(path, &st) == 0) {
		listener->bound = true;
		listener->dev = st.st_dev;
		listener->ino = st.st_ino;
	}
	// Under systemd it has that group already, and a change, even into the same, is not permitted.
	if (has_group && st.st_gid != gid && lchown(path, (uid_t)-1, gid) < 0)
		sl_warn(log, SCOPE, "%s stays with its own group, not %s (%s)", path, group, strerror(errno));
	else if (!has_group && group && group[0])
		sl_debug(log, SCOPE, "no group %s here, %s stays with its own", group, path);
	if (listen(listener->fd, SL_CONTROL_READERS_MAX) < 0)
		return sl_fail(error, SL_ERR_SYSTEM,
			       "control socket %s: %s; set control_socket to another path", path,
			       strerror(errno));
	return SL_OK;
}

int control_listen_open(struct sl_loop *loop, const char *path, const char *group,
			void (*accepted)(void *arg, struct control_stream *stream), void *arg,
			struct control_listen **out, struct sl_error *error)
{
	struct sl_env *env = sl_loop_env(loop);
	struct control_listen *listener = calloc(1, sizeof(*listener));
	int rc;

	*out = NULL;
	if (!listener)
		return sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
	listener->loop = loop;
	listener->accepted = accepted;
	listener->arg = arg;
	listener->fd = -1;
	listener->addr.sun_family = AF_UNIX;
	if (!path[0]) {
		rc = sl_fail(error, SL_ERR_INVALID, "control socket: the path is empty; set control_socket");
		goto out;
	}
	if (strlen(path) >= sizeof(listener->addr.sun_path)) {
		rc = sl_fail(error, SL_ERR_INVALID,
			     "control socket %s: the path is longer than %zu bytes; set control_socket to a "
			     "shorter one",
			     path, sizeof(listener->addr.sun_path) - 1);
		goto out;
	}
	snprintf(listener->addr.sun_path, sizeof(listener->addr.sun_path), "%s", path);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0) {
		rc = sl_fail(error, SL_ERR_SYSTEM, "control socket: %s", strerror(errno));
		goto out;
	}
	rc = listener_bind(listener, group, error);
	if (rc != SL_OK)
		goto out;
	listener->pause = env->ops->timer_new(env, on_resume, listener);
	listener->io = sl_loop_io(loop, listener->fd, on_knock, listener);
	if (!listener->pause || !listener->io || sl_io_want(listener->io, SL_IO_READ) != SL_OK) {
		rc = sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
		goto out;
	}
	*out = listener;
	listener = NULL;
out:
	control_listen_close(listener);
	return rc;
}

void control_listen_close(struct control_listen *listener)
{
	if (!listener)
		return;
	if (listener->io)
		sl_io_free(listener->io);
	if (listener->pause)
		sl_loop_env(listener->loop)->ops->timer_free(listener->pause);
	// The file goes while we still answer there: a successor that starts now finds it live or gone, and
	// what is removed here is never its.
	struct stat st;
	if (listener->bound && lstat(listener->addr.sun_path, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(listener->addr.sun_path);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}
