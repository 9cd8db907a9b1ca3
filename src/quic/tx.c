// What leaves: a connection's queue of datagrams, its packets, and the endpoint's trains of packets.
//
// Frames wait in the connection's queue until the turn ends. Then all that is ready is written,
// several small frames to a packet, packets of one size in one train for UDP_SEGMENT. A frame at the
// queue's head leaves it in every case: it is sent; or too old, or too large for the path by now, and
// dropped; or it stays only while the window or the pacing says "not now", for which ngtcp2's timer
// calls again.
#include "quic/internal.h"

#include <stdlib.h>
#include <string.h>

// ---- trains

static void *packet_room(struct sl_quic *quic)
{
	if (quic->blocked || SL_TX_ARENA - quic->arena_used < SL_UDP_PAYLOAD_MAX ||
	    quic->train_count == SL_TX_ENTRIES)
		sl_tx_flush(quic);
	if (quic->blocked)
		return NULL;
	return quic->arena + quic->arena_used;
}

// Takes the packet just written at the arena's end into the connection's train, or begins a new one.
static void train_add(struct sl_quic *quic, const struct sl_conn *conn, const struct sl_addr *local,
		      const struct sl_addr *remote, size_t len, uint8_t ecn)
{
	struct sl_train *train = quic->train_count > 0 ? &quic->trains[quic->train_count - 1] : NULL;

	if (train != NULL && train->conn != NULL && train->conn == conn && train->ecn == ecn &&
	    len <= train->segment && train->count < SL_TRAIN_SEGMENTS && train->len + len <= SL_TRAIN_BYTES &&
	    sl_addr_equal(&train->remote, remote) && sl_addr_equal(&train->local, local)) {
		train->len += len;
		train->count++;
		if (len < train->segment)
			train->conn = NULL; // only the last segment of a train may be shorter
	} else {
		train = &quic->trains[quic->train_count++];
		train->local = *local;
		train->remote = *remote;
		train->conn = conn;
		train->data = quic->arena + quic->arena_used;
		train->len = train->segment = len;
		train->count = 1;
		train->ecn = ecn;
	}
	quic->arena_used += len;
}

void sl_tx_flush(struct sl_quic *quic)
{
	size_t count = 0;

	if (quic->train_first == quic->train_count || quic->blocked)
		return;
	for (size_t i = quic->train_first; i < quic->train_count; i++) {
		const struct sl_train *train = &quic->trains[i];
		quic->batch[count++] = (struct sl_udp_tx){
			.local = &train->local,
			.remote = &train->remote,
			.data = train->data,
			.len = train->len,
			.segment = train->count > 1 ? (uint16_t)train->segment : 0,
			.ecn = train->ecn,
		};
	}
	size_t sent = quic->env->ops->udp_send(quic->udp, quic->batch, count);
	if (sent < count) {
		// The rest stays where it is until the socket takes more; nothing new is written meanwhile.
		quic->train_first += sent;
		quic->blocked = true;
		return;
	}
	quic->train_first = quic->train_count = 0;
	quic->arena_used = 0;
}

void sl_tx_writable(struct sl_quic *quic)
{
	quic->blocked = false;
	sl_tx_flush(quic);
	for (struct sl_conn *conn = quic->conns; conn != NULL; conn = conn->next)
		sl_quic_mark(conn);
	sl_quic_turn(quic);
}

void sl_tx_raw(struct sl_quic *quic, const struct sl_addr *local, const struct sl_addr *remote,
	       const uint8_t *data, size_t len)
{
	uint8_t *out = packet_room(quic);
	if (out == NULL || len > SL_UDP_PAYLOAD_MAX)
		return; // best effort, as all such answers
	memcpy(out, data, len);
	train_add(quic, NULL, local, remote, len, 0);
}

// ---- packets

// So much may leave before the pacing is told of it.
#define UNPACED_MAX 4096
#define DATAGRAM_HEADER 3 // a DATAGRAM frame's type and length (RFC 9221 section 4)
#define SMALL 64

static void report(struct sl_conn *conn, enum sl_drop reason, uint64_t count)
{
	if (count != 0)
		conn->quic->ops.dropped(conn->quic->ops.arg, conn, conn->user, reason, count);
}

static void report_evicted(struct sl_conn *conn)
{
	uint64_t evicted = conn->egress.evicted;

	conn->egress.evicted = 0;
	report(conn, SL_DROP_EGRESS_FULL, evicted);
}

void sl_tx_give_up(struct sl_conn *conn)
{
	report_evicted(conn);
	report(conn, SL_DROP_UNKNOWN_PEER, conn->egress.count);
}

// The datagram whose turn it is, neither too old nor too large for the path.
static bool find_head(struct sl_conn *conn, struct sl_egress_head *head)
{
	const struct sl_egress_bounds bounds = {
		.now_ns = conn->quic->env->now_ns,
		.age_ns = conn->age_ns,
		.patience_ns = conn->patience_ns,
		.max_len = sl_conn_max_datagram(conn),
		.fresh_only = conn->allowance == 0,
	};
	struct sl_egress_drops drops;
	bool found;

	do {
		drops = (struct sl_egress_drops){0};
		found = sl_egress_head(&conn->egress, &bounds, head, &drops);
		report(conn, SL_DROP_EGRESS_AGE, drops.aged);
		report(conn, SL_DROP_DATAGRAM_BUDGET, drops.too_large);
		// The callback may have queued more, so that another is the head now.
	} while (drops.aged + drops.too_large != 0);
	return found;
}

// May another datagram follow in the same packet? To try in vain costs a call more for each packet.
static uint32_t packet_flags(const struct sl_conn *conn, const struct sl_egress_head *head, size_t used)
{
	size_t left = sl_conn_max_datagram(conn), need = used + head->len + DATAGRAM_HEADER;

	if (conn->egress.count < 2 || need + (head->next_len != 0 ? head->next_len : SMALL) > left)
		return NGTCP2_WRITE_DATAGRAM_FLAG_NONE;
	return NGTCP2_WRITE_DATAGRAM_FLAG_MORE;
}

// Writes one packet: control stream first, then datagrams while they fit, then whatever ngtcp2 itself
// has to say. Returns its length, 0 when nothing may or need be sent now, or an ngtcp2 error.
static ngtcp2_ssize write_packet(struct sl_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *info, uint8_t *out)
{
	const uint64_t now = conn->quic->env->now_ns;
	const size_t room = SL_UDP_PAYLOAD_MAX;
	struct sl_egress_head head;
	ngtcp2_ssize n;
	size_t used = 0; // by datagrams, with the frame headers of all but the first

	for (;;) {
		if (sl_stream_ready(conn)) {
			bool again;
			n = sl_stream_write(conn, path, info, out, room, now, &again);
			if (!again)
				return n;
		} else if (conn->state == SL_CONN_OPEN && find_head(conn, &head)) {
			int accepted = 0;
			n = ngtcp2_conn_write_datagram(conn->nc, path, info, out, room, &accepted,
						       packet_flags(conn, &head, used), 0, head.data,
						       head.len, now);
			if (accepted != 0) {
				sl_egress_pop(&conn->egress);
				used += head.len + DATAGRAM_HEADER;
			}
			if (n == NGTCP2_ERR_WRITE_MORE)
				continue;
			if (n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE) {
				sl_egress_pop(&conn->egress); // the other side takes none of this size
				report(conn, SL_DROP_DATAGRAM_BUDGET, 1);
				continue;
			}
			return n;
		} else {
			return ngtcp2_conn_writev_stream(conn->nc, path, info, out, room, NULL,
							 NGTCP2_WRITE_STREAM_FLAG_NONE, -1, NULL, 0, now);
		}
	}
}

void sl_tx_conn(struct sl_conn *conn)
{
	struct sl_quic *quic = conn->quic;
	ngtcp2_path_storage path;
	ngtcp2_pkt_info info = {0};
	size_t quantum = ngtcp2_conn_get_send_quantum(conn->nc), written = 0;
	struct sl_addr local, remote;

	conn->reads = 0;
	conn->heard = false;
	conn->write_wanted = false;
	report_evicted(conn);
	sl_limit_turn(conn);
	// A larger window may have come with any packet (ngtcp2 tells of the stream's, not of the
	// connection's), so each turn asks anew.
	conn->stream_blocked = false;
	ngtcp2_path_storage_zero(&path);
	do {
		uint8_t *out = packet_room(quic);
		if (out == NULL)
			break; // the socket is full: sl_tx_writable calls again
		ngtcp2_ssize n = write_packet(conn, &path.path, &info, out);
		if (n < 0) {
			sl_conn_fail(conn, (int)n);
			break;
		}
		if (n == 0)
			break; // nothing to send, or no window: an acknowledgement or the timer calls again
		sl_addr_of(&path.path.local, &local);
		sl_addr_of(&path.path.remote, &remote);
		train_add(quic, conn, &local, &remote, (size_t)n, info.ecn);
		written += (size_t)n;
		sl_limit_wrote(conn, (size_t)n);
	} while (written < quantum);
	conn->wake_ns = ngtcp2_conn_get_expiry(conn->nc);
	// Pacing (RFC 9002 section 7.7): the next time to send follows from what was written just now. With
	// nothing left to send it is no reason to wake up.
	bool more = !sl_egress_empty(&conn->egress) || sl_stream_ready(conn);
	conn->unpaced += written;
	if (more || !conn->short_path || conn->unpaced > UNPACED_MAX || sl_conn_young(conn)) {
		ngtcp2_conn_update_pkt_tx_time(conn->nc, quic->env->now_ns);
		conn->unpaced = 0;
	}
	if (more && conn->allowance > 0)
		conn->wake_ns = ngtcp2_conn_get_expiry(conn->nc);
}

void sl_tx_close(struct sl_conn *conn)
{
	struct sl_quic *quic = conn->quic;
	ngtcp2_path_storage path;
	ngtcp2_pkt_info info = {0};
	struct sl_addr local, remote;

	conn->close_wanted = false;
	// With a full socket it can't go now: a server keeps it for the answer to the client's next packet.
	uint8_t kept[SL_UDP_PAYLOAD_MAX], *room = packet_room(quic), *out = room != NULL ? room : kept;
	ngtcp2_path_storage_zero(&path);
	ngtcp2_ssize n = ngtcp2_conn_write_connection_close(
		conn->nc, &path.path, &info, out, SL_UDP_PAYLOAD_MAX, &conn->error, quic->env->now_ns);
	if (n <= 0)
		return;
	conn->close_packet = malloc((size_t)n);
	if (conn->close_packet != NULL) {
		memcpy(conn->close_packet, out, (size_t)n);
		conn->close_len = (size_t)n;
		conn->close_next = 1;
	}
	if (room == NULL)
		return;
	sl_addr_of(&path.path.local, &local);
	sl_addr_of(&path.path.remote, &remote);
	train_add(quic, conn, &local, &remote, (size_t)n, info.ecn);
}

// ---- the public face

static int send_datagram(struct sl_conn *conn, uint32_t flow, const void *start, size_t start_len,
			 const void *body, size_t body_len, bool rest)
{
	struct sl_egress *egress = &conn->egress;
	uint64_t now = conn->quic->env->now_ns;
	struct sl_egress_head head;

	if (conn->state != SL_CONN_OPEN || conn->dying)
		return SL_ERR_CLOSED;
	if (start_len + body_len > sl_conn_max_datagram(conn) || start_len + body_len == 0)
		return SL_ERR_TOO_LARGE;
	int rv = sl_egress_put(egress, flow, start, start_len, body, body_len, rest, now);
	if (rv == SL_ERR_AGAIN && !rest) {
		// Full of frames that are too old to send? Then there is room.
		find_head(conn, &head);
		rv = sl_egress_put(egress, flow, start, start_len, body, body_len, rest, now);
	}
	if (rv == SL_OK)
		sl_quic_mark(conn);
	return rv;
}

int sl_conn_datagram_send(struct sl_conn *conn, uint32_t flow, const void *start, size_t start_len,
			  const void *body, size_t body_len)
{
	return send_datagram(conn, flow, start, start_len, body, body_len, false);
}

int sl_conn_datagram_rest(struct sl_conn *conn, uint32_t flow, const void *start, size_t start_len,
			  const void *body, size_t body_len)
{
	return send_datagram(conn, flow, start, start_len, body, body_len, true);
}

bool sl_conn_datagram_room(struct sl_conn *conn, uint32_t flow)
{
	struct sl_egress_head head;

	if (sl_egress_room(&conn->egress, flow, 2))
		return true;
	find_head(conn, &head); // what is too old goes
	return sl_egress_room(&conn->egress, flow, 2);
}
