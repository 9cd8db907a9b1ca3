// Frames in two parts (the feature `split`), in and out.
#include "session/session.h"

#include "session/session_internal.h"

static void on_lost(void *arg, struct sl_split_source *source)
{
	struct sl_session *s = arg;

	(void)source;
	s->counters.drops[SL_DROP_SPLIT_TIMEOUT]++;
}

// Mostly the other half follows at once, so the timer is not moved with each part: it comes for the part that
// waited first since it came last, and goes on as long as any waits.
static void on_timer(void *arg)
{
	struct sl_session *s = arg;
	uint64_t next_ns = sl_split_expire(&s->parts, s->env->now_ns);

	s->parts_timed = next_ns != SL_TIME_NEVER;
	s->env->ops->timer_set(s->parts_timer, next_ns);
}

int parts_init(struct sl_session *s)
{
	sl_split_init(&s->parts, on_lost, s);
	s->parts_timer = s->env->ops->timer_new(s->env, on_timer, s);
	return s->parts_timer != NULL ? SL_OK : SL_ERR_NOMEM;
}

void parts_fini(struct sl_session *s)
{
	sl_split_fini(&s->parts);
	s->env->ops->timer_free(s->parts_timer);
}

bool parts_join(struct sl_session *s, struct sl_session_peer *peer, struct sl_overlay *part)
{
	switch (sl_split_join(&s->parts, &peer->parts, part, s->env->now_ns)) {
	case SL_OK:
		s->counters.split_rx++;
		return true;
	case SL_ERR_AGAIN:
		if (!s->parts_timed) {
			s->parts_timed = true;
			s->env->ops->timer_set(s->parts_timer, s->env->now_ns + SL_SPLIT_AGE_NS);
		}
		return false;
	case SL_ERR_TOO_LARGE:
		s->counters.drops[SL_DROP_MALFORMED]++;
		return false;
	default:
		s->counters.drops[SL_DROP_SPLIT_TIMEOUT]++;
		return false;
	}
}

void parts_forget(struct sl_session *s, struct sl_session_peer *peer)
{
	sl_split_forget(&s->parts, &peer->parts);
}

// ---- out

static int send_part(struct sl_session *s, enum sl_overlay_type type, const uint8_t *part, size_t len,
		     uint32_t flow)
{
	uint8_t header[SL_OVERLAY_PART_HEADER];
	int rc;

	sl_overlay_encode_part(header, type, s->welcome.peer_id, s->frame_id);
	rc = type == SL_OVERLAY_FIRST
		     ? sl_conn_datagram_send(s->conn, flow, header, sizeof header, part, len)
		     : sl_conn_datagram_rest(s->conn, flow, header, sizeof header, part, len);
	s->counters.tx_datagrams += rc == SL_OK;
	return rc;
}

// Both parts are queued, or neither: half of a frame is of no use to anybody.
int parts_send(struct sl_session *s, const uint8_t *frame, size_t len, uint32_t flow)
{
	size_t path = sl_conn_max_datagram(s->conn);
	size_t first = sl_split_first(len, path < s->welcome.budget ? path : s->welcome.budget);
	int rc;

	if (first == 0)
		return SL_ERR_TOO_LARGE;
	if (!sl_conn_datagram_room(s->conn, flow))
		return SL_ERR_AGAIN;
	s->frame_id++;
	rc = send_part(s, SL_OVERLAY_FIRST, frame, first, flow);
	if (rc == SL_OK)
		rc = send_part(s, SL_OVERLAY_REST, frame + first, len - first, flow);
	s->counters.split_tx += rc == SL_OK;
	return rc;
}
