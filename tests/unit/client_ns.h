// For tests that need the kernel's network: a namespace of their own, shell commands in it, and the
// loop for a while. Without root (or without namespaces) such a test is skipped, visibly.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/time.h"
#include "net/loop.h"

struct ns {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_timer *timer;
	char lines[16384]; // what was logged
};

__attribute__((format(printf, 1, 2), unused)) static int sh(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	return system(command);
}

// The output of a command; the buffer is the caller's.
__attribute__((format(printf, 3, 4), unused)) static const char *sh_out(char *out, size_t size,
									const char *format, ...)
{
	char command[1024];
	va_list args;
	FILE *pipe;
	size_t n;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(out, 1, size - 1, pipe);
	out[n] = '\0';
	pclose(pipe);
	return out;
}

static void ns_log(void *arg, enum sl_log_level level, const char *line)
{
	struct ns *ns = arg;
	size_t used = strlen(ns->lines);

	(void)level;
	snprintf(ns->lines + used, sizeof ns->lines - used, "%s\n", line);
}

static void ns_stop(void *arg)
{
	struct ns *ns = arg;

	sl_loop_stop(ns->loop);
}

// Runs the loop for so long, or until somebody stops it.
__attribute__((unused)) static void ns_run(struct ns *ns, unsigned ms)
{
	ns->env->ops->timer_set(ns->timer, sl_clock_ns(CLOCK_MONOTONIC) + ms * SL_NS_PER_MS);
	assert_int_equal(sl_loop_run(ns->loop), SL_OK);
	ns->env->ops->timer_set(ns->timer, SL_TIME_NEVER);
}

__attribute__((unused)) static int ns_setup(void **state)
{
	struct ns *ns;

	*state = NULL;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "needs root and network namespaces\n");
		return 0;
	}
	assert_int_equal(sh("ip link set lo up"), 0);
	ns = calloc(1, sizeof *ns);
	assert_non_null(ns);
	sl_log_init(&ns->log);
	ns->log.level = SL_LOG_DEBUG;
	ns->log.sink = ns_log;
	ns->log.sink_arg = ns;
	ns->loop = sl_loop_new(&ns->log, NULL);
	assert_non_null(ns->loop);
	ns->env = sl_loop_env(ns->loop);
	ns->timer = ns->env->ops->timer_new(ns->env, ns_stop, ns);
	*state = ns;
	return 0;
}

__attribute__((unused)) static int ns_teardown(void **state)
{
	struct ns *ns = *state;

	if (ns) {
		ns->env->ops->timer_free(ns->timer);
		sl_loop_free(ns->loop);
		free(ns);
	}
	return 0;
}

// First line of each test.
#define NS_OR_SKIP(state)                                                                                    \
	({                                                                                                   \
		if (!*(state))                                                                               \
			skip();                                                                              \
		*(state);                                                                                    \
	})
