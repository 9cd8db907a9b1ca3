#include "client/bridge.h"

#include <stdlib.h>

#include "obs/drops.h"
#include "proto/filter.h"
#include "proto/flow.h"
#include "proto/mss.h"
#include "proto/probe.h"

struct sl_client_bridge {
	struct sl_membership member; // first
	struct sl_env *env;
	struct sl_session *session;
	struct sl_port *port;
	struct sl_client_stats stats;
	struct sl_mac mac;
	uint32_t relaxed;
	uint64_t flow_key;
	bool mss_clamp;
	uint8_t syn[SL_MSS_FRAME_MAX];                // the frame being clamped
	struct sl_drop_limits tap_drops, relay_drops; // one for each direction
};

static void log_verdict(struct sl_client_bridge *bridge, struct sl_drop_limits *limits, const char *direction,
			uint16_t peer, const struct sl_eth *eth, size_t len, enum sl_drop drop)
{
	const struct sl_framelog entry = {
		.scope = "client",
		.direction = direction,
		.room = bridge->member.room,
		.peer = peer,
		.eth = eth,
		.frame_len = len,
		.drop = drop,
		.targets = drop == SL_DROP_NONE,
	};

	sl_frame_report(bridge->env, limits, &entry, NULL);
}

// What passes in the place of a frame that the filter let pass.
static const uint8_t *clamp(struct sl_client_bridge *bridge, const uint8_t *frame, size_t len,
			    const struct sl_view *view)
{
	if (!bridge->mss_clamp || !sl_mss_syn(view))
		return frame;
	return sl_mss_clamp(frame, len, view, sl_session_unsplit_mtu(bridge->session), bridge->syn);
}

// ---- TAP -> relay ----

static void tap_frame(struct sl_client_bridge *bridge, const uint8_t *frame, size_t len, bool malformed)
{
	struct sl_filter_input input = {
		.direction = SL_FROM_REMOTE,
		.announced = &bridge->mac,
		.mtu = bridge->member.mtu,
		.relaxed = bridge->relaxed,
	};
	struct sl_session_peer *destination = NULL;
	struct sl_view view;
	enum sl_drop verdict = sl_filter_check(frame, len, &input, &view);
	bool group = sl_mac_is_multicast(&view.eth.dst);

	if (malformed)
		verdict = SL_DROP_MALFORMED;
	if (!bridge->member.joined)
		bridge->stats.offline++;
	if (verdict == SL_DROP_NONE) {
		if (!group)
			destination = sl_session_peer_by_mac(bridge->session, &view.eth.dst);
		verdict = sl_session_send(bridge->session, clamp(bridge, frame, len, &view), len,
					  sl_flow_of(&view, bridge->flow_key),
					  destination); // counts, unknown_peer too
		if (verdict == SL_DROP_NONE && group)
			bridge->stats.group_out++;
	} else {
		sl_session_count_drop(bridge->session, verdict);
	}
	if (verdict != SL_DROP_NONE)
		bridge->stats.dropped_out[verdict]++;
	log_verdict(bridge, &bridge->tap_drops, "tap_to_relay", bridge->member.peer_id, &view.eth, len,
		    verdict);
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

// ---- relay -> TAP ----

static enum sl_drop judge(const struct sl_client_bridge *bridge, const struct sl_session_peer *peer,
			  const uint8_t *frame, size_t len, struct sl_view *view)
{
	bool client = peer->role == SL_ROLE_CLIENT;
	struct sl_filter_input input = {
		.direction = client ? SL_FROM_REMOTE : SL_FROM_LAN,
		.announced = client ? &peer->mac : NULL,
		.mtu = bridge->member.mtu,
		.relaxed = bridge->relaxed,
	};
	enum sl_drop verdict = sl_filter_check(frame, len, &input, view);

	if (verdict != SL_DROP_NONE)
		return verdict;
	if (sl_mac_equal(&view->eth.src, &bridge->mac))
		return SL_DROP_REFLECTED; // our own frame: a loop on the LAN, or a MAC in use twice
	if (!sl_mac_is_multicast(&view->eth.dst) && !sl_mac_equal(&view->eth.dst, &bridge->mac))
		return SL_DROP_MISDIRECTED;
	return SL_DROP_NONE;
}

// A loop probe of the relay's goes to the TAP as any frame does, but it is none of the LAN's: the counters of
// frames, which are the same at both ends, leave it out.
static bool is_probe(const struct sl_client_bridge *bridge, const struct sl_view *view)
{
	struct sl_probe probe;

	return sl_probe_parse(&view->eth, &probe) && probe.room_id == bridge->member.room_id;
}

static void relay_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct sl_client_bridge *bridge = arg;
	struct sl_view view;
	enum sl_drop verdict = judge(bridge, peer, frame, len, &view);

	if (verdict == SL_DROP_NONE && is_probe(bridge, &view)) {
		bridge->stats.probes++;
		(void)sl_port_send(bridge->port, frame, len);
		return;
	}
	if (verdict == SL_DROP_NONE) {
		if (sl_mac_is_multicast(&view.eth.dst))
			bridge->stats.group_in++;
		// A frame the system then refuses is in the port's tx_drops: the tunnel has delivered it.
		(void)sl_port_send(bridge->port, clamp(bridge, frame, len, &view), len);
	}
	sl_session_count_rx(bridge->session, peer, len, verdict);
	log_verdict(bridge, &bridge->relay_drops, "relay_to_tap", peer->id, &view.eth, len, verdict);
}

static void relay_batch_end(void *arg)
{
	struct sl_client_bridge *bridge = arg;

	sl_port_flush(bridge->port);
}

// ---- making it ----

struct sl_client_bridge *sl_client_bridge_new(struct sl_env *env, const struct sl_mac *mac, const char *room,
					      const struct sl_observer *observer)
{
	struct sl_client_bridge *bridge = calloc(1, sizeof *bridge);

	if (!bridge)
		return NULL;
	bridge->env = env;
	bridge->mac = *mac;
	env->ops->random(env, &bridge->flow_key, sizeof(bridge->flow_key));
	sl_membership_init(&bridge->member, room, observer);
	return bridge;
}

void sl_client_bridge_free(struct sl_client_bridge *bridge)
{
	free(bridge);
}

void sl_client_bridge_rules(struct sl_client_bridge *bridge, uint32_t relaxed)
{
	bridge->relaxed = relaxed;
}

void sl_client_bridge_mss_clamp(struct sl_client_bridge *bridge, bool on)
{
	bridge->mss_clamp = on;
}

void sl_client_bridge_port_handler(struct sl_client_bridge *bridge, struct sl_port_handler *out)
{
	*out = (struct sl_port_handler){
		.receive = tap_receive,
		.malformed = tap_malformed,
		.batch_end = tap_batch_end,
		.failed = sl_membership_port_failed,
		.arg = bridge,
	};
}

void sl_client_bridge_session_ops(struct sl_client_bridge *bridge, struct sl_session_ops *out)
{
	*out = (struct sl_session_ops){
		.joined = sl_membership_joined,
		.peer_joined = sl_membership_peer_joined,
		.peer_left = sl_membership_peer_left,
		.frame = relay_frame,
		.batch_end = relay_batch_end,
		.notice = sl_membership_notice,
		.down = sl_membership_down,
		.ended = sl_membership_ended,
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
