#include "relay/report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "obs/json.h"
#include "relay/core.h"
#include "relay/expiry.h"

bool relay_report_has_room(const struct sl_relay *relay, const char *code)
{
	return relay_find_room(relay, code) != NULL;
}

// Consumes `member`. NULL stays NULL, and a failure ends in NULL.
static json_t *with(json_t *object, const char *name, json_t *member)
{
	if (!object) {
		json_decref(member);
		return NULL;
	}
	if (!member || json_object_set_new(object, name, member) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *append(json_t *array, json_t *element)
{
	if (!array) {
		json_decref(element);
		return NULL;
	}
	if (!element || json_array_append_new(array, element) != 0) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static size_t largest_mtu(const struct relay_room *room)
{
	size_t mtu = 0;

	for (size_t i = 0; i < room->count; i++)
		if (room->members[i]->mtu > mtu)
			mtu = room->members[i]->mtu;
	return mtu;
}

static json_t *room_json(const struct relay_room *room, uint64_t now_ns)
{
	json_t *object = json_object();

	object = with(object, "code", json_string(room->code));
	object = with(object, "id", sl_json_number(room->id));
	object = with(object, "mtu", sl_json_number(largest_mtu(room)));
	object = with(object, "gateway", room->gateway ? sl_json_number(room->gateway->id) : json_null());
	object = with(object, "clients", sl_json_number(room->count - (room->gateway ? 1 : 0)));
	object = with(object, "learned",
		      sl_json_number(relay_stations_count_learned(&room->stations, now_ns)));
	object = with(object, "frames", sl_json_number(room->frames));
	object = with(object, "bytes", sl_json_number(room->bytes));
	object = with(object, "dropped", sl_json_number(room->dropped));
	return object;
}

json_t *relay_report_rooms(const struct sl_relay *relay, const char *code)
{
	json_t *rooms = json_array();

	for (const struct relay_room *room = relay->rooms; room; room = room->next)
		if (!code || strcmp(code, room->code) == 0)
			rooms = append(rooms, room_json(room, relay->env->now_ns));
	return with(json_object(), "rooms", rooms);
}

static json_t *since(uint64_t now_ns, uint64_t then_ns, uint64_t unit_ns)
{
	return sl_json_number(now_ns > then_ns ? (now_ns - then_ns) / unit_ns : 0);
}

static json_t *peer_json(const struct relay_peer *peer)
{
	uint64_t now_ns = peer->relay->env->now_ns;
	bool client = peer->role == SL_ROLE_CLIENT;
	char address[SL_ADDR_TEXT], mac[SL_MAC_TEXT];
	struct sl_conn_info info;
	json_t *object = sl_counters_json(&peer->counters, false);

	peer->relay->link->info(peer->conn, &info);
	object = with(object, "id", sl_json_number(peer->id));
	object = with(object, "room", json_string(peer->room->code));
	object = with(object, "role", json_string(sl_role_name(peer->role)));
	object = with(object, "mac",
		      client ? json_string(sl_mac_format(&peer->station.mac, mac)) : json_null());
	object = with(object, "address", json_string(sl_addr_format(&info.remote, address)));
	object = with(object, "agent", json_string(peer->agent));
	object = with(object, "rtt_ms",
		      info.rtt_ns ? json_real((double)info.rtt_ns / (double)SL_NS_PER_MS) : json_null());
	object = with(object, "mtu", sl_json_number(peer->mtu));
	object = with(object, "datagram_budget", sl_json_number(peer->budget));
	object = with(object, "split", json_boolean(peer->split));
	object = with(object, "joined_s", since(now_ns, peer->joined_ns, SL_NS_PER_S));
	object = with(object, "last_seen_ms", since(now_ns, info.last_rx_ns, SL_NS_PER_MS));
	object = with(object, "isolated", json_boolean(peer->isolation.isolated));
	object = with(object, "reported",
		      peer->reported_ns ? sl_counters_json(&peer->reported, false) : json_null());
	object = with(object, "reported_age_ms",
		      peer->reported_ns ? since(now_ns, peer->reported_ns, SL_NS_PER_MS) : json_null());
	return object;
}

json_t *relay_report_peers(const struct sl_relay *relay, const char *code)
{
	json_t *peers = json_array();

	for (const struct relay_room *room = relay->rooms; room; room = room->next) {
		if (code && strcmp(code, room->code) != 0)
			continue;
		for (size_t i = 0; i < room->count; i++)
			peers = append(peers, peer_json(room->members[i]));
	}
	return with(json_object(), "peers", peers);
}

static json_t *quic_json(const struct sl_quic_stats *quic)
{
	json_t *object = json_object();

	object = with(object, "connections", sl_json_number(quic->connections));
	object = with(object, "handshakes", sl_json_number(quic->handshakes));
	object = with(object, "handshakes_failed", sl_json_number(quic->handshakes_failed));
	object = with(object, "handshakes_refused", sl_json_number(quic->handshakes_refused));
	object = with(object, "rx_packets_bad", sl_json_number(quic->rx_packets_bad));
	object = with(object, "resets_sent", sl_json_number(quic->resets_sent));
	object = with(object, "retries_sent", sl_json_number(quic->retries_sent));
	object = with(object, "version_negotiations_sent", sl_json_number(quic->version_negotiations_sent));
	return object;
}

json_t *relay_report_stats(const struct sl_relay *relay)
{
	struct sl_relay_info info;
	json_t *admission, *rejects = json_object(), *object = json_object();

	sl_relay_info(relay, &info);
	for (unsigned i = 0; i < (unsigned)SL_REJECT_UNKNOWN; i++)
		if (info.rejects[i] > 0)
			rejects = with(rejects, sl_reject_token((enum sl_reject)i),
				       sl_json_number(info.rejects[i]));
	admission = with(json_object(), "joins", sl_json_number(info.joins));
	admission = with(admission, "leaves", sl_json_number(info.leaves));
	admission = with(admission, "protocol_errors", sl_json_number(info.protocol_errors));
	admission = with(admission, "unknown_messages", sl_json_number(info.unknown_messages));
	admission = with(admission, "rejects", rejects);

	object = with(object, "counters", sl_counters_json(&info.counters, true));
	object = with(object, "rooms", sl_json_number(info.rooms));
	object = with(object, "peers", sl_json_number(info.peers));
	object = with(object, "admission", admission);
	object = with(object, "quic", quic_json(&info.quic));
	object = with(object, "udp", sl_udp_json(&info.quic.udp));
	return object;
}

static json_t *time_json(time_t when)
{
	char text[32];
	struct tm utc;

	if (!gmtime_r(&when, &utc) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		return json_null();
	return json_string(text);
}

static json_t *certificate_json(const struct sl_tls *tls, uint64_t wall_ns)
{
	struct sl_tls_info info;
	json_t *object = json_object();

	sl_tls_info(tls, &info);
	object = with(object, "subject", json_string(info.subject));
	object = with(object, "sha256", json_string(info.sha256));
	object = with(object, "not_before", time_json(info.not_before));
	object = with(object, "not_after", time_json(info.not_after));
	object = with(object, "expires_days", json_integer(relay_expiry_days(&info, wall_ns)));
	object = with(object, "development", json_boolean(info.development));
	return object;
}

static json_t *sentences_json(const struct sl_relay *relay, const struct sl_relay_info *info,
			      const struct sl_tls *tls, uint64_t wall_ns)
{
	char listen[SL_ADDR_TEXT], sentence[256], expiry[RELAY_EXPIRY_TEXT];
	struct sl_tls_info certificate;
	json_t *sentences;

	snprintf(sentence, sizeof(sentence), "%s %s: %zu peer%s in %zu room%s.",
		 relay->stopping ? "Ending, on" : "Serving on", sl_addr_format(&info->listen, listen),
		 info->peers, info->peers == 1 ? "" : "s", info->rooms, info->rooms == 1 ? "" : "s");
	sentences = append(json_array(), json_string(sentence));
	sl_tls_info(tls, &certificate);
	if (relay_expiry_sentence(&certificate, wall_ns, expiry)[0])
		sentences = append(sentences, json_string(expiry));
	return sentences;
}

int relay_report_status(json_t *status, const struct sl_relay *relay, const struct sl_tls *tls)
{
	struct sl_relay_info info;
	uint64_t wall_ns = relay->env->ops->wall_ns(relay->env);
	char listen[SL_ADDR_TEXT];
	json_t *more = json_object();
	int failed;

	sl_relay_info(relay, &info);
	more = with(more, "state", json_string(relay->stopping ? "ending" : "serving"));
	more = with(more, "sentences", sentences_json(relay, &info, tls, wall_ns));
	more = with(more, "listen", json_string(sl_addr_format(&info.listen, listen)));
	more = with(more, "certificate", certificate_json(tls, wall_ns));
	more = with(more, "mtu", sl_json_number(info.mtu));
	more = with(more, "rooms", sl_json_number(info.rooms));
	more = with(more, "peers", sl_json_number(info.peers));
	more = with(more, "connections", sl_json_number(info.connections));
	more = with(more, "limits",
		    json_pack("{s:I, s:I, s:I}", "rooms", (json_int_t)relay->max_rooms, "peers_per_room",
			      (json_int_t)relay->max_peers_per_room, "peers", (json_int_t)relay->max_peers));
	failed = !more || json_object_update(status, more) != 0;
	json_decref(more);
	return failed ? SL_ERR_NOMEM : SL_OK;
}
