#include "tests/sim/simenv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim_internal.h"

#define EPOCH_NS (UINT64_C(1767225600) * SL_NS_PER_S) // 2026-01-01
// A program that does this much without the clock moving never lets it move.
#define SAME_INSTANT_MAX 200000
#define RESOLVE_NS (2 * SL_NS_PER_MS)

struct sl_timer {
	struct sim_event event;
	struct sim_host *host;
	sl_timer_fn fn;
	void *arg;
};

struct sl_resolve {
	struct sim_event event;
	struct sim_host *host;
	struct sl_host name;
	sl_resolve_fn fn;
	void *arg;
};

// --- random numbers: splitmix64 for seeding, xoshiro256** (both public domain algorithms) ---

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void rng_seed(struct sim_rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t sim_rng_next(struct sim_rng *rng)
{
	uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

bool sim_rng_chance(struct sim_rng *rng, unsigned ppm)
{
	return ppm > 0 && sim_rng_next(rng) % 1000000 < ppm;
}

uint64_t sim_rng_below(struct sim_rng *rng, uint64_t bound)
{
	return bound ? sim_rng_next(rng) % (bound + 1) : 0;
}

// --- events: a binary heap of pointers that know their place ---

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

static void place(struct sl_sim *sim, size_t index, struct sim_event *event)
{
	sim->heap[index] = event;
	event->index = index;
}

static void sift_up(struct sl_sim *sim, size_t index)
{
	struct sim_event *event = sim->heap[index];

	for (; index > 1 && earlier(event, sim->heap[index / 2]); index /= 2)
		place(sim, index, sim->heap[index / 2]);
	place(sim, index, event);
}

static void sift_down(struct sl_sim *sim, size_t index)
{
	struct sim_event *event = sim->heap[index];

	for (size_t child = index * 2; child <= sim->count; child = index * 2) {
		if (child < sim->count && earlier(sim->heap[child + 1], sim->heap[child]))
			child++;
		if (!earlier(sim->heap[child], event))
			break;
		place(sim, index, sim->heap[child]);
		index = child;
	}
	place(sim, index, event);
}

void sim_event_clear(struct sl_sim *sim, struct sim_event *event)
{
	size_t index = event->index;

	if (index == 0)
		return;
	event->index = 0;
	if (index != sim->count) {
		place(sim, index, sim->heap[sim->count--]);
		sift_up(sim, index);
		sift_down(sim, index);
	} else {
		sim->count--;
	}
}

void sim_event_set(struct sl_sim *sim, struct sim_event *event, uint64_t at_ns)
{
	sim_event_clear(sim, event);
	event->at_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
	event->seq = sim->seq++;
	if (sim->count + 2 > sim->capacity) {
		sim->capacity = sim->capacity ? sim->capacity * 2 : 256;
		sim->heap = realloc(sim->heap, sim->capacity * sizeof(struct sim_event *));
		assert_non_null(sim->heap);
	}
	sim->count++;
	place(sim, sim->count, event);
	sift_up(sim, sim->count);
}

struct sim_event *sim_event_next(struct sl_sim *sim)
{
	return sim->count ? sim->heap[1] : NULL;
}

static void set_time(struct sl_sim *sim, uint64_t now_ns)
{
	sim->same_instant = now_ns == sim->now_ns ? sim->same_instant + 1 : 0;
	if (sim->same_instant > SAME_INSTANT_MAX)
		fail_msg("the clock stands still at %llu ns: a program keeps itself busy",
			 (unsigned long long)now_ns);
	sim->now_ns = now_ns;
	for (size_t i = 0; i < sim->host_count; i++)
		sim->hosts[i]->env.now_ns = now_ns;
}

static void resolved(struct sl_sim *sim, struct sl_resolve *resolve)
{
	struct sl_host name = resolve->name;
	sl_resolve_fn fn = resolve->fn;
	void *arg = resolve->arg;
	struct sl_addr addr;
	bool found = sl_addr_literal(name.name, name.port, &addr);

	for (size_t i = 0; i < sim->name_count && !found; i++) {
		if (strcmp(sim->names[i].name, name.name) == 0)
			found = sl_addr_literal(sim->names[i].address, name.port, &addr);
	}
	sim->resolves--;
	free(resolve);
	fn(arg, &addr, found ? 1 : 0, found ? NULL : "no address is known for this name; check its spelling");
}

static void happen(struct sl_sim *sim, struct sim_event *event)
{
	struct sl_timer *timer;

	set_time(sim, event->at_ns);
	sim_event_clear(sim, event);
	switch (event->kind) {
	case SIM_TIMER:
		timer = (struct sl_timer *)event;
		timer->fn(timer->arg); // may free the timer
		break;
	case SIM_DATAGRAM:
		simnet_deliver(sim, event);
		break;
	case SIM_WRITABLE:
		simnet_writable(sim, event);
		break;
	case SIM_RESOLVED:
		resolved(sim, (struct sl_resolve *)event);
		break;
	}
}

void sim_run_until(struct sl_sim *sim, uint64_t time_ns)
{
	struct sim_event *next;

	while ((next = sim_event_next(sim)) && next->at_ns <= time_ns)
		happen(sim, next);
	if (time_ns > sim->now_ns)
		set_time(sim, time_ns);
}

void sim_run_for(struct sl_sim *sim, uint64_t ns)
{
	sim_run_until(sim, sim->now_ns + ns);
}

bool sim_run_while(struct sl_sim *sim, bool (*more)(void *arg), void *arg, uint64_t limit_ns)
{
	uint64_t end = sim->now_ns + limit_ns;
	struct sim_event *next;

	while (more(arg)) {
		next = sim_event_next(sim);
		if (!next || next->at_ns > end) {
			set_time(sim, end);
			return !more(arg);
		}
		happen(sim, next);
	}
	return true;
}

// --- the environment of a host ---

static struct sl_timer *timer_new(struct sl_env *env, sl_timer_fn fn, void *arg)
{
	struct sim_host *host = (struct sim_host *)env;
	struct sl_timer *timer = calloc(1, sizeof(*timer));

	assert_non_null(timer);
	timer->event.kind = SIM_TIMER;
	timer->host = host;
	timer->fn = fn;
	timer->arg = arg;
	host->sim->timers++;
	return timer;
}

static void timer_set(struct sl_timer *timer, uint64_t deadline_ns)
{
	if (deadline_ns == SL_TIME_NEVER)
		sim_event_clear(timer->host->sim, &timer->event);
	else
		sim_event_set(timer->host->sim, &timer->event, deadline_ns);
}

static void timer_free(struct sl_timer *timer)
{
	if (!timer)
		return;
	sim_event_clear(timer->host->sim, &timer->event);
	timer->host->sim->timers--;
	free(timer);
}

static void env_random(struct sl_env *env, void *out, size_t len)
{
	struct sim_host *host = (struct sim_host *)env;
	uint8_t *at = out;

	while (len > 0) {
		uint64_t value = sim_rng_next(&host->rng);
		size_t n = len < sizeof(value) ? len : sizeof(value);

		memcpy(at, &value, n);
		at += n;
		len -= n;
	}
}

static uint64_t env_wall_ns(struct sl_env *env)
{
	return EPOCH_NS + env->now_ns;
}

static struct sl_resolve *resolve_start(struct sl_env *env, const struct sl_host *name, sl_resolve_fn fn,
					void *arg)
{
	struct sim_host *host = (struct sim_host *)env;
	struct sl_resolve *resolve = calloc(1, sizeof(*resolve));

	assert_non_null(resolve);
	resolve->event.kind = SIM_RESOLVED;
	resolve->host = host;
	resolve->name = *name;
	resolve->fn = fn;
	resolve->arg = arg;
	host->sim->resolves++;
	sim_event_set(host->sim, &resolve->event, host->sim->now_ns + (name->literal ? 0 : RESOLVE_NS));
	return resolve;
}

static void resolve_cancel(struct sl_resolve *resolve)
{
	if (!resolve)
		return;
	sim_event_clear(resolve->host->sim, &resolve->event);
	resolve->host->sim->resolves--;
	free(resolve);
}

static const struct sl_env_ops sim_ops = {
	.timer_new = timer_new,
	.timer_set = timer_set,
	.timer_free = timer_free,
	.random = env_random,
	.wall_ns = env_wall_ns,
	.udp_open = simnet_open,
	.udp_send = simnet_send,
	.udp_local = simnet_local,
	.udp_stats = simnet_stats,
	.udp_close = simnet_close,
	.resolve = resolve_start,
	.resolve_cancel = resolve_cancel,
};

// --- the simulation ---

struct sl_sim *sim_new(uint64_t seed)
{
	struct sl_sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	rng_seed(&sim->rng, seed);
	sim->trace_hash = UINT64_C(0xcbf29ce484222325);
	sim->now_ns = SL_NS_PER_S; // 0 means "never yet" in many places
	for (size_t i = 0; i < SIM_HOSTS; i++) {
		for (size_t k = 0; k < SIM_HOSTS; k++)
			sim->paths[i][k].link = SIM_LINK_DEFAULT;
	}
	return sim;
}

void sim_free(struct sl_sim *sim)
{
	size_t timers, sockets, resolves;

	if (!sim)
		return;
	timers = sim->timers;
	sockets = sim->sockets;
	resolves = sim->resolves;
	for (size_t i = sim->count; i >= 1; i--) {
		if (sim->heap[i]->kind == SIM_DATAGRAM)
			simnet_discard(sim->heap[i]);
	}
	for (size_t i = 0; i < sim->host_count; i++)
		free(sim->hosts[i]);
	free(sim->heap);
	free(sim);
	if (timers || sockets || resolves)
		fail_msg("left behind: %zu timers, %zu sockets, %zu look-ups", timers, sockets, resolves);
}

struct sl_env *sim_host_add(struct sl_sim *sim, const char *address, struct sl_log *log)
{
	struct sim_host *host = calloc(1, sizeof(*host));

	assert_non_null(host);
	assert_true(sim->host_count < SIM_HOSTS);
	assert_true(sl_addr_literal(address, 0, &host->addr));
	snprintf(host->name, sizeof(host->name), "%s", address);
	host->env.ops = &sim_ops;
	host->env.log = log;
	host->env.now_ns = sim->now_ns;
	host->sim = sim;
	host->next_port = 40000;
	rng_seed(&host->rng, sim_rng_next(&sim->rng));
	sim->hosts[sim->host_count++] = host;
	return &host->env;
}

size_t sim_host_index(const struct sim_host *host)
{
	for (size_t i = 0; i < host->sim->host_count; i++) {
		if (host->sim->hosts[i] == host)
			return i;
	}
	fail_msg("no host of this simulation");
	return 0;
}

void sim_name_add(struct sl_sim *sim, const char *name, const char *address)
{
	assert_true(sim->name_count < SIM_NAMES);
	sim->names[sim->name_count].name = name;
	sim->names[sim->name_count++].address = address;
}

void sim_host_block(struct sl_env *env, enum sim_block block)
{
	struct sim_host *host = (struct sim_host *)env;

	host->block = block;
	if (block == SIM_BLOCK_NONE)
		simnet_unblock(host);
}

void sim_tap(struct sl_sim *sim, sim_tap_fn fn, void *arg)
{
	sim->tap = fn;
	sim->tap_arg = arg;
}

uint64_t sim_now(const struct sl_sim *sim)
{
	return sim->now_ns;
}

uint64_t sim_trace_hash(const struct sl_sim *sim)
{
	return sim->trace_hash;
}

uint64_t sim_trace_lines(const struct sl_sim *sim)
{
	return sim->trace_lines;
}
