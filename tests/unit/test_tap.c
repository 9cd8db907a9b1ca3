// The TAP port with the kernel's own stack on the other side: what it hands out are whole wire frames.
#include "client_ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "port/tap.h"
#include "proto/eth.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define MTU 1382
#define FRAME_MAX (MTU + 14)

static const struct sl_mac mac_a = {{0x02, 0, 0, 0, 0, 0xa}}, mac_b = {{0x02, 0, 0, 0, 0, 0xb}};

struct fixture {
	struct ns *ns;
	struct sl_port *port;
	unsigned frames, arps, batch_ends, malformed, failed, bad, udp, longest;
	size_t udp_bytes;
	const char *why;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

// The Internet checksum the slow way, on its own: RFC 1071.
static uint16_t slow_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// Is every length and checksum of this IPv4 or IPv6 TCP or UDP frame right?
static bool frame_good(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14, *l4;
	size_t l4_len, header;
	uint8_t protocol;
	uint32_t pseudo;

	if (len < 34)
		return false;
	if (be16(frame + 12) == SL_ETHERTYPE_IPV4) {
		header = (size_t)(ip[0] & 15) * 4;
		if (be16(ip + 2) != len - 14 || slow_sum(0, ip, header) != 0xffff)
			return false;
		if (be16(ip + 6) & 0x3fff) // a fragment: the checksum is not in one piece
			return true;
		protocol = ip[9];
		l4_len = len - 14 - header;
		pseudo = slow_sum(0, ip + 12, 8);
	} else {
		header = 40;
		if (len < 54 || be16(ip + 4) != len - 54)
			return false;
		protocol = ip[6];
		l4_len = len - 54;
		pseudo = slow_sum(0, ip + 8, 32);
	}
	l4 = ip + header;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return true;
	if (protocol == IPPROTO_UDP && (l4_len < 8 || be16(l4 + 4) != l4_len || be16(l4 + 6) == 0))
		return false;
	return slow_sum(pseudo + protocol + (uint32_t)l4_len, l4, l4_len) == 0xffff;
}

// A wire end at 10.9.0.2 / mac_b that answers ARP and looks at all else.
static void on_wire(void *arg, const uint8_t *frame, size_t len)
{
	struct fixture *f = arg;
	struct sl_eth eth;

	f->frames++;
	if (len > f->longest)
		f->longest = (unsigned)len;
	if (sl_eth_parse(frame, len, &eth) != SL_OK || !sl_mac_equal(&eth.src, &mac_a)) {
		f->bad++;
		return;
	}
	if (eth.type == SL_ETHERTYPE_ARP && be16(eth.payload + 6) == 1 && eth.payload[27] == 2) {
		uint8_t reply[42];
		f->arps++;
		memcpy(reply, mac_a.b, 6);
		memcpy(reply + 6, mac_b.b, 6);
		memcpy(reply + 12, frame + 12, 8);
		reply[20] = 0;
		reply[21] = 2;
		memcpy(reply + 22, mac_b.b, 6);
		memcpy(reply + 28, eth.payload + 24, 4);
		memcpy(reply + 32, eth.payload + 8, 10);
		assert_int_equal(sl_port_send(f->port, reply, sizeof reply), SL_OK);
	} else if (eth.type == SL_ETHERTYPE_IPV4 || eth.type == SL_ETHERTYPE_IPV6) {
		if (!frame_good(frame, len))
			f->bad++;
		if (eth.type == SL_ETHERTYPE_IPV4 && eth.payload[9] == IPPROTO_UDP) {
			f->udp++;
			f->udp_bytes += len - 42;
		}
	}
}

static void on_malformed(void *arg, const uint8_t *frame, size_t len)
{
	(void)frame, (void)len;
	((struct fixture *)arg)->malformed++;
}

static void on_batch_end(void *arg)
{
	((struct fixture *)arg)->batch_ends++;
}

static void on_failed(void *arg, const char *why)
{
	((struct fixture *)arg)->failed++;
	((struct fixture *)arg)->why = why;
}

static int tap_open(struct fixture *f, struct ns *ns, const char *name, bool offload, struct sl_error *error)
{
	struct sl_port_handler handler = {.receive = on_wire,
					  .malformed = on_malformed,
					  .batch_end = on_batch_end,
					  .failed = on_failed,
					  .arg = f};
	struct sl_tap_config config = {.name = name, .mac = mac_a, .offload = offload};

	memset(f, 0, sizeof *f);
	f->ns = ns;
	return sl_tap_open(ns->loop, &config, &handler, &f->port, error);
}

static void tap_up(struct fixture *f)
{
	struct ns *ns = f->ns;
	struct sl_error error = {0};
	bool offload = f->longest != 0;

	if (tap_open(f, ns, "ctap0", offload, &error) != SL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(sh("ip link set ctap0 mtu %d up && ip addr add 10.9.0.1/24 dev ctap0", MTU), 0);
}

// LIN-1: standby: there, down, with the MAC; silent; gone with its port.
static void test_lin1_standby(void **state)
{
	struct fixture f;
	struct sl_error error = {0};
	uint8_t frame[60] = {0};
	char out[512];

	assert_int_equal(tap_open(&f, NS_OR_SKIP(state), "ctap0", true, &error), SL_OK);
	assert_int_equal(sl_tap_ifindex(f.port), (int)if_nametoindex("ctap0"));
	sh_out(out, sizeof out, "ip link show ctap0");
	assert_non_null(strstr(out, "state DOWN"));
	assert_non_null(strstr(out, "02:00:00:00:00:0a"));
	assert_int_equal(sl_port_send(f.port, frame, sizeof frame),
			 SL_ERR_AGAIN); // the link is down: no harm
	ns_run(f.ns, 50);
	assert_int_equal(f.frames, 0);
	assert_int_equal(f.failed, 0);
	assert_int_equal(
		sh("ip link set ctap0 up && sleep 0.1 && ip link set ctap0 down && ip link set ctap0 up"), 0);
	ns_run(f.ns, 50);
	assert_int_equal(f.failed, 0);
	f.port->ops->close(f.port);
	assert_int_equal(if_nametoindex("ctap0"), 0);
}

// Bad input: each one sentence with place and remedy.
static void test_bad_names(void **state)
{
	static const char *const names[] = {"",      ".",   "..",   "sixteen-bytes-xx", "a b", "a/b",
					    "tap%d", "a:b", "a\x01"};
	struct ns *ns = NS_OR_SKIP(state);
	struct fixture f, g;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct sl_error error = {0};
		assert_int_equal(tap_open(&f, ns, names[i], true, &error), SL_ERR_INVALID);
		assert_non_null(strstr(error.text, "tap.name"));
		assert_null(f.port);
	}
	struct sl_error error = {0};
	assert_int_equal(tap_open(&f, ns, "fifteen-bytes-x", true, &error), SL_OK);
	assert_int_equal(tap_open(&g, ns, "fifteen-bytes-x", true, &error), SL_ERR_EXISTS);
	assert_non_null(strstr(error.text, "exists already"));
	f.port->ops->close(f.port);
	assert_int_equal(tap_open(&g, ns, "lo", true, &error), SL_ERR_EXISTS);
	// A device that another program has left there is not taken over.
	assert_int_equal(sh("ip tuntap add ctap9 mode tap"), 0);
	assert_int_equal(tap_open(&g, ns, "ctap9", true, &error), SL_ERR_EXISTS);
}

// Runs in a child; its exit code is 0 when the sentence holds `needle`.
static int open_in_child(struct ns *ns, bool no_device, int expected, const char *needle)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct fixture f;
		struct sl_error error = {0};
		int result;
		if (no_device && (unshare(CLONE_NEWNS) != 0 ||
				  // In a chroot "/" is no mount point.
				  (mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0 &&
				   mount("", "/dev", NULL, MS_PRIVATE, NULL) != 0) ||
				  mount("none", "/dev/net", "tmpfs", 0, NULL) != 0))
			_exit(77);
		if (!no_device && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(77);
		result = tap_open(&f, ns, "ctap0", true, &error);
		_exit(result == expected && strstr(error.text, needle) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Bad input: no /dev/net/tun, no privilege.
static void test_no_device_no_privilege(void **state)
{
	struct ns *ns = NS_OR_SKIP(state);

	assert_int_equal(open_in_child(ns, true, SL_ERR_SYSTEM, "modprobe tun"), 0);
	assert_int_equal(open_in_child(ns, false, SL_ERR_PERMISSION, "CAP_NET_ADMIN"), 0);
}

static void send_udp(unsigned bytes, int segment)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	uint8_t *data = calloc(1, bytes);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_non_null(data);
	for (unsigned i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i * 7);
	inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
	if (segment)
		assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
	assert_int_equal(sendto(fd, data, bytes, 0, (struct sockaddr *)&to, sizeof to), bytes);
	close(fd);
	free(data);
}

// LIN-1: ARP, a small datagram (a partial checksum) and a train of datagrams (USO) come out whole.
static void test_lin1_whole_frames(void **state)
{
	struct fixture f = {.ns = NS_OR_SKIP(state), .longest = 1};
	struct sl_port_stats stats;
	bool uso;

	tap_up(&f);
	uso = strcmp(sl_tap_offload(f.port), "TSO and USO") == 0;
	send_udp(101, 0);
	ns_run(f.ns, 200);
	assert_int_equal(f.arps, 1);
	assert_int_equal(f.udp, 1);
	assert_int_equal(f.udp_bytes, 101);
	send_udp(20000, 1000);
	ns_run(f.ns, 100);
	assert_int_equal(f.udp, 21);
	assert_int_equal(f.udp_bytes, 20101);
	send_udp(5000, 0); // IP fragments, made by the stack
	ns_run(f.ns, 100);
	assert_int_equal(f.bad, 0);
	assert_int_equal(f.malformed, 0);
	assert_true(f.longest <= FRAME_MAX);
	assert_true(f.batch_ends >= 3 && f.batch_ends <= f.frames);
	f.port->ops->stats(f.port, &stats);
	assert_int_equal(stats.rx_frames, f.frames);
	assert_true(stats.rx_csum >= 1);
	if (uso) {
		assert_int_equal(stats.rx_super, 1);
		assert_int_equal(stats.rx_segments, 20);
	}
	assert_int_equal(stats.tx_frames, 1);
	f.port->ops->close(f.port);
}

// The setting `offload = false`: the kernel does all of it.
static void test_offload_off(void **state)
{
	struct fixture f = {.ns = NS_OR_SKIP(state)};
	struct sl_port_stats stats;

	tap_up(&f);
	assert_string_equal(sl_tap_offload(f.port), "none");
	send_udp(20000, 1000);
	ns_run(f.ns, 200);
	assert_int_equal(f.udp, 20);
	assert_int_equal(f.bad, 0);
	f.port->ops->stats(f.port, &stats);
	assert_int_equal(stats.rx_super + stats.rx_csum, 0);
	f.port->ops->close(f.port);
}

// A device deleted from outside is reported once, and sending to it is an error and no crash.
static void test_deleted_from_outside(void **state)
{
	struct fixture f = {.ns = NS_OR_SKIP(state), .longest = 1};
	uint8_t frame[60] = {0};

	tap_up(&f);
	ns_run(f.ns, 20);
	assert_int_equal(sh("ip link delete ctap0"), 0);
	ns_run(f.ns, 100);
	assert_int_equal(f.failed, 1);
	assert_non_null(strstr(f.why, "deleted"));
	assert_int_equal(sl_port_send(f.port, frame, sizeof frame), SL_ERR_CLOSED);
	ns_run(f.ns, 100);
	assert_int_equal(f.failed, 1);
	f.port->ops->close(f.port);
}

// Carrier off keeps the device and its address.
static void test_lin1_carrier(void **state)
{
	struct fixture f = {.ns = NS_OR_SKIP(state), .longest = 1};
	char out[1024];

	tap_up(&f);
	assert_int_equal(sl_tap_set_carrier(f.port, false), SL_OK);
	sh_out(out, sizeof out, "ip addr show ctap0");
	assert_non_null(strstr(out, "NO-CARRIER"));
	assert_non_null(strstr(out, "10.9.0.1/24"));
	assert_int_equal(sl_tap_set_carrier(f.port, true), SL_OK);
	sh_out(out, sizeof out, "ip addr show ctap0");
	assert_null(strstr(out, "NO-CARRIER"));
	f.port->ops->close(f.port);
}

// Short frames are refused, not sent and no crash.
static void test_short_frames(void **state)
{
	struct fixture f = {.ns = NS_OR_SKIP(state), .longest = 1};
	uint8_t frame[14] = {0};

	tap_up(&f);
	for (size_t len = 0; len < 14; len++)
		assert_int_equal(sl_port_send(f.port, frame, len), SL_ERR_INVALID);
	f.port->ops->close(f.port);
}

// ---- TCP between two stacks, TAP to TAP ----

#define FLOW (16u << 20)

struct pipe_end {
	struct sl_port *port, *other;
	unsigned longest, bad;
};

static void on_pipe(void *arg, const uint8_t *frame, size_t len)
{
	struct pipe_end *end = arg;

	if (len > end->longest)
		end->longest = (unsigned)len;
	if (be16(frame + 12) == SL_ETHERTYPE_IPV4 && !frame_good(frame, len))
		end->bad++;
	(void)sl_port_send(end->other, frame, len);
}

static void on_pipe_end(void *arg)
{
	sl_port_flush(((struct pipe_end *)arg)->other);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

static void send_flow(int fd, const struct sockaddr_in *to)
{
	static uint8_t buf[65536];

	alarm(30);
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
		_exit(2);
	for (size_t done = 0; done < FLOW;) {
		size_t want = sizeof buf < FLOW - done ? sizeof buf : FLOW - done;
		ssize_t n;
		for (size_t i = 0; i < want; i++)
			buf[i] = pattern(done + i);
		n = write(fd, buf, want);
		if (n <= 0)
			_exit(3);
		done += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	_exit(read(fd, buf, 1) == 1 ? 0 : 4); // the other side has seen it all
}

static void receive_flow(int listener)
{
	static uint8_t buf[65536];
	size_t done = 0;
	ssize_t n;
	int fd;

	alarm(30);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		_exit(2);
	while ((n = read(fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(done + (size_t)i))
				_exit(3);
		done += (size_t)n;
	}
	if (done != FLOW || write(fd, "!", 1) != 1)
		_exit(4);
	_exit(0);
}

static void tcp_flow(void **state, bool offload)
{
	struct ns *ns = NS_OR_SKIP(state);
	struct pipe_end a = {0}, b = {0};
	struct sl_port_handler
		handler_a = {.receive = on_pipe, .malformed = on_pipe, .batch_end = on_pipe_end, .arg = &a},
		handler_b = {.receive = on_pipe, .malformed = on_pipe, .batch_end = on_pipe_end, .arg = &b};
	struct sl_tap_config config_a = {.name = "ctapa", .mac = mac_a, .offload = offload},
			     config_b = {.name = "ctapb", .mac = mac_b, .offload = offload};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5001)};
	struct sl_port_stats stats, written;
	int sender, listener, status, left = 2;
	uint64_t start = sl_clock_ns(CLOCK_MONOTONIC);
	pid_t pids[2];

	inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
	assert_int_equal(sl_tap_open(ns->loop, &config_a, &handler_a, &a.port, NULL), SL_OK);
	assert_int_equal(sh("ip link set ctapa mtu %d up && ip addr add 10.9.0.1/24 dev ctapa", MTU), 0);
	sender = socket(AF_INET, SOCK_STREAM, 0);
	// The other stack. A socket and a TAP stay in the namespace they were made in.
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(sl_tap_open(ns->loop, &config_b, &handler_b, &b.port, NULL), SL_OK);
	assert_int_equal(sh("ip link set ctapb mtu %d up && ip addr add 10.9.0.2/24 dev ctapb", MTU), 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(listen(listener, 1), 0);
	a.other = b.port;
	b.other = a.port;

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			i ? receive_flow(listener) : send_flow(sender, &to);
	}
	while (left > 0 && sl_clock_ns(CLOCK_MONOTONIC) - start < 30 * SL_NS_PER_S) {
		ns_run(ns, 20);
		for (int i = 0; i < 2; i++) {
			if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				pids[i] = 0;
				left--;
				assert_true(WIFEXITED(status));
				assert_int_equal(WEXITSTATUS(status), 0);
			}
		}
	}
	assert_int_equal(left, 0);
	assert_int_equal(a.bad + b.bad, 0);
	assert_true(a.longest == FRAME_MAX && b.longest <= FRAME_MAX);
	a.port->ops->stats(a.port, &stats);
	if (offload)
		assert_true(stats.rx_super > 100 && stats.rx_segments > stats.rx_super);
	else
		assert_int_equal(stats.rx_super, 0);
	b.port->ops->stats(b.port, &written);
	if (offload)
		assert_true(written.tx_super > 100 && written.tx_segments > 10 * written.tx_super);
	else
		assert_int_equal(written.tx_super + written.tx_segments, 0);
	assert_true(written.tx_frames > FLOW / MTU && written.tx_segments <= written.tx_frames);
	print_message("%u MiB in %u ms, %llu reads of super-frames\n", FLOW >> 20,
		      (unsigned)((sl_clock_ns(CLOCK_MONOTONIC) - start) / SL_NS_PER_MS),
		      (unsigned long long)stats.rx_super);
	close(sender);
	close(listener);
	a.port->ops->close(a.port);
	b.port->ops->close(b.port);
}

// LIN-1, LIN-5: 16 MiB of TCP arrive as they were sent, cut from super-frames into frames of the MTU.
static void test_lin5_tcp_with_offload(void **state)
{
	tcp_flow(state, true);
}

static void test_lin5_tcp_without_offload(void **state)
{
	tcp_flow(state, false);
}

#define NS_TEST(name) cmocka_unit_test_setup_teardown(name, ns_setup, ns_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NS_TEST(test_lin1_standby),
		NS_TEST(test_bad_names),
		NS_TEST(test_no_device_no_privilege),
		NS_TEST(test_lin1_whole_frames),
		NS_TEST(test_offload_off),
		NS_TEST(test_deleted_from_outside),
		NS_TEST(test_lin1_carrier),
		NS_TEST(test_short_frames),
		NS_TEST(test_lin5_tcp_with_offload),
		NS_TEST(test_lin5_tcp_without_offload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
