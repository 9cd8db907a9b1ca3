#include "gateway/bridge.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/cam.h"
#include "obs/framelog.h"
#include "proto/filter.h"

struct sl_gateway_bridge {
	struct sl_env *env;
	struct sl_session *session;
	struct sl_port *port;
	struct sl_gateway_observer observer;
	struct sl_gateway_stats stats;
	struct cam cam;
	bool joined;
	uint16_t peer_id;
	size_t mtu;
	char room[SL_ROOM_MAX + 1];
};

static void log_frame(struct sl_gateway_bridge *bridge, const char *direction, uint16_t peer,
		      const struct sl_eth *eth, size_t len, enum sl_drop drop)
{
	sl_framelog_write(bridge->env->log, &(struct sl_framelog){
						    .scope = "gateway",
						    .direction = direction,
						    .room = bridge->room,
						    .peer = peer,
						    .eth = eth,
						    .frame_len = len,
						    .drop = drop,
						    .targets = drop == SL_DROP_NONE,
					    });
}

// --- LAN -> relay ---------------------------------------------------------------------------

enum relation {
	REFLECTED, // a remote client's own frame, come back from the LAN
	UNRELATED, // unicast between others on the LAN
	GROUP,     // broadcast or multicast
	TO_CLIENT,
};

// Looks at the two addresses alone.
static enum relation relation_of(struct sl_gateway_bridge *bridge, const struct sl_mac *dst,
				 const struct sl_mac *src, struct sl_session_peer **destination)
{
	*destination = NULL;
	if (sl_session_peer_by_mac(bridge->session, src) != NULL)
		return REFLECTED;
	if (sl_mac_is_multicast(dst))
		return GROUP;
	*destination = sl_session_peer_by_mac(bridge->session, dst);
	return *destination != NULL ? TO_CLIENT : UNRELATED;
}

// A super-frame between others (the gateway box's own downloads, for one) is not worth cutting.
static bool lan_wanted(void *arg, const uint8_t *frame, size_t len)
{
	struct sl_gateway_bridge *bridge = arg;
	struct sl_session_peer *destination;
	struct sl_mac dst, src;

	if (!bridge->joined) {
		bridge->stats.lan_offline++;
		return false;
	}
	if (len < SL_ETH_HEADER)
		return true;
	memcpy(dst.b, frame, SL_MAC_LEN);
	memcpy(src.b, frame + SL_MAC_LEN, SL_MAC_LEN);
	if (relation_of(bridge, &dst, &src, &destination) != UNRELATED)
		return true;
	bridge->stats.lan_unrelated++;
	return false;
}

static void lan_frame(struct sl_gateway_bridge *bridge, const uint8_t *frame, size_t len, bool malformed)
{
	struct sl_filter_input input = {.direction = SL_FROM_LAN, .mtu = bridge->mtu};
	struct sl_session_peer *destination = NULL;
	struct sl_eth eth;
	enum sl_drop verdict;

	if (!bridge->joined) {
		bridge->stats.lan_offline++;
		return;
	}
	verdict = sl_filter_check(frame, len, &input, &eth);
	if (malformed)
		verdict = SL_DROP_MALFORMED;
	if (len >= SL_ETH_HEADER) {
		switch (relation_of(bridge, &eth.dst, &eth.src, &destination)) {
		case REFLECTED:
			verdict = SL_DROP_REFLECTED;
			break;
		case UNRELATED:
			// Not our affair whatever it holds: on most LANs it is longer than the room's
			// MTU, and that is no fault to report.
			bridge->stats.lan_unrelated++;
			return;
		case GROUP:
		case TO_CLIENT:
			break;
		}
	}
	if (verdict == SL_DROP_NONE)
		verdict = sl_session_send(bridge->session, frame, len, destination);
	else
		sl_session_count_drop(bridge->session, verdict);
	if (bridge->env->log->frames)
		log_frame(bridge, "lan_to_relay", bridge->peer_id, &eth, len, verdict);
}

static void lan_receive(void *arg, const uint8_t *frame, size_t len)
{
	lan_frame(arg, frame, len, false);
}

static void lan_malformed(void *arg, const uint8_t *frame, size_t len)
{
	lan_frame(arg, frame, len, true);
}

static void lan_batch_end(void *arg)
{
	struct sl_gateway_bridge *bridge = arg;

	sl_session_flush(bridge->session);
}

static void lan_failed(void *arg, const char *why)
{
	struct sl_gateway_bridge *bridge = arg;

	if (bridge->observer.failed != NULL)
		bridge->observer.failed(bridge->observer.arg, why);
}

// --- relay -> LAN ---------------------------------------------------------------------------

static void relay_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct sl_gateway_bridge *bridge = arg;
	bool client = peer->role == SL_ROLE_CLIENT;
	struct sl_filter_input input = {
		.direction = SL_FROM_REMOTE,
		.announced = client ? &peer->mac : NULL,
		.mtu = bridge->mtu,
	};
	struct sl_eth eth;
	enum sl_drop verdict = sl_filter_check(frame, len, &input, &eth);

	if (!client)
		verdict = SL_DROP_FORGED_SOURCE; // a room has one gateway, and that is us
	// A frame the system then refuses is in the port's tx_drops: the tunnel has delivered it.
	if (verdict == SL_DROP_NONE)
		(void)sl_port_send(bridge->port, frame, len);
	sl_session_count_rx(bridge->session, peer, len, verdict);
	if (bridge->env->log->frames)
		log_frame(bridge, "relay_to_lan", peer->id, &eth, len, verdict);
}

static void relay_batch_end(void *arg)
{
	struct sl_gateway_bridge *bridge = arg;

	sl_port_flush(bridge->port);
}

// --- lifecycle ------------------------------------------------------------------------------

static void joined(void *arg, const struct sl_session_welcome *welcome)
{
	struct sl_gateway_bridge *bridge = arg;

	bridge->joined = true;
	bridge->peer_id = welcome->peer_id;
	bridge->mtu = welcome->mtu;
	cam_start(&bridge->cam);
	if (bridge->observer.joined != NULL)
		bridge->observer.joined(bridge->observer.arg, welcome);
}

static void peers_changed(struct sl_gateway_bridge *bridge)
{
	if (bridge->observer.peers_changed != NULL)
		bridge->observer.peers_changed(bridge->observer.arg);
}

static void peer_joined(void *arg, const struct sl_session_peer *peer)
{
	struct sl_gateway_bridge *bridge = arg;

	cam_joined(&bridge->cam, peer);
	peers_changed(bridge);
}

static void peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	(void)peer;
	(void)reason;
	peers_changed(arg);
}

static void leave(struct sl_gateway_bridge *bridge)
{
	bridge->joined = false;
	cam_stop(&bridge->cam);
}

static void down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_gateway_bridge *bridge = arg;

	leave(bridge);
	if (bridge->observer.down != NULL)
		bridge->observer.down(bridge->observer.arg, sentence, retry_ns);
}

static void ended(void *arg, const char *sentence)
{
	struct sl_gateway_bridge *bridge = arg;

	leave(bridge);
	if (bridge->observer.ended != NULL)
		bridge->observer.ended(bridge->observer.arg, sentence);
}

// --- making it ------------------------------------------------------------------------------

struct sl_gateway_bridge *sl_gateway_bridge_new(struct sl_env *env, const char *room,
						uint64_t cam_interval_ns,
						const struct sl_gateway_observer *observer)
{
	struct sl_gateway_bridge *bridge = calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return NULL;
	bridge->env = env;
	if (observer != NULL)
		bridge->observer = *observer;
	snprintf(bridge->room, sizeof(bridge->room), "%s", room);
	if (cam_init(&bridge->cam, env, bridge->room, cam_interval_ns) != SL_OK) {
		free(bridge);
		return NULL;
	}
	return bridge;
}

void sl_gateway_bridge_free(struct sl_gateway_bridge *bridge)
{
	if (bridge == NULL)
		return;
	cam_fini(&bridge->cam);
	free(bridge);
}

void sl_gateway_bridge_port_handler(struct sl_gateway_bridge *bridge, struct sl_port_handler *out)
{
	*out = (struct sl_port_handler){
		.wanted = lan_wanted,
		.receive = lan_receive,
		.malformed = lan_malformed,
		.batch_end = lan_batch_end,
		.failed = lan_failed,
		.arg = bridge,
	};
}

void sl_gateway_bridge_session_ops(struct sl_gateway_bridge *bridge, struct sl_session_ops *out)
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

void sl_gateway_bridge_attach(struct sl_gateway_bridge *bridge, struct sl_session *session,
			      struct sl_port *port)
{
	bridge->session = session;
	bridge->port = port;
	cam_attach(&bridge->cam, session, port);
}

void sl_gateway_bridge_stats(const struct sl_gateway_bridge *bridge, struct sl_gateway_stats *out)
{
	*out = bridge->stats;
	out->cam_frames = bridge->cam.frames;
}
