#include "daemon/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control_conn.h"
#include "daemon/group.h"

#define SCOPE "control"
#define ACCEPT_MAX 16               // at one wake-up
#define ACCEPT_PAUSE_NS SL_NS_PER_S // when the process is out of descriptors

struct sl_control {
	struct control_conn_owner owner; // first: `ended` gets back to the server from it
	struct sockaddr_un addr;
	int fd;
	bool bound;
	dev_t dev; // of the socket file, so that a successor's is left alone
	ino_t ino;
	struct sl_io *io;
	struct sl_timer *pause;
	struct control_conn *conns[SL_CONTROL_READERS_MAX];
	struct sl_log_limit busy_limit, accept_limit;
};

static void reader_ended(struct control_conn_owner *owner, struct control_conn *conn)
{
	struct sl_control *control = (struct sl_control *)owner;
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		if (control->conns[i] == conn)
			control->conns[i] = NULL;
	}
	control_conn_free(conn);
}

static void reader_add(struct sl_control *control, int fd)
{
	struct sl_env *env = sl_loop_env(control->owner.loop);
	size_t i = 0;
	uint64_t held_back;
	while (i < SL_CONTROL_READERS_MAX && control->conns[i])
		i++;
	if (i < SL_CONTROL_READERS_MAX) {
		control->conns[i] = control_conn_new(&control->owner, fd);
		return;
	}
	static const char busy[] = "ERR busy too many readers at once, try again\n";
	(void)!send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	if (sl_log_every(&control->busy_limit, env->now_ns, &held_back))
		sl_warn(env->log, SCOPE, "reader refused, there are %d already", SL_CONTROL_READERS_MAX);
}

static void control_accept(void *arg, unsigned ready)
{
	struct sl_control *control = arg;
	struct sl_env *env = sl_loop_env(control->owner.loop);
	(void)ready;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			reader_add(control, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		uint64_t held_back;
		if (sl_log_every(&control->accept_limit, env->now_ns, &held_back))
			sl_warn(env->log, SCOPE, "a reader could not be accepted (%s)", strerror(errno));
		// The listening socket stays readable: without a pause this would spin.
		sl_io_want(control->io, 0);
		env->ops->timer_set(control->pause, env->now_ns + ACCEPT_PAUSE_NS);
		return;
	}
}

static void control_resume(void *arg)
{
	struct sl_control *control = arg;
	sl_io_want(control->io, SL_IO_READ);
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

static int control_bind(struct sl_control *control, const char *group, struct sl_error *error)
{
	struct sl_log *log = sl_loop_env(control->owner.loop)->log;
	const char *path = control->addr.sun_path;
	gid_t gid = 0;
	bool has_group = sl_group_find(group, &gid);

	int rc = make_parents(path, has_group, gid, error);
	if (rc == SL_OK)
		rc = remove_stale(&control->addr, error);
	if (rc != SL_OK)
		return rc;
	// The file has its final mode from the first moment on.
	mode_t mask = umask(0117);
	int failed = bind(control->fd, (const struct sockaddr *)&control->addr, sizeof(control->addr)) < 0
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
		control->bound = true;
		control->dev = st.st_dev;
		control->ino = st.st_ino;
	}
	// Under systemd it has that group already, and a change, even into the same, is not permitted.
	if (has_group && st.st_gid != gid && lchown(path, (uid_t)-1, gid) < 0)
		sl_warn(log, SCOPE, "%s stays with its own group, not %s (%s)", path, group, strerror(errno));
	else if (!has_group && group && group[0])
		sl_debug(log, SCOPE, "no group %s here, %s stays with its own", group, path);
	if (listen(control->fd, SL_CONTROL_READERS_MAX) < 0)
		return sl_fail(error, SL_ERR_SYSTEM,
			       "control socket %s: %s; set control_socket to another path", path,
			       strerror(errno));
	return SL_OK;
}

int sl_control_open(struct sl_loop *loop, const char *path, const char *group,
		    const struct sl_control_verb *verbs, void *arg, struct sl_control **out,
		    struct sl_error *error)
{
	struct sl_env *env = sl_loop_env(loop);
	struct sl_control *control = calloc(1, sizeof(*control));
	int rc;

	*out = NULL;
	if (!control)
		return sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
	control->owner =
		(struct control_conn_owner){.loop = loop, .verbs = verbs, .arg = arg, .ended = reader_ended};
	control->fd = -1;
	control->addr.sun_family = AF_UNIX;
	if (!path[0]) {
		rc = sl_fail(error, SL_ERR_INVALID, "control socket: the path is empty; set control_socket");
		goto out;
	}
	if (strlen(path) >= sizeof(control->addr.sun_path)) {
		rc = sl_fail(error, SL_ERR_INVALID,
			     "control socket %s: the path is longer than %zu bytes; set control_socket to a "
			     "shorter one",
			     path, sizeof(control->addr.sun_path) - 1);
		goto out;
	}
	snprintf(control->addr.sun_path, sizeof(control->addr.sun_path), "%s", path);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0) {
		rc = sl_fail(error, SL_ERR_SYSTEM, "control socket: %s", strerror(errno));
		goto out;
	}
	rc = control_bind(control, group, error);
	if (rc != SL_OK)
		goto out;
	control->pause = env->ops->timer_new(env, control_resume, control);
	control->io = sl_loop_io(loop, control->fd, control_accept, control);
	if (!control->pause || !control->io || sl_io_want(control->io, SL_IO_READ) != SL_OK) {
		rc = sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
		goto out;
	}
	*out = control;
	control = NULL;
out:
	sl_control_close(control);
	return rc;
}

void sl_control_set_arg(struct sl_control *control, void *arg)
{
	if (control)
		control->owner.arg = arg;
}

void sl_control_set_common(struct sl_control *control, const struct sl_control_verb *verbs, void *arg)
{
	control->owner.common = verbs;
	control->owner.common_arg = arg;
}

bool sl_control_watched(void *arg)
{
	const struct sl_control *control = arg;
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		if (control->conns[i] && control_conn_watches(control->conns[i]))
			return true;
	}
	return false;
}

void sl_control_publish(void *arg, json_t *event)
{
	struct sl_control *control = arg;
	char *line = NULL;
	size_t len = 0;
	if (sl_control_watched(control))
		line = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (line) {
		len = strlen(line);
		line[len++] = '\n'; // in place of the NUL
	}
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		if (control->conns[i] && control_conn_watches(control->conns[i]))
			control_conn_event(control->conns[i], line, len);
	}
	free(line);
	json_decref(event);
}

void sl_control_close(struct sl_control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		if (control->conns[i])
			control_conn_flush(control->conns[i]); // may end it
		control_conn_free(control->conns[i]);
	}
	if (control->io)
		sl_io_free(control->io);
	if (control->pause)
		sl_loop_env(control->owner.loop)->ops->timer_free(control->pause);
	// The file goes while we still answer there: a successor that starts now finds it live or gone, and
	// what is removed here is never its.
	struct stat st;
	if (control->bound && lstat(control->addr.sun_path, &st) == 0 && st.st_dev == control->dev &&
	    st.st_ino == control->ino)
		unlink(control->addr.sun_path);
	if (control->fd >= 0)
		close(control->fd);
	free(control);
}
