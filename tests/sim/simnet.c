// The simulation's UDP: sockets, and the links between hosts.
#include "tests/sim/sim_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCH 64
#define TRAIN_MAX 65507
#define TRAIN_SEGMENTS 64
#define QUEUE_DEFAULT (256 * 1024)
#define WRITABLE_NS (500 * SL_NS_PER_US)

struct sl_udp {
	struct sim_event event; // SIM_WRITABLE
	struct sl_udp *next;
	struct sim_host *host;
	struct sl_addr local, remote; // remote.len 0: not connected
	struct sl_udp_handler handler;
	struct sl_udp_stats stats;
	bool offload, owed;
	bool in_callback, closed;
};

struct datagram {
	struct sim_event event;
	struct sim_host *to;
	struct sl_addr remote, local;
	uint8_t ecn;
	size_t len;
	uint8_t data[];
};

static const char *const fate_names[SIM_FATES] = {"delivered", "lost", "too_large", "queue_full"};

static void trace(struct sl_sim *sim, const struct sl_addr *from, const struct sl_addr *to, size_t len,
		  const char *fate)
{
	char line[256], a[SL_ADDR_TEXT], b[SL_ADDR_TEXT];
	int n = snprintf(line, sizeof(line), "%llu.%09llu %s > %s %zu %s\n",
			 (unsigned long long)(sim->now_ns / SL_NS_PER_S),
			 (unsigned long long)(sim->now_ns % SL_NS_PER_S), sl_addr_format(from, a),
			 sl_addr_format(to, b), len, fate);

	// FNV-1a
	for (int i = 0; i < n; i++)
		sim->trace_hash = (sim->trace_hash ^ (uint8_t)line[i]) * UINT64_C(0x100000001b3);
	sim->trace_lines++;
}

static bool same_ip(const struct sl_addr *a, const struct sl_addr *b)
{
	struct sl_addr x = *a, y = *b;

	sl_addr_set_port(&x, 1);
	sl_addr_set_port(&y, 1);
	return sl_addr_equal(&x, &y);
}

static struct sim_host *host_of(struct sl_sim *sim, const struct sl_addr *addr)
{
	for (size_t i = 0; i < sim->host_count; i++) {
		if (same_ip(&sim->hosts[i]->addr, addr))
			return sim->hosts[i];
	}
	return NULL;
}

static struct sl_udp *socket_of(struct sim_host *host, uint16_t port, const struct sl_addr *remote)
{
	struct sl_udp *found = NULL;

	for (struct sl_udp *udp = host->sockets; udp; udp = udp->next) {
		if (sl_addr_port(&udp->local) != port)
			continue;
		if (!udp->remote.len)
			found = udp;
		else if (sl_addr_equal(&udp->remote, remote))
			return udp; // a connected socket comes first
	}
	return found;
}

// --- links ---

static void put_on_the_wire(struct sim_host *from, struct sim_host *to, const struct sl_udp *udp,
			    const struct sl_udp_tx *tx, const uint8_t *data, size_t len, uint64_t at_ns)
{
	struct datagram *d = malloc(sizeof(*d) + len);

	assert_non_null(d);
	memset(d, 0, sizeof(*d));
	d->event.kind = SIM_DATAGRAM;
	d->to = to;
	d->remote = udp->local;
	d->local = *tx->remote;
	d->ecn = tx->ecn;
	d->len = len;
	memcpy(d->data, data, len);
	sim_event_set(from->sim, &d->event, at_ns);
}

static uint64_t on_the_way(struct sl_sim *sim, const struct sim_link *link)
{
	uint64_t ns = link->delay_ns + sim_rng_below(&sim->rng, link->jitter_ns);

	if (sim_rng_chance(&sim->rng, link->reorder_ppm))
		ns += sim_rng_below(&sim->rng, link->reorder_ns);
	return ns;
}

static enum sim_fate judge(struct sl_sim *sim, struct sim_path *path, size_t packet, uint64_t *leaves_ns)
{
	const struct sim_link *link = &path->link;
	size_t queue = link->queue_bytes ? link->queue_bytes : QUEUE_DEFAULT;

	*leaves_ns = sim->now_ns;
	if (packet > link->mtu)
		return SIM_TOO_LARGE;
	if (link->bits_per_s) {
		uint64_t start = path->free_ns > sim->now_ns ? path->free_ns : sim->now_ns;

		if ((start - sim->now_ns) * link->bits_per_s / (8 * SL_NS_PER_S) + packet > queue)
			return SIM_QUEUE_FULL;
		path->free_ns = start + packet * 8 * SL_NS_PER_S / link->bits_per_s;
		*leaves_ns = path->free_ns;
	}
	return sim_rng_chance(&sim->rng, link->loss_ppm) ? SIM_LOST : SIM_DELIVERED;
}

static void send_one(struct sl_udp *udp, const struct sl_udp_tx *tx, const uint8_t *data, size_t len)
{
	struct sl_sim *sim = udp->host->sim;
	struct sim_host *from = udp->host, *to = host_of(sim, tx->remote);
	struct sim_path *path;
	enum sim_fate fate;
	uint64_t leaves_ns;

	udp->stats.tx_datagrams++;
	udp->stats.tx_bytes += len;
	if (!to) {
		trace(sim, &udp->local, tx->remote, len, "no_host");
		return;
	}
	path = &sim->paths[sim_host_index(from)][sim_host_index(to)];
	fate = judge(sim, path, len + (sl_addr_is_ipv4(tx->remote) ? 28 : 48), &leaves_ns);
	path->stats.sent[fate]++;
	path->stats.bytes += len;
	trace(sim, &udp->local, tx->remote, len, fate_names[fate]);
	if (sim->tap)
		sim->tap(sim->tap_arg, &from->env, &to->env, data, len, fate);
	if (fate != SIM_DELIVERED)
		return;
	put_on_the_wire(from, to, udp, tx, data, len, leaves_ns + on_the_way(sim, &path->link));
	if (sim_rng_chance(&sim->rng, path->link.duplicate_ppm)) {
		path->stats.duplicated++;
		put_on_the_wire(from, to, udp, tx, data, len, leaves_ns + on_the_way(sim, &path->link));
	}
}

void sim_link_set(struct sl_sim *sim, struct sl_env *from, struct sl_env *to, struct sim_link link)
{
	sim->paths[sim_host_index((struct sim_host *)from)][sim_host_index((struct sim_host *)to)].link =
		link;
}

void sim_link_stats(struct sl_sim *sim, struct sl_env *from, struct sl_env *to, struct sim_link_stats *out)
{
	*out = sim->paths[sim_host_index((struct sim_host *)from)][sim_host_index((struct sim_host *)to)]
		       .stats;
}

// --- sockets ---

size_t simnet_send(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count)
{
	size_t room = count;

	assert_false(udp->closed);
	if (udp->host->block == SIM_BLOCK_FULL || udp->owed)
		room = 0;
	else if (udp->host->block == SIM_BLOCK_SHORT)
		room = sim_rng_below(&udp->host->rng, count);
	if (room < count) {
		udp->stats.tx_blocked++;
		if (udp->host->block == SIM_BLOCK_SHORT && !udp->owed)
			sim_event_set(udp->host->sim, &udp->event, udp->host->sim->now_ns + WRITABLE_NS);
		udp->owed = true;
	}
	for (size_t i = 0; i < room; i++) {
		const struct sl_udp_tx *tx = &batch[i];
		size_t step = tx->segment ? tx->segment : tx->len;

		// What the system would refuse is a mistake of the program's.
		assert_true(tx->len > 0 && tx->len <= TRAIN_MAX);
		assert_true((tx->len + step - 1) / step <= TRAIN_SEGMENTS);
		if (udp->remote.len)
			assert_true(sl_addr_equal(&udp->remote, tx->remote));
		if (tx->local && tx->local->len)
			assert_true(same_ip(tx->local, &udp->host->addr));
		udp->stats.tx_calls++;
		for (size_t at = 0; at < tx->len; at += step)
			send_one(udp, tx, tx->data + at, tx->len - at < step ? tx->len - at : step);
	}
	return room;
}

// Gives a batch to a socket: as UDP_GRO does, neighbours of equal length from one sender become a
// train, the last may be shorter.
static void give(struct sl_udp *udp, struct datagram *const *list, size_t count)
{
	struct sl_udp_rx batch[BATCH];
	uint8_t *joined = NULL;
	size_t n = 0, used = 0, total = 0;

	for (size_t i = 0; i < count; i++)
		total += list[i]->len;
	// Room for all, so that what lies behind a datagram is never another one's by chance.
	joined = malloc(total + 1);
	assert_non_null(joined);
	for (size_t i = 0; i < count; i++) {
		const struct datagram *d = list[i];
		struct sl_udp_rx *last = n ? &batch[n - 1] : NULL;
		const struct datagram *before = i ? list[i - 1] : NULL;

		memcpy(joined + used, d->data, d->len);
		udp->stats.rx_datagrams++;
		udp->stats.rx_bytes += d->len;
		if (udp->offload && last && before->ecn == d->ecn &&
		    sl_addr_equal(&before->remote, &d->remote) && last->len + d->len <= TRAIN_MAX &&
		    (last->segment ? last->len % last->segment == 0 && d->len <= last->segment
				   : d->len <= last->len)) {
			if (!last->segment)
				last->segment = (uint16_t)last->len;
			last->len += d->len;
		} else {
			batch[n++] = (struct sl_udp_rx){.local = &d->local,
							.remote = &d->remote,
							.data = joined + used,
							.len = d->len,
							.ecn = d->ecn};
		}
		used += d->len;
	}
	udp->stats.rx_calls++;
	udp->in_callback = true;
	udp->handler.recv(udp->handler.arg, batch, n);
	udp->in_callback = false;
	if (udp->closed)
		free(udp);
	free(joined);
}

// Everything for this socket that is due at this very moment, and next in line, is one batch.
void simnet_deliver(struct sl_sim *sim, struct sim_event *event)
{
	struct datagram *list[BATCH], *first = (struct datagram *)event;
	struct sl_udp *udp = socket_of(first->to, sl_addr_port(&first->local), &first->remote);
	size_t count = 0;

	list[count++] = first;
	for (;;) {
		struct sim_event *next = sim_event_next(sim);
		struct datagram *d = (struct datagram *)next;

		if (!next || next->kind != SIM_DATAGRAM || next->at_ns != sim->now_ns || count == BATCH ||
		    d->to != first->to || socket_of(d->to, sl_addr_port(&d->local), &d->remote) != udp)
			break;
		sim_event_clear(sim, next);
		list[count++] = d;
	}
	if (udp) {
		give(udp, list, count);
	} else {
		for (size_t i = 0; i < count; i++)
			trace(sim, &list[i]->remote, &list[i]->local, list[i]->len, "no_socket");
	}
	for (size_t i = 0; i < count; i++)
		free(list[i]);
}

void simnet_discard(struct sim_event *event)
{
	free(event);
}

void simnet_writable(struct sl_sim *sim, struct sim_event *event)
{
	struct sl_udp *udp = (struct sl_udp *)event;

	(void)sim;
	udp->owed = false;
	udp->in_callback = true;
	if (udp->handler.writable)
		udp->handler.writable(udp->handler.arg);
	udp->in_callback = false;
	if (udp->closed)
		free(udp);
}

void simnet_unblock(struct sim_host *host)
{
	for (struct sl_udp *udp = host->sockets; udp; udp = udp->next) {
		if (udp->owed)
			sim_event_set(host->sim, &udp->event, host->sim->now_ns);
	}
}

int simnet_open(struct sl_env *env, const struct sl_udp_options *options,
		const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error)
{
	struct sim_host *host = (struct sim_host *)env;
	uint16_t port = options->bind.len ? sl_addr_port(&options->bind) : 0;
	struct sl_udp *udp;

	assert_true(options->bind.len || options->remote.len);
	if (port && socket_of(host, port, &options->remote))
		return sl_fail(error, SL_ERR_EXISTS, "UDP port %u is already in use on %s", port, host->name);
	udp = calloc(1, sizeof(*udp));
	assert_non_null(udp);
	udp->event.kind = SIM_WRITABLE;
	udp->host = host;
	udp->local = host->addr;
	sl_addr_set_port(&udp->local, port ? port : host->next_port++);
	udp->remote = options->remote;
	udp->handler = *handler;
	udp->offload = options->offload;
	udp->stats.gro = udp->stats.gso = options->offload;
	udp->next = host->sockets;
	host->sockets = udp;
	host->sim->sockets++;
	*out = udp;
	return SL_OK;
}

void simnet_local(const struct sl_udp *udp, struct sl_addr *out)
{
	*out = udp->local;
}

void simnet_stats(const struct sl_udp *udp, struct sl_udp_stats *out)
{
	*out = udp->stats;
}

void simnet_close(struct sl_udp *udp)
{
	struct sl_udp **at;

	if (!udp || udp->closed)
		return;
	for (at = &udp->host->sockets; *at != udp; at = &(*at)->next)
		;
	*at = udp->next;
	sim_event_clear(udp->host->sim, &udp->event);
	udp->host->sim->sockets--;
	udp->closed = true;
	if (!udp->in_callback)
		free(udp);
}
