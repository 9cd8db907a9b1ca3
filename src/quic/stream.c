// The control stream: what is written is kept in chunks until it is acknowledged, because ngtcp2
// keeps pointers to it, not copies.
#include "quic/internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_MAX 16384u

static void free_chunks(struct sl_chunk *chunk)
{
	while (chunk != NULL) {
		struct sl_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
}

void sl_stream_received(struct sl_conn *conn, int64_t id, const uint8_t *data, size_t len, bool fin)
{
	// Taken at once, so the window is given back at once; what is queued behind it is bounded by the
	// longest control message.
	ngtcp2_conn_extend_max_stream_offset(conn->nc, id, len);
	ngtcp2_conn_extend_max_offset(conn->nc, len);
	if (conn->stream_id < 0)
		conn->stream_id = id;
	if (id != conn->stream_id || conn->reported || conn->dying || conn->stream_ended)
		return;
	conn->stream_ended = fin;
	conn->quic->ops.stream(conn->quic->ops.arg, conn, conn->user, data, len, fin, false);
}

// A reset may follow an end that was told already (RFC 9000 section 3.2).
void sl_stream_reset(struct sl_conn *conn)
{
	if (conn->reported || conn->dying || conn->stream_ended)
		return;
	conn->stream_ended = true;
	conn->quic->ops.stream(conn->quic->ops.arg, conn, conn->user, NULL, 0, true, true);
}

int sl_conn_stream_write(struct sl_conn *conn, const void *data, size_t len, bool fin)
{
	const uint8_t *at = data;

	if (conn->state != SL_CONN_OPEN || conn->dying || conn->fin_wanted)
		return SL_ERR_CLOSED;
	if (conn->stream_id < 0 &&
	    (conn->quic->server || ngtcp2_conn_open_bidi_stream(conn->nc, &conn->stream_id, NULL) != 0))
		return SL_ERR_CLOSED;
	// All of it or nothing: half a message would garble all that follow.
	struct sl_chunk *first = NULL, **end = &first;
	for (size_t left = len; left > 0;) {
		size_t part = left < CHUNK_MAX ? left : CHUNK_MAX;
		struct sl_chunk *chunk = malloc(sizeof(*chunk) + part);
		if (chunk == NULL) {
			free_chunks(first);
			return SL_ERR_NOMEM;
		}
		chunk->next = NULL;
		chunk->len = part;
		memcpy(chunk->data, at, part);
		*end = chunk;
		end = &chunk->next;
		at += part;
		left -= part;
	}
	if (first != NULL) {
		*conn->chunks_end = first;
		conn->chunks_end = end;
		conn->written += len;
		if (conn->send_chunk == NULL) {
			conn->send_chunk = first;
			conn->send_offset = 0;
		}
	}
	conn->fin_wanted = fin;
	sl_quic_mark(conn);
	return SL_OK;
}

size_t sl_conn_stream_pending(const struct sl_conn *conn)
{
	return (size_t)(conn->written - conn->acked);
}

bool sl_stream_ready(const struct sl_conn *conn)
{
	return conn->stream_id >= 0 && !conn->stream_blocked &&
	       (conn->send_chunk != NULL || (conn->fin_wanted && !conn->fin_sent));
}

void sl_stream_acked(struct sl_conn *conn, uint64_t offset, uint64_t len)
{
	uint64_t acked = offset + len;
	if (acked > conn->acked)
		conn->acked = acked;
	while (conn->chunks != NULL && conn->head_offset + conn->chunks->len <= conn->acked) {
		struct sl_chunk *chunk = conn->chunks;
		conn->head_offset += chunk->len;
		conn->chunks = chunk->next;
		if (conn->chunks == NULL)
			conn->chunks_end = &conn->chunks;
		if (conn->send_chunk ==
		    chunk) // acknowledged before all was sent: the peer lies, ngtcp2 refuses it
			conn->send_chunk = chunk->next;
		free(chunk);
	}
	if (conn->acked == conn->written && (!conn->fin_wanted || conn->fin_sent) && !conn->reported &&
	    !conn->dying && conn->quic->ops.stream_drained != NULL)
		conn->quic->ops.stream_drained(conn->quic->ops.arg, conn, conn->user);
	sl_quic_mark(conn);
}

void sl_stream_fini(struct sl_conn *conn)
{
	free_chunks(conn->chunks);
	conn->chunks = NULL;
	conn->chunks_end = &conn->chunks;
	conn->send_chunk = NULL;
}

static void advance(struct sl_conn *conn, size_t taken, bool fin)
{
	conn->send_offset += taken;
	while (conn->send_chunk != NULL && conn->send_offset >= conn->send_chunk->len) {
		conn->send_offset -= conn->send_chunk->len;
		conn->send_chunk = conn->send_chunk->next;
	}
	if (conn->send_chunk == NULL) {
		conn->send_offset = 0;
		if (fin)
			conn->fin_sent = true;
	}
}

ngtcp2_ssize sl_stream_write(struct sl_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *info, uint8_t *out,
			     size_t room, uint64_t now, bool *again)
{
	ngtcp2_vec vec = {NULL, 0};
	ngtcp2_ssize taken = -1;
	uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
	bool last = conn->send_chunk == NULL || conn->send_chunk->next == NULL;

	if (conn->send_chunk != NULL) {
		vec.base = conn->send_chunk->data + conn->send_offset;
		vec.len = conn->send_chunk->len - conn->send_offset;
	}
	if (last && conn->fin_wanted)
		flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
	ngtcp2_ssize n = ngtcp2_conn_writev_stream(conn->nc, path, info, out, room, &taken, flags,
						   conn->stream_id, &vec, vec.len != 0 ? 1 : 0, now);
	*again = false;
	if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED || n == NGTCP2_ERR_STREAM_SHUT_WR ||
	    n == NGTCP2_ERR_STREAM_NOT_FOUND) {
		conn->stream_blocked = true;
		*again = true;
		return 0;
	}
	if (taken >= 0)
		advance(conn, (size_t)taken,
			(flags & NGTCP2_WRITE_STREAM_FLAG_FIN) != 0 && (size_t)taken == vec.len);
	if (n == NGTCP2_ERR_WRITE_MORE) {
		*again = true;
		return 0;
	}
	// Nothing at all: the congestion window, or the flow control of the whole connection, which does
	// not hold for datagrams (RFC 9221 section 5.3). They try for themselves.
	if (n == 0) {
		conn->stream_blocked = true;
		*again = true;
	}
	return n;
}
