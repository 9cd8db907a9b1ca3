// What others may ask of a connection.
#include "quic/internal.h"

#include <string.h>

// UDP payload the path carries now.
static size_t track_mtu(struct sl_conn *conn)
{
	size_t mtu = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn->nc);
	if (mtu != conn->mtu) {
		conn->mtu = mtu;
		conn->mtu_changed_ns = conn->quic->env->now_ns;
	}
	return mtu;
}

// RFC 9000 section 17.3.1 and RFC 9221 section 4: flags, connection id, packet number, DATAGRAM type and
// two bytes of length, AEAD tag.
size_t sl_datagram_overhead(size_t dcid_len)
{
	return 1 + dcid_len + 4 + 3 + 16;
}

size_t sl_conn_datagram_limit(const struct sl_conn *conn)
{
	if (conn->state != SL_CONN_OPEN || conn->dying)
		return 0;
	const ngtcp2_transport_params *remote = ngtcp2_conn_get_remote_transport_params(conn->nc);
	if (remote == NULL || remote->max_datagram_frame_size <= 3)
		return 0;
	uint64_t theirs = remote->max_datagram_frame_size - 3;
	return theirs < SIZE_MAX ? (size_t)theirs : SIZE_MAX;
}

static size_t max_datagram(const struct sl_conn *conn)
{
	size_t theirs = sl_conn_datagram_limit(conn);
	if (theirs == 0)
		return 0;
	size_t dcid = ngtcp2_conn_get_dcid(conn->nc)->datalen;
	size_t room = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn->nc) - sl_datagram_overhead(dcid);
	return theirs < room ? theirs : room;
}

size_t sl_conn_max_datagram(const struct sl_conn *conn)
{
	struct sl_conn *self = (struct sl_conn *)(uintptr_t)conn;

	if (conn->state != SL_CONN_OPEN || conn->dying)
		return 0;
	// Asked for each frame; only a packet that is read or a timer can change it.
	if (conn->room_stale) {
		self->room = max_datagram(conn);
		self->room_stale = false;
	}
	return conn->room;
}

// How many sizes can still fail, one after the other, once the path is known to carry `mtu`?
static unsigned sizes_left(const struct sl_conn *conn, size_t mtu)
{
	size_t at = 0, failed = conn->mtu_max + 1;
	unsigned left = 0;

	// The first entry of a size that stands there twice: the second is never asked. What was asked before
	// the size that has passed, and is larger, has failed.
	for (size_t i = 0; i < conn->probe_count; i++)
		if (conn->probes[i] == mtu) {
			at = i;
			break;
		}
	for (size_t i = 0; i < at; i++)
		if (conn->probes[i] > mtu && conn->probes[i] < failed)
			failed = conn->probes[i];
	for (; at < conn->probe_count; at++)
		if (conn->probes[at] > mtu && conn->probes[at] < failed) {
			failed = conn->probes[at];
			left++;
		}
	return left;
}

bool sl_conn_pmtu_settled(const struct sl_conn *conn)
{
	struct sl_conn *self = (struct sl_conn *)(uintptr_t)conn;
	if (conn->state != SL_CONN_OPEN || conn->dying)
		return false;
	unsigned left = sizes_left(conn, track_mtu(self));
	if (left == 0)
		return true;
	// A size that does not pass is tried three times: one PTO, one more, then three.
	return conn->quic->env->now_ns - conn->mtu_changed_ns >
	       (5 * left + 1) * ngtcp2_conn_get_pto(conn->nc);
}

void sl_conn_info(const struct sl_conn *conn, struct sl_conn_info *out)
{
	ngtcp2_conn_info info;
	const ngtcp2_path *path = ngtcp2_conn_get_path(conn->nc);

	memset(out, 0, sizeof(*out));
	sl_addr_of(&path->remote, &out->remote);
	sl_addr_of(&path->local, &out->local);
	ngtcp2_conn_get_conn_info(conn->nc, &info);
	if (info.min_rtt != UINT64_MAX)
		out->rtt_ns = info.smoothed_rtt;
	out->last_rx_ns = conn->last_rx_ns;
	out->max_udp_payload = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn->nc);
	out->cwnd = info.cwnd;
	out->in_flight = info.bytes_in_flight;
	out->queued = conn->egress.count;
	out->cipher = gnutls_cipher_get_name(gnutls_cipher_get(conn->session));
}
