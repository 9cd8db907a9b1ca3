// What test_packet.c and test_packet_tx.c stand on: a port on gw0, the judge of every frame that it gives,
// and a loop that runs until the processes on the LAN are done.
#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include "port/packet.h"
#include "superframe.h"
#include "veth.h"

#include <cmocka.h>

#define MS SL_NS_PER_MS
// One TCP transfer; even cut into frames, the port's ring holds it, however late the test itself gets to run.
#define TRANSFER (2u << 20)
#define PORT 5000
#define QUIET_TICKS 5 // of 10 ms

static const uint8_t gw_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t lan_mac[6] = {2, 0, 0, 0, 0, 2};

struct fixture {
	struct veth *veth;
	struct sl_log log;
	char logged[8192];
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_port *port;
	struct sl_timer *tick;
	pid_t children[2];
	uint64_t deadline_ns, ticked; // what had arrived at the last tick
	unsigned quiet;               // ticks since the last frame
	bool timed_out, child_failed;

	// What arrived.
	uint64_t frames, own, wrong, malformed, batches, tagged, udp;
	size_t longest;
	uint8_t last[70000];
	size_t last_len;
	unsigned failures;
	char failure[256];
	bool have_isn;
	uint32_t isn;
	uint8_t *seen; // bytes of the TCP transfer
	uint64_t seen_count;
};

// --- judging frames, with nothing but the RFCs -----------------------------------------------

static inline uint8_t pattern(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7);
}

static inline uint32_t sum16(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline bool take_tcp(struct fixture *f, const uint8_t *tcp, size_t len)
{
	size_t header = (size_t)(tcp[12] >> 4) * 4;
	uint32_t seq = get32(tcp + 4);

	if (len < 20 || header > len)
		return false;
	if ((tcp[2] << 8 | tcp[3]) != PORT)
		return true;
	if ((tcp[13] & 2) != 0) { // SYN
		f->isn = seq;
		f->have_isn = true;
	}
	for (size_t i = header; i < len; i++) {
		size_t offset = seq - f->isn - 1 + (uint32_t)(i - header);

		if (!f->have_isn || offset >= TRANSFER || tcp[i] != pattern(offset))
			return false;
		f->seen_count += f->seen[offset] == 0;
		f->seen[offset] = 1;
	}
	return true;
}

// Is it one wire frame: lengths that agree, checksums that are right, no longer than the MTU?
static inline bool judge(struct fixture *f, const uint8_t *frame, size_t len)
{
	size_t l2 = 14, ip_header, l4_len;
	uint16_t type = (uint16_t)(frame[12] << 8 | frame[13]);
	const uint8_t *ip;
	uint8_t protocol;
	uint32_t sum;

	if (type == 0x8100) {
		f->tagged++;
		l2 = 18;
		type = (uint16_t)(frame[16] << 8 | frame[17]);
	}
	ip = frame + l2;
	if (type == 0x0800) {
		size_t total = (size_t)(ip[2] << 8 | ip[3]);

		ip_header = (size_t)(ip[0] & 15) * 4;
		protocol = ip[9];
		if (total > len - l2 || (len > 60 + l2 - 14 && total != len - l2) || total > 1500 ||
		    sum16(ip, ip_header, 0) != 0xffff)
			return false;
		l4_len = total - ip_header;
		sum = sum16(ip + 12, 8, 0);
	} else if (type == 0x86dd) {
		size_t total = 40 + (size_t)(ip[4] << 8 | ip[5]);

		ip_header = 40;
		protocol = ip[6];
		if (total != len - l2 || total > 1500)
			return false;
		l4_len = total - 40;
		sum = sum16(ip + 8, 32, 0);
	} else {
		return true;
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return true;
	f->udp += protocol == IPPROTO_UDP;
	if (sum16(ip + ip_header, l4_len, sum + protocol + (uint32_t)l4_len) != 0xffff)
		return false;
	return protocol != IPPROTO_TCP || take_tcp(f, ip + ip_header, l4_len);
}

static inline void on_receive(void *arg, const uint8_t *frame, size_t len)
{
	struct fixture *f = arg;

	f->frames++;
	f->longest = len > f->longest ? len : f->longest;
	f->own += len >= 12 && memcmp(frame + 6, gw_mac, 6) == 0;
	f->wrong += len < 14 || !judge(f, frame, len);
	for (size_t at = 12; at <= 20 && at + 2 <= len; at += 4) {
		if (frame[at] != 0x81 || frame[at + 1] != 0x37)
			continue; // the kernel's own chatter
		f->last_len = len < sizeof(f->last) ? len : sizeof(f->last);
		memcpy(f->last, frame, f->last_len);
	}
}

static inline void on_malformed(void *arg, const uint8_t *frame, size_t len)
{
	struct fixture *f = arg;
	volatile uint8_t touch = 0;

	for (size_t i = 0; i < len; i++) // every byte is there to be read
		touch ^= frame[i];
	(void)touch;
	f->malformed++;
}

static inline void on_batch_end(void *arg)
{
	((struct fixture *)arg)->batches++;
}

static inline void on_failed(void *arg, const char *why)
{
	struct fixture *f = arg;

	f->failures++;
	snprintf(f->failure, sizeof(f->failure), "%s", why);
}

// --- the fixture -------------------------------------------------------------------------------

static inline void on_log(void *arg, enum sl_log_level level, const char *line)
{
	struct fixture *f = arg;
	size_t used = strlen(f->logged);

	(void)level;
	snprintf(f->logged + used, sizeof(f->logged) - used, "%s\n", line);
}

static inline void on_tick(void *arg)
{
	struct fixture *f = arg;
	bool running = false;

	for (unsigned i = 0; i < 2; i++) {
		int status = 0;

		if (f->children[i] <= 0)
			continue;
		if (waitpid(f->children[i], &status, WNOHANG) == 0) {
			running = true;
			continue;
		}
		f->child_failed = f->child_failed || status != 0;
		f->children[i] = 0;
	}
	f->timed_out = f->env->now_ns >= f->deadline_ns;
	f->quiet = running || f->ticked != f->frames + f->malformed ? 0 : f->quiet + 1;
	f->ticked = f->frames + f->malformed;
	if (f->timed_out || f->quiet == QUIET_TICKS)
		sl_loop_stop(f->loop);
	else
		f->env->ops->timer_set(f->tick, f->env->now_ns + 10 * MS);
}

// Until the children are done and the loop has looked in vain for frames in several turns. (Time alone would
// not do: on a busy machine the children may be done before our process runs again, and the frames still
// wait.)
static inline void run(struct fixture *f)
{
	f->deadline_ns = f->env->now_ns + 15 * SL_NS_PER_S;
	f->quiet = 0;
	f->env->ops->timer_set(f->tick, f->env->now_ns);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
	assert_false(f->timed_out);
	assert_false(f->child_failed);
}

static inline void open_port_with(struct fixture *f, bool offload)
{
	const struct sl_port_handler handler = {
		.receive = on_receive,
		.malformed = on_malformed,
		.batch_end = on_batch_end,
		.failed = on_failed,
		.arg = f,
	};
	struct sl_error error = {{0}};

	if (sl_packet_open(f->loop, "gw0", offload, &handler, &f->port, &error) != SL_OK)
		fail_msg("%s", error.text);
}

static inline void open_port(struct fixture *f)
{
	open_port_with(f, true);
}

static inline int raw_socket(const char *interface)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), buffer = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? fd : -1;
}

static inline struct sl_port_stats stats_of(struct fixture *f)
{
	struct sl_port_stats stats;

	f->port->ops->stats(f->port, &stats);
	return stats;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sl_error error;

	f->veth = *state;
	f->seen = calloc(1, TRANSFER);
	sl_log_init(&f->log);
	f->log.sink = on_log;
	f->log.sink_arg = f;
	f->loop = sl_loop_new(&f->log, &error);
	if (f->loop == NULL || !veth_up(f->veth))
		return -1;
	f->env = sl_loop_env(f->loop);
	f->tick = f->env->ops->timer_new(f->env, on_tick, f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	*state = f->veth;
	if (f->port != NULL)
		f->port->ops->close(f->port);
	f->env->ops->timer_free(f->tick);
	sl_loop_free(f->loop);
	veth_down();
	free(f->seen);
	free(f);
	return 0;
}
