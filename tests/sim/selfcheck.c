// The simulated network itself: what the other tests stand on.
#include "tests/sim/scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/simenv.h"

#define MS SL_NS_PER_MS

// --- the simulation itself ---

struct ear {
	struct sl_sim *sim;
	size_t datagrams, bytes, batches, trains;
	uint64_t first_ns, last_ns;
	uint32_t last;
	size_t out_of_order;
};

static void hear(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct ear *ear = arg;

	ear->batches++;
	if (!ear->datagrams)
		ear->first_ns = sim_now(ear->sim);
	ear->last_ns = sim_now(ear->sim);
	for (size_t i = 0; i < count; i++) {
		size_t step = batch[i].segment ? batch[i].segment : batch[i].len;

		ear->trains += batch[i].segment != 0;
		for (size_t at = 0; at < batch[i].len; at += step) {
			uint32_t n;

			memcpy(&n, batch[i].data + at, sizeof(n));
			ear->out_of_order += ear->datagrams > 0 && n < ear->last;
			ear->last = n;
			ear->datagrams++;
		}
		ear->bytes += batch[i].len;
	}
}

static void measure(struct sim_link link, struct ear *ear, struct sim_link_stats *stats)
{
	struct sl_log log;
	struct sl_sim *sim = sim_new(3);
	struct sl_env *a, *b;
	struct sl_udp_options options = {.offload = true};
	struct sl_udp_handler handler = {.recv = hear, .arg = ear};
	struct sl_addr to, from;
	struct sl_udp *tx, *rx;
	uint8_t train[10 * 1000];

	memset(ear, 0, sizeof(*ear));
	ear->sim = sim;
	sl_log_init(&log);
	a = sim_host_add(sim, "192.0.2.1", &log);
	b = sim_host_add(sim, "192.0.2.2", &log);
	sim_link_set(sim, a, b, link);
	assert_true(sl_addr_literal("192.0.2.2", 5000, &to));
	options.bind = to;
	assert_int_equal(b->ops->udp_open(b, &options, &handler, &rx, NULL), SL_OK);
	assert_true(sl_addr_literal("192.0.2.1", 0, &options.bind));
	assert_int_equal(a->ops->udp_open(a, &options, &handler, &tx, NULL), SL_OK);
	a->ops->udp_local(tx, &from);
	memset(train, 0, sizeof(train));
	for (uint32_t n = 0; n < 1000; n += 10) {
		struct sl_udp_tx entry = {
			.local = &from, .remote = &to, .data = train, .len = sizeof(train), .segment = 1000};

		for (uint32_t i = 0; i < 10; i++) {
			uint32_t number = n + i;

			memcpy(train + i * 1000, &number, sizeof(number));
		}
		assert_int_equal(a->ops->udp_send(tx, &entry, 1), 1);
		sim_run_for(sim, MS);
	}
	sim_run_for(sim, 10 * SL_NS_PER_S);
	sim_link_stats(sim, a, b, stats);
	a->ops->udp_close(tx);
	b->ops->udp_close(rx);
	sim_free(sim);
}

void a_link_of_the_simulation_is_what_it_says(void **state)
{
	struct sim_link link = SIM_LINK_DEFAULT;
	struct sim_link_stats stats;
	struct ear ear;

	(void)state;
	link.delay_ns = 70 * MS;
	measure(link, &ear, &stats);
	assert_int_equal(ear.datagrams, 1000);
	assert_int_equal(stats.sent[SIM_DELIVERED], 1000);
	assert_int_equal(ear.batches, 100);
	assert_int_equal(ear.trains, 100);
	assert_int_equal(ear.first_ns, SL_NS_PER_S + 70 * MS);
	assert_int_equal(ear.last_ns, SL_NS_PER_S + 99 * MS + 70 * MS);
	assert_int_equal(ear.out_of_order, 0);

	link.loss_ppm = 200000;
	measure(link, &ear, &stats);
	assert_int_equal(stats.sent[SIM_DELIVERED] + stats.sent[SIM_LOST], 1000);
	assert_int_equal(ear.datagrams, stats.sent[SIM_DELIVERED]);
	assert_in_range(stats.sent[SIM_LOST], 150, 250);

	link.loss_ppm = 0;
	link.reorder_ppm = 100000;
	link.reorder_ns = 20 * MS;
	link.duplicate_ppm = 50000;
	measure(link, &ear, &stats);
	assert_in_range(stats.duplicated, 25, 80);
	assert_int_equal(ear.datagrams, 1000 + stats.duplicated);
	assert_true(ear.out_of_order > 20);

	link = SIM_LINK_DEFAULT;
	link.mtu = 1027; // 1000 + 28 is one too many
	measure(link, &ear, &stats);
	assert_int_equal(stats.sent[SIM_TOO_LARGE], 1000);
	assert_int_equal(ear.datagrams, 0);
	link.mtu = 1028;
	measure(link, &ear, &stats);
	assert_int_equal(ear.datagrams, 1000);

	link.bits_per_s = 1028 * 8 * 1000; // 1,000 datagrams a second, offered ten times that
	link.queue_bytes = 1028 * 100;
	measure(link, &ear, &stats);
	assert_in_range(ear.datagrams, 195, 205); // 100 in 100 ms and 100 that waited
	assert_int_equal(stats.sent[SIM_QUEUE_FULL], 1000 - ear.datagrams);
	assert_in_range(ear.last_ns - ear.first_ns, 190 * MS, 210 * MS);
}
