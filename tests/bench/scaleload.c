// Many light clients of one relay, in one process: each is a whole session with a socket of its own, as in
// the client program, only without a TAP. Each room has a gateway besides, so that the relay does what it
// does for a room with a LAN.
//
//     tests/bench/scaleload --relay ADDRESS:PORT --ca FILE --pid RELAY --clients N --rooms N [--cpu N]
//                           [--settle S] [--idle S] [--seconds S] [--rate FRAMES] [--active N] [--burst N]
//                           [--len BYTES]
//
// They all join at once; then they are idle; then the active ones send unicast frames to their neighbours in
// the room, in bursts, one client after the other: the same load and the same bursts, however many there are.
// Prints one JSON object with what all this costs the relay.
#include <getopt.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "frame.h"
#include "net/loop.h"
#include "session/session.h"

#define STEP SL_NS_PER_MS
#define CATCH_UP 64 // bursts in one step, after a late wake-up
#define STRIDE 7    // a prime
#define JOIN_LIMIT (60 * SL_NS_PER_S)
#define LOAD_WARM_UP SL_NS_PER_S
#define PEERS_MAX 20000

struct load;

struct peer {
	struct load *load;
	struct sl_session *session;
	struct sl_mac mac;
	unsigned next; // the neighbour that it sends to
	unsigned room;
	enum sl_role role;
	bool joined, ended;
};

struct snapshot {
	uint64_t at_ns;
	unsigned long long relay_ns, relay_waited_ns, own_ns; // CPU time
	unsigned long long relay_wakes;                       // times that it slept
	unsigned long long relay_kib;                         // memory of its own
	uint64_t sent, refused, arrived;
};

enum phase { JOINING, SETTLING, IDLING, WARMING, SENDING };

struct load {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *tls;
	struct sl_timer *timer;
	struct peer *peers; // first the clients, room by room, then the gateways
	unsigned clients, rooms, active;
	const char *relay, *ca;
	unsigned pid, burst;
	size_t len;
	uint64_t settle_ns, idle_ns, seconds_ns, rate;
	enum phase phase;
	uint64_t started_ns, until_ns, joined_after_ns;
	uint64_t due_from_ns, bursts; // of the load so far
	unsigned turn;
	uint32_t number;
	uint64_t known, wanted; // peers announced to peers, of all
	unsigned joined, downs, ended;
	uint64_t sent, refused, arrived;
	struct snapshot start, settled, idle_end, load_begin, load_end;
	int status;
};

static void finish(struct load *load, int status, const char *why)
{
	if (why != NULL)
		fprintf(stderr, "scaleload: %s\n", why);
	load->status = status;
	sl_loop_stop(load->loop);
}

// ---- what the kernel says

static FILE *proc(unsigned pid, const char *name)
{
	char path[64];

	if (pid != 0)
		snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	else
		snprintf(path, sizeof(path), "/proc/self/%s", name);
	return fopen(path, "r");
}

static unsigned long long read_line(unsigned pid, const char *name, const char *key)
{
	FILE *file = proc(pid, name);
	unsigned long long value = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &value) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return value;
}

static void read_cpu(unsigned pid, unsigned long long *ran, unsigned long long *waited)
{
	FILE *file = proc(pid, "schedstat");

	if (file == NULL)
		return;
	if (fscanf(file, "%llu %llu", ran, waited) != 2)
		*ran = *waited = 0;
	fclose(file);
}

static void take(const struct load *load, struct snapshot *out)
{
	unsigned long long unused;

	*out = (struct snapshot){
		.at_ns = load->env->now_ns,
		.relay_wakes = read_line(load->pid, "status", "voluntary_ctxt_switches:"),
		.relay_kib = read_line(load->pid, "smaps_rollup", "Anonymous:"),
		.sent = load->sent,
		.refused = load->refused,
		.arrived = load->arrived,
	};
	read_cpu(load->pid, &out->relay_ns, &out->relay_waited_ns);
	read_cpu(0, &out->own_ns, &unused);
}

// ---- sessions

static void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct peer *peer = arg;

	(void)welcome;
	peer->joined = true;
	peer->load->joined++;
}

static void on_peer_joined(void *arg, const struct sl_session_peer *other)
{
	struct peer *peer = arg;

	(void)other;
	peer->load->known++;
}

static void on_peer_left(void *arg, const struct sl_session_peer *other, const char *reason)
{
	struct peer *peer = arg;

	(void)other;
	(void)reason;
	peer->load->known--;
}

static void on_frame(void *arg, struct sl_session_peer *from, const uint8_t *frame, size_t len)
{
	struct peer *peer = arg;
	uint32_t number;

	if (!bench_frame_read(frame, len, &number))
		return; // a probe of the relay's
	sl_session_count_rx(peer->session, from, len, SL_DROP_NONE);
	peer->load->arrived += memcmp(frame, peer->mac.b, SL_MAC_LEN) == 0;
}

static void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct peer *peer = arg;

	(void)retry_ns;
	if (peer->load->downs++ == 0)
		fprintf(stderr, "scaleload: %s\n", sentence);
	peer->load->joined -= peer->joined;
	peer->joined = false;
}

static void on_ended(void *arg, const char *sentence)
{
	struct peer *peer = arg;

	if (peer->load->ended++ == 0)
		fprintf(stderr, "scaleload: a session has ended for good: %s\n", sentence);
	peer->ended = true;
}

static bool peer_open(struct load *load, struct peer *peer)
{
	const struct sl_session_ops ops = {
		.joined = on_joined,
		.peer_joined = on_peer_joined,
		.peer_left = on_peer_left,
		.frame = on_frame,
		.down = on_down,
		.ended = on_ended,
		.arg = peer,
	};
	struct sl_session_config config = {
		.role = peer->role,
		.scope = peer->role == SL_ROLE_CLIENT ? "client" : "gateway",
		.server_name = "softlan-relay.local",
		.tls = load->tls,
		.mac = peer->mac,
		.max_datagram_size = 1400,
		.congestion = SL_CC_BBR,
		.offload = true,
		.idle_timeout_ns = 30 * SL_NS_PER_S,
		.keep_alive_ns = 2 * SL_NS_PER_S,
		.stats_interval_ns = 10 * SL_NS_PER_S,
		.agent = "scaleload",
	};
	struct sl_error error = {{0}};

	snprintf(config.room, sizeof(config.room), "ROOM%u", peer->room);
	if (sl_host_parse(load->relay, &config.relay, &error) == SL_OK &&
	    sl_session_new(load->env, &config, &ops, &peer->session, &error) == SL_OK)
		return true;
	fprintf(stderr, "scaleload: %s\n", error.text);
	return false;
}

static bool peers_open(struct load *load)
{
	unsigned each = load->clients / load->rooms;

	for (unsigned i = 0; i < load->clients + load->rooms; i++) {
		struct peer *peer = &load->peers[i];
		bool client = i < load->clients;
		unsigned room = client ? i / each : i - load->clients, first = room * each;

		peer->load = load;
		peer->mac = (struct sl_mac){{0x02, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i}};
		peer->next = first + (i - first + 1) % each;
		peer->room = room;
		peer->role = client ? SL_ROLE_CLIENT : SL_ROLE_GATEWAY;
		if (!peer_open(load, peer))
			return false;
	}
	load->wanted = (uint64_t)load->rooms * (each + 1) * each;
	return true;
}

// ---- the load

// One client's burst; the next one is another client's, not its neighbour's.
static void burst(struct load *load)
{
	struct peer *peer = &load->peers[load->turn];
	uint8_t frame[BENCH_FRAME_MAX];

	load->turn = (load->turn + (load->active % STRIDE ? STRIDE : 1)) % load->active;
	bench_frame(frame, load->len, &load->peers[peer->next].mac, &peer->mac, 0);
	for (unsigned i = 0; i < load->burst; i++) {
		bench_frame_number(frame, load->number++);
		if (sl_session_send(peer->session, frame, load->len, 1, NULL) == SL_DROP_NONE)
			load->sent++;
		else
			load->refused++;
	}
	sl_session_flush(peer->session);
}

static void send_due(struct load *load, uint64_t now_ns)
{
	uint64_t due = (now_ns - load->due_from_ns) / SL_NS_PER_US * load->rate / 1000000 / load->burst;
	unsigned limit = CATCH_UP;

	while (load->bursts < due && limit-- > 0) {
		burst(load);
		load->bursts++;
	}
}

// ---- the course of it

static void put(json_t *out, const char *name, double value)
{
	json_object_set_new(out, name, json_real(value));
}

static json_t *report(const struct load *load)
{
	const struct snapshot *a = &load->settled, *b = &load->idle_end;
	double wall = (double)(b->at_ns - a->at_ns);
	json_t *out = json_object();

	json_object_set_new(out, "clients", json_integer((json_int_t)load->clients));
	json_object_set_new(out, "rooms", json_integer((json_int_t)load->rooms));
	json_object_set_new(out, "peers", json_integer((json_int_t)load->clients + load->rooms));
	json_object_set_new(out, "active", json_integer((json_int_t)load->active));
	json_object_set_new(out, "downs", json_integer((json_int_t)load->downs));
	json_object_set_new(out, "ended", json_integer((json_int_t)load->ended));
	put(out, "join_s", (double)load->joined_after_ns / 1e9);
	put(out, "kib_per_peer",
	    (double)(load->settled.relay_kib - load->start.relay_kib) / (load->clients + load->rooms));
	if (wall > 0) {
		put(out, "idle_busy", (double)(b->relay_ns - a->relay_ns) / wall);
		put(out, "idle_wakes_per_s", (double)(b->relay_wakes - a->relay_wakes) / wall * 1e9);
	}
	a = &load->load_begin;
	b = &load->load_end;
	wall = (double)(b->at_ns - a->at_ns);
	if (wall > 0) {
		double frames = (double)(b->arrived - a->arrived), ran = (double)(b->relay_ns - a->relay_ns);

		put(out, "offered_per_s", (double)(b->sent + b->refused - a->sent - a->refused) / wall * 1e9);
		put(out, "forwarded_per_s", frames / wall * 1e9);
		put(out, "relay_ns_per_frame", ran / (frames > 0 ? frames : 1));
		put(out, "relay_busy", ran / wall);
		put(out, "relay_waited", (double)(b->relay_waited_ns - a->relay_waited_ns) / wall);
		put(out, "relay_wakes_per_s", (double)(b->relay_wakes - a->relay_wakes) / wall * 1e9);
		put(out, "generator_busy", (double)(b->own_ns - a->own_ns) / wall);
	}
	return out;
}

// What a service manager does with a client that has ended.
static void restart_ended(struct load *load)
{
	for (unsigned i = 0; i < load->clients + load->rooms; i++) {
		struct peer *peer = &load->peers[i];

		if (!peer->ended)
			continue;
		sl_session_free(peer->session);
		peer->session = NULL;
		peer->ended = false;
		if (!peer_open(load, peer)) {
			finish(load, 1, NULL);
			return;
		}
		sl_session_start(peer->session);
	}
}

static void enter(struct load *load, enum phase phase, uint64_t length_ns)
{
	load->phase = phase;
	load->until_ns = load->env->now_ns + length_ns;
}

static void start_all(struct load *load)
{
	take(load, &load->start);
	load->started_ns = load->env->now_ns;
	for (unsigned i = 0; i < load->clients + load->rooms; i++)
		sl_session_start(load->peers[i].session);
	enter(load, JOINING, JOIN_LIMIT);
}

// The phase has come to its end.
static void next_phase(struct load *load)
{
	json_t *out;

	switch (load->phase) {
	case JOINING:
		finish(load, 1, "they have not all joined within a minute");
		return;
	case SETTLING:
		take(load, &load->settled);
		load->idle_end = load->settled;
		enter(load, IDLING, load->idle_ns);
		return;
	case IDLING:
		take(load, &load->idle_end);
		load->due_from_ns = load->env->now_ns;
		enter(load, WARMING, LOAD_WARM_UP);
		return;
	case WARMING:
		take(load, &load->load_begin);
		enter(load, SENDING, load->seconds_ns);
		return;
	case SENDING:
		take(load, &load->load_end);
		out = report(load);
		json_dumpf(out, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(out);
		finish(load, 0, NULL);
		return;
	}
}

static void on_timer(void *arg)
{
	struct load *load = arg;
	uint64_t now_ns = load->env->now_ns;
	bool sending = load->phase >= WARMING;

	if (load->status != 0)
		return;
	if (load->started_ns == 0) {
		start_all(load);
	} else if (load->phase == JOINING && load->joined == load->clients + load->rooms &&
		   load->known == load->wanted) {
		load->joined_after_ns = now_ns - load->started_ns;
		enter(load, SETTLING, load->settle_ns);
	} else if (now_ns >= load->until_ns) {
		next_phase(load);
	} else if (load->phase == JOINING) {
		restart_ended(load);
	}
	if (sending)
		send_due(load, now_ns);
	// Nobody wakes anybody while they are idle.
	load->env->ops->timer_set(load->timer, load->phase == IDLING ? load->until_ns : now_ns + STEP);
}

static int usage(void)
{
	fprintf(stderr, "usage: scaleload --relay ADDRESS:PORT --ca FILE --pid RELAY --clients N --rooms N "
			"[--cpu N]\n"
			"                 [--settle S] [--idle S] [--seconds S] [--rate FRAMES] [--active N] "
			"[--burst N]\n"
			"                 [--len BYTES]\n");
	return 2;
}

static uint64_t seconds(const char *text)
{
	return (uint64_t)(strtod(text, NULL) * 1e9);
}

static bool parse(struct load *load, int argc, char **argv)
{
	static const struct option names[] = {
		{"relay", required_argument, NULL, 'r'},   {"ca", required_argument, NULL, 'a'},
		{"pid", required_argument, NULL, 'p'},     {"clients", required_argument, NULL, 'n'},
		{"rooms", required_argument, NULL, 'o'},   {"cpu", required_argument, NULL, 'c'},
		{"settle", required_argument, NULL, 'e'},  {"idle", required_argument, NULL, 'i'},
		{"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 't'},
		{"active", required_argument, NULL, 'v'},  {"burst", required_argument, NULL, 'b'},
		{"len", required_argument, NULL, 'l'},     {0},
	};
	cpu_set_t cpus;
	int option;

	load->settle_ns = 3 * SL_NS_PER_S;
	load->seconds_ns = 2 * SL_NS_PER_S;
	load->rate = 100000;
	load->burst = 32;
	load->len = 200;
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
		case 'n':
			load->clients = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			load->rooms = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			CPU_ZERO(&cpus);
			CPU_SET(strtoul(optarg, NULL, 10), &cpus);
			if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
				return false;
			break;
		case 'e':
			load->settle_ns = seconds(optarg);
			break;
		case 'i':
			load->idle_ns = seconds(optarg);
			break;
		case 's':
			load->seconds_ns = seconds(optarg);
			break;
		case 't':
			load->rate = strtoul(optarg, NULL, 10);
			break;
		case 'v':
			load->active = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			load->burst = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			load->len = strtoul(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	if (load->active == 0)
		load->active = load->clients;
	return load->relay != NULL && load->ca != NULL && load->pid != 0 && load->rooms > 0 &&
	       load->clients >= 2 * load->rooms && load->clients % load->rooms == 0 &&
	       load->clients + load->rooms <= PEERS_MAX && load->active <= load->clients && load->burst > 0 &&
	       load->len >= BENCH_FRAME_MIN && load->len <= BENCH_FRAME_MAX;
}

static bool set_up(struct load *load)
{
	struct rlimit files;
	struct sl_error error = {{0}};

	// A descriptor for each.
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	load->peers = calloc(load->clients + load->rooms, sizeof(*load->peers));
	load->loop = sl_loop_new(&load->log, &error);
	load->tls = sl_tls_client_new(load->ca, &error);
	if (load->peers == NULL || load->loop == NULL || load->tls == NULL) {
		fprintf(stderr, "scaleload: %s\n", error.text);
		return false;
	}
	load->env = sl_loop_env(load->loop);
	load->timer = load->env->ops->timer_new(load->env, on_timer, load);
	if (load->timer == NULL || !peers_open(load))
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
	load->log.level = SL_LOG_ERROR;
	if (set_up(load) && sl_loop_run(load->loop) == SL_OK)
		status = load->status;
	for (unsigned i = 0; load->peers != NULL && i < load->clients + load->rooms; i++)
		sl_session_free(load->peers[i].session);
	free(load->peers);
	sl_tls_free(load->tls);
	if (load->env != NULL)
		load->env->ops->timer_free(load->timer);
	sl_loop_free(load->loop);
	free(load);
	return status;
}
