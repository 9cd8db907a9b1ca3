// The control socket (OPS-3): its grammar, its bounds, who may do what, stale and live sockets.
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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
	{.name = NULL},
};

static void timer_stop(void *arg)
{
	sl_loop_stop(arg);
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void run_ms(struct fixture *f, unsigned ms)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t now_ns = (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
	f->env->ops->timer_set(f->timer, now_ns + ms * SL_NS_PER_MS);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

// What has come, up to now; *ended: the daemon closed.
static char *hear(int fd, bool *ended)
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

static void assert_answer(struct fixture *f, const char *request, size_t len, const char *expected)
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

static void assert_text(struct fixture *f, const char *request, const char *expected)
{
	assert_answer(f, request, strlen(request), expected);
}

static void test_OPS_3_grammar(void **state)
{
	struct fixture *f = *state;
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n");
	assert_text(f, "SOFTLAN1  echo  a b \r\nrest", "OK\n{\"args\":[\"echo\",\"a\",\"b\"]}\n");
	assert_text(f, "SOFTLAN1 echo 1 2 3 4 5 6 7\n",
		    "OK\n{\"args\":[\"echo\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"]}\n");
	assert_text(f, "SOFTLAN1 echo 1 2 3 4 5 6 7 8\n", "ERR usage too many arguments\n");
	assert_text(f, "SOFTLAN1 fail\n", "ERR not_found no such\\x0aroom \\x1b[31m\n");
	assert_text(f, "SOFTLAN1 nope\n", "ERR unsupported this daemon has no verb \"nope\"\n");
	assert_text(f, "SOFTLAN1\n", "ERR usage expected a verb after SOFTLAN1\n");
	assert_text(f, "\n", "ERR usage expected SOFTLAN1 <verb> [argument…]\n");
	assert_text(f, "SOFTLAN2 echo\n", "ERR usage expected SOFTLAN1 <verb> [argument…]\n");
	assert_text(f, "GET / HTTP/1.1\r\n\r\n", "ERR usage expected SOFTLAN1 <verb> [argument…]\n");
	assert_text(f, "SOFTLAN1 echo a\tb\n", "ERR usage control bytes in the request\n");
	assert_answer(f, "SOFTLAN1 ec\0ho\n", 15, "ERR usage control bytes in the request\n");
	assert_text(f, "SOFTLAN1 nothing\n", "ERR failed the answer could not be made (out of memory)\n");
	assert_text(f, "SOFTLAN1 echo \xff\xfe\n",
		    "OK\n{\"args\":[\"echo\"]}\n"); // jansson takes no bad UTF-8
	assert_int_equal(f->runs, 4);
}

static void test_OPS_3_request_is_bounded(void **state)
{
	struct fixture *f = *state;
	char line[SL_CONTROL_REQUEST_MAX + 1];
	memset(line, 'x', sizeof(line));
	memcpy(line, "SOFTLAN1 echo ", 14);
	line[SL_CONTROL_REQUEST_MAX - 1] = '\n';
	bool ended;
	int fd = dial(f);
	say(fd, line, SL_CONTROL_REQUEST_MAX); // exactly as long as it may be
	run_ms(f, 20);
	char *answer = hear(fd, &ended);
	assert_memory_equal(answer, "OK\n", 3);
	free(answer);
	close(fd);
	line[SL_CONTROL_REQUEST_MAX - 1] = 'x';
	line[SL_CONTROL_REQUEST_MAX] = '\n';
	assert_answer(f, line, sizeof(line), "ERR usage a request is one line of at most 4096 bytes\n");
	assert_int_equal(f->runs, 1);
}

static void test_OPS_3_request_in_pieces_and_cut(void **state)
{
	struct fixture *f = *state;
	bool ended;
	int fd = dial(f), cut = dial(f);
	const char *request = "SOFTLAN1 echo a\n";
	say(cut, request, 5);
	close(cut); // ends before its newline
	for (size_t i = 0; i < strlen(request); i++) {
		say(fd, request + i, 1);
		run_ms(f, 2);
	}
	char *answer = hear(fd, &ended);
	assert_string_equal(answer, "OK\n{\"args\":[\"echo\",\"a\"]}\n");
	assert_true(ended);
	assert_int_equal(f->runs, 1);
	free(answer);
	close(fd);
}

static void test_OPS_3_readers_are_bounded(void **state)
{
	struct fixture *f = *state;
	int fds[SL_CONTROL_READERS_MAX], more;
	bool ended;
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		fds[i] = dial(f);
		if (i % 8 == 7)
			run_ms(f, 5);
	}
	more = dial(f);
	run_ms(f, 20);
	char *answer = hear(more, &ended);
	assert_true(ended);
	assert_string_equal(answer, "ERR busy too many readers at once, try again\n");
	free(answer);
	close(more);
	say(fds[31], "SOFTLAN1 echo\n", 14); // those that are in are served
	run_ms(f, 20);
	answer = hear(fds[31], &ended);
	assert_memory_equal(answer, "OK\n", 3);
	free(answer);
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n"); // and there is a place again
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++)
		close(fds[i]);
	run_ms(f, 20);
}

// One that never asks goes after 5 s, one that never reads after 10 s; neither delays anybody.
static void test_OPS_3_slow_and_silent_readers(void **state)
{
	struct fixture *f = *state;
	bool ended;
	int silent = dial(f), slow = dial(f);
	say(silent, "SOFTLAN1 ec", 11);
	say(slow, "SOFTLAN1 big\n", 13);
	run_ms(f, 20);
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n");
	run_ms(f, 4500);
	free(hear(silent, &ended));
	assert_false(ended);
	run_ms(f, 700);
	free(hear(silent, &ended));
	assert_true(ended);
	run_ms(f, 4300);
	struct pollfd poll_fd = {.fd = slow, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_false(poll_fd.revents & POLLHUP); // not given up yet
	run_ms(f, 800);
	char *answer = hear(slow, &ended);
	assert_true(ended);
	assert_memory_equal(answer, "OK\n[1000000,", 12);
	assert_true(strlen(answer) < 400000 * 8); // what fitted the socket's buffer
	free(answer);
	close(silent);
	close(slow);
}

static void test_OPS_3_big_answer_comes_whole(void **state)
{
	struct fixture *f = *state;
	size_t total = 0;
	bool ended = false;
	char last = 0;
	int fd = dial(f);
	say(fd, "SOFTLAN1 big\n", 13);
	for (int i = 0; i < 2000 && !ended; i++) {
		run_ms(f, 1);
		char *answer = hear(fd, &ended);
		size_t len = strlen(answer);
		total += len;
		if (len)
			last = answer[len - 1];
		free(answer);
	}
	assert_true(ended);
	assert_int_equal(total,
			 3 + 400000 * 8 + 1 + 1); // OK, numbers with a comma or bracket, bracket, newline
	assert_int_equal(last, '\n');
	close(fd);
}

static void test_OPS_3_reader_gone_before_the_answer(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 3; i++) {
		int fd = dial(f);
		say(fd, "SOFTLAN1 big\n", 13);
		close(fd);
	}
	run_ms(f, 50); // no SIGPIPE, no leak
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n");
}

static void test_OPS_3_closed_with_readers(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), slow = dial(f);
	say(slow, "SOFTLAN1 big\n", 13);
	run_ms(f, 20);
	sl_control_close(f->control);
	f->control = NULL;
	assert_int_equal(access(f->path, F_OK), -1);
	close(fd);
	close(slow);
}

// Asks as another user; returns the answer's first byte.
static char ask_as_nobody(struct fixture *f, const char *request)
{
	struct passwd *nobody = getpwnam("nobody");
	assert_non_null(nobody);
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char got = '?';
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setgroups(0, NULL) == 0 && setgid(nobody->pw_gid) == 0 && setuid(nobody->pw_uid) == 0 &&
		    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		    write(fd, request, strlen(request)) > 0 && read(fd, &got, 1) != 1)
			got = '!';
		_exit(write(fds[1], &got, 1) == 1 ? 0 : 1);
	}
	run_ms(f, 300);
	char got = 0;
	assert_int_equal(read(fds[0], &got, 1), 1);
	waitpid(child, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	return got;
}

static void test_OPS_3_changes_need_root_or_the_own_user(void **state)
{
	struct fixture *f = *state;
	char dir[200];
	assert_text(f, "SOFTLAN1 change\n", "OK\n{\"args\":[\"change\"]}\n"); // the own user
	if (geteuid() != 0)
		skip();
	assert_int_equal(ask_as_nobody(f, "SOFTLAN1 echo\n"), '?'); // the mode keeps others out
	// Let the other user through to the socket, as a member of the group would be.
	chmod(f->dir, 0755);
	snprintf(dir, sizeof(dir), "%s/run", f->dir);
	chmod(dir, 0755);
	snprintf(dir, sizeof(dir), "%s/run/relay", f->dir);
	chmod(dir, 0755);
	chmod(f->path, 0666);
	unsigned runs = f->runs;
	assert_int_equal(ask_as_nobody(f, "SOFTLAN1 echo\n"), 'O');
	assert_int_equal(ask_as_nobody(f, "SOFTLAN1 change\n"), 'E');
	assert_int_equal(f->runs, runs + 1);
}

static void test_OPS_3_mode_group_and_directories(void **state)
{
	struct fixture *f = *state;
	struct sl_control *control;
	struct sl_error error;
	struct stat st;
	char path[100];
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	snprintf(path, sizeof(path), "%s/run", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	// Whatever the process's mask is; and that is left as it was.
	snprintf(path, sizeof(path), "%s/mask.sock", f->dir);
	mode_t mask = umask(0);
	int rc = sl_control_open(f->loop, path, "", verbs, f, &control, &error);
	assert_int_equal(umask(mask), 0);
	assert_int_equal(rc, SL_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	sl_control_close(control);
	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/group/control.sock", f->dir);
	assert_int_equal(sl_control_open(f->loop, path, "daemon", verbs, f, &control, &error), SL_OK);
	gid_t gid = getgrnam("daemon")->gr_gid;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, gid);
	snprintf(path, sizeof(path), "%s/group", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_gid, gid); // made by us, so the group can pass
	sl_control_close(control);
}

static void test_OPS_3_live_stale_and_foreign_files(void **state)
{
	struct fixture *f = *state;
	struct sl_control *control = NULL;
	struct sl_error error;
	char path[100];

	assert_int_equal(sl_control_open(f->loop, f->path, "", verbs, f, &control, &error), SL_ERR_EXISTS);
	assert_non_null(strstr(error.text, "another softlan daemon is running"));
	assert_null(control);
	run_ms(f, 20);
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n"); // the first lives on

	snprintf(path, sizeof(path), "%s/stale.sock", f->dir);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(sl_control_open(f->loop, path, "", verbs, f, &control, &error), SL_OK);
	// A successor's socket in the same place is not taken away.
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	sl_control_close(control);
	assert_int_equal(access(path, F_OK), 0);

	assert_int_equal(sl_control_open(f->loop, path, "", verbs, f, &control, &error), SL_ERR_EXISTS);
	assert_non_null(strstr(error.text, "no socket is in its place"));
	assert_int_equal(access(path, F_OK), 0);
}

static void test_OPS_3_bad_paths(void **state)
{
	struct fixture *f = *state;
	struct sl_control *control;
	struct sl_error error;
	char path[200];
	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[108] = '\0';
	assert_int_equal(sl_control_open(f->loop, path, "", verbs, f, &control, &error), SL_ERR_INVALID);
	assert_non_null(strstr(error.text, "longer than 107 bytes"));
	assert_int_equal(sl_control_open(f->loop, "", "", verbs, f, &control, &error), SL_ERR_INVALID);
	snprintf(path, sizeof(path), "%s/file", f->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/file/control.sock", f->dir);
	assert_int_equal(sl_control_open(f->loop, path, "", verbs, f, &control, &error), SL_ERR_SYSTEM);
	assert_non_null(strstr(error.text, "set control_socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_3_grammar),
		T(test_OPS_3_request_is_bounded),
		T(test_OPS_3_request_in_pieces_and_cut),
		T(test_OPS_3_readers_are_bounded),
		T(test_OPS_3_slow_and_silent_readers),
		T(test_OPS_3_big_answer_comes_whole),
		T(test_OPS_3_reader_gone_before_the_answer),
		T(test_OPS_3_closed_with_readers),
		T(test_OPS_3_changes_need_root_or_the_own_user),
		T(test_OPS_3_mode_group_and_directories),
		T(test_OPS_3_live_stale_and_foreign_files),
		T(test_OPS_3_bad_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
