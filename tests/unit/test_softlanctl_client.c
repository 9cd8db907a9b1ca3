// softlanctl's side of the control socket (OPS-3): what a daemon answers is not trusted, and each way
// of not answering has its own code.
#include "softlanctl/client.h"

#include "common/time.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
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

struct heard {
	int events;
	int enough; // stop after so many; 0: never
	char last[128];
};

struct fixture {
	char dir[64], path[90];
	struct sl_error error;
	json_t *json;
	struct heard heard;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	strcpy(f->dir, "/tmp/softlan-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/control.sock", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

enum manner { CLOSES, STAYS, CLOSES_UNREAD, LATE };

// A daemon that answers one request with these bytes, `times` over.
static pid_t serve(struct fixture *f, const char *answer, size_t times, enum manner manner)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, f->path);
	unlink(f->path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char request[8192];
		int conn = accept(fd, NULL, NULL);
		signal(SIGPIPE, SIG_IGN);
		if (manner != CLOSES_UNREAD && read(conn, request, sizeof(request)) <= 0)
			_exit(1);
		for (size_t i = 0; i < times; i++) {
			if (write(conn, answer, strlen(answer)) < 0)
				break;
		}
		if (manner == STAYS)
			sleep(30);
		if (manner == LATE) {
			sleep(2);
			if (write(conn, "{}\n", 3) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(fd);
	return child;
}

static int ask(struct fixture *f, unsigned timeout_s, const char *verb, const char *argument)
{
	char *argv[] = {(char *)verb, (char *)argument, NULL};
	return ctl_ask(f->path, timeout_s, argument ? 2 : 1, argv, &f->json, &f->error);
}

static void assert_answer(struct fixture *f, const char *answer, size_t times, enum manner manner, int rc,
			  const char *words)
{
	pid_t child = serve(f, answer, times, manner);
	int got = ask(f, manner == STAYS ? 1 : 10, "status", NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (got != rc)
		fail_msg("answer \"%.40s\": %d, not %d (%s)", answer, got, rc, f->error.text);
	if (words && !strstr(f->error.text, words))
		fail_msg("\"%s\" is not in: %s", words, f->error.text);
	if (rc != SL_OK)
		assert_null(f->json);
}

static void test_OPS_3_answers(void **state)
{
	struct fixture *f = *state;
	assert_answer(f, "OK\n{\"a\":[1,2]}\n", 1, CLOSES, SL_OK, NULL);
	assert_int_equal(json_array_size(json_object_get(f->json, "a")), 2);
	json_decref(f->json);
	f->json = NULL;
	assert_answer(f, "ERR not_found no room X here\n", 1, CLOSES, SL_ERR_UNSUPPORTED,
		      "no room X here (not_found)");
	assert_answer(f, "ERR odd\n", 1, CLOSES, SL_ERR_UNSUPPORTED, "odd");
	assert_answer(f, "ERR busy x\n", 1, CLOSES_UNREAD, SL_ERR_UNSUPPORTED, "busy");
	assert_answer(f, "OK\n{\"a\":[1,2", 1, CLOSES, SL_ERR_PROTO, "not whole or not JSON");
	assert_answer(f, "OK\n", 1, CLOSES, SL_ERR_PROTO, "not JSON");
	assert_answer(f, "OK\n{\"a\":\"\xff\"}\n", 1, CLOSES, SL_ERR_PROTO, "not JSON");
	assert_answer(f, "OK\n{} {}\n", 1, CLOSES, SL_ERR_PROTO, "not JSON");
	assert_answer(f, "HTTP/1.1 200 OK\n", 1, CLOSES, SL_ERR_PROTO, "not that of a softlan daemon");
	assert_answer(f, "OK", 1, CLOSES, SL_ERR_PROTO, NULL);
	assert_answer(f, "", 1, CLOSES, SL_ERR_CLOSED, "without an answer");
	assert_answer(f, "OK\n[[[[[[[[", 1, CLOSES, SL_ERR_PROTO, NULL);
}

static void test_OPS_3_endless_and_deep_answers(void **state)
{
	struct fixture *f = *state;
	char kilobytes[65537];
	memset(kilobytes, ' ', 65536);
	kilobytes[65536] = '\0';
	assert_answer(f, kilobytes, 300, CLOSES, SL_ERR_PROTO, "longer than 16 MiB");
	memset(kilobytes, '[', 65536);
	memcpy(kilobytes, "OK\n", 3);
	assert_answer(f, kilobytes, 1, CLOSES, SL_ERR_PROTO, "not JSON");
}

static void test_OPS_3_timeout(void **state)
{
	struct fixture *f = *state;
	uint64_t before = sl_clock_ns(CLOCK_MONOTONIC);
	assert_answer(f, "OK\n{", 1, STAYS, SL_ERR_CLOSED, "did not answer within 1 s");
	assert_in_range((sl_clock_ns(CLOCK_MONOTONIC) - before) / SL_NS_PER_MS, 950, 2000);
}

static void test_OPS_3_no_daemon(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(ask(f, 1, "status", NULL), SL_ERR_NOT_FOUND);
	assert_non_null(strstr(f->error.text, "is it running?"));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, f->path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); // a stale one
	assert_int_equal(ask(f, 1, "status", NULL), SL_ERR_NOT_FOUND);
	if (geteuid() == 0)
		return; // root opens every door
	chmod(f->path, 0);
	assert_int_equal(ask(f, 1, "status", NULL), SL_ERR_PERMISSION);
}

static void test_OPS_3_requests_that_cannot_be_said(void **state)
{
	struct fixture *f = *state;
	char argument[5000];
	assert_int_equal(ask(f, 1, "rooms", "two words"), SL_ERR_INVALID);
	assert_int_equal(ask(f, 1, "rooms", "a\nSOFTLAN1 kick"), SL_ERR_INVALID);
	assert_int_equal(ask(f, 1, "rooms", ""), SL_ERR_INVALID);
	memset(argument, 'x', sizeof(argument));
	argument[4999] = '\0';
	assert_int_equal(ask(f, 1, "rooms", argument), SL_ERR_INVALID);
	argument[4096 - 16 + 1] = '\0'; // one too many
	assert_int_equal(ask(f, 1, "rooms", argument), SL_ERR_INVALID);
	argument[4096 - 16] = '\0'; // "SOFTLAN1 rooms " and a newline fit just so
	assert_int_equal(ask(f, 1, "rooms", argument), SL_ERR_NOT_FOUND);
}

static bool hear_event(void *arg, const json_t *event)
{
	struct heard *heard = arg;
	char *text = json_dumps(event, JSON_COMPACT);
	snprintf(heard->last, sizeof(heard->last), "%s", text);
	free(text);
	return ++heard->events != heard->enough;
}

static void assert_events(struct fixture *f, const char *answer, size_t times, enum manner manner, int enough,
			  int rc, int events, const char *words)
{
	char *argv[] = {(char *)"watch", NULL};
	f->heard = (struct heard){.enough = enough};
	pid_t child = serve(f, answer, times, manner);
	f->error.text[0] = '\0';
	int got = ctl_watch(f->path, manner == STAYS || manner == LATE ? 1 : 10, 1, argv, hear_event,
			    &f->heard, &f->error);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (got != rc || f->heard.events != events)
		fail_msg("\"%.40s\": %d, not %d; %d events, not %d (%s)", answer, got, rc, f->heard.events,
			 events, f->error.text);
	if (words && !strstr(f->error.text, words))
		fail_msg("\"%s\" is not in: %s", words, f->error.text);
	if (!words)
		assert_string_equal(f->error.text, "");
}

static void test_OPS_3_watch(void **state)
{
	struct fixture *f = *state;
	assert_events(f, "OK\n", 1, CLOSES, 0, SL_OK, 0, NULL);
	assert_events(f, "OK\n{\"a\":1}\n{\"a\":2}\n", 1, CLOSES, 0, SL_OK, 2, NULL);
	assert_string_equal(f->heard.last, "{\"a\":2}");
	assert_events(f, "OK\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", 1, STAYS, 2, SL_ERR_PROTO, 2, NULL);
	assert_events(f, "OK\n{\"a\":1}\n{\"a\"", 1, CLOSES, 0, SL_ERR_PROTO, 1, "not whole or not JSON");
	assert_events(f, "OK\n{\"a\":1}\n{\"a\":2}", 1, CLOSES, 0, SL_ERR_PROTO, 1, "not whole");
	assert_events(f, "OK\n{\"a\":1}\n5\n{}\n", 1, CLOSES, 0, SL_ERR_PROTO, 1, "not JSON");
	assert_events(f, "OK\n{}{}\n", 1, CLOSES, 0, SL_ERR_PROTO, 0, "not JSON");
	assert_events(f, "ERR unsupported this daemon has no verb \"watch\"\n", 1, CLOSES, 0,
		      SL_ERR_UNSUPPORTED, 0, "no verb \"watch\" (unsupported)");
	assert_events(f, "ERR busy x\n", 1, CLOSES_UNREAD, 0, SL_ERR_UNSUPPORTED, 0, "busy");
	assert_events(f, "HTTP/1.1 200 OK\n", 1, CLOSES, 0, SL_ERR_PROTO, 0, "not that of a softlan daemon");
	assert_events(f, "OK", 1, CLOSES, 0, SL_ERR_PROTO, 0, "not that of a softlan daemon");
	assert_events(f, "", 1, CLOSES, 0, SL_ERR_CLOSED, 0, "without an answer");
}

static void test_OPS_3_watch_is_bounded(void **state)
{
	struct fixture *f = *state;
	char kilobytes[65537];
	memset(kilobytes, 'x', 65536);
	kilobytes[65536] = '\0';
	assert_events(f, kilobytes, 300, CLOSES, 0, SL_ERR_PROTO, 0, "not that of a softlan daemon");
	// More events than are ever kept at once, and never in step with the buffer.
	size_t len = (size_t)sprintf(kilobytes, "OK\n");
	int events = 0;
	for (; len + 256 < sizeof(kilobytes); events++)
		len += (size_t)sprintf(kilobytes + len, "{\"a\":%*d}\n", 1 + events % 200, events);
	assert_events(f, kilobytes, 1, CLOSES, 0, SL_OK, events, NULL);
	char *endless = malloc(2 * CTL_EVENT_MAX + 1);
	assert_non_null(endless);
	memset(endless, ' ', 2 * CTL_EVENT_MAX);
	memcpy(endless, "OK\n{", 4);
	endless[2 * CTL_EVENT_MAX] = '\0';
	assert_events(f, endless, 1, CLOSES, 0, SL_ERR_PROTO, 0, "longer than 1 MiB");
	free(endless);
}

// The limit is for the first answer: an event may take its time.
static void test_OPS_3_watch_timeout(void **state)
{
	struct fixture *f = *state;
	assert_events(f, "", 1, STAYS, 0, SL_ERR_CLOSED, 0, "did not answer within 1 s");
	assert_events(f, "O", 1, STAYS, 0, SL_ERR_CLOSED, 0, "did not answer within 1 s");
	assert_events(f, "OK\n{}\n", 1, LATE, 0, SL_OK, 2, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_3_answers),
		T(test_OPS_3_endless_and_deep_answers),
		T(test_OPS_3_timeout),
		T(test_OPS_3_no_daemon),
		T(test_OPS_3_requests_that_cannot_be_said),
		T(test_OPS_3_watch),
		T(test_OPS_3_watch_is_bounded),
		T(test_OPS_3_watch_timeout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
