// A peer is thrown out by an operator.
#include <stdio.h>

#include "obs/events.h"
#include "relay/core.h"

static struct relay_peer *joined_peer(const struct sl_relay *relay, uint16_t id)
{
	struct relay_peer *peer = relay->peers;

	while (peer && (peer->state != RELAY_PEER_JOINED || peer->id != id))
		peer = peer->next;
	return peer;
}

int sl_relay_kick(struct sl_relay *relay, uint16_t id, const char *reason, char room[static SL_ROOM_MAX + 1])
{
	struct relay_peer *peer = joined_peer(relay, id);
	char clean[SL_REASON_MAX + 1], address[SL_ADDR_TEXT];
	struct sl_log_about about;
	struct sl_conn_info info;

	if (!peer)
		return SL_ERR_NOT_FOUND;
	sl_reason_clean(reason && reason[0] ? reason : "kicked", clean);
	snprintf(room, SL_ROOM_MAX + 1, "%s", peer->room->code);
	relay->link->info(peer->conn, &info);
	about = relay_about(peer, clean);
	sl_log_write_about(relay->env->log, SL_LOG_INFO, "relay", &about,
			   "peer kicked by an operator, room %s peer %u address %s (%s)", room, id,
			   sl_addr_format(&info.remote, address), clean);
	sl_event(relay->env, "kicked", "{s:s, s:i, s:s}", "room", room, "peer", (int)id, "reason", clean);
	relay_peer_condemn(peer, SL_CLOSE_KICKED, clean, RELAY_FAREWELL_DISCONNECT, "kicked: %s", clean);
	relay_reap(relay);
	return SL_OK;
}
