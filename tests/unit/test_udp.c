// UDP sockets over loopback: batches, trains (UDP_GRO, UDP_SEGMENT) and their fall-backs.
#include "tests/unit/udp_fixture.h"

#include <sys/socket.h>

static void trains_arrive_whole(struct fixture *f, const char *address, bool tx_offload, bool rx_offload)
{
	struct sl_udp_stats tx, rx;
	size_t n = 0;

	open_at(f, &f->a, address, tx_offload);
	open_at(f, &f->b, address, rx_offload);
	f->b.stop_after = 40 + 1 + 2 + 5;
	send_train(f, &f->a, &f->b, 0, 40, 1200, 700, 2);
	send_train(f, &f->a, &f->b, 40, 1, 99, 99, 2);
	send_train(f, &f->a, &f->b, 41, 2, 1000, 1000, 2);
	send_train(f, &f->a, &f->b, 43, 5, 20, 4, 2);
	run(f);
	assert_int_equal(f->b.got, 48);
	for (; n < 48; n++) {
		size_t expected = n < 39    ? 1200
				  : n == 39 ? 700
				  : n == 40 ? 99
				  : n < 43  ? 1000
				  : n < 47  ? 20
					    : 4;

		assert_int_equal(f->b.number[n], n);
		assert_int_equal(f->b.len[n], expected);
	}
	assert_int_equal(f->b.ecn, 2);
	assert_true(sl_addr_equal(&f->b.local, &f->b.addr));
	assert_true(sl_addr_equal(&f->b.remote, &f->a.addr));
	f->env->ops->udp_stats(f->a.udp, &tx);
	f->env->ops->udp_stats(f->b.udp, &rx);
	assert_int_equal(tx.tx_datagrams, 48);
	assert_int_equal(rx.rx_datagrams, 48);
	assert_int_equal(tx.tx_bytes, f->b.bytes);
	assert_int_equal(rx.rx_bytes, f->b.bytes);
	assert_int_equal(tx.tx_errors + tx.tx_blocked + rx.rx_errors, 0);
	if (!tx_offload)
		assert_false(tx.gso);
	if (!rx_offload) {
		assert_false(rx.gro);
		assert_int_equal(f->b.trains, 0);
	}
	// Loopback never cuts what fits in one packet, so with both offloads trains stay trains.
	if (tx.gso && rx.gro)
		assert_true(f->b.trains >= 3);
}

static void trains_gso_gro(void **state)
{
	trains_arrive_whole(*state, "127.0.0.1", true, true);
}

static void trains_gso_only(void **state)
{
	trains_arrive_whole(*state, "127.0.0.1", true, false);
}

static void trains_gro_only(void **state)
{
	trains_arrive_whole(*state, "127.0.0.1", false, true);
}

static void trains_no_offload(void **state)
{
	trains_arrive_whole(*state, "127.0.0.1", false, false);
}

// Is there IPv6 on loopback?
static bool have_ipv6(struct fixture *f)
{
	struct sl_udp_options options = {0};
	struct end probe = {0};

	assert_true(sl_addr_literal("::1", 0, &options.bind));
	if (try_open(f, &probe, &options, NULL) != SL_OK)
		return false;
	f->env->ops->udp_close(probe.udp);
	return true;
}

static void trains_ipv6(void **state)
{
	if (!have_ipv6(*state))
		skip();
	trains_arrive_whole(*state, "::1", true, true);
}

static void trains_ipv6_no_offload(void **state)
{
	if (!have_ipv6(*state))
		skip();
	trains_arrive_whole(*state, "::1", false, false);
}

// The descriptor behind a socket, found by its address.
static int descriptor_of(const struct end *end)
{
	for (int fd = 3; fd < 100; fd++) {
		struct sl_addr addr = {.len = sizeof(addr.in6)};

		if (getsockname(fd, &addr.sa, &addr.len) == 0 &&
		    addr.sa.sa_family == end->addr.sa.sa_family && sl_addr_equal(&addr, &end->addr))
			return fd;
	}
	return -1;
}

static void a_refused_train_switches_gso_off(void **state)
{
	struct fixture *f = *state;
	struct sl_udp_stats stats;
	int on = 1;

	open_at(f, &f->a, "127.0.0.1", true);
	open_at(f, &f->b, "127.0.0.1", true);
	f->env->ops->udp_stats(f->a.udp, &stats);
	if (!stats.gso)
		skip();
	// A socket that sends no checksums can't have its trains cut: the kernel says EINVAL.
	assert_int_equal(setsockopt(descriptor_of(&f->a), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	send_train(f, &f->a, &f->b, 0, 30, 1000, 10, 0);
	send_train(f, &f->a, &f->b, 30, 30, 1000, 1000, 0);
	f->b.stop_after = 60;
	run(f);
	for (uint32_t i = 0; i < 60; i++)
		assert_int_equal(f->b.number[i], i);
	f->env->ops->udp_stats(f->a.udp, &stats);
	assert_false(stats.gso);
	assert_int_equal(stats.tx_datagrams, 60);
	assert_int_equal(stats.tx_errors, 0);
	assert_non_null(strstr(f->logged, "segmentation offload is off"));
}

static void a_batch_of_many(void **state)
{
	struct fixture *f = *state;
	static uint8_t data[150][100];
	struct sl_udp_tx batch[150];
	struct sl_udp_stats stats;

	open_at(f, &f->a, "127.0.0.1", true);
	open_at(f, &f->b, "127.0.0.1", true);
	memset(batch, 0, sizeof(batch));
	for (uint32_t i = 0; i < 150; i++) {
		make(data[i], i, 40 + i % 50);
		batch[i] = (struct sl_udp_tx){.local = i % 2 ? &f->a.addr : NULL,
					      .remote = &f->b.addr,
					      .data = data[i],
					      .len = 40 + i % 50,
					      .ecn = i % 3 == 0};
	}
	assert_int_equal(f->env->ops->udp_send(f->a.udp, batch, 150), 150);
	assert_int_equal(f->env->ops->udp_send(f->a.udp, batch, 0), 0);
	f->b.stop_after = 150;
	run(f);
	for (uint32_t i = 0; i < 150; i++) {
		assert_int_equal(f->b.number[i], i);
		assert_int_equal(f->b.len[i], 40 + i % 50);
	}
	f->env->ops->udp_stats(f->a.udp, &stats);
	assert_int_equal(stats.tx_calls, 3); // 64 + 64 + 22
	f->env->ops->udp_stats(f->b.udp, &stats);
	assert_true(stats.rx_calls <= 150 / 8 + 2);
}

static void timers_are_not_starved(void **state)
{
	struct fixture *f = *state;

	open_at(f, &f->a, "127.0.0.1", false);
	open_at(f, &f->b, "127.0.0.1", false);
	f->a.echo = f->b.echo = true; // from here on it never stops by itself
	for (uint32_t i = 0; i < 200; i++)
		send_train(f, &f->a, &f->b, i, 1, 100, 100, 0);
	f->a.stop_after = f->b.stop_after = 0;
	run_for(f, MS);
	assert_true(f->timed_out);
	assert_true(f->b.got > 0 && f->b.got < MAX_GOT);
}

static void the_source_address_is_kept(void **state)
{
	struct fixture *f = *state;

	// Bound to all addresses and asked at 127.0.0.9, it answers from there.
	open_at(f, &f->a, "0.0.0.0", true);
	f->a.echo = true;
	open_at(f, &f->b, "127.0.0.1", true);
	assert_true(sl_addr_literal("127.0.0.9", sl_addr_port(&f->a.addr), &f->a.addr));
	send_train(f, &f->b, &f->a, 7, 3, 50, 50, 0);
	f->b.stop_after = 3;
	run(f);
	assert_true(sl_addr_equal(&f->a.local, &f->a.addr));
	assert_true(sl_addr_equal(&f->b.remote, &f->a.addr));
}

static void a_connected_socket_hears_its_peer_alone(void **state)
{
	struct fixture *f = *state;
	struct end stranger = {0};
	struct sl_udp_stats stats;

	open_at(f, &f->a, "127.0.0.1", true);
	open_connected(f, &f->b, &f->a.addr, true);
	open_at(f, &stranger, "127.0.0.1", true);
	send_train(f, &stranger, &f->b, 99, 1, 50, 50, 0);
	f->a.echo = true;
	send_train(f, &f->b, &f->a, 1, 20, 500, 300, 1);
	f->b.stop_after = 20;
	run(f);
	assert_int_equal(f->b.got, 20);
	assert_int_equal(f->b.number[0], 1);
	assert_int_equal(f->a.ecn, 1);
	assert_true(sl_addr_equal(&f->b.local, &f->b.addr));
	assert_true(sl_addr_equal(&f->b.remote, &f->a.addr));
	f->env->ops->udp_close(stranger.udp);

	// The peer goes away: ICMP's port unreachable is counted and changes nothing.
	f->env->ops->udp_close(f->a.udp);
	f->a.udp = NULL;
	for (uint32_t i = 0; i < 4; i++) {
		send_train(f, &f->b, &f->a, i, 1, 50, 50, 0);
		run_for(f, 5 * MS);
	}
	f->env->ops->udp_stats(f->b.udp, &stats);
	assert_true(stats.rx_errors + stats.tx_errors > 0);
	assert_int_equal(f->b.got, 20);
}

// An ICMP message about an earlier datagram is told at the next send. What is sent then is not to blame.
static void an_earlier_error_costs_no_datagram(void **state)
{
	struct fixture *f = *state;
	struct sl_udp_options options = {.offload = true};
	struct sl_udp_stats stats;

	open_at(f, &f->a, "127.0.0.1", true);
	open_connected(f, &f->b, &f->a.addr, true);
	options.bind = f->a.addr;
	for (uint32_t count = 1; count <= 20; count += 19) {
		f->env->ops->udp_close(f->a.udp);
		f->a.udp = NULL;
		send_train(f, &f->b, &f->a, 99, 1, 50, 50, 0); // nobody is there
		assert_int_equal(try_open(f, &f->a, &options, NULL), SL_OK);
		f->a.got = 0;
		f->a.stop_after = count;
		send_train(f, &f->b, &f->a, 1, count, 500, 500, 0);
		run(f);
		assert_int_equal(f->a.number[0], 1);
	}
	f->env->ops->udp_stats(f->b.udp, &stats);
	assert_int_equal(stats.tx_errors, 0);
	assert_int_equal(stats.tx_datagrams, 1 + 1 + 1 + 20);
}

static void a_dual_stack_socket_serves_both(void **state)
{
	struct fixture *f = *state;
	struct sl_udp_options options = {.dual_stack = true, .offload = true};
	char shown[SL_ADDR_TEXT];
	struct sl_addr v6;

	if (!have_ipv6(f))
		skip();
	assert_true(sl_addr_literal("::", 0, &options.bind));
	assert_int_equal(try_open(f, &f->a, &options, NULL), SL_OK);
	f->a.echo = true;
	open_at(f, &f->b, "127.0.0.1", true);
	v6 = f->a.addr;
	assert_true(sl_addr_literal("127.0.0.7", sl_addr_port(&v6), &f->a.addr));
	send_train(f, &f->b, &f->a, 1, 30, 900, 20, 1);
	f->b.stop_after = 30;
	run(f);
	assert_int_equal(f->a.ecn, 1);
	assert_string_equal(sl_addr_format(&f->a.remote, shown), sl_addr_format(&f->b.addr, shown));
	assert_true(sl_addr_is_ipv4(&f->a.remote));
	assert_true(sl_addr_equal(&f->a.local, &f->a.addr));
	assert_true(sl_addr_equal(&f->b.remote, &f->a.addr)); // the answer came from 127.0.0.7
	f->env->ops->udp_close(f->b.udp);

	memset(&f->b, 0, sizeof(f->b));
	open_at(f, &f->b, "::1", true);
	assert_true(sl_addr_literal("::1", sl_addr_port(&v6), &f->a.addr));
	send_train(f, &f->b, &f->a, 1, 30, 900, 20, 2);
	f->b.stop_after = 30;
	run(f);
	assert_int_equal(f->a.ecn, 2);
	assert_true(sl_addr_equal(&f->a.remote, &f->b.addr));
	assert_true(sl_addr_equal(&f->a.local, &f->a.addr));
}

static void a_socket_may_be_closed_in_its_callback(void **state)
{
	struct fixture *f = *state;

	open_at(f, &f->a, "127.0.0.1", true);
	open_at(f, &f->b, "127.0.0.1", true);
	f->b.close_in_recv = true;
	send_train(f, &f->a, &f->b, 0, 30, 1000, 1000, 0);
	run(f);
	assert_null(f->b.udp);
	assert_int_equal(f->b.got, 30); // the batch stays readable until the callback returns
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(trains_gso_gro),
		T(trains_gso_only),
		T(trains_gro_only),
		T(trains_no_offload),
		T(trains_ipv6),
		T(trains_ipv6_no_offload),
		T(a_refused_train_switches_gso_off),
		T(a_batch_of_many),
		T(timers_are_not_starved),
		T(the_source_address_is_kept),
		T(a_connected_socket_hears_its_peer_alone),
		T(an_earlier_error_costs_no_datagram),
		T(a_dual_stack_socket_serves_both),
		T(a_socket_may_be_closed_in_its_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
