// What a bad or narrow line does to the frames that cross it: the real relay, gateway and client in the
// simulation (tests/sim), under its clock, so that a run can be repeated to the byte and no other program on
// the machine has a part in it. The line lies between relay and client; the LAN is near.
//
//     tests/bench/linksim [--seconds S] [--seed N]
//
// Each frame has a number. The linker's --wrap gives a look at where it goes into a connection's queue and
// where ngtcp2 has taken it into a packet; the time between is its time in that queue, whatever the queue is
// made of. Prints a JSON array, one object for each case.
#include <getopt.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"
#include "single.h"
#include "tests/sim/party.h"

#define LAN 0u
#define PLAYER 1u
#define LEN 1200
#define SPARSE_LEN 200
#define SPARSE_PPS 60 // a game's
#define SPARSE_FLOW 99
#define LINK_BPS UINT64_C(100000000)
#define STEP (200 * SL_NS_PER_US)
#define WARM_UP (2 * SL_NS_PER_S)
#define DRAIN SL_NS_PER_S

// The places that a frame passes; 0: it has not been there.
enum place { SENT, ENDPOINT_IN, ENDPOINT_OUT, RELAY_IN, RELAY_OUT, ARRIVED, PLACES };

struct stamp {
	uint64_t at[PLACES];
	uint16_t flow;
};

struct trace {
	const struct party *party;
	struct stamp *frames;
	uint32_t count, capacity;
	size_t carrier; // the length of the datagrams that carry one frame
};

struct line_case {
	const char *name;
	bool up; // from the player to the LAN; else the other way
	unsigned loss_ppm;
	uint64_t offered_bps;
	unsigned flows;
	bool sparse; // a game's frames besides
	enum sl_congestion congestion;
};

static const struct line_case cases[] = {
	{"1 % loss, half rate, LAN to player", false, 10000, LINK_BPS / 2, 1, true, SL_CC_BBR},
	{"1 % loss, half rate, player to LAN", true, 10000, LINK_BPS / 2, 1, true, SL_CC_BBR},
	{"overload, LAN to player", false, 0, LINK_BPS * 3 / 2, 1, true, SL_CC_BBR},
	{"overload, LAN to player, 8 flows", false, 0, LINK_BPS * 3 / 2, 8, true, SL_CC_BBR},
	{"overload, player to LAN", true, 0, LINK_BPS * 3 / 2, 1, true, SL_CC_BBR},
	{"1 % loss, half rate, LAN to player, Cubic", false, 10000, LINK_BPS / 2, 1, true, SL_CC_CUBIC},
	{"overload, LAN to player, Cubic", false, 0, LINK_BPS * 3 / 2, 1, true, SL_CC_CUBIC},
};

// The functions that the linker wraps have no context of ours to hang this on.
static struct trace trace;

static void pass(const uint8_t *frame, size_t len, enum place first, enum place second, uint64_t now_ns)
{
	struct stamp *stamp;
	uint32_t number;

	if (!bench_frame_read(frame, len, &number) || number >= trace.count)
		return;
	stamp = &trace.frames[number];
	if (stamp->at[first] == 0)
		stamp->at[first] = now_ns;
	else if (stamp->at[second] == 0)
		stamp->at[second] = now_ns;
}

// ---- wrapped

int __real_sl_conn_datagram_send(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
				 const void *body, size_t body_len);
int __wrap_sl_conn_datagram_send(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
				 const void *body, size_t body_len);
int __wrap_sl_conn_datagram_send(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
				 const void *body, size_t body_len)
{
	int rv = __real_sl_conn_datagram_send(conn, flow, head, head_len, body, body_len);

	if (rv == SL_OK && trace.party)
		pass(body, body_len, ENDPOINT_IN, RELAY_IN, sim_now(trace.party->sim));
	return rv;
}

ngtcp2_ssize __wrap_ngtcp2_conn_write_datagram_versioned(ngtcp2_conn *conn, ngtcp2_path *path,
							 int info_version, ngtcp2_pkt_info *info,
							 uint8_t *dest, size_t destlen, int *accepted,
							 uint32_t flags, uint64_t id, const uint8_t *data,
							 size_t datalen, ngtcp2_tstamp ts)
{
	ngtcp2_ssize n = __real_ngtcp2_conn_write_datagram_versioned(
		conn, path, info_version, info, dest, destlen, accepted, flags, id, data, datalen, ts);

	if (accepted && *accepted && datalen > 4)
		pass(data + 4, datalen - 4, ENDPOINT_OUT, RELAY_OUT, ts);
	return n;
}

ngtcp2_ssize __wrap_ngtcp2_conn_writev_datagram_versioned(ngtcp2_conn *conn, ngtcp2_path *path,
							  int info_version, ngtcp2_pkt_info *info,
							  uint8_t *dest, size_t destlen, int *accepted,
							  uint32_t flags, uint64_t id, const ngtcp2_vec *data,
							  size_t datacnt, ngtcp2_tstamp ts)
{
	ngtcp2_ssize n = __real_ngtcp2_conn_writev_datagram_versioned(
		conn, path, info_version, info, dest, destlen, accepted, flags, id, data, datacnt, ts);
	uint8_t joined[4 + BENCH_FRAME_MIN];
	size_t len = 0;

	if (!accepted || !*accepted)
		return n;
	for (size_t i = 0; i < datacnt && len < sizeof(joined); i++) {
		size_t part = data[i].len < sizeof(joined) - len ? data[i].len : sizeof(joined) - len;

		memcpy(joined + len, data[i].base, part);
		len += part;
	}
	if (len == sizeof(joined))
		pass(joined + 4, BENCH_FRAME_MIN, ENDPOINT_OUT, RELAY_OUT, ts);
	return n;
}

// ---- the ports

static int port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	(void)port;
	pass(frame, len, ARRIVED, ARRIVED, sim_now(trace.party->sim));
	return SL_OK;
}

static void port_nothing(struct sl_port *port)
{
	(void)port;
}

static void port_stats(struct sl_port *port, struct sl_port_stats *out)
{
	(void)port;
	memset(out, 0, sizeof(*out));
}

static const struct sl_port_ops port_ops = {
	.send = port_send, .flush = port_nothing, .stats = port_stats, .close = port_nothing};

static void on_datagram(void *arg, struct sl_env *from, struct sl_env *to, const uint8_t *data, size_t len,
			enum sim_fate fate)
{
	(void)arg;
	(void)from;
	(void)to;
	(void)data;
	(void)fate;
	if (len > LEN && len < LEN + 100)
		trace.carrier = len;
}

// ---- the load

static void put_frame(struct party *party, unsigned from, unsigned to, uint16_t flow, size_t len)
{
	struct party_member *m = &party->member[from];
	uint8_t frame[BENCH_FRAME_MAX];

	assert_true(trace.count < trace.capacity);
	bench_frame(frame, len, &party->member[to].mac, &m->mac, flow);
	bench_frame_number(frame, trace.count);
	trace.frames[trace.count] = (struct stamp){.at = {[SENT] = sim_now(party->sim)}, .flow = flow};
	trace.count++;
	m->handler.receive(m->handler.arg, frame, len);
}

static void run_load(struct party *party, const struct line_case *test, uint64_t length_ns)
{
	unsigned from = test->up ? PLAYER : LAN, to = test->up ? LAN : PLAYER;
	uint64_t begin_ns = sim_now(party->sim), bulk = 0, sparse = 0;

	for (uint64_t at_ns = 0; at_ns < length_ns; at_ns += STEP) {
		uint64_t due = at_ns * (test->offered_bps / 8 / LEN) / SL_NS_PER_S;

		sim_run_until(party->sim, begin_ns + at_ns);
		for (; test->sparse && sparse < at_ns * SPARSE_PPS / SL_NS_PER_S; sparse++)
			put_frame(party, from, to, SPARSE_FLOW, SPARSE_LEN);
		for (; bulk < due; bulk++)
			put_frame(party, from, to, (uint16_t)(bulk % test->flows), LEN);
		party->member[from].handler.batch_end(party->member[from].handler.arg);
	}
}

// ---- what it comes to

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct interval {
	uint64_t begin_ns, end_ns;
};

// Frames of the interval; those of the game's flow or the others.
static bool counts(const struct stamp *stamp, const struct interval *in, bool sparse)
{
	return stamp->at[SENT] >= in->begin_ns && stamp->at[SENT] < in->end_ns &&
	       (stamp->flow == SPARSE_FLOW) == sparse;
}

static void put_times(json_t *out, const char *name, const struct interval *in, bool sparse, enum place from,
		      enum place to)
{
	uint64_t *times = calloc(trace.count, sizeof(*times));
	size_t count = 0;
	char key[64];

	assert_non_null(times);
	for (uint32_t i = 0; i < trace.count; i++)
		if (counts(&trace.frames[i], in, sparse) && trace.frames[i].at[to] != 0)
			times[count++] = trace.frames[i].at[to] - trace.frames[i].at[from];
	qsort(times, count, sizeof(*times), compare);
	snprintf(key, sizeof(key), "%s_p50_ms", name);
	json_object_set_new(out, key, json_real(count ? (double)times[count / 2] / 1e6 : 0));
	snprintf(key, sizeof(key), "%s_p99_ms", name);
	json_object_set_new(out, key, json_real(count ? (double)times[count * 99 / 100] / 1e6 : 0));
	free(times);
}

static double part_arrived(const struct interval *in, bool sparse)
{
	uint64_t sent = 0, arrived = 0;

	for (uint32_t i = 0; i < trace.count; i++) {
		if (!counts(&trace.frames[i], in, sparse))
			continue;
		sent++;
		arrived += trace.frames[i].at[ARRIVED] != 0;
	}
	return sent ? (double)arrived / (double)sent : 0;
}

// What the flow that gets least gets, of what it would get if all got the same.
static double least_share(const struct interval *in, unsigned flows)
{
	uint64_t arrived[64] = {0}, least = UINT64_MAX, all = 0;

	for (uint32_t i = 0; i < trace.count; i++)
		if (counts(&trace.frames[i], in, false) && trace.frames[i].at[ARRIVED] != 0)
			arrived[trace.frames[i].flow]++;
	for (unsigned i = 0; i < flows; i++) {
		all += arrived[i];
		least = arrived[i] < least ? arrived[i] : least;
	}
	return all ? (double)least * flows / (double)all : 0;
}

static json_t *report(const struct line_case *test, const struct interval *in)
{
	double seconds = (double)(in->end_ns - in->begin_ns) / 1e9, goodput;
	uint64_t bytes = 0;
	json_t *out = json_object();

	for (uint32_t i = 0; i < trace.count; i++)
		if (trace.frames[i].at[ARRIVED] >= in->begin_ns && trace.frames[i].at[ARRIVED] < in->end_ns)
			bytes += trace.frames[i].flow == SPARSE_FLOW ? SPARSE_LEN : LEN;
	goodput = (double)bytes * 8 / seconds;
	json_object_set_new(out, "name", json_string(test->name));
	json_object_set_new(out, "offered_mbit", json_real((double)test->offered_bps / 1e6));
	json_object_set_new(out, "goodput_mbit", json_real(goodput / 1e6));
	json_object_set_new(out, "link_payload_mbit",
			    json_real((double)LINK_BPS * LEN / (double)(trace.carrier + 28) / 1e6));
	json_object_set_new(out, "of_link_payload",
			    json_real(goodput * (double)(trace.carrier + 28) / LEN / (double)LINK_BPS));
	json_object_set_new(out, "of_offered", json_real(part_arrived(in, false)));
	json_object_set_new(out, "least_flow_share", json_real(least_share(in, test->flows)));
	put_times(out, "endpoint_queue", in, false, ENDPOINT_IN, ENDPOINT_OUT);
	put_times(out, "relay_queue", in, false, RELAY_IN, RELAY_OUT);
	put_times(out, "way", in, false, SENT, ARRIVED);
	json_object_set_new(out, "game_arrived", json_real(part_arrived(in, true)));
	put_times(out, "game_relay_queue", in, true, RELAY_IN, RELAY_OUT);
	put_times(out, "game_way", in, true, SENT, ARRIVED);
	return out;
}

static json_t *run_case(const struct line_case *test, const struct party_files *files, uint64_t seed,
			uint64_t length_ns)
{
	const struct sim_link near = {.delay_ns = 100 * SL_NS_PER_US, .mtu = 1500};
	const struct sim_link line = {.delay_ns = 10 * SL_NS_PER_MS,
				      .mtu = 1500,
				      .loss_ppm = test->loss_ppm,
				      .bits_per_s = LINK_BPS};
	struct party_options options = PARTY_DEFAULT;
	struct interval in;
	struct party *party;
	json_t *out;

	options.clients = 1;
	options.link = near;
	options.congestion = test->congestion;
	party = party_new(seed, &options, files);
	party_link(party, PLAYER, line, line);
	party->member[LAN].port.ops = party->member[PLAYER].port.ops = &port_ops;
	trace.party = party;
	trace.count = 0;
	sim_tap(party->sim, on_datagram, NULL);
	party_start_all(party);
	put_frame(party, LAN, PLAYER, SPARSE_FLOW, SPARSE_LEN); // so that the relay knows the LAN's host
	party->member[LAN].handler.batch_end(party->member[LAN].handler.arg);
	sim_run_for(party->sim, SL_NS_PER_S);
	in.begin_ns = sim_now(party->sim) + WARM_UP;
	in.end_ns = in.begin_ns + length_ns;
	run_load(party, test, WARM_UP + length_ns);
	sim_run_for(party->sim, DRAIN);
	out = report(test, &in);
	trace.party = NULL;
	party_free(party);
	return out;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'e'}, {0}};
	struct party_files files;
	uint64_t seconds = 10, seed = 1;
	json_t *all = json_array();
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 's')
			seconds = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			seed = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	trace.capacity = (uint32_t)((seconds + 4) * (LINK_BPS * 3 / 2 / 8 / LEN + SPARSE_PPS));
	trace.frames = calloc(trace.capacity, sizeof(*trace.frames));
	assert_non_null(trace.frames);
	party_files_make(&files);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		json_array_append_new(all, run_case(&cases[i], &files, seed, seconds * SL_NS_PER_S));
	party_files_remove(&files);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
	free(trace.frames);
	return 0;
}
