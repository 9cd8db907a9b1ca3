// Towards the LAN, on a real veth pair (GW-2): frames of one flow leave as super-frames, and what comes to
// the other end is what was sent, whatever the kernel and the interface can. Needs root.
#include "port/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "packet_fixture.h"
#include "wireframe.h"

#define FRAMES 40
#define OFFLOADS_OFF "ethtool -K gw0 tso off gso off tx off tx-udp-segmentation off >/dev/null 2>&1; true"

// An older kernel, which refuses super-frames of this virtio type (0: takes all). The real call does the
// rest.
static uint8_t refused_type;
static unsigned refusals;

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	unsigned good = 0;

	while (good < count && refused_type != 0 &&
	       ((const uint8_t *)msgs[good].msg_hdr.msg_iov->iov_base)[1] != refused_type)
		good++;
	if (refused_type == 0)
		good = count;
	if (good == 0) {
		refusals++;
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, msgs, good, flags);
}

struct sent {
	uint8_t bytes[FRAMES][WIRE_MAX];
	size_t len[FRAMES];
};
static struct sent sent;

static void send_flow(struct fixture *f, bool v6, uint8_t protocol)
{
	struct wire wire = {
		.v6 = v6,
		.protocol = protocol,
		.station = 0x77,
		.sport = 4000,
		.ttl = 64,
		.id = 100,
		.fragment = 0x4000,
		.flags = ACK,
		.timestamps = true,
		.payload = 1300,
	};

	for (unsigned i = 0; i < FRAMES; i++) {
		wire.payload = i == FRAMES - 1 ? 333 : 1300;
		sent.len[i] = wire_make(&wire, sent.bytes[i]);
		memcpy(sent.bytes[i], lan_mac, 6);
		assert_int_equal(sl_port_send(f->port, sent.bytes[i], sent.len[i]), SL_OK);
		wire.seq += (uint32_t)wire.payload;
		wire.id++;
	}
	sl_port_flush(f->port);
}

static int listen_on_lan(struct fixture *f)
{
	const struct timeval patience = {.tv_sec = 3};
	int fd;

	assert_int_equal(setns(f->veth->lan_ns, CLONE_NEWNET), 0);
	fd = raw_socket("lan0");
	assert_int_equal(setns(f->veth->gw_ns, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

// The next of our frames that came to the LAN; 0: none comes.
static size_t next_frame(int fd, uint8_t *out, size_t room)
{
	ssize_t len;

	while ((len = recv(fd, out, room, 0)) > 0) {
		if (len > 14 && out[11] == 0x77)
			return (size_t)len;
	}
	return 0;
}

// Every one of the frames sent came, as it was.
static void all_came(int fd)
{
	uint8_t got[WIRE_MAX];

	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(next_frame(fd, got, sizeof(got)), sent.len[i]);
		assert_memory_equal(got, sent.bytes[i], sent.len[i]);
	}
}

static void counted(struct fixture *f, unsigned supers, unsigned frames)
{
	struct sl_port_stats stats = stats_of(f);

	assert_int_equal(stats.tx_super, supers);
	assert_int_equal(stats.tx_segments, supers * FRAMES);
	assert_int_equal(stats.tx_frames, frames);
	assert_int_equal(stats.tx_drops, 0);
}

static void gw_2_without_offloads_the_kernel_cuts_them(void **state)
{
	struct fixture *f = *state;
	int fd = listen_on_lan(f);

	assert_true(veth_run(OFFLOADS_OFF));
	open_port(f);
	for (unsigned i = 0; i < 4; i++) {
		send_flow(f, i & 1, i & 2 ? UDP : TCP);
		all_came(fd);
		counted(f, i + 1, (i + 1) * FRAMES);
	}
	close(fd);
}

static void gw_2_with_offloads_they_cross_whole(void **state)
{
	static uint8_t got[70000];
	struct fixture *f = *state;
	int fd = listen_on_lan(f);

	open_port(f);
	for (unsigned i = 0; i < 4; i++) {
		size_t headers = (i & 1 ? 54u : 34u) + (i & 2 ? 8u : 32u), len;

		send_flow(f, i & 1, i & 2 ? UDP : TCP);
		len = next_frame(fd, got, sizeof(got));
		assert_int_equal(len, headers + (FRAMES - 1) * 1300 + 333);
		for (unsigned k = 0; k < FRAMES; k++)
			assert_memory_equal(got + headers + k * 1300, sent.bytes[k] + headers,
					    sent.len[k] - headers);
		counted(f, i + 1, (i + 1) * FRAMES);
	}
	close(fd);
}

// A socket on the LAN gets the datagrams one by one.
static void gw_2_a_program_on_the_lan_gets_each_datagram(void **state)
{
	const struct timeval patience = {.tv_sec = 3};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct fixture *f = *state;
	uint8_t got[WIRE_MAX];
	int fd;

	assert_int_equal(setns(f->veth->lan_ns, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setns(f->veth->gw_ns, CLONE_NEWNET), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	open_port(f);
	send_flow(f, false, UDP);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(recv(fd, got, sizeof(got), 0), sent.len[i] - 42);
		assert_memory_equal(got, sent.bytes[i] + 42, sent.len[i] - 42);
	}
	close(fd);
}

static void gw_2_a_setting_switches_it_off(void **state)
{
	struct fixture *f = *state;
	int fd = listen_on_lan(f);

	open_port_with(f, false);
	for (unsigned i = 0; i < 4; i++) {
		send_flow(f, i & 1, i & 2 ? UDP : TCP);
		all_came(fd);
	}
	counted(f, 0, 4 * FRAMES);
	close(fd);
}

static void gw_2_a_kind_that_is_refused_goes_in_single_frames(void **state)
{
	static const uint8_t types[] = {1, 4, 5, 5}; // virtio's: TCP over IPv4, over IPv6, UDP

	for (unsigned i = 0; i < 4; i++) {
		struct fixture *f = *state;
		int fd = listen_on_lan(f);

		assert_true(veth_run(OFFLOADS_OFF));
		open_port(f);
		refused_type = types[i];
		refusals = 0;
		f->logged[0] = '\0';
		for (unsigned k = 0; k < 3; k++) {
			send_flow(f, i & 1, i & 2 ? UDP : TCP);
			all_came(fd);
			counted(f, 0, (k + 1) * FRAMES);
		}
		assert_int_equal(refusals, 1); // it is not tried again
		assert_non_null(strstr(f->logged, "super-frames are not taken"));
		assert_null(strstr(strstr(f->logged, "not taken") + 1, "not taken"));
		send_flow(f, i & 1, i & 2 ? TCP : UDP); // another kind
		all_came(fd);
		counted(f, 1, 4 * FRAMES);
		refused_type = 0;
		close(fd);
		f->port->ops->close(f->port);
		f->port = NULL;
	}
}

// The system would let them pass in a super-frame.
static void gw_2_frames_too_long_for_the_interface_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd = listen_on_lan(f);
	const struct timeval patience = {.tv_usec = 100000};
	uint8_t got[WIRE_MAX];
	static uint8_t any[70000];

	assert_true(veth_run("ip link set gw0 mtu 1300"));
	open_port(f);
	send_flow(f, false, TCP);
	assert_int_equal(stats_of(f).tx_super, 0);
	assert_int_equal(stats_of(f).tx_drops, FRAMES - 1);
	assert_int_equal(next_frame(fd, got, sizeof(got)), sent.len[FRAMES - 1]); // the short one
	assert_memory_equal(got, sent.bytes[FRAMES - 1], sent.len[FRAMES - 1]);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(next_frame(fd, any, sizeof(any)), 0);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	struct veth veth;
	struct CMUnitTest tests[] = {
		T(gw_2_without_offloads_the_kernel_cuts_them),
		T(gw_2_with_offloads_they_cross_whole),
		T(gw_2_a_program_on_the_lan_gets_each_datagram),
		T(gw_2_a_setting_switches_it_off),
		T(gw_2_a_kind_that_is_refused_goes_in_single_frames),
		T(gw_2_frames_too_long_for_the_interface_are_refused),
	};

	if (geteuid() != 0 || !veth_init(&veth)) {
		puts("1..0 # SKIP needs root and network namespaces");
		return 0;
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i].initial_state = &veth;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
