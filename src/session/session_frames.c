// Overlay datagrams in and out. No allocation and no system call here.
#include "session/session.h"

#include <string.h>

#include "proto/eth.h"
#include "proto/overlay.h"
#include "session/session_internal.h"

static void drop(struct sl_session *s, enum sl_drop reason)
{
	s->counters.drops[reason]++;
}

// A frame of a known peer, or a part of one: that is given out with the other part.
static void deliver(struct sl_session *s, struct sl_session_peer *peer, struct sl_overlay *overlay)
{
	peer->last_frame_ns = s->env->now_ns;
	if (overlay->type == SL_OVERLAY_ETHERNET || parts_join(s, peer, overlay))
		s->ops.frame(s->ops.arg, peer, overlay->frame, overlay->frame_len);
}

// ---- the waiting room

static void hold(struct sl_session *s, const struct sl_overlay *overlay)
{
	struct held_frame *slot = NULL;

	if (s->held_count < HELD_MAX && overlay->frame_len <= HELD_FRAME_MAX) {
		for (size_t i = 0; i < HELD_MAX && slot == NULL; i++) {
			if (s->held[i].order == 0)
				slot = &s->held[i];
		}
	}
	if (slot == NULL) {
		drop(s, SL_DROP_UNKNOWN_PEER);
		return;
	}
	slot->order = ++s->held_order;
	slot->put_ns = s->env->now_ns;
	slot->overlay = *overlay;
	slot->overlay.frame = slot->frame;
	memcpy(slot->frame, overlay->frame, overlay->frame_len);
	if (s->held_count++ == 0)
		s->env->ops->timer_set(s->held_timer, s->env->now_ns + HELD_NS);
}

static void release(struct sl_session *s, struct held_frame *slot)
{
	slot->order = 0;
	if (--s->held_count == 0)
		s->env->ops->timer_set(s->held_timer, SL_TIME_NEVER);
}

// The oldest waiting frame of a peer.
static struct held_frame *oldest_of(struct sl_session *s, uint16_t peer_id)
{
	struct held_frame *oldest = NULL;
	for (size_t i = 0; i < HELD_MAX && s->held_count > 0; i++) {
		struct held_frame *slot = &s->held[i];
		if (slot->order != 0 && slot->overlay.peer_id == peer_id &&
		    (oldest == NULL || slot->order < oldest->order))
			oldest = slot;
	}
	return oldest;
}

void frames_expire(struct sl_session *s)
{
	uint64_t next = SL_TIME_NEVER;

	for (size_t i = 0; i < HELD_MAX && s->held_count > 0; i++) {
		struct held_frame *slot = &s->held[i];
		if (slot->order == 0)
			continue;
		if (s->env->now_ns - slot->put_ns >= HELD_NS) {
			drop(s, SL_DROP_UNKNOWN_PEER);
			release(s, slot);
		} else if (slot->put_ns + HELD_NS < next) {
			next = slot->put_ns + HELD_NS;
		}
	}
	s->env->ops->timer_set(s->held_timer, next);
}

void frames_clear(struct sl_session *s)
{
	for (size_t i = 0; i < HELD_MAX && s->held_count > 0; i++) {
		if (s->held[i].order != 0) {
			drop(s, SL_DROP_UNKNOWN_PEER);
			release(s, &s->held[i]);
		}
	}
}

void frames_welcome(struct sl_session *s)
{
	struct held_frame *slot;
	while ((slot = oldest_of(s, s->welcome.peer_id)) != NULL) {
		drop(s, SL_DROP_REFLECTED);
		release(s, slot);
	}
}

// Gives out what waited for this peer, in order. What the bridge does with a frame may stop the
// session; then the rest has been dropped already.
void frames_announced(struct sl_session *s, struct sl_session_peer *peer)
{
	const uint16_t id = peer->id;
	struct held_frame *slot;
	while (s->state == SL_SESSION_JOINED && (slot = oldest_of(s, id)) != NULL) {
		// Freed before it is given out: `frame` runs to its end before anything can be put here.
		release(s, slot);
		// Perhaps it came before `welcome`, when neither the budget nor the features were known.
		bool part = slot->overlay.type != SL_OVERLAY_ETHERNET;
		if (sl_overlay_check_budget(slot->overlay.frame_len + (part ? 2 : 0), s->welcome.budget) !=
		    SL_OK)
			drop(s, SL_DROP_DATAGRAM_BUDGET);
		else if (part && !s->welcome.split)
			drop(s, SL_DROP_MALFORMED);
		else
			deliver(s, peer, &slot->overlay);
	}
}

// ---- in

void frames_datagram(struct sl_session *s, const uint8_t *data, size_t len)
{
	// Before `welcome` a part is perhaps one that we agreed to.
	bool split = s->state == SL_SESSION_JOINED ? s->welcome.split : s->config.split;
	struct sl_overlay overlay;
	struct sl_session_peer *peer;

	s->counters.rx_datagrams++;
	if (s->state == SL_SESSION_JOINED && len > s->welcome.budget) {
		drop(s, SL_DROP_DATAGRAM_BUDGET);
		return;
	}
	if (sl_overlay_decode(data, len, split, &overlay) != SL_OK) {
		drop(s, SL_DROP_MALFORMED);
		return;
	}
	switch (s->state) {
	case SL_SESSION_JOINED:
		break;
	case SL_SESSION_CONNECTING:
	case SL_SESSION_JOINING: // a datagram may overtake `welcome`
		hold(s, &overlay);
		return;
	default:
		drop(s, SL_DROP_UNKNOWN_PEER);
		return;
	}
	peer = sl_session_peer_by_id(s, overlay.peer_id);
	if (peer != NULL)
		deliver(s, peer, &overlay);
	else if (overlay.peer_id == s->welcome.peer_id)
		drop(s, SL_DROP_REFLECTED);
	else
		hold(s, &overlay);
}

void frames_dropped(struct sl_session *s, enum sl_drop reason, uint64_t count)
{
	if (reason < SL_DROP_COUNT)
		s->counters.drops[reason] += count;
}

void sl_session_count_rx(struct sl_session *s, struct sl_session_peer *peer, size_t len, enum sl_drop verdict)
{
	if (verdict < SL_DROP_COUNT) {
		drop(s, verdict);
		return;
	}
	s->counters.rx_frames++;
	s->counters.rx_bytes += len;
	if (peer != NULL) {
		peer->rx_frames++;
		peer->rx_bytes += len;
	}
}

void sl_session_count_drop(struct sl_session *s, enum sl_drop reason)
{
	if (reason < SL_DROP_COUNT)
		drop(s, reason);
}

const struct sl_counters *sl_session_counters(const struct sl_session *s)
{
	return &s->counters;
}

// ---- out

static enum sl_drop try_send(struct sl_session *s, const uint8_t *frame, size_t len, uint32_t flow)
{
	uint8_t header[SL_OVERLAY_HEADER];
	int rc;

	if (s->state != SL_SESSION_JOINED || s->conn == NULL || s->closing)
		return SL_DROP_UNKNOWN_PEER;
	// PROTO-3: the agreed budget here, the path's present limit in the connection.
	rc = sl_overlay_check_budget(len, s->welcome.budget);
	if (rc == SL_OK) {
		sl_overlay_encode_header(header, s->welcome.peer_id);
		rc = sl_conn_datagram_send(s->conn, flow, header, sizeof header, frame, len);
		s->counters.tx_datagrams += rc == SL_OK;
	}
	if (rc == SL_ERR_TOO_LARGE && s->welcome.split)
		rc = parts_send(s, frame, len, flow);
	switch (rc) {
	case SL_OK:
		return SL_DROP_NONE;
	case SL_ERR_TOO_LARGE:
		return SL_DROP_DATAGRAM_BUDGET;
	case SL_ERR_CLOSED:
		return SL_DROP_UNKNOWN_PEER;
	default:
		return SL_DROP_EGRESS_FULL;
	}
}

size_t sl_session_unsplit_mtu(const struct sl_session *s)
{
	size_t size;

	if (s->state != SL_SESSION_JOINED || s->conn == NULL)
		return 0;
	size = sl_conn_max_datagram(s->conn);
	if (size > s->welcome.budget)
		size = s->welcome.budget;
	return size > SL_OVERLAY_HEADER + SL_ETH_HEADER ? size - SL_OVERLAY_HEADER - SL_ETH_HEADER : 0;
}

enum sl_drop sl_session_send(struct sl_session *s, const uint8_t *frame, size_t len, uint32_t flow,
			     struct sl_session_peer *destination)
{
	enum sl_drop verdict = try_send(s, frame, len, flow);

	if (verdict != SL_DROP_NONE) {
		drop(s, verdict);
		return verdict;
	}
	s->counters.tx_frames++;
	s->counters.tx_bytes += len;
	if (destination != NULL) {
		destination->tx_frames++;
		destination->tx_bytes += len;
	}
	return SL_DROP_NONE;
}

void sl_session_flush(struct sl_session *s)
{
	if (s->state == SL_SESSION_JOINED)
		sl_quic_flush(s->quic);
}
