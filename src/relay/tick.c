// What is done once a second, and only while there is something to do: loop probes, and notices that had to
// wait. A relay without a room that has a gateway and a client sleeps.
#include "relay/core.h"

#define TICK_NS SL_NS_PER_S

void relay_tick_start(struct sl_relay *relay)
{
	if (relay->ticking)
		return;
	relay->ticking = true;
	relay->env->ops->timer_set(relay->tick, relay->env->now_ns + TICK_NS);
}

void relay_on_tick(void *arg)
{
	struct sl_relay *relay = arg;
	bool more = false;

	relay->ticking = false;
	for (struct relay_room *room = relay->rooms; room; room = room->next) {
		more |= relay_loop_tick(room, relay->env->now_ns);
		for (size_t i = 0; i < room->count; i++)
			more |= relay_notice_tick(room->members[i]);
	}
	if (more)
		relay_tick_start(relay);
	relay_reap(relay);
}
