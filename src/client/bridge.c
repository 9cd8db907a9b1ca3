#include "client/bridge.h"

#include <stdio.h>
#include <stdlib.h>

#include "obs/framelog.h"
#include "proto/filter.h"

struct sl_client_bridge {
	struct sl_env *env;
	struct sl_session *session;
	struct sl_port *port;
	struct sl_client_observer observer;
	struct sl_client_stats stats;
	struct sl_mac mac;
	bool joined;
	uint16_t peer_id;
	size_t mtu; // 0: not agreed yet
	char room[SL_ROOM_MAX + 1];
	struct sl_log_limit limits[SL_DROP_COUNT]; // one for each reason
};

// Faults of somebody's, which a person should hear of; the rest is daily life (debug).
static bool is_fault(enum sl_drop drop)
{
	return drop == SL_DROP_FORGED_SOURCE || drop == SL_DROP_INVALID_SOURCE ||
	       drop == SL_DROP_MISDIRECTED || drop == SL_DROP_REFLECTED || drop == SL_DROP_MALFORMED;
}

static void log_drop(struct sl_client_bridge *bridge, const char *direction, uint16_t peer,
		     const struct sl_eth *eth, size_t len, enum sl_drop drop)
{
	enum sl_log_level level = is_fault(drop) ? SL_LOG_WARNING : SL_LOG_DEBUG;
	char src[SL_MAC_TEXT], dst[SL_MAC_TEXT];
	uint64_t held_back;

	if (!sl_log_on(bridge->env->log, level) ||
	    !sl_log_every(&bridge->limits[drop], bridge->env->now_ns, &held_back))
		return;
	sl_log_write(bridge->env->log, level, "client",
		     "frame dropped, direction %s peer %u src %s dst %s len %zu, %llu more since the last "
		     "line (%s)",
		     direction, peer, sl_mac_format(&eth->src, src), sl_mac_format(&eth->dst, dst), len,
		     (unsigned long long)held_back, sl_drop_name(drop));
}

static void log_verdict(struct sl_client_bridge *bridge, const char *direction, uint16_t peer,
			const struct sl_eth *eth, size_t len, enum sl_drop drop)
{
	if (bridge->env->log->frames)
		sl_framelog_write(bridge->env->log, &(struct sl_framelog){
							    .scope = "client",
							    .direction = direction,
							    .room = bridge->room,
							    .peer = peer,
							    .eth = eth,
							    .frame_len = len,
							    .drop = drop,
							    .targets = drop == SL_DROP_NONE,
						    });
	else if (drop != SL_DROP_NONE)
		log_drop(bridge, direction, peer, eth, len, drop);
}

// ---- TAP -> relay ----

static void tap_frame(struct sl_client_bridge *bridge, const uint8_t *frame, size_t len, bool malformed)
{
	struct sl_filter_input input = {
		.direction = SL_FROM_REMOTE,
		.announced = &bridge->mac,
		.mtu = bridge->mtu,
	};
	struct sl_session_peer *destination = NULL;
	struct sl_eth eth;
	enum sl_drop verdict = sl_filter_check(frame, len, &input, &eth);
	bool group = sl_mac_is_multicast(&eth.dst);

	if (malformed)
		verdict = SL_DROP_MALFORMED;
	if (!bridge->joined)
		bridge->stats.offline++;
	if (verdict == SL_DROP_NONE) {
		if (!group)
			destination = sl_session_peer_by_mac(bridge->session, &eth.dst);
		verdict =
			sl_session_send(bridge->session, frame, len, destination); // counts, unknown_peer too
		if (verdict == SL_DROP_NONE && group)
			bridge->stats.group_out++;
	} else {
		sl_session_count_drop(bridge->session, verdict);
	}
	log_verdict(bridge, "tap_to_relay", bridge->peer_id, &eth, len, verdict);
}

static void tap_receive(void *arg, const uint8_t *frame, size_t len)
{
	tap_frame(arg, frame, len, false);
}

static void tap_malformed(void *arg, const uint8_t *frame, size_t len)
{
	tap_frame(arg, frame, len, true);
}

static void tap_batch_end(void *arg)
{
	struct sl_client_bridge *bridge = arg;

	sl_session_flush(bridge->session);
}

static void tap_failed(void *arg, const char *why)
{
	struct sl_client_bridge *bridge = arg;

	if (bridge->observer.failed)
		bridge->observer.failed(bridge->observer.arg, why);
}

// ---- relay -> TAP ----

static enum sl_drop judge(const struct sl_client_bridge *bridge, const struct sl_session_peer *peer,
			  const uint8_t *frame, size_t len, struct sl_eth *eth)
{
	bool client = peer->role == SL_ROLE_CLIENT;
	struct sl_filter_input input = {
		.direction = client ? SL_FROM_REMOTE : SL_FROM_LAN,
		.announced = client ? &peer->mac : NULL,
		.mtu = bridge->mtu,
	};
	enum sl_drop verdict = sl_filter_check(frame, len, &input, eth);

	if (verdict != SL_DROP_NONE)
		return verdict;
	if (sl_mac_equal(&eth->src, &bridge->mac))
		return SL_DROP_REFLECTED; // our own frame: a loop on the LAN, or a MAC in use twice
	if (!sl_mac_is_multicast(&eth->dst) && !sl_mac_equal(&eth->dst, &bridge->mac))
		return SL_DROP_MISDIRECTED;
	return SL_DROP_NONE;
}

static void relay_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct sl_client_bridge *bridge = arg;
	struct sl_eth eth;
	enum sl_drop verdict = judge(bridge, peer, frame, len, &eth);

	if (verdict == SL_DROP_NONE) {
		if (sl_mac_is_multicast(&eth.dst))
			bridge->stats.group_in++;
		// A frame the system then refuses is in the port's tx_drops: the tunnel has delivered it.
		(void)sl_port_send(bridge->port, frame, len);
	}
	sl_session_count_rx(bridge->session, peer, len, verdict);
	log_verdict(bridge, "relay_to_tap", peer->id, &eth, len, verdict);
}

static void relay_batch_end(void *arg)
{
	struct sl_client_bridge *bridge = arg;

	sl_port_flush(bridge->port);
}

// ---- lifecycle ----

static void joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct sl_client_bridge *bridge = arg;

	bridge->joined = true;
	bridge->peer_id = welcome->peer_id;
	bridge->mtu = welcome->mtu;
	if (bridge->observer.joined)
		bridge->observer.joined(bridge->observer.arg, welcome);
}

static void peers_changed(struct sl_client_bridge *bridge)
{
	if (bridge->observer.peers_changed)
		bridge->observer.peers_changed(bridge->observer.arg);
}

static void peer_joined(void *arg, const struct sl_session_peer *peer)
{
	(void)peer;
	peers_changed(arg);
}

static void peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	(void)peer;
	(void)reason;
	peers_changed(arg);
}

static void down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_client_bridge *bridge = arg;

	bridge->joined = false;
	if (bridge->observer.down)
		bridge->observer.down(bridge->observer.arg, sentence, retry_ns);
}

static void ended(void *arg, const char *sentence)
{
	struct sl_client_bridge *bridge = arg;

	bridge->joined = false;
	if (bridge->observer.ended)
		bridge->observer.ended(bridge->observer.arg, sentence);
}

int sl_client_bridge_before_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	struct sl_client_bridge *bridge = arg;

	return bridge->observer.before_connect
		       ? bridge->observer.before_connect(bridge->observer.arg, relay, error)
		       : SL_OK;
}

// ---- making it ----

struct sl_client_bridge *sl_client_bridge_new(struct sl_env *env, const struct sl_mac *mac, const char *room,
					      const struct sl_client_observer *observer)
{
	struct sl_client_bridge *bridge = calloc(1, sizeof *bridge);

	if (!bridge)
		return NULL;
	bridge->env = env;
	bridge->mac = *mac;
	if (observer)
		bridge->observer = *observer;
	snprintf(bridge->room, sizeof bridge->room, "%s", room);
	return bridge;
}

void sl_client_bridge_free(struct sl_client_bridge *bridge)
{
	free(bridge);
}

void sl_client_bridge_port_handler(struct sl_client_bridge *bridge, struct sl_port_handler *out)
{
	*out = (struct sl_port_handler){
		.receive = tap_receive,
		.malformed = tap_malformed,
		.batch_end = tap_batch_end,
		.failed = tap_failed,
		.arg = bridge,
	};
}

void sl_client_bridge_session_ops(struct sl_client_bridge *bridge, struct sl_session_ops *out)
{
	*out = (struct sl_session_ops){
		.joined = joined,
		.peer_joined = peer_joined,
		.peer_left = peer_left,
		.frame = relay_frame,
		.batch_end = relay_batch_end,
		.down = down,
		.ended = ended,
		.arg = bridge,
	};
}

void sl_client_bridge_attach(struct sl_client_bridge *bridge, struct sl_session *session,
			     struct sl_port *port)
{
	bridge->session = session;
	bridge->port = port;
}

void sl_client_bridge_stats(const struct sl_client_bridge *bridge, struct sl_client_stats *out)
{
	*out = bridge->stats;
}
