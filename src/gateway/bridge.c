#include "gateway/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/cam.h"
#include "gateway/lan_guard.h"
#include "obs/drops.h"
#include "proto/filter.h"
#include "proto/flow.h"
#include "proto/mss.h"

struct sl_gateway_bridge {
	struct sl_membership member; // first
	struct sl_env *env;
	struct sl_session *session;
	struct sl_port *port;
	struct sl_gateway_stats stats;
	uint64_t flow_key;
	bool mss_clamp;
	uint8_t syn[SL_MSS_FRAME_MAX]; // the frame being clamped
	struct cam cam;
	struct lan_guard lan;
	struct sl_drop_limits lan_drops, relay_drops; // one for each direction
};

static void log_frame(struct sl_gateway_bridge *bridge, struct sl_drop_limits *limits, const char *direction,
		      uint16_t peer, const struct sl_eth *eth, size_t len, enum sl_drop drop,
		      const char *detail)
{
	const struct sl_framelog entry = {
		.scope = "gateway",
		.direction = direction,
		.room = bridge->member.room,
		.peer = peer,
		.eth = eth,
		.frame_len = len,
		.drop = drop,
		.targets = drop == SL_DROP_NONE,
	};

	sl_frame_report(bridge->env, limits, &entry, detail);
}

// What passes in the place of a frame that the filter let pass.
static const uint8_t *clamp(struct sl_gateway_bridge *bridge, const uint8_t *frame, size_t len,
			    const struct sl_view *view)
{
	if (!bridge->mss_clamp || !sl_mss_syn(view))
		return frame;
	return sl_mss_clamp(frame, len, view, sl_session_unsplit_mtu(bridge->session), bridge->syn);
}

// --- LAN -> relay ---------------------------------------------------------------------------

enum relation {
	UNWANTED,  // no session, or unicast between others on the LAN: counted, and nothing else
	REFLECTED, // a remote client's own frame, come back from the LAN
	GROUP,     // broadcast or multicast
	TO_CLIENT,
};

// Looks at the two addresses alone. Unrelated unicast is not our affair whatever it holds: on most LANs it is
// longer than the room's MTU, and that is no fault to report.
static enum relation relate(struct sl_gateway_bridge *bridge, const uint8_t *frame, size_t len,
			    struct sl_session_peer **destination)
{
	struct sl_mac dst, src;

	*destination = NULL;
	if (!bridge->member.joined) {
		bridge->stats.lan_offline++;
		return UNWANTED;
	}
	if (len < SL_ETH_HEADER)
		return GROUP; // the filter says what it is
	memcpy(dst.b, frame, SL_MAC_LEN);
	memcpy(src.b, frame + SL_MAC_LEN, SL_MAC_LEN);
	if (sl_session_peer_by_mac(bridge->session, &src) != NULL)
		return REFLECTED;
	if (sl_mac_is_multicast(&dst))
		return GROUP;
	*destination = sl_session_peer_by_mac(bridge->session, &dst);
	if (*destination != NULL)
		return TO_CLIENT;
	bridge->stats.lan_unrelated++;
	return UNWANTED;
}

// A super-frame between others (the gateway box's own downloads, for one) is not worth cutting.
static bool lan_wanted(void *arg, const uint8_t *frame, size_t len)
{
	struct sl_session_peer *destination;

	return relate(arg, frame, len, &destination) != UNWANTED;
}

static void lan_frame(struct sl_gateway_bridge *bridge, const uint8_t *frame, size_t len, bool malformed)
{
	struct sl_filter_input input = {
		.direction = SL_FROM_LAN,
		.mtu = bridge->member.mtu,
		.relaxed = bridge->lan.relaxed,
	};
	struct sl_session_peer *destination;
	enum relation relation = relate(bridge, frame, len, &destination);
	struct sl_view view;
	enum sl_drop verdict;
	enum lan_probe probe;

	if (relation == UNWANTED)
		return;
	verdict = sl_filter_check(frame, len, &input, &view);
	probe = malformed ? LAN_PROBE_NONE : lan_guard_probe(&bridge->lan, &bridge->member, &view);
	if (probe == LAN_PROBE_FOREIGN)
		return;
	if (probe == LAN_PROBE_OURS)
		verdict = SL_DROP_NONE; // the relay needs to see it, whatever else is wrong here
	else if (probe == LAN_PROBE_EXCESS)
		verdict = SL_DROP_LOOP;
	else if (relation == REFLECTED)
		verdict = SL_DROP_REFLECTED;
	else if (malformed)
		verdict = SL_DROP_MALFORMED;
	else if (verdict == SL_DROP_NONE)
		verdict = lan_guard_outward(&bridge->lan, frame, len, &view);
	if (verdict == SL_DROP_NONE)
		verdict = sl_session_send(bridge->session, clamp(bridge, frame, len, &view), len,
					  sl_flow_of(&view, bridge->flow_key), destination);
	else
		sl_session_count_drop(bridge->session, verdict);
	bridge->stats.group_out += verdict == SL_DROP_NONE && destination == NULL && probe == LAN_PROBE_NONE;
	log_frame(bridge, &bridge->lan_drops, "lan_to_relay", bridge->member.peer_id, &view.eth, len, verdict,
		  NULL);
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

// --- relay -> LAN ---------------------------------------------------------------------------

static void relay_frame(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len)
{
	struct sl_gateway_bridge *bridge = arg;
	bool client = peer->role == SL_ROLE_CLIENT;
	struct sl_filter_input input = {
		.direction = SL_FROM_REMOTE,
		.announced = client ? &peer->mac : NULL,
		.mtu = bridge->member.mtu,
		.relaxed = bridge->lan.relaxed,
	};
	char what[SL_GUARD_TEXT] = "";
	struct sl_view view;
	enum sl_drop verdict = sl_filter_check(frame, len, &input, &view);

	if (!client)
		verdict = SL_DROP_FORGED_SOURCE; // a room has one gateway, and that is us
	else if (verdict == SL_DROP_NONE)
		verdict = lan_guard_inward(&bridge->lan, &peer->mac, frame, len, &view, what);
	// A frame the system then refuses is in the port's tx_drops: the tunnel has delivered it.
	if (verdict == SL_DROP_NONE) {
		bridge->stats.group_in += sl_mac_is_multicast(&view.eth.dst);
		(void)sl_port_send(bridge->port, clamp(bridge, frame, len, &view), len);
	}
	sl_session_count_rx(bridge->session, peer, len, verdict);
	log_frame(bridge, &bridge->relay_drops, "relay_to_lan", peer->id, &view.eth, len, verdict,
		  what[0] != '\0' ? what : NULL);
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

	cam_start(&bridge->cam);
	sl_membership_joined(&bridge->member, welcome);
}

static void peer_joined(void *arg, const struct sl_session_peer *peer)
{
	struct sl_gateway_bridge *bridge = arg;

	lan_guard_joined(&bridge->lan, peer);
	cam_joined(&bridge->cam, peer);
	sl_membership_peer_joined(&bridge->member, peer);
}

static void peer_left(void *arg, const struct sl_session_peer *peer, const char *reason)
{
	struct sl_gateway_bridge *bridge = arg;

	lan_guard_left(&bridge->lan, peer);
	sl_membership_peer_left(&bridge->member, peer, reason);
}

static void down(void *arg, const char *sentence, uint64_t retry_ns)
{
	struct sl_gateway_bridge *bridge = arg;

	cam_stop(&bridge->cam);
	sl_membership_down(&bridge->member, sentence, retry_ns);
}

static void ended(void *arg, const char *sentence)
{
	struct sl_gateway_bridge *bridge = arg;

	cam_stop(&bridge->cam);
	sl_membership_ended(&bridge->member, sentence);
}

// --- making it ------------------------------------------------------------------------------

struct sl_gateway_bridge *sl_gateway_bridge_new(struct sl_env *env, const char *room,
						uint64_t cam_interval_ns, const struct sl_observer *observer)
{
	struct sl_gateway_bridge *bridge = calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return NULL;
	bridge->env = env;
	env->ops->random(env, &bridge->flow_key, sizeof(bridge->flow_key));
	lan_guard_init(&bridge->lan, env);
	sl_membership_init(&bridge->member, room, observer);
	if (cam_init(&bridge->cam, env, bridge->member.room, cam_interval_ns) != SL_OK) {
		lan_guard_fini(&bridge->lan);
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
	lan_guard_fini(&bridge->lan);
	free(bridge);
}

void sl_gateway_bridge_rules(struct sl_gateway_bridge *bridge, uint32_t relaxed, uint64_t broadcast_pps)
{
	lan_guard_rules(&bridge->lan, relaxed, broadcast_pps);
}

void sl_gateway_bridge_mss_clamp(struct sl_gateway_bridge *bridge, bool on)
{
	bridge->mss_clamp = on;
}

void sl_gateway_bridge_port_handler(struct sl_gateway_bridge *bridge, struct sl_port_handler *out)
{
	*out = (struct sl_port_handler){
		.wanted = lan_wanted,
		.receive = lan_receive,
		.malformed = lan_malformed,
		.batch_end = lan_batch_end,
		.failed = sl_membership_port_failed,
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
		.notice = sl_membership_notice,
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
	lan_guard_attach(&bridge->lan, session);
	cam_attach(&bridge->cam, session, port);
}

void sl_gateway_bridge_stats(const struct sl_gateway_bridge *bridge, struct sl_gateway_stats *out)
{
	*out = bridge->stats;
	out->cam_frames = bridge->cam.frames;
	out->own_probes = bridge->lan.own_probes;
	out->foreign_probes = bridge->lan.foreign_probes;
}
