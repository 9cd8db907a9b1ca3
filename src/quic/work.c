// A connection's turn: when there is something to write, and when to look again.
#include "quic/internal.h"

#define YOUNG_NS SL_NS_PER_S
#define YOUNG_MAX_NS (10 * SL_NS_PER_S)
#define ACK_READS 8
#define LATER_NS (20 * SL_NS_PER_MS)
#define BLOCKED_NS (5 * SL_NS_PER_MS)
#define ACK_HOLD_NS (20 * SL_NS_PER_MS) // less than the 25 ms of max_ack_delay

bool sl_conn_young(const struct sl_conn *conn)
{
	uint64_t age_ns = conn->quic->env->now_ns - conn->opened_ns;

	return conn->state != SL_CONN_OPEN || age_ns < YOUNG_NS ||
	       (age_ns < YOUNG_MAX_NS && !sl_conn_pmtu_settled(conn));
}

static void arm_timer(struct sl_conn *conn)
{
	// A timer that fires a little early is cheap and re-arms itself; moving it at each packet is not.
	if (conn->timer_deadline <= conn->wake_ns && conn->timer_deadline > conn->quic->env->now_ns &&
	    conn->wake_ns - conn->timer_deadline < LATER_NS)
		return;
	conn->timer_deadline = conn->wake_ns;
	conn->quic->env->ops->timer_set(conn->timer, conn->wake_ns);
}

static void handle_expiry(struct sl_conn *conn)
{
	uint64_t now = conn->quic->env->now_ns;

	if (ngtcp2_conn_get_expiry(conn->nc) > now)
		return;
	conn->room_stale = true;
	int rv = ngtcp2_conn_handle_expiry(conn->nc, now);
	if (rv != 0)
		sl_conn_fail(conn, rv);
}

// A batch of packets is acknowledged at once, a few together a moment later, and a lone packet is not: the
// answer that it will often cause carries the acknowledgement, and if there is none, it goes out alone,
// earlier than max_ack_delay (RFC 9000 section 13.2.1). So a ping costs each hop one packet in each
// direction, and not two. On a longer path the machines' time is not what a ping consists of, and BBR, which
// measures the path by acknowledgements, would find a smaller rate than is used and hold frames back. While a
// connection is young, ngtcp2 has things of its own to say: path-MTU probes, connection ids.
static bool may_wait(const struct sl_conn *conn)
{
	return conn->short_path && !conn->write_wanted && conn->reads < ACK_READS &&
	       sl_egress_empty(&conn->egress) && !sl_stream_ready(conn) && conn->acked == conn->written &&
	       !sl_conn_young(conn);
}

// Nothing is written now. ngtcp2's own timer for acknowledgements is an eighth of a round trip: right for a
// few packets of a stream, and too soon for a lone one.
static void hold(struct sl_conn *conn)
{
	uint64_t now = conn->quic->env->now_ns, latest = now + ACK_HOLD_NS;
	uint64_t expiry = ngtcp2_conn_get_expiry(conn->nc);

	if (!conn->heard || conn->reads != 1 || expiry > latest)
		conn->wake_ns = expiry;
	else if (conn->wake_ns > latest || conn->wake_ns <= now)
		conn->wake_ns = latest;
}

void sl_conn_work(struct sl_conn *conn)
{
	struct sl_quic *quic = conn->quic;

	if (conn->state == SL_CONN_DEAD || conn->state == SL_CONN_LINGER)
		return;
	if (!conn->dying && may_wait(conn)) {
		hold(conn);
	} else {
		if (!conn->dying)
			handle_expiry(conn);
		if (!conn->dying && quic->blocked) // until then ngtcp2's timers would find nothing to do
			conn->wake_ns = quic->env->now_ns + BLOCKED_NS;
		else if (!conn->dying)
			sl_tx_conn(conn);
	}
	if (!conn->dying) {
		arm_timer(conn);
		return;
	}
	if (conn->close_wanted)
		sl_tx_close(conn);
	bool was_open = conn->state == SL_CONN_OPEN || !quic->server;
	if (conn->state == SL_CONN_HANDSHAKE)
		quic->stats.handshakes_failed++;
	sl_conn_end(conn);
	if (!conn->reported) {
		conn->reported = true;
		if (was_open)
			quic->ops.closed(quic->ops.arg, conn, conn->user, &conn->why);
	}
}
