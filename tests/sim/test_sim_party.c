// The LAN party under a fake clock: loss, delay, reordering; exact accounting; the same seed, the
// same run. One program; the scenarios are in scenarios.c.
#include "tests/sim/party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/probe.h"
#include "tests/sim/scenarios.h"

#define MS SL_NS_PER_MS
#define FRAMES 1000
#define SEEDS 10
#define EVERY_NS (10 * MS) // one frame each way for each client

// With frames of this length every QUIC packet carries one at most (two do not fit below 1472 bytes),
// and no packet without a frame has a length in between: handshake packets and path-MTU probes are
// longer than 1150 bytes, acknowledgements and control messages shorter. So what the link drops can be
// told frame by frame, from outside. That it is so is checked: what the links carry in this range
// must equal what the programs say they sent.
#define FRAME_LEN 800
#define CARRIER_MIN (FRAME_LEN + 4)
#define CARRIER_MAX 1150
// The relay's loop probes, one a second to each client, are in no counter of frames. They are seen in the
// same way: a packet with nothing else in it is longer than any acknowledgement, and one with a frame and a
// probe is longer than any with a frame alone.
#define PROBE_MIN (SL_PROBE_LEN + 4)
#define PROBE_MAX 200
#define BOTH_MIN (CARRIER_MIN + PROBE_MIN)
#define PROBE_TICKS 12 // while the frames are exchanged

struct carried {
	uint64_t sent, lost; // frames
	uint64_t probes, lost_probes;
};

struct counting {
	struct party *party;
	bool on;
	struct carried up[PARTY_MEMBERS], down[PARTY_MEMBERS]; // to and from the relay
	size_t probes_before[PARTY_MEMBERS];
};

static void on_datagram(void *arg, struct sl_env *from, struct sl_env *to, const uint8_t *data, size_t len,
			enum sim_fate fate)
{
	struct counting *c = arg;

	(void)data;
	bool frame = len >= CARRIER_MIN && len <= CARRIER_MAX;
	bool probe = (len >= PROBE_MIN && len <= PROBE_MAX) || (frame && len >= BOTH_MIN);

	if (!c->on)
		return;
	for (unsigned i = 0; i <= c->party->options.clients; i++) {
		struct carried *way = from == c->party->member[i].env ? &c->up[i]
				      : to == c->party->member[i].env ? &c->down[i]
								      : NULL;

		if (way) {
			way->sent += frame;
			way->lost += frame && fate != SIM_DELIVERED;
			way->probes += probe;
			way->lost_probes += probe && fate != SIM_DELIVERED;
		}
	}
}

// Each client sends 1,000 frames to the LAN host behind the gateway, which sends 1,000 to each.
static void exchange(struct party *party, size_t (*length)(unsigned number))
{
	for (unsigned n = 0; n < FRAMES; n++) {
		for (unsigned i = 1; i <= party->options.clients; i++) {
			party_send(party, i, 0, n, length(n));
			party_send(party, 0, i, (i - 1) * FRAMES + n, length(n));
		}
		sim_run_for(party->sim, EVERY_NS);
	}
	sim_run_for(party->sim, 2 * SL_NS_PER_S);
}

static size_t one_length(unsigned number)
{
	(void)number;
	return FRAME_LEN;
}

static size_t many_lengths(unsigned number)
{
	return 60 + number * 37 % 1300;
}

// Frames that were counted as sent, but dropped on the way out afterwards.
static uint64_t late_drops(const struct sl_counters *c)
{
	return c->drops[SL_DROP_EGRESS_AGE];
}

// delivered = sent - dropped by the link - counted drops, hop by hop and in sum.
static void check_accounts(struct party *party, const struct counting *c, bool lossy)
{
	const struct sl_counters *gw = sl_session_counters(party->member[0].session);
	uint64_t at_relay = 0, to_relay = 0, delivered = 0, out = 0, lost = 0, sent = 0, drops = 0;
	unsigned clients = party->options.clients;
	struct sl_relay_info info;

	sl_relay_info(party->relay, &info);
	for (unsigned i = 0; i <= clients; i++) {
		const struct party_member *m = &party->member[i];
		const struct sl_counters *counters = sl_session_counters(m->session);
		uint64_t given = i == 0 ? (uint64_t)FRAMES * clients : FRAMES, got = 0;
		uint64_t probes = m->probes - c->probes_before[i];

		for (unsigned k = 0; k < PARTY_MEMBERS; k++)
			got += m->received[k];
		// What was given is sent or dropped with a reason; what was sent left in packets of its own.
		assert_int_equal(given, counters->tx_frames + counters->drops[SL_DROP_EGRESS_FULL] +
						counters->drops[SL_DROP_DATAGRAM_BUDGET]);
		assert_int_equal(c->up[i].sent, counters->tx_frames - late_drops(counters));
		// What the link delivered came out of the port, but for what was dropped with a reason.
		assert_int_equal(counters->rx_frames, c->down[i].sent - c->down[i].lost);
		assert_int_equal(got, counters->rx_frames);
		assert_int_equal(probes, c->down[i].probes - c->down[i].lost_probes);
		assert_int_equal(c->up[i].probes, 0);
		assert_int_equal(counters->rx_datagrams, counters->rx_frames + m->probes);
		sent += given;
		delivered += got + probes;
		drops += sl_counters_dropped(counters);
		to_relay += c->up[i].sent - c->up[i].lost;
		out += c->down[i].sent + c->down[i].probes;
		lost += c->up[i].lost + c->down[i].lost + c->down[i].lost_probes;
		if (lossy)
			assert_true(c->up[i].lost > 0 && c->down[i].lost > 0);
		else
			assert_int_equal(c->up[i].lost + c->down[i].lost, 0);
	}
	at_relay = info.counters.rx_frames;
	assert_int_equal(at_relay, to_relay);
	assert_int_equal(
		info.counters.tx_frames + (uint64_t)PROBE_TICKS * clients - late_drops(&info.counters), out);
	sent += (uint64_t)PROBE_TICKS * clients;
	drops += sl_counters_dropped(&info.counters);
	assert_int_equal(delivered, sent - lost - drops);
	assert_int_equal(sl_counters_dropped(gw),
			 gw->drops[SL_DROP_EGRESS_FULL] + gw->drops[SL_DROP_EGRESS_AGE]);
	if (getenv("SIM_DUMP"))
		party_dump(party);
	// The party is playable: what gets lost is mostly what the link loses.
	assert_true(drops * 50 < sent);
}

static struct party_options lossy_options(void)
{
	struct party_options options = PARTY_DEFAULT;

	options.link.delay_ns = 50 * MS;
	options.link.loss_ppm = 50000;
	options.stats_interval_s = 3600; // no `stats` messages: their length could be a frame's
	return options;
}

struct outcome {
	uint64_t hash, lines;
};

// Right after the relay has sent its probes and they have arrived, so that the clock tells how many follow.
static void begin_between_ticks(struct counting *c)
{
	struct sl_relay_info info;
	uint64_t before;

	sl_relay_info(c->party->relay, &info);
	before = info.counters.tx_datagrams;
	while (info.counters.tx_datagrams == before) {
		sim_run_for(c->party->sim, MS);
		sl_relay_info(c->party->relay, &info);
	}
	assert_int_equal(info.counters.tx_datagrams, before + c->party->options.clients);
	sim_run_for(c->party->sim, 100 * MS);
	for (unsigned i = 0; i <= c->party->options.clients; i++)
		c->probes_before[i] = c->party->member[i].probes;
	c->on = true;
}

static struct outcome play(const struct party_files *files, uint64_t seed,
			   const struct party_options *options, bool account)
{
	struct party *party = party_new(seed, options, files);
	struct counting counting = {.party = party};
	struct outcome outcome;

	party_start_all(party);
	// Let path-MTU discovery come to its end, so that a probe that is lost is not asked for again.
	sim_run_for(party->sim, 3 * SL_NS_PER_S);
	begin_between_ticks(&counting);
	sim_tap(party->sim, on_datagram, &counting);
	exchange(party, one_length);
	for (unsigned i = 0; i <= options->clients; i++) {
		assert_int_equal(party->member[i].downs, 0);
		assert_true(party->member[i].joined);
	}
	if (account)
		check_accounts(party, &counting, options->link.loss_ppm > 0);
	outcome.hash = sim_trace_hash(party->sim);
	outcome.lines = sim_trace_lines(party->sim);
	party_free(party);
	return outcome;
}

static void every_frame_is_accounted_for(void **state)
{
	struct party_options options = lossy_options();

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		play(*state, seed, &options, true);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	struct party_options options = lossy_options();
	struct outcome first = play(*state, 42, &options, true), second = play(*state, 42, &options, true),
		       other = play(*state, 43, &options, true);

	assert_true(first.lines > 10000);
	assert_int_equal(first.lines, second.lines);
	assert_true(first.hash == second.hash);
	assert_true(first.hash != other.hash);
}

// Without loss nothing is missing but what is counted as dropped, whatever the frames' lengths: here
// several share a packet.
static void without_loss_all_arrives(void **state)
{
	struct party_options options = PARTY_DEFAULT;

	for (int mode = 0; mode < 8; mode++) {
		struct sl_relay_info info;
		struct party *party;
		uint64_t drops, delivered = 0, sent;

		options.offload = mode & 1;
		options.congestion = mode & 2 ? SL_CC_CUBIC : SL_CC_BBR;
		options.link.delay_ns = mode & 4 ? 50 * MS : 10 * MS; // also where ProbeRTT hurts most
		party = party_new(7, &options, *state);
		party_start_all(party);
		exchange(party, many_lengths);
		if (getenv("SIM_DUMP"))
			party_dump(party);
		sl_relay_info(party->relay, &info);
		drops = sl_counters_dropped(&info.counters);
		for (unsigned i = 0; i <= options.clients; i++) {
			drops += sl_counters_dropped(sl_session_counters(party->member[i].session));
			for (unsigned k = 0; k <= options.clients; k++)
				delivered += party->member[i].received[k];
		}
		sent = (uint64_t)2 * FRAMES * options.clients;
		assert_int_equal(delivered, sent - drops);
		assert_int_equal(drops, 0);
		party_free(party);
	}
}

static int group_setup(void **state)
{
	static struct party_files files;

	party_files_make(&files);
	*state = &files;
	return 0;
}

static int group_teardown(void **state)
{
	party_files_remove(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_accounted_for),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(without_loss_all_arrives),
		SCENARIOS,
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
