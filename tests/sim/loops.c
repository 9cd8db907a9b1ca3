// Loops: a client whose machine bridges the room back into the LAN, and gateways of two rooms on one LAN.
#include "tests/sim/scenarios.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/party.h"

#define MS SL_NS_PER_MS
#define S SL_NS_PER_S

// A frame from the LAN host and one from client 1, so many times; numbers from `first` on.
static void chatter(struct party *party, unsigned first, unsigned count, uint64_t every_ns)
{
	for (unsigned n = first; n < first + count; n++) {
		party_send(party, 0, PARTY_ALL, n, 300);
		party_send(party, 1, PARTY_ALL, n, 300);
		sim_run_for(party->sim, every_ns);
	}
}

// Broadcasts with these numbers reached this member exactly once each, or never.
static void expect_seen(const struct party *party, unsigned member, unsigned from, unsigned first,
			unsigned count, unsigned times)
{
	for (unsigned n = first; n < first + count; n++)
		assert_int_equal(party->member[member].seen[from][n], times);
}

void loop_a_bridged_client_is_isolated_and_let_in_again(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party = party_new(3, &options, *state);
	uint64_t bridged_at, surplus;

	party_lan_make(party);
	party_start_all(party);
	sim_run_for(party->sim, 3 * S);
	chatter(party, 0, 10, 20 * MS);
	assert_int_equal(party->lan->surplus, 0);
	assert_int_equal(party->lan->probes, 0);
	assert_int_equal(party->isolated, 0);

	party->member[2].bridged = true;
	bridged_at = sim_now(party->sim);
	for (unsigned n = 10; !party_isolated(party, 2); n++) {
		chatter(party, n, 1, 100 * MS);
		assert_true(sim_now(party->sim) - bridged_at <= 2 * S);
	}
	sim_run_for(party->sim, 200 * MS);    // what is under way runs out
	assert_true(party->lan->surplus > 0); // there was a loop
	assert_true(party->lan->surplus < 1000);
	surplus = party->lan->surplus;

	// The culprit has nothing any more, the others have all of it once; for as long as the loop lasts.
	chatter(party, 1000, 300, 100 * MS);
	sim_run_for(party->sim, 100 * MS);
	expect_seen(party, 1, 0, 1000, 300, 1);
	expect_seen(party, 3, 0, 1000, 300, 1);
	expect_seen(party, 3, 1, 1000, 300, 1);
	expect_seen(party, 0, 1, 1000, 300, 1);
	expect_seen(party, 2, 0, 1000, 300, 0);
	expect_seen(party, 2, 1, 1000, 300, 0);
	assert_int_equal(party->lan->surplus, surplus);
	assert_true(party->lan->probes >= 30);
	assert_true(party->lan->probes <= 40); // they don't go round
	assert_true(party_isolated(party, 2) && !party_isolated(party, 1) && !party_isolated(party, 3));
	assert_int_equal(party->isolated, 1);
	assert_int_equal(party->cleared, 0);
	assert_true(party->member[0].loops > 0); // the gateway has seen it, too
	for (unsigned i = 0; i <= 3; i++)
		assert_int_equal(party->member[i].downs, 0);

	// Out of the bridge: 10 s after the last probe it plays again.
	party->member[2].bridged = false;
	sim_run_for(party->sim, 8900 * MS);
	assert_true(party_isolated(party, 2));
	sim_run_for(party->sim, 2200 * MS);
	assert_false(party_isolated(party, 2));
	assert_int_equal(party->cleared, 1);
	chatter(party, 2000, 50, 20 * MS);
	sim_run_for(party->sim, 100 * MS);
	expect_seen(party, 2, 0, 2000, 50, 1);
	expect_seen(party, 2, 1, 2000, 50, 1);
	expect_seen(party, 3, 1, 2000, 50, 1);
	assert_int_equal(party->lan->surplus, surplus);
	assert_int_equal(party->isolated, 1);
	party_free(party);
}

// On a path of 30 ms a frame goes round too slowly to be an excess of repeats, and all on the LAN go round at
// once: the first that comes again brings the probes.
void loop_on_a_longer_path_is_found_as_soon(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;
	uint64_t bridged_at;

	options.link.delay_ns = 15 * MS;
	party = party_new(4, &options, *state);
	party_lan_make(party);
	party_start_all(party);
	sim_run_for(party->sim, 3 * S);
	chatter(party, 0, 10, 20 * MS);
	assert_int_equal(party->lan->surplus, 0);
	party->member[2].bridged = true;
	bridged_at = sim_now(party->sim);
	for (unsigned n = 10; !party_isolated(party, 2); n++) {
		chatter(party, n, 1, 10 * MS);
		assert_true(sim_now(party->sim) - bridged_at <= 300 * MS);
	}
	sim_run_for(party->sim, 200 * MS);
	assert_true(party->lan->surplus > 0);
	assert_true(party->lan->surplus < 100);
	party_free(party);
}

void loop_two_gateways_on_one_lan_raise_no_alarm(void **state)
{
	struct party_options options = PARTY_DEFAULT;
	struct party *party;

	options.clients = 5;
	options.second = 3; // its gateway; 4 and 5 are its clients
	party = party_new(4, &options, *state);
	party_lan_make(party);
	party_start_all(party);
	sim_run_for(party->sim, 3 * S);
	chatter(party, 0, 300, 100 * MS);
	sim_run_for(party->sim, 100 * MS);
	// The LAN is one, and so it is for its hosts and for both rooms: each hears all, once.
	for (unsigned i = 1; i <= 5; i++) {
		if (party_is_gateway(party, i))
			continue;
		expect_seen(party, i, 0, 0, 300, 1);
		expect_seen(party, i, 1, 0, 300, i != 1);
	}
	assert_int_equal(party->lan->surplus, 0);
	assert_int_equal(party->lan->probes, 0);
	assert_int_equal(party->isolated, 0);
	assert_int_equal(party->member[0].loops + party->member[3].loops, 0);

	// A culprit in one room is the culprit of that room only.
	party->member[5].bridged = true;
	chatter(party, 1000, 20, 100 * MS);
	assert_true(party_isolated(party, 5));
	chatter(party, 2000, 100, 100 * MS);
	sim_run_for(party->sim, 100 * MS);
	assert_true(party->lan->probes > 0);
	for (unsigned i = 1; i <= 4; i++) {
		assert_false(party_isolated(party, i));
		if (!party_is_gateway(party, i))
			expect_seen(party, i, 0, 2000, 100, 1);
	}
	assert_int_equal(party->isolated, 1);
	assert_int_equal(party->cleared, 0);
	assert_int_equal(party->member[0].loops, 0);
	assert_true(party->member[3].loops > 0);
	party_free(party);
}
