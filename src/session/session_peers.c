// The peers of the room, as the relay announces them.
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "obs/events.h"
#include "session/session_internal.h"

struct sl_session_peer *sl_session_peer_by_id(struct sl_session *s, uint16_t id)
{
	const struct peer_block *block = s->blocks[id >> 8];
	return block != NULL ? block->peers[id & 0xff] : NULL;
}

struct sl_session_peer *sl_session_peer_by_mac(struct sl_session *s, const struct sl_mac *mac)
{
	return sl_map_get(&s->by_mac, mac->b, SL_MAC_LEN);
}

const struct sl_session_peer *sl_session_peer_next(const struct sl_session *s, unsigned *cursor)
{
	for (unsigned id = *cursor; id <= UINT16_MAX; id++) {
		const struct peer_block *block = s->blocks[id >> 8];
		if (block == NULL) {
			id |= 0xff;
			continue;
		}
		if (block->peers[id & 0xff] != NULL) {
			*cursor = id + 1;
			return block->peers[id & 0xff];
		}
	}
	*cursor = UINT16_MAX + 1;
	return NULL;
}

// "client mac 02:…" or "gateway": the identity as logs remember it (CORE-5).
#define IDENTITY_TEXT 40
static const char *identity(const struct sl_session_peer *peer, char out[static IDENTITY_TEXT])
{
	char mac[SL_MAC_TEXT];
	if (peer->role == SL_ROLE_GATEWAY)
		snprintf(out, IDENTITY_TEXT, "role gateway");
	else
		snprintf(out, IDENTITY_TEXT, "role client mac %s", sl_mac_format(&peer->mac, mac));
	return out;
}

static void event_joined(struct sl_session *s, const struct sl_session_peer *peer)
{
	char mac[SL_MAC_TEXT];

	sl_event(s->env, "peer_joined", "{s:s, s:i, s:s, s:s*}", "room", s->config.room, "peer",
		 (int)peer->id, "role", sl_role_name(peer->role), "mac",
		 peer->role == SL_ROLE_CLIENT ? sl_mac_format(&peer->mac, mac) : NULL);
}

static int peer_add(struct sl_session *s, struct sl_session_peer *peer, struct sl_error *error)
{
	struct peer_block **block = &s->blocks[peer->id >> 8];

	if (*block == NULL)
		*block = calloc(1, sizeof **block);
	if (*block == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory for a peer");
	if (peer->role == SL_ROLE_CLIENT) {
		int result = sl_map_put(&s->by_mac, peer->mac.b, SL_MAC_LEN, peer);
		if (result != SL_OK)
			return sl_fail(error, result, "out of memory for a peer");
	}
	(*block)->peers[peer->id & 0xff] = peer;
	s->peer_count++;
	if (peer->role == SL_ROLE_GATEWAY)
		s->welcome.gateway = peer->id;
	return SL_OK;
}

static void peer_remove(struct sl_session *s, struct sl_session_peer *peer)
{
	parts_forget(s, peer);
	s->blocks[peer->id >> 8]->peers[peer->id & 0xff] = NULL;
	if (peer->role == SL_ROLE_CLIENT)
		sl_map_remove(&s->by_mac, peer->mac.b, SL_MAC_LEN);
	if (s->welcome.gateway == peer->id)
		s->welcome.gateway = 0;
	s->peer_count--;
}

static struct sl_log_about about_peer(const struct sl_session *s, const struct sl_session_peer *peer,
				      const char *reason)
{
	return (struct sl_log_about){
		.room = s->config.room,
		.peer = peer->id,
		.mac = peer->role == SL_ROLE_CLIENT ? &peer->mac : NULL,
		.reason = reason,
	};
}

int peers_join(struct sl_session *s, const struct sl_msg *msg, struct sl_error *error)
{
	const uint16_t id = msg->peer_joined.peer_id;
	const bool client = msg->peer_joined.role == SL_ROLE_CLIENT;
	char text[IDENTITY_TEXT];
	struct sl_log_about about;

	if (id == s->welcome.peer_id)
		return sl_fail(error, SL_ERR_PROTO, "it announced ourselves (peer %u)", id);
	if (sl_session_peer_by_id(s, id) != NULL)
		return sl_fail(error, SL_ERR_PROTO, "it announced peer %u twice", id);
	if (client && s->config.role == SL_ROLE_CLIENT && sl_mac_equal(&msg->peer_joined.mac, &s->config.mac))
		return sl_fail(error, SL_ERR_PROTO, "it announced our own MAC as that of peer %u", id);
	if (s->peer_count >= SESSION_PEERS_MAX)
		return sl_fail(error, SL_ERR_PROTO, "it announced more than %d peers", SESSION_PEERS_MAX);
	// A client that takes its place back: its old id is gone, whether that was said or is still to come.
	if (client) {
		const struct sl_session_peer *old = sl_session_peer_by_mac(s, &msg->peer_joined.mac);
		if (old != NULL)
			peers_leave(s, old->id, "replaced");
		if (s->state != SL_SESSION_JOINED) // stopped by the bridge
			return SL_OK;
	}
	struct sl_session_peer *peer = calloc(1, sizeof *peer);
	if (peer == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory for a peer");
	peer->id = id;
	peer->role = msg->peer_joined.role;
	peer->joined_ns = s->env->now_ns;
	if (client)
		peer->mac = msg->peer_joined.mac;
	int result = peer_add(s, peer, error);
	if (result != SL_OK) {
		free(peer);
		return result;
	}
	about = about_peer(s, peer, NULL);
	sl_log_write_about(s->env->log, SL_LOG_INFO, s->config.scope, &about, "peer %u joined, %s", id,
			   identity(peer, text));
	event_joined(s, peer);
	s->ops.peer_joined(s->ops.arg, peer);
	frames_announced(s, peer);
	return SL_OK;
}

void peers_leave(struct sl_session *s, uint16_t id, const char *reason)
{
	struct sl_session_peer *peer = sl_session_peer_by_id(s, id);
	char text[IDENTITY_TEXT];
	struct sl_log_about about;

	if (peer == NULL) {
		sl_debug(s->env->log, s->config.scope, "peer %u left, but was not known (%s)", id, reason);
		return;
	}
	// Out of the tables first, so that nothing the bridge does now finds it.
	peer_remove(s, peer);
	about = about_peer(s, peer, reason);
	sl_log_write_about(s->env->log, SL_LOG_INFO, s->config.scope, &about, "peer %u left, %s (%s)", id,
			   identity(peer, text), reason);
	sl_event(s->env, "peer_left", "{s:s, s:i, s:s}", "room", s->config.room, "peer", (int)id, "reason",
		 reason);
	s->ops.peer_left(s->ops.arg, peer, reason);
	free(peer);
}

void peers_all_leave(struct sl_session *s, const char *reason)
{
	const struct sl_session_peer *peer;
	unsigned cursor = 0;
	// What the bridge does about one may stop the session: then it is told of no more.
	while (!s->stopping && (peer = sl_session_peer_next(s, &cursor)) != NULL)
		peers_leave(s, peer->id, reason);
}

void peers_clear(struct sl_session *s)
{
	const struct sl_session_peer *at;
	unsigned cursor = 0;
	while ((at = sl_session_peer_next(s, &cursor)) != NULL) {
		struct sl_session_peer *peer = sl_session_peer_by_id(s, at->id);
		peer_remove(s, peer);
		free(peer);
	}
	for (size_t i = 0; i < sizeof s->blocks / sizeof s->blocks[0]; i++) {
		free(s->blocks[i]);
		s->blocks[i] = NULL;
	}
}
