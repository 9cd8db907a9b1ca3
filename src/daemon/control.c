#include "daemon/control.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/control_conn.h"
#include "daemon/control_listen.h"

#define SCOPE "control"

struct sl_control {
	struct control_conn_owner owner; // first: `ended` gets back to the server from it
	struct control_listen *listener;
	struct control_conn *conns[SL_CONTROL_READERS_MAX];
	struct sl_log_limit busy_limit;
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

static void reader_add(void *arg, struct control_stream *stream)
{
	struct sl_control *control = arg;
	struct sl_env *env = sl_loop_env(control->owner.loop);
	size_t i = 0;
	uint64_t held_back;
	while (i < SL_CONTROL_READERS_MAX && control->conns[i])
		i++;
	if (i < SL_CONTROL_READERS_MAX) {
		control->conns[i] = control_conn_new(&control->owner, stream);
		return;
	}
	static const char busy[] = "ERR busy too many readers at once, try again\n";
	control_stream_write(stream, busy, sizeof(busy) - 1);
	control_stream_close(stream);
	if (sl_log_every(&control->busy_limit, env->now_ns, &held_back))
		sl_warn(env->log, SCOPE, "reader refused, there are %d already", SL_CONTROL_READERS_MAX);
}

int sl_control_open(struct sl_loop *loop, const char *path, const char *group,
		    const struct sl_control_verb *verbs, void *arg, struct sl_control **out,
		    struct sl_error *error)
{
	struct sl_control *control = calloc(1, sizeof(*control));

	*out = NULL;
	if (!control)
		return sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
	control->owner =
		(struct control_conn_owner){.loop = loop, .verbs = verbs, .arg = arg, .ended = reader_ended};
	int rc = control_listen_open(loop, path, group, reader_add, control, &control->listener, error);
	if (rc == SL_OK)
		*out = control;
	else
		free(control);
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
	control_listen_close(control->listener);
	free(control);
}
