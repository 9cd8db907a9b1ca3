#include "relay/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/drops.h"
#include "relay/core.h"

#define INTERVAL_NS (10 * SL_NS_PER_S)
// A client that reads slowly hears less, but is never condemned for what it was told here.
#define UNREAD_MAX (16 * 1024)

static bool reads(const struct relay_peer *peer)
{
	return peer->relay->link->stream_pending(peer->conn) <= UNREAD_MAX;
}

// False: not now.
static bool send_notice(struct relay_peer *peer, enum sl_drop reason, const char *message)
{
	struct sl_msg msg = {.type = SL_MSG_NOTICE};
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (peer->condemned || !reads(peer))
		return false;
	msg.notice.reason = reason;
	msg.notice.frames = peer->notices.of[reason].frames;
	msg.notice.isolated = peer->isolation.isolated;
	snprintf(msg.notice.token, sizeof(msg.notice.token), "%s", sl_drop_name(reason));
	snprintf(msg.notice.message, sizeof(msg.notice.message), "%s", message);
	if (sl_msg_encode(&msg, &bytes, &len) != SL_OK)
		return false;
	relay_peer_write(peer, bytes, len);
	free(bytes);
	peer->notices.of[reason].frames = 0;
	peer->notices.of[reason].next_ns = peer->relay->env->now_ns + INTERVAL_NS;
	return true;
}

static bool told_of(enum sl_drop reason)
{
	return sl_drop_is_filter(reason) || sl_drop_is_rate(reason);
}

// Sends it, or leaves it for the tick. False: it waits.
static bool try(struct relay_peer *peer, enum sl_drop reason)
{
	char sentence[SL_DROP_SENTENCE], message[SL_MESSAGE_MAX + 1];
	const char *detail = reason == SL_DROP_ARP_GUARD ? peer->notices.detail : "";
	int len;

	if (peer->relay->env->now_ns < peer->notices.of[reason].next_ns || !reads(peer))
		return false;
	sl_drop_sentence(reason, peer->notices.of[reason].frames, sentence);
	len = snprintf(message, sizeof(message), "%s%s%s%s", sentence, detail[0] ? " (" : "", detail,
		       detail[0] ? ")" : "");
	return send_notice(peer, reason, len > 0 && (size_t)len < sizeof(message) ? message : sentence);
}

void relay_notice_drop(struct relay_peer *peer, enum sl_drop reason, const char *detail)
{
	if (peer->role != SL_ROLE_CLIENT || (!told_of(reason) && reason != SL_DROP_LOOP))
		return;
	peer->notices.of[reason].frames++;
	if (reason == SL_DROP_LOOP) // told when it begins and when it ends
		return;
	if (reason == SL_DROP_ARP_GUARD)
		memcpy(peer->notices.detail, detail, strlen(detail) + 1);
	if (peer->relay->env->now_ns < peer->notices.of[reason].next_ns && peer->notices.waiting)
		return;
	if (!try(peer, reason)) {
		peer->notices.waiting = true;
		relay_tick_start(peer->relay);
	}
}

void relay_notice_isolation(struct relay_peer *peer)
{
	bool isolated = peer->isolation.isolated;

	if (isolated == peer->isolation.told)
		return;
	if (send_notice(peer, SL_DROP_LOOP,
			isolated
				? "this computer bridges softlan0 back into the party's LAN: frames would go "
				  "round for ever, so it is cut off from the room; take softlan0 out of the "
				  "bridge, and it is let in again after 10 s"
				: "the loop is gone: this computer is let into its room again"))
		peer->isolation.told = isolated;
}

bool relay_notice_tick(struct relay_peer *peer)
{
	if (!peer->notices.waiting)
		return false;
	peer->notices.waiting = false;
	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		if (told_of((enum sl_drop)i) && peer->notices.of[i].frames > 0 && !try(peer, (enum sl_drop)i))
			peer->notices.waiting = true;
	return peer->notices.waiting;
}
