// The packet socket on a real veth pair (GW-1, GW-2): what the kernel's offloads make of the LAN's
// traffic arrives as the frames a wire would have carried. Needs root.
#include "port/packet.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <string.h>
#include <time.h>

#include "packet_fixture.h"
#include "port/packet_priv.h"

// --- traffic -----------------------------------------------------------------------------------

static int tcp_socket(const char *address, struct sockaddr_in6 *out, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		memcpy(out, &in, sizeof(in));
		*len = sizeof(in);
		return socket(AF_INET, SOCK_STREAM, 0);
	}
	memset(out, 0, sizeof(*out));
	out->sin6_family = AF_INET6;
	out->sin6_port = htons(PORT);
	inet_pton(AF_INET6, address, &out->sin6_addr);
	*len = sizeof(*out);
	return socket(AF_INET6, SOCK_STREAM, 0);
}

static int tcp_sink(void *arg) // in the gateway's namespace
{
	struct sockaddr_in6 addr;
	socklen_t len;
	int on = 1, fd = tcp_socket(arg, &addr, &len), conn;
	static char buf[65536];
	size_t total = 0;
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 1) != 0)
		return 1;
	conn = accept(fd, NULL, NULL);
	while ((got = read(conn, buf, sizeof(buf))) > 0)
		total += (size_t)got;
	return total == TRANSFER ? 0 : 2;
}

static int tcp_source(void *arg) // in the LAN's
{
	struct sockaddr_in6 addr;
	socklen_t len;
	static uint8_t bytes[TRANSFER];
	size_t done = 0;
	int fd = -1;

	for (size_t i = 0; i < TRANSFER; i++)
		bytes[i] = pattern(i);
	for (unsigned i = 0; i < 200; i++) {
		fd = tcp_socket(arg, &addr, &len);
		if (connect(fd, (struct sockaddr *)&addr, len) == 0)
			break;
		close(fd);
		fd = -1;
		usleep(10000);
	}
	while (fd >= 0 && done < TRANSFER) {
		ssize_t put = write(fd, bytes + done, TRANSFER - done);

		if (put <= 0)
			return 1;
		done += (size_t)put;
	}
	return fd >= 0 ? 0 : 2;
}

static void transfer(struct fixture *f, const char *address)
{
	f->children[0] = veth_spawn(f->veth, false, tcp_sink, (void *)(uintptr_t)address);
	f->children[1] = veth_spawn(f->veth, true, tcp_source, (void *)(uintptr_t)address);
	run(f);
}

static void transfer_was_whole(struct fixture *f, size_t longest)
{
	struct sl_port_stats stats = stats_of(f);

	assert_int_equal(stats.rx_kernel_drops, 0);
	assert_int_equal(f->wrong, 0);
	assert_int_equal(f->malformed, 0);
	assert_int_equal(f->own, 0); // the sink's acknowledgements left through gw0
	assert_int_equal(f->seen_count, TRANSFER);
	assert_true(f->longest <= longest);
	assert_true(stats.rx_super > 0);
	assert_true(stats.rx_segments > stats.rx_super);
	assert_int_equal(stats.rx_frames, f->frames);
	assert_true(f->batches > 0);
}

// Frames put on the wire as they are, from the LAN's side.
struct raw {
	const uint8_t *frame;
	size_t len;
	unsigned count;
};

static int raw_source(void *arg)
{
	const struct raw *raw = arg;
	int fd = raw_socket("lan0");

	for (unsigned i = 0; i < raw->count; i++) {
		if (send(fd, raw->frame, raw->len, 0) != (ssize_t)raw->len)
			return 1;
	}
	return 0;
}

static void put_raw(struct fixture *f, const uint8_t *frame, size_t len, unsigned count)
{
	struct raw raw = {frame, len, count};

	f->children[0] = veth_spawn(f->veth, true, raw_source, &raw);
	run(f);
}

static size_t make_frame(uint8_t *out, const uint8_t tags[], size_t tags_len, size_t len)
{
	memset(out, 0xff, 6);
	memcpy(out + 6, lan_mac, 6);
	if (tags_len > 0)
		memcpy(out + 12, tags, tags_len);
	out[12 + tags_len] = 0x81; // ethertype 0x8137, an IPX-type frame
	out[13 + tags_len] = 0x37;
	for (size_t i = 14 + tags_len; i < len; i++)
		out[i] = pattern(i);
	return len;
}

// --- tests -------------------------------------------------------------------------------------

static void gw_1_the_check_reads_the_real_sysfs(void **state)
{
	struct fixture *f = *state;
	struct sl_error error = {{0}};

	assert_int_equal(sl_packet_check("/sys", "gw0", &error), SL_OK);
	assert_int_equal(sl_packet_check("/sys", "lo", &error), SL_ERR_UNSUPPORTED);
	assert_int_equal(sl_packet_check("/sys", "gw9", &error), SL_ERR_NOT_FOUND);
	assert_true(veth_run_lan(f->veth, "ip link set lan0 down"));
	assert_int_equal(sl_packet_check("/sys", "gw0", &error), SL_ERR_SYSTEM);
	assert_non_null(strstr(error.text, "no carrier"));
	assert_true(veth_run("ip link set gw0 down"));
	assert_int_equal(sl_packet_check("/sys", "gw0", &error), SL_ERR_SYSTEM);
	assert_non_null(strstr(error.text, "ip link set gw0 up"));
}

static void gw_1_a_missing_interface_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct sl_port_handler handler = {.arg = f};
	struct sl_error error = {{0}};
	struct sl_port *port = (struct sl_port *)f;

	assert_int_equal(sl_packet_open(f->loop, "gw9", true, &handler, &port, &error), SL_ERR_NOT_FOUND);
	assert_null(port);
	assert_non_null(strstr(error.text, "gw9"));
}

static void gw_1_the_interface_is_promiscuous_while_open(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	assert_true(veth_run("ip -d link show gw0 | grep -q 'promiscuity 1'"));
	f->port->ops->close(f->port);
	f->port = NULL;
	assert_true(veth_run("ip -d link show gw0 | grep -q 'promiscuity 0'"));
}

static void gw_2_tcp_over_ipv4_arrives_as_wire_frames(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	transfer(f, "10.77.0.1");
	transfer_was_whole(f, 1514);
}

static void gw_2_tcp_over_ipv6_arrives_as_wire_frames(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	transfer(f, "fd77::1");
	transfer_was_whole(f, 1514);
}

// A tagged super-frame as a virtual machine's network card would hand it to the kernel.
static int tagged_super_source(void *arg)
{
	static uint8_t buf[10 + 18 + 40 + 20000];
	struct virtio_net_hdr *vnet = (struct virtio_net_hdr *)buf;
	uint8_t *eth = buf + 10, *ip = eth + 18, *tcp = ip + 20;
	const uint16_t ip_len = 40 + 20000;
	int fd = raw_socket("lan0"), on = 1;
	uint32_t sum;

	(void)arg;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0)
		return 1;
	*vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 18 + 40,
		.gso_size = 1000,
		.csum_start = 18 + 20,
		.csum_offset = 16,
	};
	memcpy(eth, gw_mac, 6);
	memcpy(eth + 6, lan_mac, 6);
	memcpy(eth + 12, "\x81\x00\x00\x07\x08\x00", 6);
	memcpy(ip, "\x45\x00\x00\x00\x12\x34\x40\x00\x40\x06\x00\x00\x0a\x4e\x00\x02\x0a\x4e\x00\x01", 20);
	ip[2] = (uint8_t)(ip_len >> 8);
	ip[3] = (uint8_t)(ip_len & 0xff);
	sum = ~sum16(ip, 20, 0);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	tcp[2] = PORT >> 8;
	tcp[3] = PORT & 0xff;
	tcp[7] = 1; // sequence number: the first byte after an initial one of 0
	tcp[12] = 5 << 4;
	tcp[13] = 0x10; // ACK
	sum = sum16(ip + 12, 8, IPPROTO_TCP + 20 + 20000);
	tcp[16] = (uint8_t)(sum >> 8);
	tcp[17] = (uint8_t)sum;
	for (size_t i = 0; i < 20000; i++)
		tcp[20 + i] = pattern(i);
	return send(fd, buf, sizeof(buf), 0) == sizeof(buf) ? 0 : 2;
}

static void gw_2_a_tagged_super_frame_is_cut_with_its_tag(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	f->have_isn = true;
	f->children[0] = veth_spawn(f->veth, true, tagged_super_source, NULL);
	run(f);
	assert_int_equal(f->malformed, 0);
	assert_int_equal(f->wrong, 0);
	assert_int_equal(stats_of(f).rx_super, 1);
	assert_int_equal(stats_of(f).rx_segments, 20);
	assert_int_equal(f->tagged, 20);
	assert_int_equal(f->longest, 18 + 40 + 1000);
	assert_int_equal(f->seen_count, 20000);
}

static void gw_2_vlan_tags_are_put_back(void **state)
{
	struct fixture *f = *state;
	static const uint8_t one[] = {0x81, 0x00, 0x60, 0x07};
	static const uint8_t two[] = {0x88, 0xa8, 0x00, 0x05, 0x81, 0x00, 0x20, 0x09};
	uint8_t frame[200];
	size_t len;

	open_port(f);
	len = make_frame(frame, one, sizeof(one), 124);
	put_raw(f, frame, len, 1);
	assert_int_equal(f->last_len, len);
	assert_memory_equal(f->last, frame, len);
	len = make_frame(frame, two, sizeof(two), 140);
	put_raw(f, frame, len, 1);
	assert_int_equal(f->last_len, len);
	assert_memory_equal(f->last, frame, len);
	assert_int_equal(f->malformed, 0);
}

static int uso_source(void *arg)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	static char bytes[20 * 1000];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), segment = 1000;

	(void)arg;
	inet_pton(AF_INET, "10.77.0.1", &to.sin_addr);
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0)
		return 1;
	return sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to)) == sizeof(bytes) ? 0
													: 2;
}

static void gw_2_udp_super_frames_are_cut(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	f->children[0] = veth_spawn(f->veth, true, uso_source, NULL);
	run(f);
	// Before Linux 6.2 the packet socket can't describe it: then it is counted, never forwarded broken.
	if (f->malformed != 0) {
		assert_int_equal(f->udp, 0);
		skip();
	}
	assert_int_equal(f->udp, 20);
	assert_int_equal(f->wrong, 0);
	assert_int_equal(f->longest, 1042);
}

static void gw_2_a_jumbo_frame_is_captured_at_its_length(void **state)
{
	struct fixture *f = *state;
	static uint8_t frame[9014];

	assert_true(veth_run("ip link set gw0 mtu 9000"));
	assert_true(veth_run_lan(f->veth, "ip link set lan0 mtu 9000"));
	open_port(f);
	put_raw(f, frame, make_frame(frame, NULL, 0, sizeof(frame)), 1);
	assert_int_equal(f->last_len, sizeof(frame));
	assert_memory_equal(f->last, frame, sizeof(frame));
	assert_int_equal(f->malformed, 0);
}

static void gw_2_more_than_64_kib_is_counted_as_malformed(void **state)
{
	struct fixture *f = *state;

	// BIG TCP (Linux 5.19): IPv6 super-frames that no 64 KiB buffer takes.
	if (system("ip link set gw0 gso_max_size 262144 gro_max_size 262144 2>/dev/null") != 0 ||
	    !veth_run_lan(f->veth, "ip link set lan0 gso_max_size 262144 gro_max_size 262144"))
		skip();
	open_port(f);
	transfer(f, "fd77::1");
	assert_int_equal(f->wrong, 0);
	assert_true(f->longest <= 1514);
	// Whether the sender makes one is its own affair; if so, it is counted and said.
	if (f->malformed != 0)
		assert_non_null(strstr(f->logged, "too long to capture"));
}

static void gw_2_own_frames_are_not_seen_and_arrive(void **state)
{
	struct fixture *f = *state;
	const struct timeval patience = {.tv_sec = 3};
	uint8_t frame[1514], got[2048];
	unsigned arrived = 0;
	int fd;

	assert_int_equal(setns(f->veth->lan_ns, CLONE_NEWNET), 0);
	fd = raw_socket("lan0");
	assert_int_equal(setns(f->veth->gw_ns, CLONE_NEWNET), 0);
	open_port(f);
	make_frame(frame, NULL, 0, sizeof(frame));
	memcpy(frame + 6, "\x02gamer", 6);
	for (unsigned i = 0; i < 200; i++) // more than one batch
		assert_int_equal(sl_port_send(f->port, frame, i % 2 == 0 ? 60 : sizeof(frame)), SL_OK);
	sl_port_flush(f->port);
	run(f);
	assert_int_equal(stats_of(f).tx_frames, 200);
	assert_int_equal(stats_of(f).tx_drops, 0);
	// The other end's softirq may be late on a busy machine: wait for the frames, not for a time.
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (arrived < 200 && recv(fd, got, sizeof(got), 0) > 0)
		arrived += memcmp(got + 6, "\x02gamer", 6) == 0;
	close(fd);
	assert_int_equal(arrived, 200);
	assert_int_equal(f->own, 0);
	assert_int_equal(f->last_len, 0);
}

static void gw_2_frames_the_system_refuses_are_counted(void **state)
{
	struct fixture *f = *state;
	static uint8_t frame[70000];

	open_port(f);
	make_frame(frame, NULL, 0, 4000);
	assert_int_equal(sl_port_send(f->port, frame, 60), SL_OK);
	assert_int_equal(sl_port_send(f->port, frame, 4000), SL_OK); // EMSGSIZE, when it leaves
	assert_int_equal(sl_port_send(f->port, frame, 60), SL_OK);
	assert_int_equal(sl_port_send(f->port, frame, 13), SL_ERR_INVALID);
	assert_int_equal(sl_port_send(f->port, frame, sizeof(frame)), SL_ERR_INVALID);
	sl_port_flush(f->port);
	assert_int_equal(stats_of(f).tx_frames, 2);
	assert_int_equal(stats_of(f).tx_drops, 3);
	assert_non_null(strstr(f->logged, "refused"));
}

static void gw_2_without_offloads_anywhere_all_is_given(void **state)
{
	struct fixture *f = *state;

	assert_true(veth_run("ethtool -K gw0 gro off lro off tso off gso off tx off >/dev/null 2>&1; true"));
	assert_true(veth_run_lan(f->veth, "ethtool -K lan0 tso off gso off tx off >/dev/null 2>&1; true"));
	open_port(f);
	for (unsigned i = 0; i < 3; i++) { // once through the ring, and on
		f->seen_count = 0;
		memset(f->seen, 0, TRANSFER);
		transfer(f, "10.77.0.1");
		assert_int_equal(f->wrong, 0);
		assert_int_equal(f->malformed, 0);
		assert_int_equal(stats_of(f).rx_kernel_drops, 0);
		assert_int_equal(f->seen_count, TRANSFER);
	}
	assert_true(f->frames > PACKET_SLOTS);
}

static void gw_2_a_link_that_goes_down_comes_back(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60];

	make_frame(frame, NULL, 0, sizeof(frame));
	open_port(f);
	assert_true(veth_run("ip link set gw0 down"));
	run(f);
	sl_port_send(f->port, frame, sizeof(frame));
	sl_port_flush(f->port);
	assert_int_equal(stats_of(f).tx_drops, 1);
	assert_int_equal(f->failures, 0);
	assert_non_null(strstr(f->logged, "is down"));
	assert_null(strstr(strstr(f->logged, "is down") + 1, "is down")); // said once
	assert_true(veth_run("ip link set gw0 up"));
	for (unsigned i = 0; i < 12 && strstr(f->logged, "up again") == NULL; i++)
		run(f);
	assert_non_null(strstr(f->logged, "up again"));
	f->frames = 0;
	put_raw(f, frame, sizeof(frame), 5);
	assert_true(f->frames >= 5);
	assert_int_equal(f->failures, 0);
}

static void gw_2_a_removed_interface_ends_the_port_once(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60];

	make_frame(frame, NULL, 0, sizeof(frame));
	open_port(f);
	assert_true(veth_run("ip link del gw0"));
	for (unsigned i = 0; i < 12 && f->failures == 0; i++)
		run(f);
	run(f);
	assert_int_equal(f->failures, 1);
	assert_non_null(strstr(f->failure, "gw0"));
	assert_int_equal(sl_port_send(f->port, frame, sizeof(frame)), SL_ERR_CLOSED);
}

static void gw_2_an_interface_removed_while_down_ends_the_port(void **state)
{
	struct fixture *f = *state;

	open_port(f);
	assert_true(veth_run("ip link set gw0 down"));
	run(f);
	assert_non_null(strstr(f->logged, "is down"));
	assert_int_equal(f->failures, 0);
	assert_true(veth_run("ip link del gw0"));
	for (unsigned i = 0; i < 12 && f->failures == 0; i++)
		run(f);
	assert_int_equal(f->failures, 1);
}

static void gw_2_a_renamed_interface_stays_the_same(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[60];

	make_frame(frame, NULL, 0, sizeof(frame));
	open_port(f);
	assert_true(veth_run("ip link set gw0 down && ip link set gw0 name gw9 && ip link set gw9 up"));
	for (unsigned i = 0; i < 12 && strstr(f->logged, "up again") == NULL; i++)
		run(f);
	f->frames = 0;
	put_raw(f, frame, sizeof(frame), 5);
	assert_true(f->frames >= 5);
	assert_int_equal(f->failures, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	struct veth veth;
	struct CMUnitTest tests[] = {
		T(gw_1_the_check_reads_the_real_sysfs),
		T(gw_1_a_missing_interface_is_an_error),
		T(gw_1_the_interface_is_promiscuous_while_open),
		T(gw_2_tcp_over_ipv4_arrives_as_wire_frames),
		T(gw_2_tcp_over_ipv6_arrives_as_wire_frames),
		T(gw_2_a_tagged_super_frame_is_cut_with_its_tag),
		T(gw_2_vlan_tags_are_put_back),
		T(gw_2_udp_super_frames_are_cut),
		T(gw_2_a_jumbo_frame_is_captured_at_its_length),
		T(gw_2_more_than_64_kib_is_counted_as_malformed),
		T(gw_2_own_frames_are_not_seen_and_arrive),
		T(gw_2_frames_the_system_refuses_are_counted),
		T(gw_2_without_offloads_anywhere_all_is_given),
		T(gw_2_a_link_that_goes_down_comes_back),
		T(gw_2_a_removed_interface_ends_the_port_once),
		T(gw_2_an_interface_removed_while_down_ends_the_port),
		T(gw_2_a_renamed_interface_stays_the_same),
	};

	if (geteuid() != 0 || !veth_init(&veth)) {
		puts("1..0 # SKIP needs root and network namespaces");
		return 0;
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tests[i].initial_state = &veth;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
