#include "relay/loop.h"

#include "obs/events.h"
#include "proto/overlay.h"
#include "proto/probe.h"
#include "relay/core.h"
#include "relay/forward.h"
#include "relay/notice.h"

static bool on(const struct relay_room *room)
{
	return !(room->relaxed & SL_POLICY_BIT(SL_DROP_LOOP));
}

// A serial number is the time at which the probe left, counted from a start that nobody else knows.
static uint64_t serial_now(const struct sl_relay *relay)
{
	return relay->env->now_ns - relay->started_ns;
}

// To an isolated client, too. It goes out as the gateway's frames do, but it is none of the LAN's: the
// counters of frames, which are the same at both ends, leave it out. A client whose queue is full misses one.
static void send_probe(struct relay_peer *target)
{
	struct relay_room *room = target->room;
	struct sl_relay *relay = target->relay;
	uint8_t header[SL_OVERLAY_HEADER], frame[SL_PROBE_LEN];

	if (target->role != SL_ROLE_CLIENT || target->condemned || !room->gateway || !on(room))
		return;
	sl_overlay_encode_header(header, room->gateway->id);
	sl_probe_build(frame, relay->probe_key, room->id, target->id, serial_now(relay));
	if (relay->link->datagram_send(target->conn, 0, header, sizeof(header), frame, sizeof(frame)) ==
	    SL_OK)
		target->counters.tx_datagrams++;
}

static void describe(const struct relay_peer *peer, char address[static SL_ADDR_TEXT],
		     char mac[static SL_MAC_TEXT])
{
	struct sl_conn_info info;

	peer->relay->link->info(peer->conn, &info);
	sl_addr_format(&info.remote, address);
	sl_mac_format(&peer->station.mac, mac);
}

static void isolate(struct relay_peer *peer)
{
	struct sl_env *env = peer->relay->env;
	char address[SL_ADDR_TEXT], mac[SL_MAC_TEXT];
	struct sl_log_about about;

	peer->isolation.seen_ns = env->now_ns;
	if (peer->isolation.isolated)
		return;
	peer->isolation.isolated = true;
	describe(peer, address, mac);
	about = relay_about(peer, "loop");
	sl_log_write_about(
		env->log, SL_LOG_WARNING, "relay", &about,
		"client isolated, room %s peer %u mac %s address %s agent \"%s\": its machine bridges the "
		"room back into the LAN (loop)",
		peer->room->code, peer->id, mac, address, peer->agent);
	sl_event(env, "loop", "{s:s, s:i, s:s}", "room", peer->room->code, "peer", (int)peer->id, "mac", mac);
	relay_notice_isolation(peer);
}

static void clear(struct relay_peer *peer)
{
	struct sl_env *env = peer->relay->env;
	char address[SL_ADDR_TEXT], mac[SL_MAC_TEXT];
	struct sl_log_about about;

	peer->isolation.isolated = false;
	describe(peer, address, mac);
	about = relay_about(peer, "loop");
	sl_log_write_about(env->log, SL_LOG_INFO, "relay", &about,
			   "client no longer isolated, room %s peer %u mac %s address %s: %s (loop)",
			   peer->room->code, peer->id, mac, address,
			   on(peer->room) ? "no probe has come back for 10 s" : "the rule is switched off");
	sl_event(env, "loop_cleared", "{s:s, s:i, s:s}", "room", peer->room->code, "peer", (int)peer->id,
		 "mac", mac);
	relay_notice_isolation(peer);
}

static void probe_all(struct relay_room *room, uint64_t now_ns)
{
	room->probed_ns = now_ns;
	for (size_t i = 0; i < room->count; i++)
		send_probe(room->members[i]);
}

void relay_loop_joined(struct relay_peer *peer)
{
	struct relay_room *room = peer->room;

	if (peer->role == SL_ROLE_CLIENT)
		send_probe(peer);
	else
		probe_all(room, peer->relay->env->now_ns);
	if (room->gateway && room->count > 1 && on(room))
		relay_tick_start(peer->relay);
}

void relay_loop_watch(struct relay_room *room, const uint8_t *frame, size_t len, uint64_t now_ns)
{
	if (on(room) && sl_repeats_seen(&room->repeats, frame, len, now_ns) > 0 &&
	    now_ns - room->probed_ns >= RELAY_PROBE_PAUSE_NS)
		probe_all(room, now_ns);
}

bool relay_loop_tick(struct relay_room *room, uint64_t now_ns)
{
	bool more = room->gateway && room->count > 1 && on(room);

	for (size_t i = 0; i < room->count; i++) {
		struct relay_peer *peer = room->members[i];
		struct relay_isolation *state = &peer->isolation;

		if (state->isolated && (!on(room) || now_ns - state->seen_ns >= RELAY_LOOP_CLEAR_NS))
			clear(peer);
		else if (state->isolated != state->told)
			relay_notice_isolation(peer);
		more |= state->isolated || state->told;
	}
	probe_all(room, now_ns);
	return more;
}

static struct relay_peer *client_by_id(const struct relay_room *room, uint16_t id)
{
	for (size_t i = 0; i < room->count; i++)
		if (room->members[i]->id == id && room->members[i]->role == SL_ROLE_CLIENT)
			return room->members[i];
	return NULL;
}

bool relay_loop_probe(struct relay_peer *ingress, const struct sl_view *view)
{
	const struct sl_relay *relay = ingress->relay;
	const struct relay_room *room = ingress->room;
	struct relay_peer *culprit;
	struct sl_probe probe;

	if (!sl_probe_parse(&view->eth, &probe))
		return false;
	if (room->gateway != ingress || !on(room) || probe.room_id != room->id ||
	    !sl_probe_verify(&probe, relay->probe_key) ||
	    serial_now(relay) - probe.serial > RELAY_PROBE_AGE_NS)
		return true;
	culprit = client_by_id(room, probe.peer_id);
	if (culprit && !culprit->condemned)
		isolate(culprit);
	return true;
}
