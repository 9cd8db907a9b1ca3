// A private place for tests that need real interfaces: a network namespace with gw0, joined by a
// veth pair to lan0 in a second one. Everything vanishes with the process. Needs root.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

struct veth {
	int gw_ns, lan_ns; // namespaces, as descriptors
};

// Runs a shell command; fails on a status other than 0.
__attribute__((format(printf, 1, 2))) static inline bool veth_run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) == 0)
		return true;
	fprintf(stderr, "failed: %s\n", command);
	return false;
}

static inline int veth_namespace(void)
{
	return open("/proc/self/ns/net", O_RDONLY);
}

// A shell command in the LAN's namespace.
__attribute__((format(printf, 2, 3))) static inline bool veth_run_lan(const struct veth *veth,
								      const char *format, ...)
{
	char command[400];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return veth_run("nsenter --net=/proc/%d/fd/%d sh -c '%s'", (int)getpid(), veth->lan_ns, command);
}

// Once per process: moves it into a namespace of its own, with /sys to match.
static inline bool veth_init(struct veth *veth)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
		return false;
	// In a chroot "/" is no mount point; /sys is the only one that we mount on.
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 &&
	    mount(NULL, "/sys", NULL, MS_PRIVATE, NULL) != 0)
		return false;
	veth->gw_ns = veth_namespace();
	if (unshare(CLONE_NEWNET) != 0)
		return false;
	veth->lan_ns = veth_namespace();
	if (setns(veth->gw_ns, CLONE_NEWNET) != 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) != 0)
		return false;
	return veth_run("ip link set lo up") && veth_run_lan(veth, "ip link set lo up");
}

// Until then an interface throws away what is sent, without an error: the kernel gives it its queue a moment
// after its carrier has come, later on a busy machine.
#define VETH_WAIT_UP(interface)                                                                              \
	"for i in $(seq 300); do ip link show " interface " | grep -q state.UP && exit 0; sleep 0.01; "      \
	"done; "                                                                                             \
	"exit 1"

static inline bool veth_up(const struct veth *veth)
{
	return veth_run("ip link add gw0 address 02:00:00:00:00:01 type veth peer name lan0") &&
	       veth_run("ip link set lan0 netns /proc/%d/fd/%d", (int)getpid(), veth->lan_ns) &&
	       veth_run_lan(veth, "ip link set lan0 address 02:00:00:00:00:02") &&
	       veth_run("ip addr add 10.77.0.1/24 dev gw0 && ip addr add fd77::1/64 dev gw0 nodad && "
			"ip link set gw0 up") &&
	       veth_run_lan(veth,
			    "ip addr add 10.77.0.2/24 dev lan0 && ip addr add fd77::2/64 dev lan0 nodad && "
			    "ip link set lan0 up") &&
	       veth_run(VETH_WAIT_UP("gw0")) && veth_run_lan(veth, VETH_WAIT_UP("lan0"));
}

static inline void veth_down(void)
{
	(void)!system("ip link del gw0 2>/dev/null");
}

// Forks a process that runs fn in the LAN's namespace (lan) or here, and exits with its result.
static inline pid_t veth_spawn(const struct veth *veth, bool lan, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	alarm(20); // nothing a test starts outlives it
	_exit(lan && setns(veth->lan_ns, CLONE_NEWNET) != 0 ? 99 : fn(arg));
}
