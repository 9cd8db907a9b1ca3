#include "session/membership.h"

#include <stdio.h>
#include <string.h>

void sl_membership_init(struct sl_membership *membership, const char *room,
			const struct sl_observer *observer)
{
	memset(membership, 0, sizeof(*membership));
	snprintf(membership->room, sizeof(membership->room), "%s", room);
	if (observer != NULL)
		membership->observer = *observer;
}

void sl_membership_joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct sl_membership *membership = arg;

	membership->joined = true;
	membership->peer_id = welcome->peer_id;
	membership->room_id = welcome->room_id;
	membership->mtu = welcome->mtu;
	if (membership->observer.joined != NULL)
		membership->observer.joined(membership->observer.arg, welcome);
}

static void peers_changed(struct sl_membership *membership)
{
	if (membership->observer.peers_changed != NULL)
		membership->observer.peers_changed(membership->observer.arg);
}

void sl_membership_peer_joined(void *arg, const struct sl_session_peer *peer)
{
	(void)peer;
	peers_changed(arg);
}

void sl_membership_peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	(void)peer;
	(void)reason;
	peers_changed(arg);
}

void sl_membership_notice(void *arg, const struct sl_session_notice *notice)
{
	struct sl_membership *membership = arg;

	if (membership->observer.notice != NULL)
		membership->observer.notice(membership->observer.arg, notice);
}

void sl_membership_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_membership *membership = arg;

	membership->joined = false;
	if (membership->observer.down != NULL)
		membership->observer.down(membership->observer.arg, sentence, retry_ns);
}

void sl_membership_ended(void *arg, const char *sentence)
{
	struct sl_membership *membership = arg;

	membership->joined = false;
	if (membership->observer.ended != NULL)
		membership->observer.ended(membership->observer.arg, sentence);
}

int sl_membership_before_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	struct sl_membership *membership = arg;

	if (membership->observer.before_connect == NULL)
		return SL_OK;
	return membership->observer.before_connect(membership->observer.arg, relay, error);
}

void sl_membership_port_failed(void *arg, const char *why)
{
	struct sl_membership *membership = arg;

	if (membership->observer.failed != NULL)
		membership->observer.failed(membership->observer.arg, why);
}
