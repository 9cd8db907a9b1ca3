#include "tests/sim/scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/party.h"

#define MS SL_NS_PER_MS
#define S SL_NS_PER_S

static const struct sim_link dead = {.delay_ns = MS, .loss_ppm = 1000000, .mtu = 1500};

static uint64_t dropped(const struct party *party, unsigned member)
{
	return sl_counters_dropped(sl_session_counters(party->member[member].session));
}

static uint64_t dropped_by_relay(const struct party *party, enum sl_drop reason)
{
	struct sl_relay_info info;

	sl_relay_info(party->relay, &info);
	return reason == SL_DROP_NONE ? sl_counters_dropped(&info.counters) : info.counters.drops[reason];
}

// A frame each way between the LAN host and every client that is joined, one at a time.
static void expect_frames_flow(struct party *party, unsigned first_number)
{
	for (unsigned i = 1; i <= party->options.clients; i++) {
		const struct party_member *m = &party->member[i], *gateway = &party->member[0];
		size_t up = gateway->received[i], down = m->received[0];

		if (!m->joined)
			continue;
		// First from the LAN, so that the relay knows where the host is.
		party_send(party, 0, i, first_number + i, 500);
		sim_run_for(party->sim, S);
		party_send(party, i, 0, first_number + i, 500);
		sim_run_for(party->sim, S);
		assert_int_equal(m->received[0], down + 1);
		assert_int_equal(gateway->received[i], up + 1);
	}
}

void relay_5_broadcasts_reach_all_others_once(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(1, &options, *state);

	party_start_all(party);
	for (unsigned from = 0; from <= options.clients; from++) {
		for (unsigned n = 0; n < 50; n++) {
			party_send(party, from, PARTY_ALL, n, 60 + n);
			sim_run_for(party->sim, 5 * MS);
		}
	}
	// From client to client, without the gateway.
	for (unsigned n = 0; n < 50; n++) {
		party_send(party, 1, 2, 100 + n, 1396);
		sim_run_for(party->sim, 5 * MS);
	}
	sim_run_for(party->sim, S);
	for (unsigned to = 0; to <= options.clients; to++) {
		for (unsigned from = 0; from <= options.clients; from++) {
			size_t expected = from == to ? 0 : 50;

			if (from == 1 && to == 2)
				expected += 50;
			assert_int_equal(party->member[to].received[from], expected);
		}
		assert_int_equal(dropped(party, to), 0);
	}
	assert_int_equal(dropped_by_relay(party, SL_DROP_NONE), 0);
	party_free(party);
}

void relay_8_a_joining_client_is_announced_first(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(1, &options, *state);
	int welcome;
	uint16_t id;

	// All lines are equally long, so what is written first arrives first.
	for (unsigned i = 0; i < 3; i++) {
		party_start(party, i);
		assert_true(party_wait_joined(party, i + 1, 10 * S));
	}
	party_start(party, 3);
	assert_true(party_wait_joined(party, 4, 10 * S));
	id = party->member[3].id;
	welcome = party_find(party, 0, 3, PARTY_JOINED, 0);
	assert_true(welcome >= 0);
	for (unsigned i = 0; i < 3; i++) {
		int told = party_find(party, 0, i, PARTY_PEER_JOINED, id);
		int listed = party_find(party, 0, 3, PARTY_PEER_JOINED, party->member[i].id);

		assert_true(told >= 0 && told < welcome);
		assert_true(party->events[told].at_ns <= party->events[welcome].at_ns);
		// The peers present come with the welcome: at the same moment, right behind it.
		assert_true(listed > welcome && listed <= welcome + 3);
		assert_int_equal(party->events[listed].at_ns, party->events[welcome].at_ns);
	}
	assert_int_equal(party->events[party_find(party, 0, 3, PARTY_PEER_JOINED, party->member[0].id)].role,
			 SL_ROLE_GATEWAY);
	party_free(party);
}

void relay_8_a_joining_gateway_learns_of_the_clients_first(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(1, &options, *state);

	for (unsigned i = 1; i <= 3; i++)
		party_start(party, i);
	sim_run_for(party->sim, 5 * S);
	party_start(party, 0);
	assert_true(party_wait_joined(party, 4, 10 * S));
	for (unsigned i = 1; i <= 3; i++) {
		int told = party_find(party, 0, i, PARTY_PEER_JOINED, party->member[0].id);

		for (unsigned k = 1; k <= 3; k++) {
			int known = party_find(party, 0, 0, PARTY_PEER_JOINED, party->member[k].id);

			assert_true(known >= 0 && told > known);
		}
	}
	party_free(party);
}

void relay_13_a_leave_is_told_with_its_reason(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(1, &options, *state);
	uint16_t id;

	party_start_all(party);
	id = party->member[2].id;
	party_stop(party, 2, "going_to_bed");
	sim_run_for(party->sim, 2 * S);
	assert_true(party->member[2].ended);
	assert_string_equal(party->events[party_find(party, 0, 2, PARTY_ENDED, 0)].text, "");
	for (unsigned i = 0; i <= 3; i++) {
		int told = party_find(party, 0, i, PARTY_PEER_LEFT, id);

		if (i == 2)
			continue;
		assert_true(told >= 0);
		assert_string_equal(party->events[told].text, "going_to_bed");
	}
	party_free(party);
}

// Path-MTU discovery takes round trips; nobody must be refused for living far away.
void joins_over_any_delay(void **state)
{
	static const unsigned delays_ms[] = {1, 25, 100, 150, 300};

	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		struct party_options options = PARTY_DEFAULT;
		struct party *party;

		options.link.delay_ns = delays_ms[i] * MS;
		party = party_new(i + 1, &options, *state);
		party_start_all(party);
		assert_true(sim_now(party->sim) < 1 * S + 20 * delays_ms[i] * MS + S);
		expect_frames_flow(party, 0);
		for (unsigned k = 0; k <= options.clients; k++)
			assert_int_equal(party->member[k].downs, 0);
		party_free(party);
	}
}

// Nor for packets that are lost on the way there: each start is another dice.
void joins_over_a_bad_line(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct party_options options = PARTY_DEFAULT;
		struct party *party;

		options.link.delay_ns = 50 * MS;
		options.link.loss_ppm = 100000;
		party = party_new(seed, &options, *state);
		party_start_all(party);
		for (unsigned k = 0; k <= options.clients; k++)
			assert_false(party->member[k].ended);
		party_free(party);
	}
}

// A quarter of a second each way and every tenth packet lost: the search for the path MTU outlasts the wait
// for it. The relay's refusal of the size named until then ends nobody.
void joins_over_a_long_bad_line(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct party_options options = PARTY_DEFAULT;
		struct party *party;

		options.link.delay_ns = 250 * MS;
		options.link.loss_ppm = 100000;
		party = party_new(seed, &options, *state);
		for (unsigned k = 0; k <= options.clients; k++)
			party_start(party, k);
		assert_true(party_wait_joined(party, options.clients + 1, 120 * S));
		for (unsigned k = 0; k <= options.clients; k++)
			assert_false(party->member[k].ended);
		party_free(party);
	}
}

void reordered_and_duplicated_packets(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct sim_link_stats stats;
	struct party *party;
	uint64_t duplicated = 0;

	options.link.delay_ns = 20 * MS;
	options.link.jitter_ns = 2 * MS;
	options.link.reorder_ppm = 200000;
	options.link.reorder_ns = 30 * MS;
	options.link.duplicate_ppm = 100000;
	party = party_new(11, &options, *state);
	party_start_all(party);
	for (unsigned n = 0; n < 1000; n++) {
		for (unsigned i = 1; i <= 3; i++) {
			party_send(party, i, 0, n, 60 + n % 1300);
			party_send(party, 0, i, i * 1000 + n, 60 + n % 1300);
		}
		sim_run_for(party->sim, 10 * MS);
	}
	sim_run_for(party->sim, 2 * S);
	// The ports fail the test when a frame comes twice. Nothing is lost but what is counted.
	uint64_t drops = dropped_by_relay(party, SL_DROP_NONE), delivered = 0;
	for (unsigned i = 0; i <= 3; i++) {
		drops += dropped(party, i);
		for (unsigned k = 0; k <= 3; k++)
			delivered += party->member[i].received[k];
		sim_link_stats(party->sim, party->member[i].env, party->relay_env, &stats);
		duplicated += stats.duplicated;
		assert_int_equal(party->member[i].downs, 0);
	}
	assert_int_equal(delivered, 6000 - drops);
	assert_true(drops < 300);
	assert_true(duplicated > 100);
	party_free(party);
}

void a_path_that_is_too_narrow_is_refused_with_a_sentence(void **state)
{
	static const struct {
		size_t up, down;
		bool joins;
	} paths[] = {
		{1500, 1500, true},  {1280, 1280, false}, // client 1
		{1480, 1480, true},  // client 2: 1,452 bytes of UDP carry 1,400 of datagram
		{1428, 1428, false}, // client 3
		{1500, 1280, false}, // client 4: narrow on the way back alone
	};
	struct party_options options = PARTY_DEFAULT;
	struct party *party;

	options.clients = 4;
	party = party_new(1, &options, *state);
	for (unsigned i = 0; i <= 4; i++) {
		struct sim_link up = options.link, down = options.link;

		up.mtu = paths[i].up;
		down.mtu = paths[i].down;
		party_link(party, i, up, down);
		party_start(party, i);
	}
	sim_run_for(party->sim, 30 * S);
	for (unsigned i = 0; i <= 4; i++) {
		const struct party_member *m = &party->member[i];
		int end = party_find(party, 0, i, PARTY_ENDED, 0);

		assert_int_equal(m->joined, paths[i].joins);
		assert_int_equal(m->ended, !paths[i].joins);
		if (end >= 0)
			assert_non_null(strstr(party->events[end].text, "1400 bytes"));
	}
	// The longest frames pass where the path is just wide enough.
	for (unsigned n = 0; n < 10; n++) {
		party_send(party, 2, 0, n, 1396);
		party_send(party, 0, 2, n, 1396);
		sim_run_for(party->sim, 10 * MS);
	}
	sim_run_for(party->sim, S);
	assert_int_equal(party->member[0].received[2], 10);
	assert_int_equal(party->member[2].received[0], 10);
	party_free(party);
}

// The search ends later than the first hello: the next one waits longer (CORE-1, RELAY-3).
void a_long_narrow_path_joins_a_relay_that_asks_for_little(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;

	options.clients = 1;
	options.max_size = 1300;
	for (unsigned rtt = 50; rtt <= 250; rtt += 50) {
		options.link.delay_ns = rtt / 2 * MS;
		options.link.mtu = 1400;
		party = party_new(rtt, &options, *state);
		party_start(party, 0);
		party_start(party, 1);
		sim_run_for(party->sim, 20 * S);
		assert_true(party->member[0].joined);
		assert_true(party->member[1].joined);
		party_send(party, 1, 0, 1, 1296);
		sim_run_for(party->sim, S);
		assert_int_equal(party->member[0].received[1], 1);
		party_free(party);
	}
}

// Somebody has not noticed yet that the relay was replaced.
static bool unaware(void *arg)
{
	const struct party *party = arg;

	for (unsigned i = 0; i <= party->options.clients; i++) {
		if (party->member[i].downs == 0)
			return true;
	}
	return false;
}

void a_killed_relay_comes_back(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;
	uint64_t started_ns;

	options.link.delay_ns = 10 * MS;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		party = party_new(seed, &options, *state);
		party_start_all(party);
		expect_frames_flow(party, 0);
		party_relay_kill(party);
		sim_run_for(party->sim, seed * 700 * MS);
		party_relay_start(party);
		started_ns = sim_now(party->sim);
		// Nobody sends anything: the keep-alives of idle ends meet the stateless reset.
		if (!sim_run_while(party->sim, unaware, party, 3 * S) ||
		    !party_wait_joined(party, 4, started_ns + 3 * S - sim_now(party->sim)))
			fail_msg("seed %d: not back within 3 s: %s", (int)seed, party->last_log);
		expect_frames_flow(party, 100);
		for (unsigned i = 0; i <= 3; i++) {
			int down = party_find(party, 0, i, PARTY_DOWN, 0);

			assert_false(party->member[i].ended);
			assert_non_null(strstr(party->events[down].text, "restarted"));
		}
		party_free(party);
	}
}

static void on_stopped(void *arg)
{
	*(bool *)arg = true;
}

void a_relay_that_ends_in_order_comes_back(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(1, &options, *state);
	bool stopped = false;

	party_start_all(party);
	sl_relay_stop(party->relay, on_stopped, &stopped);
	sim_run_for(party->sim, S);
	assert_true(stopped);
	sl_relay_free(party->relay);
	party->relay = NULL;
	for (unsigned i = 0; i <= 3; i++) {
		int down = party_find(party, 0, i, PARTY_DOWN, 0);

		assert_true(down >= 0);
		assert_false(party->member[i].joined || party->member[i].ended);
	}
	sim_run_for(party->sim, 20 * S);
	party_relay_start(party);
	assert_true(party_wait_joined(party, 4, 8 * S));
	expect_frames_flow(party, 0);
	party_free(party);
}

void silence_is_timed_out_and_the_client_comes_back(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;
	uint16_t id;

	options.idle_timeout_s = 6;
	party = party_new(1, &options, *state);
	party_start_all(party);
	id = party->member[2].id;
	party_link(party, 2, dead, dead);
	sim_run_for(party->sim, 12 * S);
	for (unsigned i = 0; i <= 3; i++) {
		int told = party_find(party, 0, i, PARTY_PEER_LEFT, id);

		if (i == 2)
			continue;
		assert_true(told >= 0);
		assert_string_equal(party->events[told].text, "timed_out");
		assert_true(party->member[i].joined && party->member[i].downs == 0);
	}
	assert_false(party->member[2].joined);
	assert_true(party->member[2].downs > 0);
	assert_false(party->member[2].ended);
	party_link(party, 2, options.link, options.link);
	assert_true(party_wait_joined(party, 4, 15 * S));
	assert_int_not_equal(party->member[2].id, id); // not used again for a minute
	expect_frames_flow(party, 0);
	party_free(party);
}

void a_restarted_client_takes_its_place_back(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;

	for (unsigned member = 0; member <= 1; member++) { // the gateway, a client
		party = party_new(1, &options, *state);
		party_start_all(party);
		sim_run_for(party->sim, 5 * S);
		party_restart(party, member);
		party_start(party, member);
		// Refused until the old one has been silent for 1.5 keep-alive intervals, then let in.
		if (!party_wait_joined(party, 4, 10 * S))
			fail_msg("member %u does not get its place back: %s", member, party->last_log);
		assert_false(party->member[member].ended);
		expect_frames_flow(party, 0);
		party_free(party);
	}
}

// A MAC that is in use: refused and tried again, after 0.5 s, then up to 5 s, never in step.
void a_refused_client_tries_ever_more_seldom(void **state)
{
	static const uint64_t most_ms[] = {625, 1250, 2500, 5000};
	struct party_options options = PARTY_DEFAULT;
	uint64_t last_ns = 0;
	struct party *party;
	unsigned tries = 0;
	bool jitter = false;

	options.clients = 2;
	party = party_new(1, &options, *state);
	party->member[2].mac = party->member[1].mac;
	party_restart(party, 2);
	party_start(party, 0);
	party_start(party, 1);
	assert_true(party_wait_joined(party, 2, 10 * S));
	party_start(party, 2);
	sim_run_for(party->sim, 60 * S);
	for (int at = party_find(party, 0, 2, PARTY_DOWN, 0); at >= 0;
	     at = party_find(party, (size_t)at + 1, 2, PARTY_DOWN, 0)) {
		const struct party_event *event = &party->events[at];
		uint64_t most = most_ms[tries < 4 ? tries : 3] * MS;

		assert_non_null(strstr(event->text, "same MAC"));
		assert_in_range(event->retry_ns, most / 5 * 4, most);
		jitter |= tries > 3 && event->retry_ns / MS != last_ns / MS;
		last_ns = event->retry_ns;
		tries++;
	}
	assert_in_range(tries, 10, 20);
	assert_true(jitter);
	assert_true(party->member[1].joined && party->member[1].downs == 0);
	assert_false(party->member[2].joined || party->member[2].ended);
	// The other one leaves: its place is free.
	party_stop(party, 1, "enough");
	sim_run_for(party->sim, 10 * S);
	assert_true(party->member[2].joined);
	party_free(party);
}

void a_slow_line_ages_frames_and_stalls_nothing(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct sim_link slow;
	struct party *party;
	unsigned before;

	options.link.delay_ns = 20 * MS;
	for (int cubic = 0; cubic <= 1; cubic++) {
		options.congestion = cubic ? SL_CC_CUBIC : SL_CC_BBR;
		party = party_new(5, &options, *state);
		party_start_all(party);
		slow = options.link;
		slow.bits_per_s = 500000;
		slow.queue_bytes = 20000;
		party_link(party, 1, options.link, slow);
		// The LAN sends 1 Mbit/s to client 1, who can take half of it, and as much to client 2.
		for (unsigned n = 0; n < 2000; n++) {
			party_send(party, 0, 1, n, 600);
			party_send(party, 0, 2, 2000 + n, 600);
			sim_run_for(party->sim, 5 * MS);
		}
		sim_run_for(party->sim, S);
		if (getenv("SIM_DUMP"))
			party_dump(party);
		assert_true(dropped_by_relay(party, SL_DROP_EGRESS_AGE) > 0);
		assert_in_range(party->member[1].received[0], 400, 1200);
		assert_true(party->member[2].received[0] > 1900); // one slow player is nobody else's trouble
		// Nothing stays behind: with the flood over, frames pass at once.
		before = (unsigned)party->member[1].received[0];
		for (unsigned n = 0; n < 20; n++) {
			party_send(party, 0, 1, 4000 + n, 200);
			sim_run_for(party->sim, 100 * MS);
		}
		assert_true(party->member[1].received[0] >= before + 19);
		assert_int_equal(party->member[1].downs, 0);
		party_free(party);
	}
}

void a_blocked_socket_stalls_nothing(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(5, &options, *state);
	struct sl_relay_info info;
	uint64_t drops, probes;
	size_t got;

	party_start_all(party);
	for (unsigned round = 0; round < 10; round++) {
		sim_host_block(party->relay_env, SIM_BLOCK_FULL);
		sim_host_block(party->member[1].env, round % 2 ? SIM_BLOCK_FULL : SIM_BLOCK_NONE);
		for (unsigned n = 0; n < 60; n++) {
			unsigned number = round * 100 + n;

			party_send(party, 1, 0, number, 1000);
			party_send(party, 0, 2, number, 1000);
			sim_run_for(party->sim, 5 * MS);
		}
		sim_host_block(party->relay_env, SIM_BLOCK_NONE);
		sim_host_block(party->member[1].env, SIM_BLOCK_NONE);
		sim_run_for(party->sim, 300 * MS);
	}
	sim_run_for(party->sim, S);
	drops = dropped_by_relay(party, SL_DROP_NONE) + dropped(party, 0) + dropped(party, 1);
	got = party->member[0].received[1] + party->member[2].received[0];
	if (getenv("SIM_DUMP"))
		party_dump(party);
	// Loop probes are datagrams that no counter of frames has: each was sent, and arrived or was dropped.
	sl_relay_info(party->relay, &info);
	probes = info.counters.tx_datagrams - info.counters.tx_frames;
	assert_in_range(probes, 3 * 5, 3 * 9); // one a second for each client, but where the queue was full
	assert_int_equal(got + party_probes(party), 1200 + probes - drops);
	assert_true(drops > 0 && got > 100);
	for (unsigned i = 0; i <= 3; i++)
		assert_int_equal(party->member[i].downs, 0);
	expect_frames_flow(party, 2000);
	party_free(party);
}

// Sockets that take a part of each batch only: nothing is sent twice, nothing is left behind.
void sockets_that_are_nearly_full(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(6, &options, *state);
	uint64_t drops, got = 0;

	for (unsigned i = 0; i <= 3; i++)
		sim_host_block(party->member[i].env, SIM_BLOCK_SHORT);
	sim_host_block(party->relay_env, SIM_BLOCK_SHORT);
	party_start_all(party);
	for (unsigned burst = 0; burst < 100; burst++) {
		for (unsigned n = burst * 10; n < burst * 10 + 10; n++) {
			party_send(party, 1, PARTY_ALL, n, 400 + n % 900);
			party_send(party, 0, 2, n, 1396);
		}
		sim_run_for(party->sim, 50 * MS);
	}
	sim_run_for(party->sim, S);
	drops = dropped_by_relay(party, SL_DROP_NONE);
	for (unsigned i = 0; i <= 3; i++) {
		drops += dropped(party, i);
		for (unsigned k = 0; k <= 3; k++)
			got += party->member[i].received[k];
	}
	// A broadcast that client 1 itself drops is missing three times.
	drops += 2 * dropped(party, 1);
	assert_int_equal(got, 1000 * 3 + 1000 - drops);
	assert_true(drops < 200);
	for (unsigned i = 0; i <= 3; i++)
		assert_int_equal(party->member[i].downs, 0);
	party_free(party);
}
