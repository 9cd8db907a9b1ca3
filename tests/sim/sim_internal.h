// Shared by simenv.c (clock, events, hosts) and simnet.c (sockets, links).
#pragma once

#include "tests/sim/simenv.h"

#define SIM_HOSTS 16
#define SIM_NAMES 8

struct sim_rng {
	uint64_t s[4];
};
uint64_t sim_rng_next(struct sim_rng *rng);
bool sim_rng_chance(struct sim_rng *rng, unsigned ppm);
uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound); // 0 .. bound, inclusive

// Something that happens at a time; embedded as the first member. Equal times happen in the order in
// which they were set.
enum sim_kind { SIM_TIMER, SIM_DATAGRAM, SIM_WRITABLE, SIM_RESOLVED };
struct sim_event {
	enum sim_kind kind;
	uint64_t at_ns, seq;
	size_t index; // in the heap, from 1; 0: not set
};

struct sim_host {
	struct sl_env env; // first
	struct sl_sim *sim;
	struct sl_addr addr;
	char name[64];
	struct sim_rng rng;
	uint16_t next_port;
	enum sim_block block;
	struct sl_udp *sockets;
};

struct sim_path {
	struct sim_link link;
	struct sim_link_stats stats;
	uint64_t free_ns; // when the last bit queued so far has left
};

struct sl_sim {
	uint64_t now_ns, seq, same_instant;
	struct sim_event **heap;
	size_t count, capacity;
	struct sim_rng rng;
	size_t timers, sockets, resolves;
	struct sim_host *hosts[SIM_HOSTS];
	size_t host_count;
	struct sim_path paths[SIM_HOSTS][SIM_HOSTS];
	struct {
		const char *name, *address;
	} names[SIM_NAMES];
	size_t name_count;
	sim_tap_fn tap;
	void *tap_arg;
	uint64_t trace_hash, trace_lines;
};

void sim_event_set(struct sl_sim *sim, struct sim_event *event, uint64_t at_ns);
void sim_event_clear(struct sl_sim *sim, struct sim_event *event);
struct sim_event *sim_event_next(struct sl_sim *sim); // NULL: nothing is set
size_t sim_host_index(const struct sim_host *host);

void simnet_deliver(struct sl_sim *sim, struct sim_event *first);
void simnet_writable(struct sl_sim *sim, struct sim_event *event);
void simnet_discard(struct sim_event *event); // a datagram still under way at the end
void simnet_unblock(struct sim_host *host);
int simnet_open(struct sl_env *env, const struct sl_udp_options *options,
		const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error);
size_t simnet_send(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count);
void simnet_local(const struct sl_udp *udp, struct sl_addr *out);
void simnet_stats(const struct sl_udp *udp, struct sl_udp_stats *out);
void simnet_close(struct sl_udp *udp);
