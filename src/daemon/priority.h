// When this process has its turn on a busy machine.
#pragma once

#include "net/loop.h"

// A frame is worth something for milliseconds, and Linux' fair scheduler lets a process that has something to
// do wait for as long while others run, at times beside an idle CPU. So a daemon runs with SCHED_RR at the
// lowest priority, which all programs with a fair share give way to, for as long as it needs little: one that
// took more than nine tenths of a CPU during a tenth of a second has a fair share for a second at least, so
// that a flood of frames cannot take a small machine from its owner. Its slices are short then (100 us),
// which costs nobody anything.
//
// SCHED_RR takes CAP_SYS_NICE or RLIMIT_RTPRIO (systemd: LimitRTPRIO=1); without either only the slices are
// short. A policy or a nice value that somebody has chosen for the process (systemd: CPUSchedulingPolicy=,
// Nice=) is left alone.
struct sl_priority {
	struct sl_loop *loop;
	uint64_t since_ns, used_ns; // the last check: when, and the CPU time of the process until then
	uint64_t again_ns;          // not before is SCHED_RR tried again
	bool real_time;
};

// `priority` is the caller's and lives as long as the loop.
void sl_priority_start(struct sl_priority *priority, struct sl_loop *loop);
