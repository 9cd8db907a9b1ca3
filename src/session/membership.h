// An endpoint's place in its room, as its bridge needs it: is it joined, as whom, with which MTU; and the
// bridge's owner, who is told of every change. Gateway and client have it as the first member of their
// bridges, so that the functions below serve as callbacks of the session and of the port with `arg` the
// bridge.
#pragma once

#include "session/session.h"

// What the owner hears of, after the bridge has done its part. Every one may be NULL.
struct sl_observer {
	void (*joined)(void *arg, const struct sl_session_welcome *welcome);
	void (*peers_changed)(void *arg);
	void (*notice)(void *arg, const struct sl_session_notice *notice);
	void (*down)(void *arg, const char *sentence, uint64_t retry_ns);
	void (*ended)(void *arg, const char *sentence);
	void (*failed)(void *arg, const char *why); // the port
	int (*before_connect)(void *arg, const struct sl_addr *relay, struct sl_error *error);
	void *arg;
};

struct sl_membership {
	bool joined;
	uint16_t peer_id; // ours
	uint64_t room_id;
	size_t mtu; // 0: not agreed yet
	char room[SL_ROOM_MAX + 1];
	struct sl_observer observer;
};

// `observer` is copied; NULL: nobody listens.
void sl_membership_init(struct sl_membership *membership, const char *room,
			const struct sl_observer *observer);

// For struct sl_session_ops: take note, then tell the owner.
void sl_membership_joined(void *membership, const struct sl_session_welcome *welcome);
void sl_membership_peer_joined(void *membership, const struct sl_session_peer *peer);
void sl_membership_peer_left(void *membership, const struct sl_session_peer *peer, const char *reason);
void sl_membership_notice(void *membership, const struct sl_session_notice *notice);
void sl_membership_down(void *membership, const char *sentence, uint64_t retry_ns);
void sl_membership_ended(void *membership, const char *sentence);
// For struct sl_session_config: its `arg` is that of the session's ops. SL_OK when nobody is to be asked.
int sl_membership_before_connect(void *membership, const struct sl_addr *relay, struct sl_error *error);
// For the port's handler.
void sl_membership_port_failed(void *membership, const char *why);
