// The wire of the party's LAN: what one puts on it, all others see, a moment later.
#include "tests/sim/party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/probe.h"

#define WIRE_NS (100 * SL_NS_PER_US)

static bool attached(const struct party_member *m)
{
	return m->bridged || party_is_gateway(m->party, m->number);
}

static void deliver(void *arg)
{
	struct party_lan *lan = arg;
	struct party *party = lan->party;
	size_t count = lan->count;
	struct party_wire_frame *frames = malloc(count * sizeof(*frames));

	// What the receivers put on the wire now comes with the next turn.
	assert_non_null(frames);
	memcpy(frames, lan->queue, count * sizeof(*frames));
	lan->count = 0;
	for (size_t n = 0; n < count; n++)
		for (unsigned i = 0; i <= party->options.clients; i++) {
			struct party_member *m = &party->member[i];

			if (i == frames[n].from || !attached(m))
				continue;
			m->handler.receive(m->handler.arg, frames[n].bytes, frames[n].len);
			m->handler.batch_end(m->handler.arg);
		}
	free(frames);
}

void party_lan_make(struct party *party)
{
	party->lan = calloc(1, sizeof(*party->lan));
	assert_non_null(party->lan);
	party->lan->party = party;
	party->lan->timer = party->relay_env->ops->timer_new(party->relay_env, deliver, party->lan);
}

void party_lan_free(struct party *party)
{
	if (!party->lan)
		return;
	party->relay_env->ops->timer_free(party->lan->timer);
	free(party->lan);
	party->lan = NULL;
}

void party_lan_put(struct party *party, unsigned from, const uint8_t *frame, size_t len)
{
	struct party_lan *lan = party->lan;
	struct party_wire_frame *slot = &lan->queue[lan->count];
	struct sl_probe probe;
	struct sl_eth eth;

	if (lan->count == PARTY_WIRE)
		fail_msg("the LAN has melted");
	assert_true(len <= sizeof(slot->bytes));
	lan->frames++;
	assert_int_equal(sl_eth_parse(frame, len, &eth), SL_OK);
	if (sl_probe_parse(&eth, &probe))
		lan->probes++;
	else if (memcmp(frame + 14, "party frame", 11) == 0)
		lan->surplus += lan->seen[frame[25]][(frame[26] << 8 | frame[27]) % PARTY_NUMBERS]++ > 0;
	slot->from = from;
	slot->len = len;
	memcpy(slot->bytes, frame, len);
	if (lan->count++ == 0)
		party->relay_env->ops->timer_set(lan->timer, sim_now(party->sim) + WIRE_NS);
}
