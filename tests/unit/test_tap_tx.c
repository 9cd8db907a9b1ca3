// Into the TAP (LIN-5): frames of one flow go to the kernel as super-frames, and a program gets what was
// sent.
#include "client_ns.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "port/tap.h"
#include "wireframe.h"

#define FRAMES 40

// An older kernel, which refuses super-frames of UDP. The real call does the rest.
static bool old_kernel;
static unsigned refusals;

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	if (old_kernel && ((const uint8_t *)iov->iov_base)[1] == 5) {
		refusals++;
		errno = EINVAL;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, count);
}

static void ignore(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg, (void)frame, (void)len;
}

static struct sl_port *open_tap(struct ns *ns, bool offload)
{
	static const struct sl_port_handler handler = {.receive = ignore, .malformed = ignore};
	static const struct sl_tap_config plain = {.name = "ctap0", .mac = {{2, 0, 0, 0, 0, 1}}};
	struct sl_tap_config config = plain;
	struct sl_error error = {0};
	struct sl_port *port;

	config.offload = offload;
	if (sl_tap_open(ns->loop, &config, &handler, &port, &error) != SL_OK)
		fail_msg("%s", error.text);
	assert_int_equal(sh("ip link set ctap0 up && ip addr add 10.77.0.2/24 dev ctap0"), 0);
	return port;
}

static int udp_socket(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
	const struct timeval patience = {.tv_sec = 3};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// All with one id, as an unconnected socket's datagrams have it.
static void send_datagrams(struct sl_port *port, int fd)
{
	static uint8_t bytes[FRAMES][WIRE_MAX], got[WIRE_MAX];
	struct wire wire = {
		.protocol = UDP,
		.station = 0x77,
		.sport = 4000,
		.ttl = 64,
		.fragment = 0x4000,
	};

	for (unsigned i = 0; i < FRAMES; i++) {
		wire.payload = i == FRAMES - 1 ? 333 : 1300;
		wire.fill = (uint8_t)i;
		assert_int_equal(sl_port_send(port, bytes[i], wire_make(&wire, bytes[i])), SL_OK);
	}
	sl_port_flush(port);
	for (unsigned i = 0; i < FRAMES; i++) {
		size_t payload = i == FRAMES - 1 ? 333 : 1300;

		assert_int_equal(recv(fd, got, sizeof(got), 0), payload);
		assert_memory_equal(got, bytes[i] + 42, payload);
	}
}

static void counted(struct sl_port *port, unsigned supers, unsigned frames)
{
	struct sl_port_stats stats;

	port->ops->stats(port, &stats);
	assert_int_equal(stats.tx_super, supers);
	assert_int_equal(stats.tx_segments, supers * FRAMES);
	assert_int_equal(stats.tx_frames, frames);
	assert_int_equal(stats.tx_drops, 0);
}

static void lin_5_a_program_gets_each_datagram(void **state)
{
	struct sl_port *port = open_tap(NS_OR_SKIP(state), true);
	int fd = udp_socket();

	send_datagrams(port, fd);
	if (strcmp(sl_tap_offload(port), "TSO and USO") == 0)
		counted(port, 1, FRAMES);
	close(fd);
	port->ops->close(port);
}

static void lin_5_a_setting_switches_it_off(void **state)
{
	struct sl_port *port = open_tap(NS_OR_SKIP(state), false);
	int fd = udp_socket();

	send_datagrams(port, fd);
	counted(port, 0, FRAMES);
	close(fd);
	port->ops->close(port);
}

static void lin_5_a_kind_that_is_refused_goes_in_single_frames(void **state)
{
	struct sl_port *port = open_tap(NS_OR_SKIP(state), true);
	int fd = udp_socket();

	old_kernel = true;
	refusals = 0;
	send_datagrams(port, fd);
	send_datagrams(port, fd);
	assert_true(refusals <= 1); // not tried again
	counted(port, 0, 2 * FRAMES);
	old_kernel = false;
	close(fd);
	port->ops->close(port);
}

// The link is down: everything in the burst is counted as dropped, and it is no fault.
static void lin_1_what_finds_the_link_down_is_counted(void **state)
{
	struct sl_port *port = open_tap(NS_OR_SKIP(state), true);
	struct wire wire = {.protocol = TCP, .station = 0x77, .ttl = 64, .flags = ACK, .payload = 1000};
	struct sl_port_stats stats;
	uint8_t bytes[WIRE_MAX];

	assert_int_equal(sh("ip link set ctap0 down"), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(sl_port_send(port, bytes, wire_make(&wire, bytes)), SL_OK);
		wire.seq += 1000;
		wire.id++;
	}
	sl_port_flush(port);
	port->ops->stats(port, &stats);
	assert_int_equal(stats.tx_drops, FRAMES);
	assert_int_equal(stats.tx_frames, 0);
	port->ops->close(port);
}

#define NS_TEST(name) cmocka_unit_test_setup_teardown(name, ns_setup, ns_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NS_TEST(lin_5_a_program_gets_each_datagram),
		NS_TEST(lin_5_a_setting_switches_it_off),
		NS_TEST(lin_5_a_kind_that_is_refused_goes_in_single_frames),
		NS_TEST(lin_1_what_finds_the_link_down_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
