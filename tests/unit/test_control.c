// The control socket (OPS-3): its grammar, its bounds, who may do what, stale and live sockets.
#include "control_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
	int slow = dial(f);
	say(slow, "SOFTLAN1 big\n", 13);
	run_ms(f, 20); // with a sanitizer the answer alone takes long to make: the others' time begins after
		       // that
	int silent = dial(f), watcher = dial(f);
	say(silent, "SOFTLAN1 ec", 11);
	say(watcher, "SOFTLAN1 watch\n", 15);
	run_ms(f, 20);
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n");
	run_ms(f, 4500);
	free(hear(silent, &ended));
	assert_false(ended);
	run_ms(f, 700);
	char *answer = hear(silent, &ended);
	assert_true(ended);
	assert_string_equal(answer, "ERR timeout the request was not complete within 5 s\n");
	free(answer);
	run_ms(f, 4300);
	struct pollfd poll_fd = {.fd = slow, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_false(poll_fd.revents & POLLHUP); // not given up yet
	run_ms(f, 800);
	answer = hear(slow, &ended);
	assert_true(ended);
	assert_memory_equal(answer, "OK\n[1000000,", 12);
	assert_true(strlen(answer) < 400000 * 8); // what fitted the socket's buffer
	free(answer);
	answer = hear(watcher, &ended); // one that watches may stay
	assert_false(ended);
	assert_string_equal(answer, "OK\n");
	free(answer);
	close(watcher);
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
	struct pollfd answer = {.fd = fds[0], .events = POLLIN};
	for (int i = 0; i < 2000 && poll(&answer, 1, 0) == 0; i++)
		run_ms(f, 5);
	char got = 0;
	if (poll(&answer, 1, 0) == 0)
		kill(child, SIGKILL); // and reading ends
	close(fds[1]);
	assert_int_equal(read(fds[0], &got, 1), 1);
	waitpid(child, NULL, 0);
	close(fds[0]);
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
