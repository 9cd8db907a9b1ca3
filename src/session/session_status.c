// What others may ask of a session.
#include "session/session.h"

#include <stdio.h>
#include <string.h>

#include "session/session_internal.h"

static const char *state_name(enum sl_session_state state)
{
	switch (state) {
	case SL_SESSION_IDLE:
		return "idle";
	case SL_SESSION_RESOLVING:
		return "resolving";
	case SL_SESSION_CONNECTING:
		return "connecting";
	case SL_SESSION_JOINING:
		return "joining";
	case SL_SESSION_JOINED:
		return "joined";
	case SL_SESSION_WAITING:
		return "waiting";
	case SL_SESSION_ENDING:
		return "ending";
	case SL_SESSION_ENDED:
		return "ended";
	}
	return "unknown";
}

static void joined_sentence(const struct sl_session *s, char *out, size_t size)
{
	char relay[RELAY_TEXT], gateway[64];

	if (s->config.role == SL_ROLE_GATEWAY)
		snprintf(gateway, sizeof gateway, "as its gateway");
	else if (s->welcome.gateway == 0)
		snprintf(gateway, sizeof gateway, "but the room has no gateway now");
	else
		snprintf(gateway, sizeof gateway, "its gateway is peer %u", s->welcome.gateway);
	snprintf(out, size, "Connected to the relay %s, in room %s as peer %u, %s.",
		 control_relay_text(s, relay), s->config.room, s->welcome.peer_id, gateway);
}

static void state_sentence(const struct sl_session *s, char *out, size_t size)
{
	char relay[RELAY_TEXT];
	uint64_t now = s->env->now_ns;
	uint64_t left = s->retry_ns > now ? s->retry_ns - now : 0;
	const char *before = s->sentence[0] != '\0' ? "; before: " : "";

	switch (s->state) {
	case SL_SESSION_IDLE:
		snprintf(out, size, "Not started yet.");
		break;
	case SL_SESSION_RESOLVING:
		snprintf(out, size, "Looking up the relay %s%s%.200s.", s->config.relay.name, before,
			 s->sentence);
		break;
	case SL_SESSION_CONNECTING:
		snprintf(out, size, "Connecting to the relay %s%s%.200s.", control_relay_text(s, relay),
			 before, s->sentence);
		break;
	case SL_SESSION_JOINING:
		snprintf(out, size, "Connected to the relay %s, joining room %s.",
			 control_relay_text(s, relay), s->config.room);
		break;
	case SL_SESSION_JOINED:
		joined_sentence(s, out, size);
		break;
	case SL_SESSION_WAITING:
		snprintf(out, size, "Not connected: %.400s; next try in %llu.%llu s.", s->sentence,
			 (unsigned long long)(left / SL_NS_PER_S),
			 (unsigned long long)(left % SL_NS_PER_S / (SL_NS_PER_S / 10)));
		break;
	case SL_SESSION_ENDING:
	case SL_SESSION_ENDED:
		snprintf(out, size, s->final ? "Ended: %.480s." : "Ended.%.0s", s->sentence);
		break;
	}
}

void status_add_udp(struct sl_udp_stats *to, const struct sl_udp_stats *from)
{
	to->rx_calls += from->rx_calls;
	to->rx_datagrams += from->rx_datagrams;
	to->rx_bytes += from->rx_bytes;
	to->rx_errors += from->rx_errors;
	to->tx_calls += from->tx_calls;
	to->tx_datagrams += from->tx_datagrams;
	to->tx_bytes += from->tx_bytes;
	to->tx_errors += from->tx_errors;
	to->tx_blocked += from->tx_blocked;
	to->gro = from->gro;
	to->gso = from->gso;
}

void sl_session_status(const struct sl_session *s, struct sl_session_status *out)
{
	memset(out, 0, sizeof *out);
	out->state = s->state;
	out->state_name = state_name(s->state);
	state_sentence(s, out->sentence, sizeof out->sentence);
	out->relay = s->relay;
	out->welcome = s->welcome;
	out->since_ns = s->since_ns;
	out->reconnects = s->reconnects;
	out->isolated = s->isolated_by != NULL;
	if (out->isolated)
		memcpy(out->isolation, s->isolated_by->message, sizeof out->isolation);
	out->unknown_messages = s->unknown_messages;
	out->udp = s->udp_before;
	if (s->quic != NULL) {
		struct sl_quic_stats stats;
		sl_quic_stats(s->quic, &stats);
		status_add_udp(&out->udp, &stats.udp);
	}
	if (s->conn != NULL && !s->closing) {
		sl_conn_info(s->conn, &out->conn);
		out->rtt_ns = out->conn.rtt_ns;
		out->max_datagram = sl_conn_max_datagram(s->conn);
	}
}
