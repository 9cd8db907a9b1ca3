// Admission: hello in, welcome or reject out (RELAY-1, RELAY-2, RELAY-3, RELAY-8).
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/events.h"
#include "proto/mtu.h"
#include "relay/core.h"

// How long a newcomer waits for the path MTU towards it. Its own search is over by now, so this
// one is about to end too. Longer than endpoints wait for an answer: `mtu_too_small` ends them for good,
// so it must not be said of a search that loss has drawn out; then they come again.
#define SETTLE_MAX_NS (6 * SL_NS_PER_S)
#define SETTLE_STEP_NS (10 * SL_NS_PER_MS)

void relay_reject(struct relay_peer *peer, enum sl_reject reason, const char *format, ...)
{
	struct sl_relay *relay = peer->relay;
	struct sl_msg msg = {.type = SL_MSG_REJECT, .reject.reason = reason};
	const char *token = sl_reject_token(reason);
	struct sl_conn_info info;
	char address[SL_ADDR_TEXT];
	uint64_t held_back;
	va_list args;

	va_start(args, format);
	vsnprintf(msg.reject.message, sizeof(msg.reject.message), format, args);
	va_end(args);
	snprintf(msg.reject.token, sizeof(msg.reject.token), "%s", token);

	relay->rejects[reason]++;
	relay->link->info(peer->conn, &info);
	sl_addr_format(&info.remote, address);
	if (sl_log_every(&relay->reject_log[reason], relay->env->now_ns, &held_back))
		sl_log_write_about(relay->env->log, SL_LOG_INFO, "relay",
				   &(struct sl_log_about){
					   .room = peer->hello ? peer->hello->hello.room : NULL,
					   .mac = peer->hello && peer->hello->hello.has_mac
							  ? &peer->hello->hello.mac
							  : NULL,
					   .reason = token,
				   },
				   "peer refused, address %s: %s (%s), %llu more not logged", address,
				   msg.reject.message, token, (unsigned long long)held_back);
	sl_event(relay->env, "rejected", "{s:s*, s:s, s:s}", "room",
		 peer->hello ? peer->hello->hello.room : NULL, "reason", token, "address", address);
	relay_peer_end(peer, &msg, SL_CLOSE_REJECTED, token);
}

// Takes the same time wherever the first difference is.
static bool same_secret(const char *a, const char *b)
{
	char x[SL_SECRET_MAX + 1] = "", y[SL_SECRET_MAX + 1] = "";
	unsigned char difference = 0;

	memcpy(x, a, strnlen(a, SL_SECRET_MAX));
	memcpy(y, b, strnlen(b, SL_SECRET_MAX));
	for (size_t i = 0; i < sizeof(x); i++)
		difference |= (unsigned char)(x[i] ^ y[i]);
	explicit_bzero(x, sizeof(x));
	explicit_bzero(y, sizeof(y));
	return difference == 0;
}

static bool may_enter(struct relay_peer *peer)
{
	struct sl_relay *relay = peer->relay;
	const struct sl_msg *hello = peer->hello;
	const struct relay_room_entry *entry = relay_room_list_find(&relay->listed, hello->hello.room);
	uint64_t held_back;

	if (!entry && relay->listed.count > 0) {
		relay_reject(peer, SL_REJECT_INVALID_ROOM,
			     "no such room on this relay: check the room code, or ask the relay's operator");
		return false;
	}
	if (entry && entry->secret[0]) {
		if (hello->hello.has_secret && same_secret(entry->secret, hello->hello.secret))
			return true;
		relay_reject(peer, SL_REJECT_UNAUTHORIZED, "%s",
			     hello->hello.has_secret ? "wrong secret for this room"
						     : "this room needs a secret: set `secret`");
		return false;
	}
	if (hello->hello.has_secret && sl_log_every(&relay->secret_log, relay->env->now_ns, &held_back))
		sl_log_write_about(
			relay->env->log, SL_LOG_WARNING, "relay",
			&(struct sl_log_about){.room = hello->hello.room},
			"a secret was given for room %s, which has none: ignored, %llu more not logged",
			hello->hello.room, (unsigned long long)held_back);
	return true;
}

void relay_admit(struct relay_peer *peer, struct sl_msg *hello)
{
	struct sl_relay *relay = peer->relay;

	peer->hello = hello;
	peer->state = RELAY_PEER_SETTLING;
	peer->settle_by_ns = relay->env->now_ns + SETTLE_MAX_NS;
	relay->env->ops->timer_set(peer->timer, SL_TIME_NEVER);

	if (hello->hello.protocol != SL_CTRL_PROTOCOL)
		relay_reject(
			peer, SL_REJECT_PROTOCOL_VERSION,
			"this relay speaks protocol version %d, not %lld: use the same release at both ends",
			SL_CTRL_PROTOCOL, (long long)hello->hello.protocol);
	else if (may_enter(peer))
		relay_admit_again(peer);
}

static bool silent(const struct relay_peer *peer)
{
	struct sl_relay *relay = peer->relay;
	struct sl_conn_info info;

	relay->link->info(peer->conn, &info);
	return info.last_rx_ns < relay->env->now_ns &&
	       relay->env->now_ns - info.last_rx_ns > relay->silent_ns;
}

// Is the place free, or can it be taken from a peer that has fallen silent?
static bool take_place(struct relay_peer *peer)
{
	const struct sl_msg *hello = peer->hello;
	struct relay_room *room = relay_find_room(peer->relay, hello->hello.room);
	struct relay_peer *occupant = NULL;

	if (room)
		occupant = relay_room_occupant(room, hello->hello.role, &hello->hello.mac);
	if (!occupant)
		return true;
	if (silent(occupant)) {
		relay_leave(occupant, "replaced");
		relay_peer_close(occupant, SL_CLOSE_TIMED_OUT, "replaced after silence");
		return true;
	}
	if (hello->hello.role == SL_ROLE_GATEWAY)
		relay_reject(peer, SL_REJECT_GATEWAY_EXISTS,
			     "this room has a gateway already: stop the other one, "
			     "or use another room code");
	else
		relay_reject(peer, SL_REJECT_DUPLICATE_MAC,
			     "this room has a client with the same MAC already: if it is another machine, "
			     "remove its copied identity file");
	return false;
}

// The room to join, opened if need be. NULL: the peer was refused.
static struct relay_room *room_for(struct relay_peer *peer)
{
	struct sl_relay *relay = peer->relay;
	struct relay_room *room = relay_find_room(relay, peer->hello->hello.room);

	if (relay->joined >= relay->max_peers) {
		relay_reject(peer, SL_REJECT_RELAY_FULL, "this relay has its limit of %zu peers",
			     relay->max_peers);
		return NULL;
	}
	if (room) {
		if (room->count < relay->max_peers_per_room)
			return room;
		relay_reject(peer, SL_REJECT_ROOM_FULL, "this room has its limit of %zu peers",
			     relay->max_peers_per_room);
		return NULL;
	}
	if (relay->room_count >= relay->max_rooms) {
		relay_reject(peer, SL_REJECT_RELAY_FULL, "this relay has its limit of %zu rooms",
			     relay->max_rooms);
		return NULL;
	}
	room = relay_room_new(peer->hello->hello.room, relay->last_room_id + 1, relay->hash_key);
	if (!room) {
		relay_reject(peer, SL_REJECT_RELAY_FULL, "the relay is out of memory");
		return NULL;
	}
	relay->last_room_id++;
	room->next = relay->rooms;
	relay->rooms = room;
	relay->room_count++;
	relay_room_rules(relay, room);
	return room;
}

static struct sl_msg joined_message(const struct relay_peer *peer)
{
	return (struct sl_msg){
		.type = SL_MSG_PEER_JOINED,
		.peer_joined = {.peer_id = peer->id, .role = peer->role, .mac = peer->station.mac},
	};
}

static int append(uint8_t **bytes, size_t *len, const struct sl_msg *msg)
{
	uint8_t *one = NULL, *all;
	size_t one_len = 0;
	int rc = sl_msg_encode(msg, &one, &one_len);

	if (rc != SL_OK)
		return rc;
	all = realloc(*bytes, *len + one_len);
	if (all) {
		memcpy(all + *len, one, one_len);
		*bytes = all;
		*len += one_len;
	} else {
		rc = SL_ERR_NOMEM;
	}
	free(one);
	return rc;
}

// The newcomer's first write: welcome, then each peer already present.
static int greeting(const struct relay_peer *peer, uint8_t **bytes, size_t *len)
{
	const struct relay_room *room = peer->room;
	struct sl_msg msg = {
		.type = SL_MSG_WELCOME,
		.welcome =
			{
				.protocol = SL_CTRL_PROTOCOL,
				.peer_id = peer->id,
				.room_id = room->id,
				.effective_tap_mtu = peer->mtu,
				.max_datagram_size = peer->budget,
				.gateway = room->gateway && room->gateway != peer ? room->gateway->id : 0,
				.features = peer->split ? SL_FEATURE_SPLIT : 0,
			},
	};
	int rc = append(bytes, len, &msg);

	for (size_t i = 0; i < room->count && rc == SL_OK; i++) {
		if (room->members[i] == peer)
			continue;
		msg = joined_message(room->members[i]);
		rc = append(bytes, len, &msg);
	}
	return rc;
}

static void tell_joined(const struct relay_peer *peer)
{
	struct sl_log_about about;
	struct sl_conn_info info;
	char address[SL_ADDR_TEXT], mac[SL_MAC_TEXT];

	const char *shown = peer->role == SL_ROLE_GATEWAY ? NULL : sl_mac_format(&peer->station.mac, mac);

	peer->relay->link->info(peer->conn, &info);
	about = relay_about(peer, NULL);
	sl_log_write_about(
		peer->relay->env->log, SL_LOG_INFO, "relay", &about,
		"peer joined, room %s peer %u role %s mac %s address %s mtu %zu budget %zu agent \"%s\"",
		peer->room->code, peer->id, sl_role_name(peer->role), shown ? shown : "-",
		sl_addr_format(&info.remote, address), peer->mtu, peer->budget, peer->agent);
	sl_event(peer->relay->env, "peer_joined", "{s:s, s:i, s:s, s:s*}", "room", peer->room->code, "peer",
		 (int)peer->id, "role", sl_role_name(peer->role), "mac", shown);
}

static void join(struct relay_peer *peer, size_t budget, bool split)
{
	struct sl_relay *relay = peer->relay;
	struct relay_room *room;
	struct sl_msg joined;
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (!take_place(peer))
		return;
	room = room_for(peer);
	if (!room)
		return;
	peer->role = peer->hello->hello.role;
	if (peer->role == SL_ROLE_CLIENT)
		peer->station.mac = peer->hello->hello.mac;
	memcpy(peer->agent, peer->hello->hello.agent, sizeof(peer->agent));
	peer->budget = budget;
	peer->split = split;
	peer->mtu = split ? SL_MTU_MAX : relay->mtu;
	peer->joined_ns = relay->env->now_ns;
	peer->id = relay_ids_take(&relay->ids, relay->env->now_ns);
	if (peer->id == 0 || relay_room_add(room, peer) != SL_OK || greeting(peer, &bytes, &len) != SL_OK) {
		if (peer->room)
			relay_room_remove(room, peer);
		relay_ids_give(&relay->ids, peer->id, relay->env->now_ns);
		peer->id = 0;
		relay_drop_room_if_empty(relay, room);
		relay_reject(peer, SL_REJECT_RELAY_FULL, "the relay has no peer id or no memory left");
		goto out;
	}

	relay->joined++;
	relay->joins++;
	peer->state = RELAY_PEER_JOINED;
	tell_joined(peer);
	// RELAY-8: those present know a client before its first frame can come, and a gateway knows all
	// clients before any of them can send to it.
	joined = joined_message(peer);
	if (peer->role == SL_ROLE_GATEWAY) {
		relay_peer_write(peer, bytes, len);
		relay_announce(room, peer, &joined);
	} else {
		relay_announce(room, peer, &joined);
		relay_peer_write(peer, bytes, len);
	}
	relay_peer_forget_hello(peer);
	relay_loop_joined(peer);
	relay_changed(relay);
out:
	free(bytes);
}

void relay_admit_again(struct relay_peer *peer)
{
	struct sl_relay *relay = peer->relay;
	size_t path = relay->link->max_datagram(peer->conn);
	uint64_t named = peer->hello->hello.max_datagram_size;
	size_t wanted = named < relay->max_size ? (size_t)named : relay->max_size;
	size_t limit = relay->link->datagram_limit(peer->conn);
	size_t budget = wanted < path ? wanted : path;

	if (path == 0) {
		relay_reject(peer, SL_REJECT_NO_DATAGRAMS,
			     "QUIC datagrams (RFC 9221) are needed, and this connection has none");
		return;
	}
	// With `split` the path need not carry the budget: what it does not carry whole goes in two parts.
	if (relay->split && (peer->hello->hello.features & SL_FEATURE_SPLIT) != 0 &&
	    wanted >= SL_SPLIT_BUDGET_MIN && limit >= SL_SPLIT_BUDGET_MIN) {
		join(peer, wanted < limit ? wanted : limit, true);
		return;
	}
	if (wanted < relay->needed_budget) {
		relay_reject(
			peer, SL_REJECT_MTU_TOO_SMALL,
			"this relay needs datagrams of %zu bytes, and this endpoint offers %zu: raise its "
			"datagram.max_size or its path's MTU, or lower datagram.max_size at the relay",
			relay->needed_budget, wanted);
		return;
	}
	if (path < wanted && !relay->link->pmtu_settled(peer->conn) &&
	    relay->env->now_ns < peer->settle_by_ns) {
		relay->env->ops->timer_set(peer->timer, relay->env->now_ns + SETTLE_STEP_NS);
		return;
	}
	if (budget < relay->needed_budget) {
		relay_reject(
			peer, SL_REJECT_MTU_TOO_SMALL,
			"this relay needs datagrams of %zu bytes, and the path from it carries %zu: raise "
			"the path's MTU, or lower datagram.max_size at the relay",
			relay->needed_budget, budget);
		return;
	}
	join(peer, budget, false);
}
