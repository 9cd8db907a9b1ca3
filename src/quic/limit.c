// How long what waits may wait, and how much may be under way.
#include "quic/internal.h"

// BBR cuts its window for so long every few seconds to measure the path (ProbeRTT), and for a good round
// trip. On a long path a bound in time that knows nothing of round trips would make holes then on a line with
// nothing wrong.
#define PROBE_RTT_NS (200 * SL_NS_PER_MS)

// What is under way waits in first-in first-out queues that this side has no say in, at the latest in the
// other side's socket. What waits here is passed by a game's packet or a ping. BBR's window allows three
// trains of 64 KiB however little the path holds; on a fast and short one that is a millisecond at each hop.
// So there flows that send much stop where the path is full (half a product of rate and round trip more than
// it holds) and the other side has a batch to work on. On a longer path the window is BBR's affair alone: it
// needs all of it to find the path's rate.
#define SHORT_PATH_NS (3 * SL_NS_PER_MS)
#define UNDER_WAY_MIN (96u * 1024u)
#define RATE_WINDOW_NS (10 * SL_NS_PER_MS)

static void measure_rate(struct sl_conn *conn)
{
	uint64_t now = conn->quic->env->now_ns, took_us = (now - conn->rate_since_ns) / SL_NS_PER_US;

	if (took_us < RATE_WINDOW_NS / SL_NS_PER_US)
		return;
	conn->rate = (3 * conn->rate + conn->rate_bytes * 1000000 / took_us) / 4;
	conn->rate_bytes = 0;
	conn->rate_since_ns = now;
}

void sl_limit_turn(struct sl_conn *conn)
{
	const uint64_t base = conn->quic->config.queue_age_ns;
	ngtcp2_conn_info info;
	uint64_t path, most;

	ngtcp2_conn_get_conn_info(conn->nc, &info);
	conn->age_ns = base + 2 * info.smoothed_rtt < 5 * base ? base + 2 * info.smoothed_rtt : 5 * base;
	conn->patience_ns = PROBE_RTT_NS + 2 * info.smoothed_rtt;

	measure_rate(conn);
	conn->short_path = info.min_rtt <= SHORT_PATH_NS; // false while it is not known yet
	if (!conn->short_path) {
		conn->allowance = UINT64_MAX;
		return;
	}
	path = conn->rate * (info.min_rtt / SL_NS_PER_US) / 1000000;
	most = UNDER_WAY_MIN + path + path / 2;
	conn->allowance = most > info.bytes_in_flight ? most - info.bytes_in_flight : 0;
}

void sl_limit_wrote(struct sl_conn *conn, size_t bytes)
{
	conn->rate_bytes += bytes;
	conn->allowance -= bytes < conn->allowance ? bytes : conn->allowance;
}
