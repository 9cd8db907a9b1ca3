// What the daemons ask of the system's scheduler: real time for as long as they need little, and never for
// long. By the real kernel, which this takes privileges for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/priority.h"

struct world {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_priority priority;
	struct sl_timer *work, *end;
	uint64_t spin_ns, rest_ns; // how long it works, and then does nothing
};

static void on_work(void *arg)
{
	struct world *w = arg;
	uint64_t begin = sl_clock_ns(CLOCK_MONOTONIC);

	while (sl_clock_ns(CLOCK_MONOTONIC) - begin < w->spin_ns)
		;
	w->env->ops->timer_set(w->work, sl_clock_ns(CLOCK_MONOTONIC) + w->rest_ns);
}

static void on_end(void *arg)
{
	struct world *w = arg;

	sl_loop_stop(w->loop);
}

// Runs for `ms`; in each turn it works for so long and rests for so long.
static void run(struct world *w, uint64_t ms, uint64_t spin_us, uint64_t rest_us)
{
	w->spin_ns = spin_us * SL_NS_PER_US;
	w->rest_ns = rest_us * SL_NS_PER_US;
	w->env->ops->timer_set(w->work, sl_clock_ns(CLOCK_MONOTONIC));
	w->env->ops->timer_set(w->end, sl_clock_ns(CLOCK_MONOTONIC) + ms * SL_NS_PER_MS);
	sl_loop_run(w->loop);
}

// On a machine that others use as well it may take more than one check.
static bool run_until(struct world *w, int policy, uint64_t spin_us, uint64_t rest_us)
{
	for (unsigned i = 0; i < 50 && sched_getscheduler(0) != policy; i++)
		run(w, 120, spin_us, rest_us);
	return sched_getscheduler(0) == policy;
}

static bool permitted(void)
{
	const struct sched_param lowest = {.sched_priority = 1}, plain = {0};
	bool plainly = sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0;
	bool may = plainly && sched_setscheduler(0, SCHED_RR, &lowest) == 0;

	if (plainly)
		(void)sched_setscheduler(0, SCHED_OTHER, &plain);
	return may;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sl_error error = {""};

	assert_non_null(w);
	sl_log_init(&w->log);
	w->loop = sl_loop_new(&w->log, &error);
	assert_non_null(w->loop);
	w->env = sl_loop_env(w->loop);
	w->work = w->env->ops->timer_new(w->env, on_work, w);
	w->end = w->env->ops->timer_new(w->env, on_end, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	const struct sched_param plain = {0};
	struct world *w = *state;

	(void)sched_setscheduler(0, SCHED_OTHER, &plain);
	w->env->ops->timer_free(w->work);
	w->env->ops->timer_free(w->end);
	sl_loop_free(w->loop);
	free(w);
	return 0;
}

// First before all others, until it takes too much; then as everybody, until it has been calm for a while.
static void test_little_and_much(void **state)
{
	struct world *w = *state;

	if (!permitted())
		skip(); // neither CAP_SYS_NICE nor RLIMIT_RTPRIO here, or run under nice(1) or chrt(1)
	sl_priority_start(&w->priority, w->loop);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	run(w, 500, 500, 1500);
	assert_int_equal(sched_getscheduler(0), SCHED_RR);
	assert_true(run_until(w, SCHED_OTHER, 1000, 0));
	run(w, 500, 500, 1500); // calm, but not for a second yet
	if (w->env->now_ns < w->priority.again_ns)
		assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	assert_true(run_until(w, SCHED_RR, 500, 1500));
}

// What the operator has chosen stays.
static void test_chosen_policy(void **state)
{
	const struct sched_param plain = {0};
	struct world *w = *state;

	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &plain), 0);
	sl_priority_start(&w->priority, w->loop);
	run(w, 300, 500, 1500);
	assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
}

static void test_chosen_nice(void **state)
{
	struct world *w = *state;
	int status = -1;
	pid_t child = fork(); // nobody can be sure to come back from a nice value

	assert_true(child >= 0);
	if (child == 0) {
		bool same = setpriority(PRIO_PROCESS, 0, 5) == 0;

		sl_priority_start(&w->priority, w->loop);
		same = same && sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 5;
		_exit(same ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

// And what is chosen while it runs.
static void test_chosen_later(void **state)
{
	const struct sched_param plain = {0};
	struct world *w = *state;

	if (!permitted())
		skip();
	sl_priority_start(&w->priority, w->loop);
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &plain), 0);
	run(w, 1500, 500, 1500);
	assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
}

// Without the right to it, the daemon runs all the same.
static void test_not_permitted(void **state)
{
	struct world *w = *state;
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0, 0};
		bool fair = setrlimit(RLIMIT_RTPRIO, &none) == 0 && (getuid() != 0 || setuid(65534) == 0);

		sl_priority_start(&w->priority, w->loop);
		fair = fair && sched_getscheduler(0) == SCHED_OTHER;
		_exit(fair ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_little_and_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chosen_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chosen_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chosen_nice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_permitted, setup, teardown),
	};
	return cmocka_run_group_tests_name("priority", tests, NULL, NULL);
}
