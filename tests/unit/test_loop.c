// The real environment: timers, descriptors, signals, name look-ups.
#include "net/loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MS SL_NS_PER_MS

struct fixture {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_timer *guard, *timer, *other;
	bool timed_out;

	int calls;
	uint64_t fired_ns, deadline_ns;
	int fds[2];
	struct sl_io *io;
	struct sl_signal *sig;
	int depth;

	size_t count;
	struct sl_addr addrs[16];
	char error[512];
};

static void on_guard(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	sl_loop_stop(f->loop);
}

// Runs until somebody stops the loop; a test that hangs fails after 10 s.
static void run(struct fixture *f)
{
	f->env->ops->timer_set(f->guard, f->env->now_ns + 10 * SL_NS_PER_S);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
	f->env->ops->timer_set(f->guard, SL_TIME_NEVER);
	assert_false(f->timed_out);
}

static int setup(void **state)
{
	struct sl_error error;
	struct fixture *f = calloc(1, sizeof(*f));

	sl_log_init(&f->log);
	f->loop = sl_loop_new(&f->log, &error);
	assert_non_null(f->loop);
	f->env = sl_loop_env(f->loop);
	f->guard = f->env->ops->timer_new(f->env, on_guard, f);
	assert_non_null(f->guard);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->env->ops->timer_free(f->guard);
	sl_loop_free(f->loop);
	free(f);
	return 0;
}

static void stop_at_fire(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	f->fired_ns = f->env->now_ns;
	sl_loop_stop(f->loop);
}

static void a_timer_never_fires_early(void **state)
{
	struct fixture *f = *state;

	f->timer = f->env->ops->timer_new(f->env, stop_at_fire, f);
	for (uint64_t i = 0; i < 40; i++) {
		uint64_t deadline = f->env->now_ns + 1 + i * 37123;

		f->env->ops->timer_set(f->timer, deadline);
		run(f);
		assert_true(f->fired_ns >= deadline);
		assert_true(f->fired_ns < deadline + 500 * MS); // and not for ever late
	}
	assert_int_equal(f->calls, 40);
	f->env->ops->timer_free(f->timer);
}

static void a_timer_moves_both_ways(void **state)
{
	struct fixture *f = *state;
	uint64_t start = f->env->now_ns;

	f->timer = f->env->ops->timer_new(f->env, stop_at_fire, f);
	f->env->ops->timer_set(f->timer, start + 5 * MS);
	f->env->ops->timer_set(f->timer, start + 30 * MS);
	run(f);
	assert_true(f->fired_ns >= start + 30 * MS);
	start = f->env->now_ns;
	f->env->ops->timer_set(f->timer, start + 8000 * MS);
	f->env->ops->timer_set(f->timer, start + 5 * MS);
	run(f);
	assert_true(f->fired_ns < start + 4000 * MS);
	// In the past: the next turn of the loop.
	f->env->ops->timer_set(f->timer, 0);
	run(f);
	assert_int_equal(f->calls, 3);
	f->env->ops->timer_free(f->timer);
}

static void count_only(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
}

static void a_disarmed_timer_is_silent(void **state)
{
	struct fixture *f = *state;

	f->timer = f->env->ops->timer_new(f->env, count_only, f);
	f->other = f->env->ops->timer_new(f->env, stop_at_fire, f);
	f->env->ops->timer_set(f->timer, f->env->now_ns + 2 * MS);
	f->env->ops->timer_set(f->timer, SL_TIME_NEVER);
	f->env->ops->timer_set(f->other, f->env->now_ns + 20 * MS);
	run(f);
	assert_int_equal(f->calls, 1); // the other's
	f->env->ops->timer_free(f->timer);
	f->env->ops->timer_free(f->other);
}

static void free_own_timer(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	f->env->ops->timer_free(f->timer);
	f->timer = NULL;
	sl_loop_stop(f->loop);
}

static void a_timer_may_be_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;

	f->timer = f->env->ops->timer_new(f->env, free_own_timer, f);
	f->env->ops->timer_set(f->timer, f->env->now_ns + MS);
	run(f);
	assert_int_equal(f->calls, 1);
	f->env->ops->timer_free(NULL);
}

static void rearm(void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(f->depth++, 0);
	assert_int_equal(sl_loop_run(f->loop), SL_ERR_INVALID);
	if (++f->calls == 1000)
		sl_loop_stop(f->loop);
	f->env->ops->timer_set(f->timer, f->env->now_ns); // due now, but not called from here
	f->depth--;
}

static void callbacks_do_not_nest(void **state)
{
	struct fixture *f = *state;

	f->timer = f->env->ops->timer_new(f->env, rearm, f);
	f->env->ops->timer_set(f->timer, 0);
	run(f);
	assert_int_equal(f->calls, 1000);
	f->env->ops->timer_free(f->timer);
}

static void slow(void *arg)
{
	struct fixture *f = arg;
	struct timespec wait = {.tv_nsec = 20 * 1000 * 1000};

	nanosleep(&wait, NULL);
	f->deadline_ns = f->env->now_ns + 25 * MS; // reckoned from the callback's time
	f->env->ops->timer_set(f->other, f->deadline_ns);
}

static void a_slow_callback_does_not_make_timers_early(void **state)
{
	struct fixture *f = *state;

	f->timer = f->env->ops->timer_new(f->env, slow, f);
	f->other = f->env->ops->timer_new(f->env, stop_at_fire, f);
	f->env->ops->timer_set(f->timer, 0);
	run(f);
	assert_true(f->fired_ns >= f->deadline_ns);
	f->env->ops->timer_free(f->timer);
	f->env->ops->timer_free(f->other);
}

static void on_pipe(void *arg, unsigned ready)
{
	struct fixture *f = arg;
	char c;

	assert_int_equal(ready, SL_IO_READ);
	f->calls++;
	assert_int_equal(read(f->fds[0], &c, 1), 1);
	if (c == 'x') {
		sl_io_free(f->io);
		f->io = NULL;
		sl_loop_stop(f->loop);
	}
}

static void descriptors_are_watched(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pipe2(f->fds, O_CLOEXEC | O_NONBLOCK), 0);
	f->io = sl_loop_io(f->loop, f->fds[0], on_pipe, f);
	assert_non_null(f->io);
	assert_int_equal(write(f->fds[1], "aax", 3), 3);
	// Nothing awaited: nothing comes.
	f->timer = f->env->ops->timer_new(f->env, stop_at_fire, f);
	f->env->ops->timer_set(f->timer, f->env->now_ns + 5 * MS);
	run(f);
	assert_int_equal(f->calls, 1);
	// Level-triggered: three bytes, three calls; the last one frees the watch.
	assert_int_equal(sl_io_want(f->io, SL_IO_READ), SL_OK);
	run(f);
	assert_int_equal(f->calls, 4);
	assert_null(f->io);
	f->env->ops->timer_free(f->timer);
	close(f->fds[0]);
	close(f->fds[1]);
}

static void on_writable(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	assert_int_equal(ready, SL_IO_WRITE);
	if (++f->calls == 3)
		assert_int_equal(sl_io_want(f->io, 0), SL_OK);
}

static void what_is_awaited_can_change(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pipe2(f->fds, O_CLOEXEC | O_NONBLOCK), 0);
	f->io = sl_loop_io(f->loop, f->fds[1], on_writable, f);
	assert_int_equal(sl_io_want(f->io, SL_IO_WRITE), SL_OK);
	f->timer = f->env->ops->timer_new(f->env, stop_at_fire, f);
	f->env->ops->timer_set(f->timer, f->env->now_ns + 20 * MS);
	run(f);
	assert_int_equal(f->calls, 3 + 1);
	sl_io_free(f->io);
	sl_io_free(NULL);
	f->env->ops->timer_free(f->timer);
	close(f->fds[0]);
	close(f->fds[1]);
}

static void on_signal(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	sl_signal_free(f->sig);
	f->sig = NULL;
	sl_loop_stop(f->loop);
}

static void send_signal(void *arg)
{
	(void)arg;
	kill(getpid(), SIGUSR2);
}

static void signals_come_from_the_loop(void **state)
{
	struct fixture *f = *state;

	f->sig = sl_loop_signal(f->loop, SIGUSR2, on_signal, f);
	assert_non_null(f->sig);
	f->timer = f->env->ops->timer_new(f->env, send_signal, f);
	f->env->ops->timer_set(f->timer, 0);
	run(f);
	assert_int_equal(f->calls, 1);
	assert_null(f->sig);
	sl_signal_free(NULL);
	f->env->ops->timer_free(f->timer);
}

static void random_and_wall_clock(void **state)
{
	struct fixture *f = *state;
	uint8_t a[32] = {0}, b[32] = {0};
	uint64_t wall = f->env->ops->wall_ns(f->env) / SL_NS_PER_S, now = (uint64_t)time(NULL);

	f->env->ops->random(f->env, a, sizeof(a));
	f->env->ops->random(f->env, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(wall + 2 >= now && wall <= now + 2);
}

// --- look-ups ---

static void on_resolved(void *arg, const struct sl_addr *addrs, size_t count, const char *error)
{
	struct fixture *f = arg;

	assert_int_equal(f->depth, 0); // never from inside resolve()
	assert_true(count == 0 || error == NULL);
	f->calls++;
	f->count = count;
	memcpy(f->addrs, addrs, count * sizeof(*addrs));
	snprintf(f->error, sizeof(f->error), "%s", error ? error : "");
	sl_loop_stop(f->loop);
}

static struct sl_resolve *start(struct fixture *f, const char *text)
{
	struct sl_resolve *resolve;
	struct sl_host host;

	assert_int_equal(sl_host_parse(text, &host, NULL), SL_OK);
	f->depth = 1;
	resolve = f->env->ops->resolve(f->env, &host, on_resolved, f);
	f->depth = 0;
	assert_non_null(resolve);
	return resolve;
}

static bool has(const struct fixture *f, const char *shown)
{
	char out[SL_ADDR_TEXT];

	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(sl_addr_format(&f->addrs[i], out), shown) == 0)
			return true;
	}
	return false;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void net_3_a_literal_needs_no_query(void **state)
{
	struct fixture *f = *state;

	sl_loop_resolver_files(f->loop, "/nonexistent", "/nonexistent");
	start(f, "192.0.2.7:99");
	run(f);
	assert_int_equal(f->count, 1);
	assert_true(has(f, "192.0.2.7:99"));
	start(f, "2001:db8::7");
	run(f);
	assert_int_equal(f->count, 1);
	assert_true(has(f, "[2001:db8::7]:443"));
	start(f, "fe80::1%nosuchif0");
	run(f);
	assert_int_equal(f->count, 0);
	assert_non_null(strstr(f->error, "no such interface"));
}

static void net_3_the_hosts_file_is_honoured(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/softlan-test-XXXXXX";

	close(mkstemp(path));
	write_file(path, "127.0.0.1 localhost party\n192.0.2.9 relay.test\n");
	sl_loop_resolver_files(f->loop, "/nonexistent", path);
	start(f, "localhost:444");
	run(f);
	assert_true(has(f, "127.0.0.1:444"));
	start(f, "relay.test");
	run(f);
	assert_true(has(f, "192.0.2.9:443"));
	// It is read anew for each look-up.
	write_file(path, "192.0.2.10 relay.test\n");
	start(f, "relay.test");
	run(f);
	assert_int_equal(f->count, 1);
	assert_true(has(f, "192.0.2.10:443"));
	unlink(path);
}

// A small name server on loopback: A and AAAA for "two.test", A for "four.test", nothing for others;
// "silent.test" is not answered.
struct dns {
	struct fixture *f;
	struct sl_udp *udp;
	char conf[64];
	unsigned questions;
};

static void dns_recv(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct dns *dns = arg;

	for (size_t i = 0; i < count; i++) {
		uint8_t out[512];
		size_t len = batch[i].len, end = 12;
		char name[128] = "";
		uint16_t type;
		bool v4, v6;

		assert_true(len > 16 && len < 200);
		dns->questions++;
		while (batch[i].data[end] != 0) {
			strncat(name, (const char *)batch[i].data + end + 1, batch[i].data[end]);
			strcat(name, ".");
			end += 1u + batch[i].data[end];
		}
		end += 5;
		type = batch[i].data[end - 3];
		if (strncmp(name, "silent.test.", 12) == 0)
			continue;
		v4 = type == 1 && (!strcmp(name, "two.test.") || !strcmp(name, "four.test."));
		v6 = type == 28 && !strcmp(name, "two.test.");
		memcpy(out, batch[i].data, end);
		out[2] = 0x81;
		out[3] = 0x80;
		memset(out + 4, 0, 8);
		out[5] = 1;
		out[7] = v4 || v6;
		if (strcmp(name, "two.test.") && strcmp(name, "four.test."))
			out[3] |= 3; // NXDOMAIN
		if (v4) {
			memcpy(out + end, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\x05", 16);
			end += 16;
		} else if (v6) {
			memcpy(out + end, "\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10", 12);
			memset(out + end + 12, 0, 15);
			out[end + 27] = 1; // ::1
			end += 28;
		}
		struct sl_udp_tx tx = {
			.local = batch[i].local, .remote = batch[i].remote, .data = out, .len = end};
		dns->f->env->ops->udp_send(dns->udp, &tx, 1);
	}
}

static void dns_open(struct dns *dns, struct fixture *f)
{
	struct sl_udp_options options = {0};
	struct sl_udp_handler handler = {.recv = dns_recv, .arg = dns};
	struct sl_addr local;
	char line[128], out[SL_ADDR_TEXT];

	memset(dns, 0, sizeof(*dns));
	dns->f = f;
	assert_true(sl_addr_literal("127.0.0.1", 0, &options.bind));
	assert_int_equal(f->env->ops->udp_open(f->env, &options, &handler, &dns->udp, NULL), SL_OK);
	f->env->ops->udp_local(dns->udp, &local);
	strcpy(dns->conf, "/tmp/softlan-test-XXXXXX");
	close(mkstemp(dns->conf));
	snprintf(line, sizeof(line), "nameserver %s\n", sl_addr_format(&local, out));
	write_file(dns->conf, line);
	sl_loop_resolver_files(f->loop, dns->conf, "/nonexistent");
}

static void dns_close(struct dns *dns)
{
	dns->f->env->ops->udp_close(dns->udp);
	unlink(dns->conf);
}

static void net_3_both_families_are_asked(void **state)
{
	struct fixture *f = *state;
	struct dns dns;

	dns_open(&dns, f);
	start(f, "two.test:7");
	run(f);
	assert_true(has(f, "127.0.0.5:7"));
	// IPv6 is asked for only on a machine that has it.
	if (f->count == 2)
		assert_true(has(f, "[::1]:7"));
	start(f, "four.test");
	run(f);
	assert_int_equal(f->count, 1);
	assert_true(has(f, "127.0.0.5:443"));
	assert_true(dns.questions >= 2);
	dns_close(&dns);
}

static void net_3_an_unknown_name_is_said(void **state)
{
	struct fixture *f = *state;
	struct dns dns;

	dns_open(&dns, f);
	start(f, "nobody.test");
	run(f);
	assert_int_equal(f->count, 0);
	assert_non_null(strstr(f->error, "nobody.test"));
	assert_non_null(strstr(f->error, "spelling"));
	dns_close(&dns);
}

static void a_lookup_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct sl_resolve *resolve;
	struct dns dns;

	dns_open(&dns, f);
	f->timer = f->env->ops->timer_new(f->env, stop_at_fire, f);
	// At once; while the question is on its way; and when the answer is known but not given yet.
	f->env->ops->resolve_cancel(start(f, "two.test"));
	f->env->ops->resolve_cancel(start(f, "192.0.2.1"));
	resolve = start(f, "silent.test");
	f->env->ops->timer_set(f->timer, f->env->now_ns + 50 * MS);
	run(f);
	f->env->ops->resolve_cancel(resolve);
	f->env->ops->resolve_cancel(NULL);
	f->env->ops->timer_set(f->timer, f->env->now_ns + 20 * MS);
	run(f);
	assert_int_equal(f->calls, 2); // the timer's alone
	// Others go on.
	resolve = start(f, "silent.test");
	start(f, "four.test");
	f->env->ops->resolve_cancel(resolve);
	run(f);
	assert_int_equal(f->calls, 3);
	assert_int_equal(f->count, 1);
	f->env->ops->timer_free(f->timer);
	dns_close(&dns);
}

static void the_loop_can_end_with_a_lookup_under_way(void **state)
{
	struct fixture *f = *state;
	struct dns dns;

	dns_open(&dns, f);
	start(f, "silent.test");
	start(f, "192.0.2.1");
	f->env->ops->resolve_cancel(start(f, "silent.test"));
	run(f);
	assert_int_equal(f->calls, 1);
	dns_close(&dns);
	// teardown frees the loop; the sanitizer sees what is left behind
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_timer_never_fires_early),      T(a_timer_moves_both_ways),
		T(a_disarmed_timer_is_silent),     T(a_timer_may_be_freed_in_its_callback),
		T(callbacks_do_not_nest),          T(a_slow_callback_does_not_make_timers_early),
		T(descriptors_are_watched),        T(what_is_awaited_can_change),
		T(signals_come_from_the_loop),     T(random_and_wall_clock),
		T(net_3_a_literal_needs_no_query), T(net_3_the_hosts_file_is_honoured),
		T(net_3_both_families_are_asked),  T(net_3_an_unknown_name_is_said),
		T(a_lookup_can_be_cancelled),      T(the_loop_can_end_with_a_lookup_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
