// A second environment (net/env.h): one fake clock, any number of hosts, UDP over links with delay,
// loss, reordering, duplication, an MTU and a bandwidth. Whole programs run on it in one process;
// everything comes from one seed, so the same seed gives the same run to the last datagram.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "net/env.h"

struct sl_sim;

struct sl_sim *sim_new(uint64_t seed);
// Fails the running test when a timer, a socket or a look-up is left. NULL is fine.
void sim_free(struct sl_sim *sim);

// A host with one address ("192.0.2.1", "2001:db8::1") and a random number generator of its own; it
// lives as long as the simulation. Programs that share an env are on the same machine.
struct sl_env *sim_host_add(struct sl_sim *sim, const char *address, struct sl_log *log);
void sim_name_add(struct sl_sim *sim, const char *name, const char *address); // for resolve()
// Full: the host's sockets take nothing (EAGAIN); afterwards `writable` is called. Short: each call takes a
// random part of what it is given, and `writable` follows half a millisecond later.
enum sim_block { SIM_BLOCK_NONE, SIM_BLOCK_FULL, SIM_BLOCK_SHORT };
void sim_host_block(struct sl_env *host, enum sim_block block);

// One direction between two hosts. Probabilities in millionths.
struct sim_link {
	uint64_t delay_ns;
	uint64_t jitter_ns; // up to this much more for each datagram: reorders by nature
	unsigned loss_ppm;
	unsigned reorder_ppm; // this part waits up to reorder_ns longer
	uint64_t reorder_ns;
	unsigned duplicate_ppm;
	size_t mtu;          // of the IP packet; longer ones are lost without a sign, as with DF
	uint64_t bits_per_s; // 0: no limit
	size_t queue_bytes;  // waiting for their turn, with bits_per_s; 0: 256 KiB
};
#define SIM_LINK_DEFAULT ((struct sim_link){.delay_ns = SL_NS_PER_MS, .mtu = 1500})
void sim_link_set(struct sl_sim *sim, struct sl_env *from, struct sl_env *to, struct sim_link link);

enum sim_fate { SIM_DELIVERED, SIM_LOST, SIM_TOO_LARGE, SIM_QUEUE_FULL, SIM_FATES };
struct sim_link_stats {
	uint64_t sent[SIM_FATES]; // datagrams given to the link, by what became of them
	uint64_t duplicated, bytes;
};
void sim_link_stats(struct sl_sim *sim, struct sl_env *from, struct sl_env *to, struct sim_link_stats *out);

// Sees every single datagram as it is sent, with what becomes of it.
typedef void (*sim_tap_fn)(void *arg, struct sl_env *from, struct sl_env *to, const uint8_t *data, size_t len,
			   enum sim_fate fate);
void sim_tap(struct sl_sim *sim, sim_tap_fn fn, void *arg);

uint64_t sim_now(const struct sl_sim *sim);
// Lets everything happen that is due up to and including `time_ns`.
void sim_run_until(struct sl_sim *sim, uint64_t time_ns);
void sim_run_for(struct sl_sim *sim, uint64_t ns);
// Runs as long as `more` says so, at most for `limit_ns`. False: the limit was reached.
bool sim_run_while(struct sl_sim *sim, bool (*more)(void *arg), void *arg, uint64_t limit_ns);

// The trace, one line for each datagram sent (time, from, to, length, fate) and each one that found
// no socket: a hash of it, and how many lines it has.
uint64_t sim_trace_hash(const struct sl_sim *sim);
uint64_t sim_trace_lines(const struct sl_sim *sim);
