// What systemd hears (OPS-2), over a real notification socket: READY once and only when said,
// reloads, STATUS on one line, the watchdog from the loop at half of its interval.
#include "daemon/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop.h"

struct fixture {
	char dir[64], path[100];
	int fd;
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_timer *timer;
	char text[1024];
};

static void timer_stop(void *arg)
{
	sl_loop_stop(arg);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct sl_error error;
	assert_non_null(f);
	strcpy(f->dir, "/tmp/softlan-notify-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/notify.sock", f->dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", f->path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	sl_log_init(&f->log);
	f->loop = sl_loop_new(&f->log, &error);
	assert_non_null(f->loop);
	f->env = sl_loop_env(f->loop);
	f->timer = f->env->ops->timer_new(f->env, timer_stop, f->loop);
	assert_non_null(f->timer);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	f->env->ops->timer_free(f->timer);
	sl_loop_free(f->loop);
	close(f->fd);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void run_ms(struct fixture *f, unsigned ms)
{
	f->env->ops->timer_set(f->timer, sl_clock_ns(CLOCK_MONOTONIC) + ms * SL_NS_PER_MS);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
}

// The next message, or "" when there is none.
static const char *heard(struct fixture *f)
{
	ssize_t got = recv(f->fd, f->text, sizeof(f->text) - 1, 0);
	f->text[got > 0 ? got : 0] = '\0';
	return f->text;
}

static void test_OPS_2_ready_status_stopping(void **state)
{
	struct fixture *f = *state;
	struct sl_notify *notify = sl_notify_new(f->env);
	assert_non_null(notify);
	assert_string_equal(heard(f), ""); // ready is not said by itself
	sl_notify_status(notify, "waiting for %s\nREADY=1", "relay");
	assert_string_equal(heard(f), "STATUS=waiting for relay READY=1");
	sl_notify_ready(notify);
	assert_string_equal(heard(f), "READY=1");
	sl_notify_ready(notify); // welcomed again after a reconnection
	assert_string_equal(heard(f), "");
	sl_notify_stopping(notify);
	assert_string_equal(heard(f), "STOPPING=1");
	sl_notify_free(notify);
}

static void test_OPS_2_reloading(void **state)
{
	struct fixture *f = *state;
	struct sl_notify *notify = sl_notify_new(f->env);
	sl_notify_reloading(notify); // not ready yet: a reload must not make it so
	sl_notify_reloaded(notify);
	assert_string_equal(heard(f), "");
	sl_notify_ready(notify);
	heard(f);
	uint64_t before = sl_clock_ns(CLOCK_MONOTONIC) / SL_NS_PER_US;
	sl_notify_reloading(notify);
	unsigned long long usec = 0;
	assert_int_equal(sscanf(heard(f), "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
	assert_true(usec >= before && usec <= sl_clock_ns(CLOCK_MONOTONIC) / SL_NS_PER_US);
	sl_notify_reloaded(notify);
	assert_string_equal(heard(f), "READY=1");
	sl_notify_free(notify);
}

static void test_OPS_2_watchdog_at_half_the_interval(void **state)
{
	struct fixture *f = *state;
	char pid[32];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "200000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	struct sl_notify *notify = sl_notify_new(f->env);
	run_ms(f, 1050);
	unsigned pings = 0;
	while (strcmp(heard(f), "WATCHDOG=1") == 0)
		pings++;
	assert_string_equal(f->text, "");
	assert_in_range(pings, 8, 10);
	sl_notify_free(notify);
	run_ms(f, 250);
	assert_string_equal(heard(f), ""); // from the loop's timer, which is gone
}

static void test_OPS_2_watchdog_of_another_process(void **state)
{
	struct fixture *f = *state;
	setenv("WATCHDOG_USEC", "50000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	struct sl_notify *notify = sl_notify_new(f->env);
	run_ms(f, 120);
	assert_string_equal(heard(f), "");
	sl_notify_free(notify);
	setenv("WATCHDOG_USEC", "nonsense", 1);
	unsetenv("WATCHDOG_PID");
	notify = sl_notify_new(f->env);
	assert_non_null(notify);
	run_ms(f, 60);
	assert_string_equal(heard(f), "");
	sl_notify_free(notify);
}

static void test_OPS_2_abstract_and_odd_sockets(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char name[64];
	snprintf(name, sizeof(name), "@softlan-notify-%d", (int)getpid());
	memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
	close(f->fd);
	f->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	assert_int_equal(bind(f->fd, (struct sockaddr *)&addr, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	struct sl_notify *notify = sl_notify_new(f->env);
	sl_notify_ready(notify);
	assert_string_equal(heard(f), "READY=1");
	sl_notify_free(notify);

	char longest[200];
	memset(longest, '/', sizeof(longest));
	longest[199] = '\0';
	const char *const odd[] = {"", "/", "relative", longest, "/nonexistent/notify"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		setenv("NOTIFY_SOCKET", odd[i], 1);
		notify = sl_notify_new(f->env);
		assert_non_null(notify);
		sl_notify_ready(notify);
		sl_notify_status(notify, "x");
		sl_notify_free(notify);
	}
}

static void test_OPS_2_without_systemd(void **state)
{
	struct fixture *f = *state;
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "50000", 1);
	struct sl_notify *notify = sl_notify_new(f->env);
	assert_non_null(notify);
	sl_notify_ready(notify);
	sl_notify_reloading(notify);
	sl_notify_reloaded(notify);
	sl_notify_status(notify, "x");
	sl_notify_stopping(notify);
	run_ms(f, 60);
	assert_string_equal(heard(f), "");
	sl_notify_free(notify);
	sl_notify_ready(NULL);
	sl_notify_status(NULL, "x");
	sl_notify_stopping(NULL);
	sl_notify_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_2_ready_status_stopping),         T(test_OPS_2_reloading),
		T(test_OPS_2_watchdog_at_half_the_interval), T(test_OPS_2_watchdog_of_another_process),
		T(test_OPS_2_abstract_and_odd_sockets),      T(test_OPS_2_without_systemd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
