// How a connection ends, in two steps: marked here, reported and freed at the end of the turn, because
// ngtcp2 must not lose a connection that it is still working on.
#include "quic/internal.h"

#include <stdio.h>
#include <string.h>

#define LINGER_MAX (5 * SL_NS_PER_S)

// What the other side says goes to logs and people: printable ASCII only.
static void printable(char *out, size_t room, const char *text)
{
	size_t len = 0;
	for (; text[len] != '\0' && len + 1 < room; len++)
		out[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
	out[len] = '\0';
}

void sl_conn_die(struct sl_conn *conn, enum sl_close_cause cause, const char *text)
{
	sl_quic_mark(conn);
	if (conn->dying)
		return;
	conn->dying = true;
	// Whatever ends a handshake, other than ourselves: there never was a connection to lose.
	if (conn->state == SL_CONN_HANDSHAKE && cause != SL_CAUSE_LOCAL)
		cause = SL_CAUSE_HANDSHAKE;
	conn->why.cause = cause;
	printable(conn->why.text, sizeof(conn->why.text), text);
}

static void die_by_peer(struct sl_conn *conn)
{
	const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr(conn->nc);
	char text[200];
	size_t len = error->reasonlen < sizeof(text) - 1 ? error->reasonlen : sizeof(text) - 1;

	if (conn->dying)
		return;
	if (error->reason != NULL)
		memcpy(text, error->reason, len);
	text[error->reason != NULL ? len : 0] = '\0';
	if (error->type == NGTCP2_CCERR_TYPE_APPLICATION) {
		sl_conn_die(conn, SL_CAUSE_PEER, text);
		conn->why.application = true;
	} else if (conn->state == SL_CONN_HANDSHAKE &&
		   (error->error_code & ~UINT64_C(0xff)) == NGTCP2_CRYPTO_ERROR) {
		// A TLS alert (RFC 9001 section 4.8).
		char sentence[256];
		gnutls_alert_description_t alert = (gnutls_alert_description_t)(error->error_code & 0xff);
		const char *name = gnutls_alert_get_name(alert);
		snprintf(sentence, sizeof(sentence), "the other side refused the TLS handshake: %s%s",
			 name != NULL ? name : "unknown alert",
			 alert == GNUTLS_A_NO_APPLICATION_PROTOCOL ? " (it does not speak " SL_ALPN ")" : "");
		sl_conn_die(conn, SL_CAUSE_HANDSHAKE, sentence);
	} else if (error->error_code == NGTCP2_CONNECTION_REFUSED) {
		sl_conn_die(conn, SL_CAUSE_PEER,
			    "the relay refuses new connections just now (too many at once)");
	} else {
		sl_conn_die(conn, SL_CAUSE_PEER, text[0] != '\0' ? text : "closed by the other side");
	}
	conn->why.code = error->error_code;
}

void sl_conn_fail(struct sl_conn *conn, int rv)
{
	char sentence[200];
	sl_quic_mark(conn);

	// Closed from a callback while ngtcp2 was at work: what it finds after that changes nothing.
	if (conn->close_wanted)
		return;
	switch (rv) {
	case NGTCP2_ERR_IDLE_CLOSE:
		sl_conn_die(conn, SL_CAUSE_IDLE,
			    conn->state == SL_CONN_HANDSHAKE ? "no answer"
							     : "nothing was heard for the idle timeout");
		return;
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		sl_conn_die(conn, SL_CAUSE_HANDSHAKE, "no answer");
		return;
	case NGTCP2_ERR_DRAINING:
		die_by_peer(conn); // or the reset that was told before
		return;
	case NGTCP2_ERR_CLOSING:
		return;
	case NGTCP2_ERR_DROP_CONN:
		sl_conn_die(conn, SL_CAUSE_TRANSPORT, "dropped");
		return;
	case NGTCP2_ERR_RETRY: // we validate addresses before a connection is made
		sl_conn_die(conn, SL_CAUSE_TRANSPORT, "retry");
		return;
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		sl_conn_die(conn, SL_CAUSE_HANDSHAKE, "the relay does not speak QUIC version 1");
		return;
	case NGTCP2_ERR_CRYPTO: {
		uint8_t alert = ngtcp2_conn_get_tls_alert(conn->nc);
		const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);
		ngtcp2_ccerr_set_tls_alert(&conn->error, alert, NULL, 0);
		snprintf(sentence, sizeof(sentence), "the TLS handshake failed: %s",
			 name != NULL ? name : "unknown alert");
		break;
	}
	default:
		ngtcp2_ccerr_set_liberr(&conn->error, rv, NULL, 0);
		snprintf(sentence, sizeof(sentence), "QUIC error: %s", ngtcp2_strerror(rv));
		break;
	}
	conn->close_wanted = !conn->no_parameters;
	sl_conn_die(conn, SL_CAUSE_TRANSPORT, sentence);
}

void sl_conn_close(struct sl_conn *conn, uint64_t code, const char *reason)
{
	if (conn->dying || conn->reported)
		return;
	snprintf(conn->error_text, sizeof(conn->error_text), "%s", reason);
	ngtcp2_ccerr_set_application_error(&conn->error, code, (const uint8_t *)conn->error_text,
					   strlen(conn->error_text));
	conn->close_wanted = true;
	sl_conn_die(conn, SL_CAUSE_LOCAL, reason);
	conn->why.application = true;
	conn->why.code = code;
}

// Begins the end: absorbing late packets, or the way to sl_conn_free.
void sl_conn_end(struct sl_conn *conn)
{
	struct sl_quic *quic = conn->quic;
	// Three times the PTO (RFC 9000 section 10.2). The peer has a say in it by its max_ack_delay, of up
	// to 16 s, but not in how long we keep its memory.
	uint64_t wait = 3 * ngtcp2_conn_get_pto(conn->nc);
	uint64_t deadline = quic->env->now_ns + (wait < LINGER_MAX ? wait : LINGER_MAX);

	if (conn->state == SL_CONN_HANDSHAKE && quic->server)
		quic->half_open--;
	// Only a connection that was closed by a packet has late packets to absorb. One that never was
	// established goes at once: else first packets with false senders would fill the table with dead.
	bool linger = quic->server && conn->state == SL_CONN_OPEN &&
		      (conn->close_packet != NULL || ngtcp2_conn_in_draining_period(conn->nc));
	conn->state = linger ? SL_CONN_LINGER : SL_CONN_DEAD;
	if (!conn->reported)
		sl_tx_give_up(conn);
	sl_egress_clear(&conn->egress);
	quic->env->ops->timer_set(conn->timer, linger ? deadline : SL_TIME_NEVER);
	if (!linger)
		sl_quic_mark(conn);
}
