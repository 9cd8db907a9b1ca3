#include "daemon/priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK_NS (100 * SL_NS_PER_MS)
#define FAIR_NS SL_NS_PER_S
#define SLICE_NS 100000

// sched_setattr(2). The system's headers that have it clash with <sched.h>, or do not, by their age.
struct slice_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

static void go_fair(struct sl_priority *priority)
{
	struct slice_attr attr = {.size = sizeof(attr), .policy = SCHED_OTHER, .runtime_ns = SLICE_NS};
	const struct sched_param plain = {0};

	// Without effect before Linux 6.12; a filter of system calls may refuse it.
	if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0)
		(void)sched_setscheduler(0, SCHED_OTHER, &plain);
	priority->real_time = false;
	priority->again_ns = sl_loop_env(priority->loop)->now_ns + FAIR_NS;
}

static void go_real_time(struct sl_priority *priority)
{
	const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};

	priority->real_time = sched_setscheduler(0, SCHED_RR, &lowest) == 0;
}

// Has nobody chosen anything else for the process?
static bool ours(int policy)
{
	return sched_getscheduler(0) == policy && getpriority(PRIO_PROCESS, 0) == 0;
}

static void check(void *arg)
{
	struct sl_priority *priority = arg;
	uint64_t now = sl_loop_env(priority->loop)->now_ns, used = sl_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t took = now - priority->since_ns, busy = used - priority->used_ns;

	priority->since_ns = now;
	priority->used_ns = used;
	if (!ours(priority->real_time ? SCHED_RR : SCHED_OTHER)) {
		sl_loop_often(priority->loop, 0, NULL, NULL);
		return;
	}
	if (priority->real_time && busy > took / 10 * 9)
		go_fair(priority);
	else if (!priority->real_time && now >= priority->again_ns && busy < took / 4 * 3)
		go_real_time(priority);
}

void sl_priority_start(struct sl_priority *priority, struct sl_loop *loop)
{
	const struct rlimit keep = {1, 1};

	*priority = (struct sl_priority){.loop = loop,
					 .since_ns = sl_loop_env(loop)->now_ns,
					 .used_ns = sl_clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
	if (!ours(SCHED_OTHER))
		return;
	go_real_time(priority);
	if (!priority->real_time) {
		go_fair(priority);
		return;
	}
	(void)setrlimit(RLIMIT_RTPRIO, &keep); // should somebody take the privilege away
	sl_loop_often(loop, CHECK_NS, check, priority);
}
