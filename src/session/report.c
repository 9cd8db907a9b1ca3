#include "session/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/time.h"
#include "obs/json.h"

// New values are NULL when memory is out; json_object_set_new then fails, and so does the report.
static int put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0 ? SL_OK : SL_ERR_NOMEM;
}

static json_t *number_or_null(uint64_t value) // 0: not known
{
	return value != 0 ? sl_json_number(value) : json_null();
}

// A sentence may have been cut in the middle of a character; JSON takes whole ones only.
json_t *sl_report_sentence(const char *text)
{
	json_t *out = json_string(text);
	char copy[512];

	if (out != NULL)
		return out;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c != '\0'; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	return json_string(copy);
}

static json_t *isolation(const struct sl_session_status *now)
{
	char text[SL_MESSAGE_MAX + 80];

	snprintf(text, sizeof(text), "The relay has cut this computer off from the room: %s", now->isolation);
	return sl_report_sentence(text);
}

// For people: what there is to say of the connection. A daemon may append more.
static json_t *sentences(const struct sl_session_status *now)
{
	json_t *list = json_array();
	char rtt[64];
	int rc;

	rc = json_array_append_new(list, sl_report_sentence(now->sentence));
	if (now->state == SL_SESSION_JOINED && now->rtt_ns != 0) {
		snprintf(rtt, sizeof(rtt), "The relay is %.1f ms away.",
			 (double)now->rtt_ns / (double)SL_NS_PER_MS);
		rc |= json_array_append_new(list, json_string(rtt));
	}
	if (rc == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *milliseconds(uint64_t ns)
{
	return ns != 0 ? json_real((double)(ns / SL_NS_PER_US) / 1000.0) : json_null();
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

// The room's gateway as it is now, ourselves included; 0: none.
static uint16_t room_gateway(const struct sl_session *session, const struct sl_session_config *config,
			     const struct sl_session_status *status)
{
	const struct sl_session_peer *peer;
	unsigned cursor = 0;

	if (status->state != SL_SESSION_JOINED)
		return 0;
	if (config->role == SL_ROLE_GATEWAY)
		return status->welcome.peer_id;
	while ((peer = sl_session_peer_next(session, &cursor)) != NULL) {
		if (peer->role == SL_ROLE_GATEWAY)
			return peer->id;
	}
	return 0;
}

static int status_path(json_t *status, const struct sl_session_status *now)
{
	json_t *path = json_object();
	int rc = SL_OK;

	rc |= put(path, "max_udp_payload", number_or_null(now->conn.max_udp_payload));
	rc |= put(path, "max_datagram", number_or_null(now->max_datagram));
	rc |= put(status, "path", path);
	return rc;
}

int sl_report_status(json_t *status, const struct sl_session *session, const struct sl_session_config *config,
		     uint64_t now_ns)
{
	struct sl_session_status now;
	char address[SL_ADDR_TEXT] = "";
	bool joined;
	int rc = SL_OK;

	sl_session_status(session, &now);
	joined = now.state == SL_SESSION_JOINED;
	if (now.relay.len != 0)
		sl_addr_format(&now.relay, address);

	rc |= put(status, "role", json_string(sl_role_name(config->role)));
	rc |= put(status, "room", json_string(config->room));
	rc |= put(status, "relay",
		  json_sprintf(strchr(config->relay.name, ':') != NULL ? "[%s]:%u" : "%s:%u",
			       config->relay.name, (unsigned)config->relay.port));
	rc |= put(status, "relay_address", address[0] != '\0' ? json_string(address) : json_null());
	rc |= put(status, "server_name", json_string(config->server_name));
	rc |= put(status, "connected", json_boolean(joined));
	rc |= put(status, "isolated", json_boolean(now.isolated));
	rc |= put(status, "state", json_string(now.state_name));
	rc |= put(status, "sentences", sentences(&now));
	rc |= put(status, "peer_id", number_or_null(joined ? now.welcome.peer_id : 0));
	rc |= put(status, "mtu", number_or_null(joined ? now.welcome.mtu : 0));
	rc |= put(status, "datagram_budget", number_or_null(joined ? now.welcome.budget : 0));
	rc |= put(status, "split", joined ? json_boolean(now.welcome.split) : json_null());
	rc |= put(status, "gateway", number_or_null(room_gateway(session, config, &now)));
	rc |= put(status, "rtt_ms", milliseconds(now.rtt_ns));
	rc |= put(status, "reconnects", sl_json_number(now.reconnects));
	rc |= put(status, "since_s", sl_json_number(since(now_ns, now.since_ns) / SL_NS_PER_S));
	rc |= status_path(status, &now);
	rc |= put(status, "counters", sl_counters_json(sl_session_counters(session), false));
	rc |= put(status, "cipher", now.conn.cipher != NULL ? json_string(now.conn.cipher) : json_null());
	return rc == SL_OK ? SL_OK : SL_ERR_NOMEM;
}

// Without "12 frames filtered: " at its beginning, as the number of all on this connection is said before.
static const char *cause(const char *message)
{
	const char *rest = message + strspn(message, "0123456789");
	const char *colon = strstr(rest, ": ");

	return rest != message && strncmp(rest, " frame", 6) == 0 && colon != NULL ? colon + 2 : message;
}

static void warn_notice(json_t *warnings, const struct sl_session_notice *notice, uint64_t now_ns)
{
	uint64_t minutes = since(now_ns, notice->at_ns) / (60 * SL_NS_PER_S);
	char text[SL_MESSAGE_MAX + 120], when[48] = "";

	if (notice->total == 0)
		return;
	if (minutes > 0)
		snprintf(when, sizeof(when), " (%" PRIu64 " min ago)", minutes);
	snprintf(text, sizeof(text), "the relay dropped %" PRIu64 " frame%s: %s%s", notice->total,
		 notice->total == 1 ? "" : "s", cause(notice->message), when);
	json_array_append_new(warnings, sl_report_sentence(text));
}

void sl_report_warnings(json_t *warnings, const struct sl_session *session, uint64_t now_ns)
{
	const struct sl_session_notice *notice;
	struct sl_session_status now;
	unsigned cursor = 0;

	sl_session_status(session, &now);
	if (now.isolated)
		json_array_append_new(warnings, isolation(&now));
	while ((notice = sl_session_notice_next(session, &cursor)) != NULL) {
		if (!now.isolated || strcmp(notice->message, now.isolation) != 0) // said already
			warn_notice(warnings, notice, now_ns);
	}
}

json_t *sl_report_rooms(const struct sl_session *session, const struct sl_session_config *config)
{
	const struct sl_counters *counters = sl_session_counters(session);
	const struct sl_session_peer *peer;
	struct sl_session_status now;
	json_t *report = json_object(), *rooms = json_array(), *room = json_object();
	uint64_t clients = 0;
	unsigned cursor = 0;
	bool joined;
	int rc = SL_OK;

	sl_session_status(session, &now);
	joined = now.state == SL_SESSION_JOINED;
	while ((peer = sl_session_peer_next(session, &cursor)) != NULL)
		clients += peer->role == SL_ROLE_CLIENT;
	clients += joined && config->role == SL_ROLE_CLIENT; // ourselves

	rc |= put(room, "code", json_string(config->room));
	rc |= put(room, "id", joined ? sl_json_number(now.welcome.room_id) : json_null());
	rc |= put(room, "mtu", joined ? sl_json_number(now.welcome.mtu) : json_null());
	rc |= put(room, "gateway", number_or_null(room_gateway(session, config, &now)));
	rc |= put(room, "clients", sl_json_number(clients));
	rc |= put(room, "frames", sl_json_number(counters->rx_frames + counters->tx_frames));
	rc |= put(room, "bytes", sl_json_number(counters->rx_bytes + counters->tx_bytes));
	rc |= put(room, "dropped", sl_json_number(sl_counters_dropped(counters)));
	rc |= json_array_append_new(rooms, room);
	rc |= put(report, "rooms", rooms);
	if (rc == SL_OK)
		return report;
	json_decref(report);
	return NULL;
}

// What an endpoint does not know of a peer is null: the relay knows it.
static json_t *peer_json(const struct sl_session_peer *peer, const char *room, uint64_t now_ns)
{
	json_t *out = json_object();
	char mac[SL_MAC_TEXT];
	bool client = peer->role == SL_ROLE_CLIENT;
	int rc = SL_OK;

	rc |= put(out, "id", sl_json_number(peer->id));
	rc |= put(out, "room", json_string(room));
	rc |= put(out, "role", json_string(sl_role_name(peer->role)));
	rc |= put(out, "mac", client ? json_string(sl_mac_format(&peer->mac, mac)) : json_null());
	rc |= put(out, "address", json_null());
	rc |= put(out, "agent", json_null());
	rc |= put(out, "rtt_ms", json_null());
	rc |= put(out, "mtu", json_null());
	rc |= put(out, "datagram_budget", json_null());
	rc |= put(out, "split", json_null());
	rc |= put(out, "joined_s", sl_json_number(since(now_ns, peer->joined_ns) / SL_NS_PER_S));
	rc |= put(out, "last_seen_ms",
		  peer->last_frame_ns != 0 ? sl_json_number(since(now_ns, peer->last_frame_ns) / SL_NS_PER_MS)
					   : json_null());
	rc |= put(out, "rx_frames", sl_json_number(peer->rx_frames));
	rc |= put(out, "tx_frames", sl_json_number(peer->tx_frames));
	rc |= put(out, "rx_bytes", sl_json_number(peer->rx_bytes));
	rc |= put(out, "tx_bytes", sl_json_number(peer->tx_bytes));
	rc |= put(out, "drops", json_object());
	rc |= put(out, "reported", json_null());
	if (rc == SL_OK)
		return out;
	json_decref(out);
	return NULL;
}

json_t *sl_report_peers(const struct sl_session *session, const struct sl_session_config *config,
			uint64_t now_ns)
{
	json_t *report = json_object(), *peers = json_array();
	const struct sl_session_peer *peer;
	unsigned cursor = 0;
	int rc = SL_OK;

	while ((peer = sl_session_peer_next(session, &cursor)) != NULL)
		rc |= json_array_append_new(peers, peer_json(peer, config->room, now_ns));
	rc |= put(report, "peers", peers);
	if (rc == SL_OK)
		return report;
	json_decref(report);
	return NULL;
}

json_t *sl_report_stats(const struct sl_session *session)
{
	struct sl_session_status now;
	json_t *report = json_object();
	int rc = SL_OK;

	sl_session_status(session, &now);
	rc |= put(report, "counters", sl_counters_json(sl_session_counters(session), true));
	rc |= put(report, "udp", sl_udp_json(&now.udp));
	rc |= put(report, "unknown_messages", sl_json_number(now.unknown_messages));
	if (rc == SL_OK)
		return report;
	json_decref(report);
	return NULL;
}
