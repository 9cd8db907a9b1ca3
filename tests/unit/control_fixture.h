// A control server with a few verbs, on a real socket, and readers for it.
#pragma once

#include "daemon/control.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[100];
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_control *control;
	struct sl_timer *timer;
	unsigned runs;
};

static void quiet(void *arg, enum sl_log_level level, const char *line)
{
	(void)arg, (void)level, (void)line;
}

static void run_echo(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct fixture *f = arg;
	f->runs++;
	reply->json = json_object();
	json_t *args = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(args, json_string(argv[i]));
	json_object_set_new(reply->json, "args", args);
}

static void run_fail(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	(void)arg, (void)argc, (void)argv;
	reply->code = "not_found";
	sl_fail(&reply->error, SL_ERR_NOT_FOUND, "no such\nroom \x1b[31m");
}

static void run_big(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	(void)arg, (void)argc, (void)argv;
	reply->json = json_array();
	for (int i = 0; i < 400000; i++)
		json_array_append_new(reply->json, json_integer(1000000 + i));
}

static void run_nothing(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	(void)arg, (void)argc, (void)argv, (void)reply;
}

static const struct sl_control_verb verbs[] = {
	{.name = "echo", .changes = false, .run = run_echo},
	{.name = "change", .changes = true, .run = run_echo},
	{.name = "fail", .changes = false, .run = run_fail},
	{.name = "big", .changes = false, .run = run_big},
	{.name = "nothing", .changes = false, .run = run_nothing},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = "privy", .changes = false, .run = run_fail, .streams = true},
	{.name = NULL},
};

static void timer_stop(void *arg)
{
	sl_loop_stop(arg);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sl_error error;
	assert_non_null(f);
	strcpy(f->dir, "/tmp/softlan-control-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/run/relay/control.sock", f->dir);
	sl_log_init(&f->log);
	f->log.sink = quiet;
	f->loop = sl_loop_new(&f->log, &error);
	assert_non_null(f->loop);
	f->env = sl_loop_env(f->loop);
	f->timer = f->env->ops->timer_new(f->env, timer_stop, f->loop);
	assert_non_null(f->timer);
	if (sl_control_open(f->loop, f->path, "no-such-group-here", verbs, NULL, &f->control, &error) !=
	    SL_OK)
		fail_msg("%s", error.text);
	sl_control_set_arg(f->control, f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	sl_control_close(f->control);
	f->env->ops->timer_free(f->timer);
	sl_loop_free(f->loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void run_ms(struct fixture *f, unsigned ms)
{
	f->env->ops->timer_set(f->timer, sl_clock_ns(CLOCK_MONOTONIC) + ms * SL_NS_PER_MS);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
}

static inline int dial(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline void say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

// What has come, up to now; *ended: the daemon closed.
static inline char *hear(int fd, bool *ended)
{
	size_t len = 0, capacity = 1 << 20;
	char *text = malloc(capacity);
	assert_non_null(text);
	*ended = false;
	for (;;) {
		if (len + 1 >= capacity)
			assert_non_null(text = realloc(text, capacity *= 2));
		ssize_t got = recv(fd, text + len, capacity - len - 1, 0);
		if (got < 0 && errno == EAGAIN)
			break;
		if (got <= 0) {
			*ended = true;
			break;
		}
		len += (size_t)got;
	}
	text[len] = '\0';
	return text;
}

static inline void assert_answer(struct fixture *f, const char *request, size_t len, const char *expected)
{
	bool ended;
	int fd = dial(f);
	say(fd, request, len);
	run_ms(f, 20);
	char *answer = hear(fd, &ended);
	assert_string_equal(answer, expected);
	assert_true(ended);
	free(answer);
	close(fd);
}

static inline void assert_text(struct fixture *f, const char *request, const char *expected)
{
	assert_answer(f, request, strlen(request), expected);
}
