// What the safety filter costs: nanoseconds per frame by class, the median of many rounds.
//
//     tests/bench/filter [--json] [--max NS]
//
// Each round judges thousands of frames out of some hundreds, in an order of its own, so that the branch
// predictor does not learn one; like frames that were just decrypted, they are in the cache. With
// --max, the exit status is 1 when ordinary IPv4 or IPv6 UDP costs more.
#include <getopt.h>

#include "../unit/frame_text.h"
#include "common/time.h"
#include "proto/guard.h"
#include "proto/repeats.h"

#define FRAMES 256 // different ones of each class
#define PICKS 4096 // frames judged in a round
#define ROUNDS 401
#define VARIANTS 4

struct class
{
	const char *name;
	enum sl_direction direction;
	enum sl_drop expected;
	bool ordinary; // --max holds for it
	const char *texts[VARIANTS];
};

static const struct class classes[] = {
	{"ARP", SL_FROM_REMOTE, SL_DROP_NONE, false, {"arp", "arp pad=18"}},
	{"IPv4 UDP, 200 bytes",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 true,
	 {"ip4 udp=27015.27005 data=158", "ip4 udp=5353.5353 data=158",
	  "to=02:00:00:00:00:22 ip4 udp=9.9 data=158"}},
	{"IPv4 UDP, 1400 bytes",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 true,
	 {"ip4 udp=27015.27005 data=1358", "to=02:00:00:00:00:22 ip4 udp=9.9 data=1358"}},
	{"IPv4 TCP, 60 to 1400 bytes",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 false,
	 {"ip4 tcp=25565.40000 data=1346", "ip4 tcp=40000.25565 data=6",
	  "to=02:00:00:00:00:22 ip4 tcp=80.9 data=600"}},
	{"IPv6 UDP, 200 bytes",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 true,
	 {"ip6 udp=27015.27005 data=138", "ip6 udp=5353.5353 data=138",
	  "to=02:00:00:00:00:22 ip6 udp=9.9 data=138"}},
	{"IPv6 UDP, 1400 bytes",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 true,
	 {"ip6 udp=27015.27005 data=1338", "to=02:00:00:00:00:22 ip6 udp=9.9 data=1338"}},
	{"IPv6, 3 extension headers",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 false,
	 {"ip6 hbh rt=2 dst udp=9.9 data=60", "ip6 hbh=1 dst ah=4 tcp=9.9", "ip6 hbh dst dst=3 icmp6=128"}},
	{"SNAP, IPX",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 false,
	 {"snap type=8137 data=60", "snap=0000f8 type=8137 data=80", "llc=aaaa03 hex=080007809b data=60"}},
	{"DHCP as a client", SL_FROM_REMOTE, SL_DROP_NONE, false, {"ip4 udp=68.67 data=300"}},
	{"Router Advertisement (dropped)",
	 SL_FROM_REMOTE,
	 SL_DROP_ROUTER_ADVERTISEMENT,
	 false,
	 {"ip6 icmp6=134 data=48", "ip6 hbh icmp6=134 data=48"}},
	{"switch control (dropped)",
	 SL_FROM_REMOTE,
	 SL_DROP_SWITCH_CONTROL,
	 false,
	 {"to=01:80:c2:00:00:00 llc=424203 data=35", "to=01:80:c2:00:00:0e type=88cc data=60",
	  "to=01:00:0c:cc:cc:cc llc=aaaa03 hex=00000c2000 data=60", "type=8809 data=110"}},
	{"IPv4 UDP from the LAN, 200 bytes",
	 SL_FROM_LAN,
	 SL_DROP_NONE,
	 true,
	 {"ip4 udp=27015.27005 data=158", "to=02:00:00:00:00:22 ip4 udp=9.9 data=158"}},
	{"all that passes, mixed",
	 SL_FROM_REMOTE,
	 SL_DROP_NONE,
	 false,
	 {"ip4 udp=27015.27005 data=158", "to=02:00:00:00:00:22 ip4 tcp=25565.9 data=500",
	  "ip6 hbh icmp6=143 data=20", "arp"}},
};
#define CLASSES (sizeof(classes) / sizeof(classes[0]))

struct bench {
	struct text_frame frames[FRAMES];
	struct sl_view views[FRAMES];
	uint16_t picks[PICKS];
	struct sl_guard guard;
	struct sl_repeats repeats;
	uint64_t random;
	uint64_t now_ns; // of the repeats
};

static const struct sl_mac remote = {{0x02, 0, 0, 0, 0, 0x11}};

static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

// Makes the frames of a class differ in whatever bytes the filter does not judge.
static bool make_frames(struct bench *bench, const struct class *class)
{
	const struct sl_filter_input input = {
		.direction = class->direction, .announced = &remote, .mtu = 1500};
	size_t variants = 0;
	uint64_t random = 1;

	while (variants < VARIANTS && class->texts[variants] != NULL)
		variants++;
	for (size_t i = 0; i < FRAMES; i++) {
		struct text_frame *frame = &bench->frames[i];

		text_frame_make(frame, class->texts[next_random(&random) % variants]);
		if ((frame->bytes[0] & 1) == 0)
			sl_put32(frame->bytes + 2, next_random(&random));
		if (frame->ip_at != 0) // in the source address
			sl_put32(frame->bytes + frame->ip_at + 12, next_random(&random));
		if (sl_filter_check(frame->bytes, frame->len, &input, &bench->views[i]) != class->expected)
			return false;
	}
	return true;
}

// ---- what is measured: each returns something that depends on all its work

static unsigned run_filter(struct bench *bench, const struct class *class)
{
	const struct sl_filter_input input = {
		.direction = class->direction, .announced = &remote, .mtu = 1500};
	struct sl_view view;
	unsigned sum = 0;

	for (size_t i = 0; i < PICKS; i++) {
		const struct text_frame *frame = &bench->frames[bench->picks[i]];

		sum += (unsigned)sl_filter_check(frame->bytes, frame->len, &input, &view);
		sum += (unsigned)view.transport_len;
	}
	return sum;
}

static unsigned run_guard(struct bench *bench, const struct class *class)
{
	char what[SL_GUARD_TEXT];
	unsigned sum = 0;

	(void)class;
	for (size_t i = 0; i < PICKS; i++)
		sum += sl_guard_allows(&bench->guard, &remote, &bench->views[bench->picks[i]], what);
	return sum;
}

static unsigned run_repeats(struct bench *bench, const struct class *class)
{
	unsigned sum = 0;

	(void)class;
	for (size_t i = 0; i < PICKS; i++) {
		const struct text_frame *frame = &bench->frames[bench->picks[i]];

		bench->now_ns += 100 * SL_NS_PER_US;
		sum += sl_repeats_excess(&bench->repeats, frame->bytes, frame->len, bench->now_ns);
	}
	return sum;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct result {
	double median_ns, best_ns, worst_ns; // the worst of 99 % of the rounds
};

static struct result measure(struct bench *bench, const struct class *class,
			     unsigned (*run)(struct bench *bench, const struct class *class))
{
	double ns[ROUNDS];
	volatile unsigned sink = 0;

	for (size_t round = 0; round < ROUNDS; round++) {
		uint64_t begin_ns;

		for (size_t i = 0; i < PICKS; i++)
			bench->picks[i] = (uint16_t)(next_random(&bench->random) % FRAMES);
		begin_ns = sl_clock_ns(CLOCK_MONOTONIC);
		sink = sink + run(bench, class);
		ns[round] = (double)(sl_clock_ns(CLOCK_MONOTONIC) - begin_ns) / PICKS;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	return (struct result){ns[ROUNDS / 2], ns[0], ns[ROUNDS * 99 / 100]};
}

static void print(const char *name, const struct result *result, bool json, bool first)
{
	if (json)
		printf("%s  {\"class\": \"%s\", \"median_ns\": %.1f, \"best_ns\": %.1f, \"p99_ns\": %.1f}",
		       first ? "" : ",\n", name, result->median_ns, result->best_ns, result->worst_ns);
	else
		printf("%-34s %8.1f %8.1f %8.1f\n", name, result->median_ns, result->best_ns,
		       result->worst_ns);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"max", required_argument, NULL, 'm'}, {0}};
	static const struct class guarded = {"guard: ARP", SL_FROM_REMOTE, SL_DROP_NONE, false, {"arp"}};
	static const struct class repeated = {
		"repeats: broadcast, 300 bytes", SL_FROM_LAN, SL_DROP_NONE, false, {"ip4 udp=9.9 data=258"}};
	const uint64_t key[2] = {1, 2};
	struct bench *bench = calloc(1, sizeof(*bench));
	double max_ns = 0, ordinary_ns = 0;
	struct result result;
	bool json = false;
	int c, status = 1;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'm')
			max_ns = strtod(optarg, NULL);
		else if (c == 'j')
			json = true;
		else
			goto out;
	}
	if (bench == NULL)
		goto out;
	sl_guard_init(&bench->guard, key);
	sl_repeats_init(&bench->repeats, key);
	if (sl_guard_join(&bench->guard, &remote) != 0)
		goto out;
	if (json)
		printf("[\n");
	else
		printf("%-34s %8s %8s %8s\n", "ns per frame", "median", "best", "99 %");
	for (size_t i = 0; i < CLASSES; i++) {
		if (!make_frames(bench, &classes[i])) {
			fprintf(stderr, "%s: not the verdict that it should get\n", classes[i].name);
			goto out;
		}
		result = measure(bench, &classes[i], run_filter);
		print(classes[i].name, &result, json, i == 0);
		if (classes[i].ordinary && result.median_ns > ordinary_ns)
			ordinary_ns = result.median_ns;
	}
	if (!make_frames(bench, &guarded))
		goto out;
	result = measure(bench, &guarded, run_guard);
	print(guarded.name, &result, json, false);
	if (!make_frames(bench, &repeated))
		goto out;
	result = measure(bench, &repeated, run_repeats);
	print(repeated.name, &result, json, false);
	if (json)
		printf("\n]\n");
	status = max_ns > 0 && ordinary_ns > max_ns;
out:
	if (bench != NULL)
		sl_guard_fini(&bench->guard);
	free(bench);
	return status;
}
