// UDP sockets where something is missing: addresses, rights, IPv6, a route, room in the buffer. Some
// run in network namespaces of their own, which takes root; else they are skipped.
#include "tests/unit/udp_fixture.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void opening_fails_with_a_remedy(void **state)
{
	struct fixture *f = *state;
	struct sl_udp_options options = {0};
	struct sl_error error = {0};
	char shown[SL_ADDR_TEXT];

	open_at(f, &f->a, "127.0.0.1", true);
	options.bind = f->a.addr;
	assert_int_equal(try_open(f, &f->b, &options, &error), SL_ERR_EXISTS);
	assert_non_null(strstr(error.text, sl_addr_format(&f->a.addr, shown)));
	assert_non_null(strstr(error.text, "already in use"));
	assert_null(f->b.udp);

	assert_true(sl_addr_literal("192.0.2.77", 4433, &options.bind));
	assert_int_equal(try_open(f, &f->b, &options, &error), SL_ERR_NOT_FOUND);
	assert_non_null(strstr(error.text, "192.0.2.77:4433"));

	memset(&options, 0, sizeof(options));
	assert_int_equal(try_open(f, &f->b, &options, &error), SL_ERR_INVALID);
	f->env->ops->udp_close(NULL);
}

static void a_port_below_1024_needs_a_right(void **state)
{
	struct fixture *f = *state;
	struct sl_udp_options options = {0};
	struct sl_error error = {0};
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bool ok = setuid(65534) == 0 && sl_addr_literal("127.0.0.1", 1023, &options.bind);

		ok = ok && try_open(f, &f->b, &options, &error) == SL_ERR_PERMISSION;
		ok = ok && strstr(error.text, "127.0.0.1:1023") && strstr(error.text, "CAP_NET_BIND_SERVICE");
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

// --- in network namespaces ---

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

static void loopback_up(int mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo"};

	if (mtu) {
		ifr.ifr_mtu = mtu;
		assert_int_equal(ioctl(fd, SIOCSIFMTU, &ifr), 0);
	}
	memset(&ifr.ifr_ifru, 0, sizeof(ifr.ifr_ifru));
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

// Runs `body` in a child in a new network namespace; skips the test without the right to make one.
// The child's assertions end it with a code other than 0.
static void in_namespace(struct fixture *f, void (*body)(struct fixture *f))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct sl_loop *parents = f->loop;

		if (unshare(CLONE_NEWNET) != 0)
			_exit(77);
		// The event loop's descriptors are shared with the parent: it gets its own.
		f->loop = sl_loop_new(&f->log, NULL);
		f->env = sl_loop_env(f->loop);
		f->guard = f->env->ops->timer_new(f->env, on_guard, f);
		(void)parents;
		body(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "# %s:%d: %s\n", __func__, __LINE__, #condition);                    \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void body_df(struct fixture *f)
{
	struct sl_udp_stats stats;

	loopback_up(1500);
	open_at(f, &f->a, "127.0.0.1", true);
	open_at(f, &f->b, "127.0.0.1", true);
	send_train(f, &f->a, &f->b, 0, 1, 1472, 1472, 0);
	send_train(f, &f->a, &f->b, 1, 1, 1473, 1473, 0); // 1501 bytes of IP: never fragmented
	send_train(f, &f->a, &f->b, 2, 3, 1480, 100, 0);  // a train that is too wide, but for its last
	send_train(f, &f->a, &f->b, 5, 10, 1472, 10, 0);  // UDP_SEGMENT is not to blame for that
	f->b.stop_after = 12;
	run(f);
	f->env->ops->udp_stats(f->a.udp, &stats);
	CHECK(f->b.got == 12);
	CHECK(f->b.len[0] == 1472 && f->b.number[1] == 4 && f->b.len[1] == 100 && f->b.number[2] == 5);
	CHECK(stats.tx_errors == 3);
	CHECK(stats.gso);
}

static void datagrams_are_never_fragmented(void **state)
{
	in_namespace(*state, body_df);
}

static void body_no_ipv6(struct fixture *f)
{
	struct sl_udp_options options = {.dual_stack = true};
	char shown[SL_ADDR_TEXT];

	loopback_up(0);
	write_text("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	CHECK(sl_addr_literal("::", 5001, &options.bind));
	CHECK(try_open(f, &f->a, &options, NULL) == SL_OK);
	open_at(f, &f->b, "127.0.0.1", true);
	CHECK(sl_addr_literal("127.0.0.1", 5001, &f->a.addr));
	f->a.echo = true;
	send_train(f, &f->b, &f->a, 0, 2, 100, 100, 0);
	f->b.stop_after = 2;
	run(f);
	CHECK(f->b.got == 2);
	CHECK(strcmp(sl_addr_format(&f->a.remote, shown), sl_addr_format(&f->b.addr, shown)) == 0);
}

static void without_ipv6_the_wildcard_is_ipv4(void **state)
{
	in_namespace(*state, body_no_ipv6);
}

static void body_no_route(struct fixture *f)
{
	struct sl_udp_options options = {0};
	struct sl_error error;

	loopback_up(0);
	CHECK(sl_addr_literal("203.0.113.5", 443, &options.remote));
	CHECK(try_open(f, &f->a, &options, &error) == SL_ERR_NOT_FOUND);
	CHECK(strstr(error.text, "no route to 203.0.113.5:443"));
	// Unconnected: every datagram is refused, taken and counted; one line is logged.
	open_at(f, &f->a, "0.0.0.0", true);
	f->b.addr = options.remote;
	for (uint32_t i = 0; i < 5; i++)
		send_train(f, &f->a, &f->b, 0, 4, 100, 100, 0);
	struct sl_udp_stats stats;
	f->env->ops->udp_stats(f->a.udp, &stats);
	CHECK(stats.tx_errors == 20 && stats.tx_datagrams == 0);
	CHECK(stats.gso);
	CHECK(strstr(f->logged, "203.0.113.5:443"));
}

static void a_missing_route_is_counted_and_said(void **state)
{
	in_namespace(*state, body_no_route);
}

// A TAP device where nobody answers ARP, and whose queue for the unresolved neighbour is larger than
// the socket's buffer: what is sent stays charged to the socket until the kernel gives up on ARP.
static bool silent_lan(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC),
	    ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "t0", .ifr_flags = IFF_TAP | IFF_NO_PI};
	struct sl_addr addr;

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0)
		return false; // the descriptor stays open: the device lives as long as the child
	sl_addr_literal("10.9.9.1", 0, &addr);
	memcpy(&ifr.ifr_addr, &addr.in, sizeof(addr.in));
	CHECK(ioctl(ctl, SIOCSIFADDR, &ifr) == 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	CHECK(ioctl(ctl, SIOCSIFFLAGS, &ifr) == 0);
	close(ctl);
	write_text("/proc/sys/net/ipv4/neigh/t0/unres_qlen_bytes", "100000000");
	write_text("/proc/sys/net/ipv4/neigh/t0/retrans_time_ms", "100");
	return true;
}

static void full_socket(struct fixture *f, bool offload)
{
	static uint8_t data[40 * 1000];
	struct sl_addr to;
	struct sl_udp_tx batch[32];
	struct sl_udp_stats stats;
	size_t taken = 0, n;

	if (!silent_lan())
		_exit(77);
	CHECK(sl_addr_literal("10.9.9.2", 5000, &to));
	open_at(f, &f->a, "10.9.9.1", offload);
	for (size_t i = 0; i < 32; i++)
		batch[i] = (struct sl_udp_tx){.remote = &to,
					      .local = &f->a.addr,
					      .data = data,
					      .len = sizeof(data),
					      .segment = 1000};
	do {
		n = f->env->ops->udp_send(f->a.udp, batch, 32);
		taken += n;
		CHECK(taken < 10000);
	} while (n == 32);
	f->env->ops->udp_stats(f->a.udp, &stats);
	CHECK(taken > 0 && stats.tx_blocked == 1 && stats.tx_errors == 0);
	CHECK(stats.tx_datagrams <= taken * 40 && stats.tx_datagrams > (taken - 1) * 40);
	// Asked again at once it takes nothing, and says so without another system call.
	CHECK(f->env->ops->udp_send(f->a.udp, batch, 1) == 0);
	run(f); // ARP fails, the queue is emptied, writable is called
	CHECK(f->a.writable == 1);
	// A train that was half sent has been sent to its end.
	f->env->ops->udp_stats(f->a.udp, &stats);
	CHECK(stats.tx_datagrams == taken * 40 && stats.tx_bytes == taken * sizeof(data));
	CHECK(f->env->ops->udp_send(f->a.udp, batch, 1) == 1);
	run_for(f, 20 * MS);
	CHECK(f->a.writable == 1); // once
}

static void body_full_gso(struct fixture *f)
{
	full_socket(f, true);
}

static void body_full_single(struct fixture *f)
{
	full_socket(f, false);
}

static void a_full_socket_says_so_with_gso(void **state)
{
	in_namespace(*state, body_full_gso);
}

static void a_full_socket_says_so_without_gso(void **state)
{
	in_namespace(*state, body_full_single);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(opening_fails_with_a_remedy),         T(a_port_below_1024_needs_a_right),
		T(datagrams_are_never_fragmented),      T(without_ipv6_the_wildcard_is_ipv4),
		T(a_missing_route_is_counted_and_said), T(a_full_socket_says_so_with_gso),
		T(a_full_socket_says_so_without_gso),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
