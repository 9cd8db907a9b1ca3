// The parts of frames that wait for their other half, of all peers.
#include "relay/core.h"

static struct relay_peer *peer_of(struct sl_split_source *source)
{
	return (struct relay_peer *)(void *)((uint8_t *)source - offsetof(struct relay_peer, parts));
}

static void on_lost(void *arg, struct sl_split_source *source)
{
	(void)arg;
	relay_peer_count_drop(peer_of(source), SL_DROP_SPLIT_TIMEOUT, 1);
}

// Mostly the other half follows at once, so the timer is not moved with each part: it comes for the part that
// waited first since it came last, and goes on as long as any waits.
static void on_timer(void *arg)
{
	struct sl_relay *relay = arg;
	uint64_t next_ns = sl_split_expire(&relay->parts, relay->env->now_ns);

	relay->parts_timed = next_ns != SL_TIME_NEVER;
	relay->env->ops->timer_set(relay->parts_timer, next_ns);
}

int relay_parts_init(struct sl_relay *relay)
{
	sl_split_init(&relay->parts, on_lost, relay);
	relay->parts_timer = relay->env->ops->timer_new(relay->env, on_timer, relay);
	return relay->parts_timer ? SL_OK : SL_ERR_NOMEM;
}

void relay_parts_fini(struct sl_relay *relay)
{
	sl_split_fini(&relay->parts);
	relay->env->ops->timer_free(relay->parts_timer);
}

int relay_parts_join(struct relay_peer *ingress, struct sl_overlay *part, enum sl_drop *drop)
{
	struct sl_relay *relay = ingress->relay;
	int rc = sl_split_join(&relay->parts, &ingress->parts, part, relay->env->now_ns);

	*drop = SL_DROP_NONE;
	if (rc == SL_OK) {
		ingress->counters.split_rx++;
	} else if (rc != SL_ERR_AGAIN) {
		*drop = rc == SL_ERR_TOO_LARGE ? SL_DROP_MALFORMED : SL_DROP_SPLIT_TIMEOUT;
	} else if (!relay->parts_timed) {
		relay->parts_timed = true;
		relay->env->ops->timer_set(relay->parts_timer, relay->env->now_ns + SL_SPLIT_AGE_NS);
	}
	return rc;
}

void relay_parts_forget(struct relay_peer *peer)
{
	sl_split_forget(&peer->relay->parts, &peer->parts);
}
