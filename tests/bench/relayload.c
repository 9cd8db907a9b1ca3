// Saturates a relay: one process that is the client and the gateway of some rooms at once, over the real QUIC
// code. Each client sends frames to a host behind its gateway as fast as they arrive there: --window of them
// are under way in each room at any time, so that the relay always has work and nothing piles up without end,
// as with a TCP connection's own window. With --window 0 it sends as fast as its connection takes them, and
// the relay has to throw the surplus away. What arrives is counted, and so is the relay's CPU time.
//
//     tests/bench/relayload --relay ADDRESS:PORT --ca FILE --pid RELAY --len BYTES [--cpu N] [--rooms N]
//                           [--window FRAMES] [--flows N] [--seconds S] [--warm-up S] [--congestion
//                           bbr|cubic]
//
// The host behind the gateway speaks first, so the relay knows it: what is measured is known unicast, with
// the filter, the guard and the look-ups that go with it. Prints one JSON object.
#include <getopt.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/rawio.h"
#include "frame.h"
#include "proto/overlay.h"

#define FLOWS_MAX 64
#define ROOMS_MAX 16
#define BUDGET 1400
#define QUEUE 1000 // of the 1,024 that a connection keeps at most
#define TOP_UP SL_NS_PER_MS
#define STALL (20 * SL_NS_PER_MS)
#define JOIN_STEP (20 * SL_NS_PER_MS)
#define JOIN_LIMIT (10 * SL_NS_PER_S)

struct load;
struct room;

// One of a room's two peers.
struct end {
	struct load *load;
	struct room *room;
	struct sl_quic *quic;
	struct sl_conn *conn;
	struct sl_msg_reader reader;
	struct sl_msg hello;
	uint16_t peer_id; // 0: not joined
	uint64_t dropped;
	bool established, hello_sent;
};

struct room {
	struct end client, gateway;
	struct sl_mac player, host;
	bool taught; // the relay knows the host
	uint8_t frame[FLOWS_MAX][BENCH_FRAME_MAX];
	uint8_t header[SL_OVERLAY_HEADER];
	uint32_t number, newest; // of the next frame to be sent; of the one after the latest that arrived
	uint64_t arrived;
	uint64_t moved, moved_ns; // `arrived` when it was last seen to grow
};

struct cpu_time {
	uint64_t ran_ns, waited_ns; // waited: it could have run, and something else had the CPU
};

struct snapshot {
	uint64_t at_ns;
	struct cpu_time relay, own;
	uint64_t arrived, sent, full, stalls, dropped;
	uint64_t packets_in, packets_out; // to the relay, and from it
};

enum phase { JOINING, WARMING, MEASURING };

struct load {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *tls;
	struct sl_timer *timer;
	struct room rooms[ROOMS_MAX];
	enum phase phase;
	uint64_t until_ns; // the end of this phase
	const char *relay, *ca;
	unsigned pid, room_count, flows;
	size_t len;
	uint32_t window; // 0: none
	uint64_t seconds_ns, warm_up_ns;
	enum sl_congestion congestion;
	uint64_t sent, full, stalls;
	struct snapshot begin, end;
	int status;
};

static void finish(struct load *load, int status, const char *why)
{
	if (why != NULL)
		fprintf(stderr, "relayload: %s\n", why);
	load->status = status;
	sl_loop_stop(load->loop);
}

// What the scheduler says of a process that has one thread (0: us).
static void read_cpu(unsigned pid, struct cpu_time *out)
{
	unsigned long long ran = 0, waited = 0;
	char path[64] = "/proc/self/schedstat";
	FILE *file;

	if (pid != 0)
		snprintf(path, sizeof(path), "/proc/%u/schedstat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	if (fscanf(file, "%llu %llu", &ran, &waited) == 2)
		*out = (struct cpu_time){ran, waited};
	fclose(file);
}

static void take(const struct load *load, struct snapshot *out)
{
	struct sl_quic_stats stats;

	*out = (struct snapshot){
		.at_ns = load->env->now_ns,
		.sent = load->sent,
		.full = load->full,
		.stalls = load->stalls,
	};
	read_cpu(load->pid, &out->relay);
	read_cpu(0, &out->own);
	for (unsigned i = 0; i < load->room_count; i++) {
		const struct room *room = &load->rooms[i];

		out->arrived += room->arrived;
		out->dropped += room->client.dropped;
		sl_quic_stats(room->client.quic, &stats);
		out->packets_in += stats.udp.tx_datagrams;
		sl_quic_stats(room->gateway.quic, &stats);
		out->packets_out += stats.udp.rx_datagrams;
	}
}

// ---- frames

// As many as the window and the connection's queue take: its congestion control decides how many that are.
// What was lost on the way ends when a later one arrives, or, if nothing arrives at all, after a while.
static void top_up(struct load *load, struct room *room)
{
	uint64_t now_ns = load->env->now_ns;
	struct sl_conn_info info;

	if (room->arrived != room->moved) {
		room->moved = room->arrived;
		room->moved_ns = now_ns;
	} else if (now_ns - room->moved_ns > STALL) {
		room->newest = room->number;
		room->moved_ns = now_ns;
		load->stalls++;
	}
	sl_conn_info(room->client.conn, &info);
	for (uint64_t queued = info.queued; load->window == 0 || room->number - room->newest < load->window;
	     queued++) {
		if (queued >= QUEUE) {
			load->full++;
			break;
		}
		unsigned flow = room->number % load->flows;
		uint8_t *frame = room->frame[flow];

		bench_frame_number(frame, room->number);
		int rv = sl_conn_datagram_send(room->client.conn, flow + 1, room->header, SL_OVERLAY_HEADER,
					       frame, load->len);
		if (rv != SL_OK) {
			finish(load, 1, sl_strerror(rv));
			return;
		}
		room->number++;
		load->sent++;
	}
	sl_quic_flush(
		room->client.quic); // nothing inside of the client's own batch: its turn comes right now
}

static void teach(struct room *room)
{
	uint8_t frame[BENCH_FRAME_MIN], header[SL_OVERLAY_HEADER];

	bench_frame(frame, sizeof(frame), &room->player, &room->host, 0);
	sl_overlay_encode_header(header, room->gateway.peer_id);
	(void)sl_conn_datagram_send(room->gateway.conn, 0, header, sizeof(header), frame, sizeof(frame));
	sl_quic_flush(room->gateway.quic);
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct end *end = arg;
	struct room *room = end->room;
	struct sl_overlay overlay;
	uint32_t number;

	(void)conn;
	(void)user;
	if (sl_overlay_decode(data, len, false, &overlay) != SL_OK ||
	    !bench_frame_read(overlay.frame, overlay.frame_len, &number))
		return; // a probe of the relay's
	if (end == &room->client) {
		room->taught = true;
		return;
	}
	room->arrived++;
	if ((int32_t)(number - room->newest) >= 0)
		room->newest = number + 1;
}

static void on_batch_end(void *arg)
{
	struct end *end = arg;

	if (end->load->phase != JOINING && end->room->client.conn != NULL)
		top_up(end->load, end->room);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	struct end *end = arg;

	(void)conn;
	(void)user;
	(void)reason;
	end->dropped += count;
}

// ---- joining

static void say_hello(struct end *end)
{
	if (!end->established || end->hello_sent ||
	    (sl_conn_max_datagram(end->conn) < BUDGET && !sl_conn_pmtu_settled(end->conn)))
		return;
	end->hello_sent = true;
	if (!raw_send(end->conn, &end->hello, false))
		finish(end->load, 1, "the connection broke before hello");
}

static void on_established(void *arg, struct sl_conn *conn, void *user)
{
	struct end *end = arg;

	(void)conn;
	(void)user;
	end->established = true;
}

static void on_message(struct end *end, const uint8_t *json, size_t len)
{
	struct sl_msg msg;

	if (sl_msg_decode(json, len, &msg, NULL, NULL) != SL_OK)
		return;
	if (msg.type == SL_MSG_REJECT) {
		finish(end->load, 1, msg.reject.message);
	} else if (msg.type == SL_MSG_WELCOME) {
		end->peer_id = msg.welcome.peer_id;
		sl_overlay_encode_header(end->room->header, end->room->client.peer_id);
	}
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	struct end *end = arg;
	const uint8_t *json;
	size_t json_len;

	(void)conn;
	(void)user;
	(void)fin;
	(void)reset;
	if (sl_msg_reader_push(&end->reader, data, len) != SL_OK)
		return;
	while (sl_msg_reader_next(&end->reader, &json, &json_len) == SL_OK)
		on_message(end, json, json_len);
}

static void on_drained(void *arg, struct sl_conn *conn, void *user)
{
	(void)arg;
	(void)conn;
	(void)user;
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct end *end = arg;

	(void)conn;
	(void)user;
	end->conn = NULL;
	finish(end->load, 1, why->text[0] != '\0' ? why->text : "the relay closed the connection");
}

static bool end_open(struct load *load, struct room *room, struct end *end, enum sl_role role,
		     const struct sl_addr *relay)
{
	const struct sl_quic_ops ops = {
		.established = on_established,
		.stream = on_stream,
		.stream_drained = on_drained,
		.datagram = on_datagram,
		.dropped = on_dropped,
		.closed = on_closed,
		.batch_end = on_batch_end,
		.arg = end,
	};
	const struct sl_quic_config config = {
		.tls = load->tls,
		.congestion = load->congestion,
		.offload = true,
		.datagram_size = BUDGET,
		.idle_timeout_ns = 30 * SL_NS_PER_S,
		.keep_alive_ns = 2 * SL_NS_PER_S,
	};
	struct sl_error error = {{0}};
	struct sl_msg *hello = &end->hello;

	end->load = load;
	end->room = room;
	sl_msg_reader_init(&end->reader);
	*hello = (struct sl_msg){.type = SL_MSG_HELLO};
	hello->hello.protocol = SL_CTRL_PROTOCOL;
	hello->hello.role = role;
	hello->hello.has_mac = role == SL_ROLE_CLIENT;
	hello->hello.mac = room->player;
	hello->hello.max_datagram_size = BUDGET;
	snprintf(hello->hello.room, sizeof(hello->hello.room), "BENCH%u", (unsigned)(room - load->rooms));
	snprintf(hello->hello.agent, sizeof(hello->hello.agent), "relayload");
	if (sl_quic_client_new(load->env, &config, &ops, relay, "softlan-relay.local", end, &end->quic,
			       &end->conn, &error) == SL_OK)
		return true;
	fprintf(stderr, "relayload: %s\n", error.text);
	return false;
}

static void end_close(struct end *end)
{
	sl_quic_free(end->quic);
	sl_msg_reader_fini(&end->reader);
}

static bool room_open(struct load *load, uint8_t index, const struct sl_addr *relay)
{
	struct room *room = &load->rooms[index];

	room->player = (struct sl_mac){{0x02, 0, 0, 0, index, 2}};
	room->host = (struct sl_mac){{0x00, 0x16, 0x3e, 0, index, 1}};
	for (unsigned i = 0; i < load->flows; i++)
		bench_frame(room->frame[i], load->len, &room->host, &room->player, (uint16_t)i);
	return end_open(load, room, &room->gateway, SL_ROLE_GATEWAY, relay) &&
	       end_open(load, room, &room->client, SL_ROLE_CLIENT, relay);
}

// Takes a room a step further. True: its player may send.
static bool room_step(struct room *room)
{
	say_hello(&room->client);
	say_hello(&room->gateway);
	if (room->client.peer_id != 0 && room->gateway.peer_id != 0 && !room->taught)
		teach(room);
	return room->taught;
}

// ---- the course of it

static json_t *report(const struct load *load)
{
	const struct snapshot *a = &load->begin, *b = &load->end;
	double wall = (double)(b->at_ns - a->at_ns), frames = (double)(b->arrived - a->arrived);
	double taken = (double)(b->sent - a->sent), relay = (double)(b->relay.ran_ns - a->relay.ran_ns);
	json_t *out = json_object();
	struct sl_conn_info info;

	sl_conn_info(load->rooms[0].client.conn, &info);
	json_object_set_new(out, "frame_bytes", json_integer((json_int_t)load->len));
	json_object_set_new(out, "rooms", json_integer((json_int_t)load->room_count));
	json_object_set_new(out, "window", json_integer((json_int_t)load->window));
	json_object_set_new(out, "seconds", json_real(wall / 1e9));
	json_object_set_new(out, "offered_per_s",
			    json_real((taken - (double)(b->dropped - a->dropped)) / wall * 1e9));
	json_object_set_new(out, "forwarded_per_s", json_real(frames / wall * 1e9));
	json_object_set_new(out, "relay_ns_per_frame", json_real(relay / (frames > 0 ? frames : 1)));
	json_object_set_new(out, "relay_busy", json_real(relay / wall));
	json_object_set_new(out, "relay_waited",
			    json_real((double)(b->relay.waited_ns - a->relay.waited_ns) / wall));
	json_object_set_new(out, "generator_busy", json_real((double)(b->own.ran_ns - a->own.ran_ns) / wall));
	json_object_set_new(out, "generator_waited",
			    json_real((double)(b->own.waited_ns - a->own.waited_ns) / wall));
	json_object_set_new(out, "frames_per_packet_in",
			    json_real(taken / (double)(b->packets_in - a->packets_in + 1)));
	json_object_set_new(out, "frames_per_packet_out",
			    json_real(frames / (double)(b->packets_out - a->packets_out + 1)));
	json_object_set_new(out, "queue_full", json_integer((json_int_t)(b->full - a->full)));
	json_object_set_new(out, "stalls", json_integer((json_int_t)(b->stalls - a->stalls)));
	json_object_set_new(out, "rtt_us", json_real((double)info.rtt_ns / 1e3));
	return out;
}

static void join_step(struct load *load)
{
	uint64_t now_ns = load->env->now_ns;
	bool all = true;

	for (unsigned i = 0; i < load->room_count; i++)
		all &= room_step(&load->rooms[i]);
	if (all) {
		load->phase = WARMING;
		load->until_ns = now_ns + load->warm_up_ns;
	} else if (now_ns > load->until_ns) {
		finish(load, 1, "the rooms did not come together");
	}
	load->env->ops->timer_set(load->timer, now_ns + JOIN_STEP);
}

static void on_timer(void *arg)
{
	struct load *load = arg;
	uint64_t now_ns = load->env->now_ns;

	if (load->status != 0)
		return; // a connection has broken
	if (load->phase == JOINING) {
		join_step(load);
		return;
	}
	if (now_ns >= load->until_ns && load->phase == MEASURING) {
		take(load, &load->end);
		raw_print(report(load));
		finish(load, 0, NULL);
		return;
	}
	if (now_ns >= load->until_ns) {
		load->phase = MEASURING;
		take(load, &load->begin);
		load->until_ns = now_ns + load->seconds_ns;
	}
	for (unsigned i = 0; i < load->room_count; i++)
		top_up(load, &load->rooms[i]);
	load->env->ops->timer_set(load->timer, now_ns + TOP_UP);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: relayload --relay ADDRESS:PORT --ca FILE --pid RELAY --len BYTES [--cpu N]\n"
		"                 [--rooms N] [--window FRAMES] [--flows N] [--seconds S] [--warm-up S]\n"
		"                 [--congestion bbr|cubic]\n");
	return 2;
}

static bool parse(struct load *load, int argc, char **argv)
{
	static const struct option names[] = {
		{"relay", required_argument, NULL, 'r'},      {"ca", required_argument, NULL, 'a'},
		{"pid", required_argument, NULL, 'p'},        {"len", required_argument, NULL, 'l'},
		{"cpu", required_argument, NULL, 'c'},        {"rooms", required_argument, NULL, 'o'},
		{"window", required_argument, NULL, 'n'},     {"flows", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},    {"warm-up", required_argument, NULL, 'w'},
		{"congestion", required_argument, NULL, 'g'}, {0},
	};
	cpu_set_t cpus;
	int option;

	load->flows = 8;
	load->room_count = 1;
	load->window = 768;
	load->seconds_ns = 2 * SL_NS_PER_S;
	load->warm_up_ns = SL_NS_PER_S;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'r':
			load->relay = optarg;
			break;
		case 'a':
			load->ca = optarg;
			break;
		case 'p':
			load->pid = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			load->len = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			CPU_ZERO(&cpus);
			CPU_SET(strtoul(optarg, NULL, 10), &cpus);
			if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
				return false;
			break;
		case 'o':
			load->room_count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			load->window = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			load->flows = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			load->seconds_ns = (uint64_t)(strtod(optarg, NULL) * 1e9);
			break;
		case 'w':
			load->warm_up_ns = (uint64_t)(strtod(optarg, NULL) * 1e9);
			break;
		case 'g':
			load->congestion = strcmp(optarg, "cubic") == 0 ? SL_CC_CUBIC : SL_CC_BBR;
			break;
		default:
			return false;
		}
	}
	return load->relay != NULL && load->ca != NULL && load->pid != 0 && load->len >= BENCH_FRAME_MIN &&
	       load->len <= BENCH_FRAME_MAX && load->flows > 0 && load->flows <= FLOWS_MAX &&
	       load->room_count > 0 && load->room_count <= ROOMS_MAX;
}

static bool set_up(struct load *load)
{
	struct sl_error error = {{0}};
	struct sl_host host;
	struct sl_addr addr;

	load->loop = sl_loop_new(&load->log, &error);
	load->tls = sl_tls_client_new(load->ca, &error);
	if (load->loop == NULL || load->tls == NULL || sl_host_parse(load->relay, &host, &error) != SL_OK) {
		fprintf(stderr, "relayload: %s\n", error.text);
		return false;
	}
	if (!sl_addr_literal(host.name, host.port, &addr)) {
		fprintf(stderr, "relayload: %s is no address\n", host.name);
		return false;
	}
	load->env = sl_loop_env(load->loop);
	load->timer = load->env->ops->timer_new(load->env, on_timer, load);
	load->until_ns = load->env->now_ns + JOIN_LIMIT;
	if (load->timer == NULL)
		return false;
	for (unsigned i = 0; i < load->room_count; i++)
		if (!room_open(load, (uint8_t)i, &addr))
			return false;
	load->env->ops->timer_set(load->timer, load->env->now_ns);
	return true;
}

int main(int argc, char **argv)
{
	struct load *load = calloc(1, sizeof(*load));
	int status = 1;

	if (load == NULL)
		return 1;
	if (!parse(load, argc, argv)) {
		free(load);
		return usage();
	}
	sl_log_init(&load->log);
	if (set_up(load) && sl_loop_run(load->loop) == SL_OK)
		status = load->status;
	for (unsigned i = 0; i < load->room_count; i++) {
		end_close(&load->rooms[i].client);
		end_close(&load->rooms[i].gateway);
	}
	sl_tls_free(load->tls);
	if (load->env != NULL)
		load->env->ops->timer_free(load->timer);
	sl_loop_free(load->loop);
	free(load);
	return status;
}
