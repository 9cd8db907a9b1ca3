// The benchmark's generator of small UDP frames, and what counts them at the other end.
//
//     tests/bench/udpload send ADDRESS PORT ID BYTES RATE SECONDS
//     tests/bench/udpload receive PORT ID
//
// The sender offers RATE datagrams a second of BYTES payload: every 200 us what is due by then, in one
// sendmmsg and without segmentation offload, so that each is a frame of its own from the start. It follows an
// absolute clock. Kept from running for more than 2 ms, it leaves out what would have been due before that: a
// wire does not bring such a burst either. What it really offered stands in its report.
//
// The receiver prints a line once it listens, counts the datagrams of the run ID, and reports after TERM,
// when nothing has come for a moment. Both reports are one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/time.h"

#define BATCH 128
#define PAYLOAD_MAX 1500
#define BURST_NS (200 * SL_NS_PER_US)
#define LATE_NS (2 * SL_NS_PER_MS)
#define RECEIVE_BUFFER (4 << 20) // bytes, in the kernel's own count: some 5,000 small frames
#define QUIET_US 100000
#define DRAIN_NS (2 * SL_NS_PER_S) // the longest wait for quiet

struct mark {
	uint64_t id, number; // in the order of the host: both ends are this program
};

struct batch {
	unsigned char bytes[BATCH][PAYLOAD_MAX];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
};

static volatile sig_atomic_t ending;

static void on_term(int number)
{
	(void)number;
	ending = 1;
}

static void sleep_until(uint64_t when_ns)
{
	const struct timespec when = {(time_t)(when_ns / SL_NS_PER_S), (long)(when_ns % SL_NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static struct batch *new_batch(size_t size)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	for (size_t i = 0; batch != NULL && i < BATCH; i++) {
		batch->parts[i] = (struct iovec){batch->bytes[i], size};
		batch->messages[i].msg_hdr.msg_iov = &batch->parts[i];
		batch->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return batch;
}

// ---- sending

struct sender {
	int fd;
	struct batch *batch;
	struct mark mark;
	uint64_t refused; // by the kernel: offered all the same
};

// Sends the next `count` datagrams.
static void send_some(struct sender *sender, uint64_t count)
{
	while (count > 0) {
		unsigned part = count < BATCH ? (unsigned)count : BATCH;
		int sent;

		for (unsigned i = 0; i < part; i++) {
			struct mark mark = {sender->mark.id, sender->mark.number + i};

			memcpy(sender->batch->bytes[i], &mark, sizeof(mark));
		}
		sent = sendmmsg(sender->fd, sender->batch->messages, part, 0);
		if (sent <= 0) { // ENOBUFS, or the ICMP error of an earlier one
			sender->refused++;
			sent = 1;
		}
		sender->mark.number += (uint64_t)sent;
		count -= (uint64_t)sent;
	}
}

// Keeps the pace for so long; returns how long it took, in seconds.
static double keep_pace(struct sender *sender, double rate, double seconds, uint64_t *skipped)
{
	const uint64_t begin_ns = sl_clock_ns(CLOCK_MONOTONIC), end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	const uint64_t burst_max = (uint64_t)(rate * LATE_NS / 1e9) + 1;
	uint64_t next_ns = begin_ns, now_ns = begin_ns;

	while (now_ns < end_ns) {
		uint64_t due =
			(uint64_t)(rate * (double)(now_ns - begin_ns) / 1e9) - sender->mark.number - *skipped;

		if (due > burst_max) {
			*skipped += due - burst_max;
			due = burst_max;
		}
		send_some(sender, due);
		now_ns = sl_clock_ns(CLOCK_MONOTONIC);
		next_ns += BURST_NS;
		if (next_ns > now_ns)
			sleep_until(next_ns);
		else
			next_ns = now_ns;
		now_ns = sl_clock_ns(CLOCK_MONOTONIC);
	}
	return (double)(now_ns - begin_ns) / 1e9;
}

static int run_sender(char **argv)
{
	const size_t size = strtoul(argv[3], NULL, 10);
	const double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	struct sender sender = {.mark.id = strtoull(argv[2], NULL, 10)};
	uint64_t skipped = 0;
	double took;

	if (size < sizeof(struct mark) || size > PAYLOAD_MAX || rate < 1 || seconds <= 0 ||
	    inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		return 2;
	sender.batch = new_batch(size);
	sender.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sender.batch == NULL || sender.fd < 0 ||
	    connect(sender.fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("udpload: send");
		free(sender.batch);
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	took = keep_pace(&sender, rate, seconds, &skipped);
	printf("{\"sent\": %llu, \"seconds\": %.6f, \"refused\": %llu, \"skipped\": %llu}\n",
	       (unsigned long long)sender.mark.number, took, (unsigned long long)sender.refused,
	       (unsigned long long)skipped);
	close(sender.fd);
	free(sender.batch);
	return 0;
}

// ---- receiving

struct count {
	uint64_t received, out_of_order, next;
};

static void count_one(struct count *count, const unsigned char *bytes, size_t len, uint64_t id)
{
	struct mark mark;

	if (len < sizeof(mark))
		return;
	memcpy(&mark, bytes, sizeof(mark));
	if (mark.id != id)
		return;
	count->received++;
	if (mark.number < count->next)
		count->out_of_order++;
	else
		count->next = mark.number + 1;
}

// Until TERM and quiet: the socket's timeout is the quiet.
static void receive_all(int fd, struct batch *batch, uint64_t id, struct count *count)
{
	uint64_t end_ns = 0;

	for (;;) {
		int got = recvmmsg(fd, batch->messages, BATCH, MSG_WAITFORONE, NULL);

		for (int i = 0; i < got; i++)
			count_one(count, batch->bytes[i], batch->messages[i].msg_len, id);
		if (!ending)
			continue;
		if (end_ns == 0)
			end_ns = sl_clock_ns(CLOCK_MONOTONIC) + DRAIN_NS;
		if ((got < 0 && errno != EINTR) || sl_clock_ns(CLOCK_MONOTONIC) > end_ns)
			return;
	}
}

static int open_receiver(unsigned port)
{
	const struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const struct timeval quiet = {.tv_usec = QUIET_US};
	const int size = RECEIVE_BUFFER / 2; // the kernel doubles it
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet)) != 0 ||
	    bind(fd, (const struct sockaddr *)&here, sizeof(here)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int run_receiver(char **argv)
{
	const struct sigaction action = {.sa_handler = on_term};
	const uint64_t id = strtoull(argv[1], NULL, 10);
	struct batch *batch = new_batch(PAYLOAD_MAX);
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t memory_len = sizeof(memory);
	struct count count = {0};
	int fd = open_receiver((unsigned)atoi(argv[0]));

	if (batch == NULL || fd < 0) {
		perror("udpload: receive");
		free(batch);
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	puts("listening");
	fflush(stdout);
	receive_all(fd, batch, id, &count);
	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &memory_len);
	printf("{\"received\": %llu, \"out_of_order\": %llu, \"overflowed\": %u}\n",
	       (unsigned long long)count.received, (unsigned long long)count.out_of_order,
	       memory[SK_MEMINFO_DROPS]);
	close(fd);
	free(batch);
	return 0;
}

int main(int argc, char **argv)
{
	int status = 2;

	if (argc == 8 && strcmp(argv[1], "send") == 0)
		status = run_sender(argv + 2);
	else if (argc == 4 && strcmp(argv[1], "receive") == 0)
		status = run_receiver(argv + 2);
	if (status == 2)
		fputs("usage: udpload send ADDRESS PORT ID BYTES RATE SECONDS | udpload receive PORT ID\n",
		      stderr);
	return status;
}
