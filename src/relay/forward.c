#include "relay/forward.h"

#include "obs/drops.h"
#include "proto/flow.h"
#include "relay/core.h"

void relay_decide(const struct relay_room *room, const struct relay_peer *ingress, const uint8_t *frame,
		  size_t len, uint64_t now_ns, struct relay_verdict *out)
{
	bool remote = ingress->role == SL_ROLE_CLIENT;
	struct sl_filter_input input = {
		.direction = remote ? SL_FROM_REMOTE : SL_FROM_LAN,
		.announced = remote ? &ingress->station.mac : NULL,
		.mtu = ingress->mtu,
		.relaxed = room->relaxed,
	};
	struct relay_station *station;

	*out = (struct relay_verdict){.targets = RELAY_TO_NONE};
	out->drop = sl_filter_check(frame, len, &input, &out->view);
	if (out->drop != SL_DROP_NONE)
		return;

	if (!remote) {
		// A client's own frame, sent to the LAN and captured there again: it has been delivered.
		out->source = relay_stations_find(&room->stations, &out->view.eth.src, now_ns);
		if (out->source && out->source->peer) {
			out->drop = SL_DROP_REFLECTED;
			return;
		}
		out->learn = true;
	}

	if (sl_mac_is_multicast(&out->view.eth.dst)) {
		out->group = true;
		out->targets = RELAY_TO_OTHERS;
		return;
	}

	station = relay_stations_find(&room->stations, &out->view.eth.dst, now_ns);
	if (station && station->peer) {
		out->target = station->peer;
	} else if (remote) {
		out->unknown = !station;
		out->target = room->gateway;
		if (!out->target) {
			out->drop = SL_DROP_NO_GATEWAY;
			return;
		}
	} else if (station) {
		out->target = room->gateway; // a host behind the gateway: where the frame came from
	} else {
		out->unknown = true;
		out->drop = SL_DROP_UNKNOWN_UNICAST;
		return;
	}
	if (out->target == ingress) {
		out->target = NULL;
		out->drop = SL_DROP_REFLECTED;
		return;
	}
	out->targets = RELAY_TO_ONE;
}

static void log_skipped(struct relay_peer *ingress, struct relay_peer *target, size_t len)
{
	struct sl_env *env = ingress->relay->env;
	struct sl_log_about about;
	uint64_t held_back = 0;
	size_t path, budget;

	if (!env->log->frames && !sl_log_every(&target->skipped_log, env->now_ns, &held_back))
		return;
	path = target->relay->link->max_datagram(target->conn); // it may have shrunk below what was agreed
	budget = path < target->budget ? path : target->budget;
	about = relay_about(target, "datagram_budget");
	sl_log_write_about(
		env->log, SL_LOG_WARNING, "relay", &about,
		"frame skipped for a target, room %s ingress_peer %u target_peer %u len %zu budget %zu "
		"(datagram_budget), %llu more not logged",
		ingress->room->code, ingress->id, target->id, len, budget, (unsigned long long)held_back);
}

// Queues the frame's two parts, both or neither: half of a frame is of no use to anybody.
static int send_parts(struct relay_peer *ingress, struct relay_peer *target, uint32_t flow,
		      const uint8_t *frame, size_t len)
{
	const struct relay_link *link = target->relay->link;
	size_t path = link->max_datagram(target->conn);
	size_t first = sl_split_first(len, path < target->budget ? path : target->budget);
	uint8_t header[SL_OVERLAY_PART_HEADER];
	int rc;

	if (first == 0)
		return SL_ERR_TOO_LARGE;
	if (!link->datagram_room(target->conn, flow))
		return SL_ERR_AGAIN;
	sl_overlay_encode_part(header, SL_OVERLAY_FIRST, ingress->id, ++target->frame_id);
	rc = link->datagram_send(target->conn, flow, header, sizeof(header), frame, first);
	if (rc != SL_OK)
		return rc;
	target->counters.tx_datagrams++;
	sl_overlay_encode_part(header, SL_OVERLAY_REST, ingress->id, target->frame_id);
	rc = link->datagram_rest(target->conn, flow, header, sizeof(header), frame + first, len - first);
	if (rc != SL_OK)
		return rc;
	target->counters.tx_datagrams++;
	target->counters.split_tx++;
	return SL_OK;
}

// In one datagram if the budget and the path allow it, else in two if the target can join them.
static int send_frame(struct relay_peer *ingress, struct relay_peer *target,
		      const uint8_t header[static SL_OVERLAY_HEADER], uint32_t flow, const uint8_t *frame,
		      size_t len)
{
	int rc = sl_overlay_check_budget(len, target->budget);

	if (rc == SL_OK)
		rc = target->relay->link->datagram_send(target->conn, flow, header, SL_OVERLAY_HEADER, frame,
							len);
	if (rc == SL_OK)
		target->counters.tx_datagrams++;
	else if (rc == SL_ERR_TOO_LARGE && target->split)
		rc = send_parts(ingress, target, flow, frame, len);
	return rc;
}

// Queues one copy. Returns whether it will leave.
static bool copy_to(struct relay_peer *ingress, struct relay_peer *target,
		    const uint8_t header[static SL_OVERLAY_HEADER], uint32_t flow, const uint8_t *frame,
		    size_t len)
{
	if (target->isolation.isolated) { // counted where it is missing
		relay_peer_count_drop(target, SL_DROP_LOOP, 1);
		return false;
	}
	switch (send_frame(ingress, target, header, flow, frame, len)) {
	case SL_OK:
		target->counters.tx_frames++;
		target->counters.tx_bytes += len;
		return true;
	case SL_ERR_TOO_LARGE:
		relay_peer_count_drop(target, SL_DROP_DATAGRAM_BUDGET, 1);
		log_skipped(ingress, target, len);
		return false;
	case SL_ERR_CLOSED: // it is gone, and the others will hear of that in a moment
		relay_peer_count_drop(target, SL_DROP_UNKNOWN_PEER, 1);
		return false;
	default:
		relay_peer_count_drop(target, SL_DROP_EGRESS_FULL, 1);
		return false;
	}
}

static unsigned copy_to_targets(struct relay_peer *ingress, const struct relay_verdict *verdict,
				const uint8_t *frame, size_t len)
{
	struct relay_room *room = ingress->room;
	uint8_t header[SL_OVERLAY_HEADER];
	uint32_t flow = sl_flow_of(&verdict->view, ingress->relay->hash_key[0]);
	unsigned copies = 0;

	sl_overlay_encode_header(header, ingress->id);
	if (verdict->targets == RELAY_TO_ONE)
		return copy_to(ingress, verdict->target, header, flow, frame, len);
	for (size_t i = 0; i < room->count; i++)
		if (room->members[i] != ingress)
			copies += copy_to(ingress, room->members[i], header, flow, frame, len);
	return copies;
}

static void malformed(struct relay_peer *ingress)
{
	struct sl_relay *relay = ingress->relay;
	uint64_t now_ns = relay->env->now_ns;
	uint64_t held_back, recent;

	if (sl_log_every(&ingress->malformed_log, now_ns, &held_back)) {
		const struct sl_log_about about = relay_about(ingress, "malformed");

		sl_log_write_about(relay->env->log, SL_LOG_WARNING, "relay", &about,
				   "malformed datagram, room %s peer %u, %llu more not logged",
				   ingress->room->code, ingress->id, (unsigned long long)held_back);
	}
	recent = relay_malformed_add(&ingress->malformed, now_ns);
	if (recent >= relay->malformed_limit)
		relay_peer_condemn(ingress, SL_CLOSE_MALFORMED_DATAGRAMS, "malformed_datagrams",
				   RELAY_FAREWELL_DISCONNECT, "%llu malformed datagrams in %d s",
				   (unsigned long long)recent, RELAY_MALFORMED_SECONDS);
}

// The rules that remember: loops, the guard, the limits. A frame that one of them drops costs no tokens, and
// one that is above a limit teaches the guard nothing.
static enum sl_drop check_state(struct relay_peer *ingress, const struct relay_verdict *verdict,
				char detail[static SL_GUARD_TEXT])
{
	struct relay_room *room = ingress->room;
	enum sl_drop drop;

	if (ingress->isolation.isolated)
		return SL_DROP_LOOP;
	drop = relay_rate_check(ingress, verdict);
	if (drop != SL_DROP_NONE)
		return drop;
	if (ingress->role == SL_ROLE_GATEWAY)
		sl_guard_lan(&room->guard, &verdict->view);
	else if (!(room->relaxed & SL_POLICY_BIT(SL_DROP_ARP_GUARD)) &&
		 !sl_guard_allows(&room->guard, &ingress->station.mac, &verdict->view, detail))
		return SL_DROP_ARP_GUARD;
	relay_rate_count(ingress, verdict);
	return SL_DROP_NONE;
}

static void judge(struct relay_peer *ingress, const struct sl_overlay *overlay, struct relay_verdict *verdict,
		  char detail[static SL_GUARD_TEXT])
{
	uint64_t now_ns = ingress->relay->env->now_ns;

	relay_decide(ingress->room, ingress, overlay->frame, overlay->frame_len, now_ns, verdict);
	if (relay_loop_probe(ingress, &verdict->view)) {
		verdict->drop = SL_DROP_LOOP;
		verdict->evidence = ingress->role == SL_ROLE_GATEWAY;
		return;
	}
	if (verdict->learn)
		relay_stations_learn(&ingress->room->stations, verdict->source, &verdict->view.eth.src,
				     now_ns);
	if (verdict->drop == SL_DROP_NONE)
		verdict->drop = check_state(ingress, verdict, detail);
}

static unsigned pass_on(struct relay_peer *ingress, const struct sl_overlay *overlay,
			const struct relay_verdict *verdict)
{
	struct relay_room *room = ingress->room;
	unsigned copies;

	if (verdict->group)
		relay_loop_watch(room, overlay->frame, overlay->frame_len, ingress->relay->env->now_ns);
	ingress->counters.rx_frames++;
	ingress->counters.rx_bytes += overlay->frame_len;
	room->frames++;
	room->bytes += overlay->frame_len;
	copies = copy_to_targets(ingress, verdict, overlay->frame, overlay->frame_len);
	relay_rate_left(ingress, (uint64_t)copies * overlay->frame_len);
	return copies;
}

// Budget, header, and the other part. False: there is no whole frame to judge; *drop is the reason, or NONE
// when a part waits.
static bool take(struct relay_peer *ingress, const uint8_t *datagram, size_t len, struct sl_overlay *overlay,
		 enum sl_drop *drop)
{
	if (len > ingress->budget) {
		*drop = SL_DROP_DATAGRAM_BUDGET;
		return false;
	}
	if (sl_overlay_decode(datagram, len, ingress->split, overlay) != SL_OK ||
	    overlay->peer_id != ingress->id)
		*drop = SL_DROP_MALFORMED;
	else if (overlay->type == SL_OVERLAY_ETHERNET || relay_parts_join(ingress, overlay, drop) == SL_OK)
		return true;
	if (*drop == SL_DROP_MALFORMED)
		malformed(ingress);
	return false;
}

void relay_forward(struct relay_peer *ingress, const uint8_t *datagram, size_t len)
{
	struct sl_env *env = ingress->relay->env;
	struct sl_overlay overlay = {.frame = NULL};
	struct relay_verdict verdict = {.drop = SL_DROP_NONE};
	struct sl_framelog entry = {.scope = "relay", .direction = "forward", .frame_len = len};
	char detail[SL_GUARD_TEXT] = "";

	ingress->counters.rx_datagrams++;
	if (!ingress->room || ingress->condemned) {
		// Before its welcome a peer has no id to send from; on its way out nobody listens.
		relay_peer_count_drop(ingress, SL_DROP_UNKNOWN_PEER, 1);
		return;
	}
	if (take(ingress, datagram, len, &overlay, &verdict.drop)) {
		judge(ingress, &overlay, &verdict, detail);
		entry.eth = &verdict.view.eth;
		entry.frame_len = overlay.frame_len;
	} else if (verdict.drop == SL_DROP_NONE) {
		return;
	}
	entry.room = ingress->room->code;
	entry.peer = ingress->id;
	entry.drop = verdict.drop;
	if (verdict.drop == SL_DROP_NONE) {
		entry.targets = pass_on(ingress, &overlay, &verdict);
	} else {
		relay_peer_count_drop(ingress, verdict.drop, 1);
		if (!verdict.evidence) // what follows from it is said elsewhere, and another room's is no
				       // news
			sl_drop_report(env, &ingress->drop_limits, &entry, detail[0] ? detail : NULL);
		relay_notice_drop(ingress, verdict.drop, detail);
	}
	if (env->log->frames)
		sl_framelog_write(env->log, &entry);
}
