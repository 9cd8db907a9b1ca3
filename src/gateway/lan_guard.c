#include "gateway/lan_guard.h"

#include <string.h>

#include "obs/events.h"

static bool holds(const struct lan_guard *lan, enum sl_drop rule)
{
	return (lan->relaxed & SL_POLICY_BIT(rule)) == 0;
}

void lan_guard_init(struct lan_guard *lan, struct sl_env *env)
{
	uint64_t key[2];

	memset(lan, 0, sizeof(*lan));
	lan->env = env;
	lan->broadcast_pps = LAN_GUARD_BROADCAST_PPS;
	env->ops->random(env, key, sizeof(key));
	sl_guard_init(&lan->guard, key);
	sl_repeats_init(&lan->from_lan, key);
	sl_repeats_init(&lan->from_relay, key);
}

void lan_guard_fini(struct lan_guard *lan)
{
	sl_guard_fini(&lan->guard);
}

void lan_guard_attach(struct lan_guard *lan, struct sl_session *session)
{
	lan->session = session;
}

void lan_guard_rules(struct lan_guard *lan, uint32_t relaxed, uint64_t broadcast_pps)
{
	lan->relaxed = relaxed;
	lan->broadcast_pps = broadcast_pps;
}

// The LAN's routers outlast the session: only clients come and go.
void lan_guard_joined(struct lan_guard *lan, const struct sl_session_peer *peer)
{
	if (peer->role == SL_ROLE_CLIENT && sl_guard_join(&lan->guard, &peer->mac) == SL_ERR_NOMEM)
		sl_warn(lan->env->log, "gateway",
			"peer %u is not guarded, its addresses can be claimed by others (out of memory)",
			peer->id);
}

void lan_guard_left(struct lan_guard *lan, const struct sl_session_peer *peer)
{
	if (peer->role == SL_ROLE_CLIENT)
		sl_guard_leave(&lan->guard, &peer->mac);
}

enum sl_drop lan_guard_outward(struct lan_guard *lan, const uint8_t *frame, size_t len,
			       const struct sl_view *view)
{
	const uint64_t now_ns = lan->env->now_ns;

	if (sl_mac_is_multicast(&view->eth.dst)) {
		if (holds(lan, SL_DROP_LOOP) && sl_repeats_excess(&lan->from_lan, frame, len, now_ns))
			return SL_DROP_LOOP;
		if (!sl_bucket_take(&lan->bucket, now_ns, lan->broadcast_pps))
			return SL_DROP_RATE_BROADCAST;
	}
	sl_guard_lan(&lan->guard, view);
	return SL_DROP_NONE;
}

enum sl_drop lan_guard_inward(struct lan_guard *lan, const struct sl_mac *client, const uint8_t *frame,
			      size_t len, const struct sl_view *view, char what[static SL_GUARD_TEXT])
{
	struct sl_probe probe;

	what[0] = '\0';
	// Probes are the relay's own affair, whoever made this one: none may set a trap for another gateway.
	if (sl_probe_parse(&view->eth, &probe))
		return SL_DROP_LOOP;
	if (holds(lan, SL_DROP_ARP_GUARD) && !sl_guard_allows(&lan->guard, client, view, what))
		return SL_DROP_ARP_GUARD;
	if (sl_mac_is_multicast(&view->eth.dst) && holds(lan, SL_DROP_LOOP) &&
	    sl_repeats_excess(&lan->from_relay, frame, len, lan->env->now_ns))
		return SL_DROP_LOOP;
	return SL_DROP_NONE;
}

static void report_loop(struct lan_guard *lan, const char *room, const struct sl_session_peer *culprit)
{
	struct sl_log_limit *limit = &lan->culprits[culprit->id % LAN_GUARD_CULPRITS];
	const struct sl_log_about about = {room, culprit->id, &culprit->mac, "loop"};
	char mac[SL_MAC_TEXT];
	uint64_t held_back;

	if (!sl_log_every(limit, lan->env->now_ns, &held_back))
		return;
	sl_mac_format(&culprit->mac, mac);
	sl_log_write_about(
		lan->env->log, SL_LOG_WARNING, "gateway", &about,
		"the loop probe of peer %u (mac %s) came back from the LAN: that client's machine bridges "
		"room %s into this LAN; the relay is told, and isolates it if the probe is genuine",
		culprit->id, mac, room);
	sl_event(lan->env, "loop", "{s:s, s:i, s:s}", "room", room, "peer", (int)culprit->id, "mac", mac);
}

// Two rooms may have their gateways on one LAN, and a probe may outlive its target's stay. Whether one of
// ours is genuine, the relay alone can tell.
enum lan_probe lan_guard_probe(struct lan_guard *lan, const struct sl_membership *member,
			       const struct sl_view *view)
{
	const struct sl_session_peer *culprit;
	struct sl_probe probe;

	if (!sl_probe_parse(&view->eth, &probe))
		return LAN_PROBE_NONE;
	if (probe.room_id != member->room_id) {
		lan->foreign_probes++;
		return LAN_PROBE_FOREIGN;
	}
	lan->own_probes++;
	if (!sl_bucket_take(&lan->probe_bucket, lan->env->now_ns, LAN_GUARD_PROBE_PPS))
		return LAN_PROBE_EXCESS;
	culprit = sl_session_peer_by_id(lan->session, probe.peer_id);
	if (culprit != NULL && culprit->role == SL_ROLE_CLIENT && holds(lan, SL_DROP_LOOP))
		report_loop(lan, member->room, culprit);
	return LAN_PROBE_OURS;
}
