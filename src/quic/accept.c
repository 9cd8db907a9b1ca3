// Server: what to do with a packet that belongs to no connection (RFC 9000 sections 5.2.2, 6, 8.1, 10.3).
#include "quic/internal.h"

#include <string.h>

#define RETRY_TIMEOUT (10 * SL_NS_PER_S)
#define STATELESS_PER_SECOND 500 // answers to packets of no connection: enough for a full relay's restart
#define RETRIES_PER_SECOND 5000  // of their own: a flood must shut out neither newcomers nor resets
#define HALF_OPEN_RETRY 64       // so many unfinished handshakes: ask newcomers to prove their address

static bool may_answer(struct sl_quic *quic)
{
	return sl_bucket_take(&quic->stateless, quic->env->now_ns, STATELESS_PER_SECOND);
}

static void send_version_negotiation(struct sl_quic *quic, const struct sl_udp_rx *rx,
				     const ngtcp2_version_cid *vc, size_t received)
{
	uint8_t packet[7 + 2 * 255 + 4], unused; // other versions' connection ids may be that long
	const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};

	// A client's first packet is padded to 1,200 bytes (section 14.1); less is no client.
	if (received < NGTCP2_MAX_UDP_PAYLOAD_SIZE || !may_answer(quic))
		return;
	quic->env->ops->random(quic->env, &unused, 1);
	ngtcp2_ssize len = ngtcp2_pkt_write_version_negotiation(
		packet, sizeof(packet), unused, vc->scid, vc->scidlen, vc->dcid, vc->dcidlen, versions, 1);
	if (len > 0) {
		quic->stats.version_negotiations_sent++;
		sl_tx_raw(quic, rx->local, rx->remote, packet, (size_t)len);
	}
}

// RFC 9000 section 10.3: shorter than what it answers, so that two endpoints can't answer each other for
// ever.
static void send_stateless_reset(struct sl_quic *quic, const struct sl_udp_rx *rx, const uint8_t *dcid,
				 size_t received)
{
	uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], packet[64], noise[64];
	ngtcp2_cid cid;

	if (received < NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN + 1 ||
	    !may_answer(quic))
		return;
	size_t noise_len = received - NGTCP2_STATELESS_RESET_TOKENLEN - 1;
	if (noise_len > sizeof(packet) - NGTCP2_STATELESS_RESET_TOKENLEN)
		noise_len = sizeof(packet) - NGTCP2_STATELESS_RESET_TOKENLEN;
	ngtcp2_cid_init(&cid, dcid, SL_CID_LEN);
	if (ngtcp2_crypto_generate_stateless_reset_token(token, quic->reset_secret,
							 sizeof(quic->reset_secret), &cid) != 0)
		return;
	quic->env->ops->random(quic->env, noise, noise_len);
	ngtcp2_ssize len = ngtcp2_pkt_write_stateless_reset(packet, sizeof(packet), token, noise, noise_len);
	if (len > 0) {
		quic->stats.resets_sent++;
		sl_tx_raw(quic, rx->local, rx->remote, packet, (size_t)len);
	}
}

static void send_retry(struct sl_quic *quic, const struct sl_udp_rx *rx, const ngtcp2_pkt_hd *hd)
{
	uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN], packet[512];
	ngtcp2_cid scid = {.datalen = SL_CID_LEN};

	if (!sl_bucket_take(&quic->retries, quic->env->now_ns, RETRIES_PER_SECOND))
		return;
	quic->env->ops->random(quic->env, scid.data, SL_CID_LEN);
	ngtcp2_ssize token_len = ngtcp2_crypto_generate_retry_token(
		token, quic->token_secret, sizeof(quic->token_secret), hd->version,
		(const ngtcp2_sockaddr *)&rx->remote->sa, rx->remote->len, &scid, &hd->dcid,
		quic->env->ops->wall_ns(quic->env));
	if (token_len < 0)
		return;
	ngtcp2_ssize len = ngtcp2_crypto_write_retry(packet, sizeof(packet), hd->version, &hd->scid, &scid,
						     &hd->dcid, token, (size_t)token_len);
	if (len > 0) {
		quic->stats.retries_sent++;
		sl_tx_raw(quic, rx->local, rx->remote, packet, (size_t)len);
	}
}

static void refuse(struct sl_quic *quic, const struct sl_udp_rx *rx, const ngtcp2_pkt_hd *hd, uint64_t code)
{
	uint8_t packet[256];
	if (!may_answer(quic))
		return;
	ngtcp2_ssize len = ngtcp2_crypto_write_connection_close(packet, sizeof(packet), hd->version,
								&hd->scid, &hd->dcid, code, NULL, 0);
	if (len > 0)
		sl_tx_raw(quic, rx->local, rx->remote, packet, (size_t)len);
}

// May a newcomer that has proved nothing have a connection at once? A flood of first packets with false
// senders, or of broken ones, gets half of the handshakes; the others are for those who come back with a
// token.
static bool may_skip_retry(struct sl_quic *quic)
{
	unsigned all = quic->config.handshakes_per_second; // 0: no limit; of 1, the half is none

	return quic->half_open < HALF_OPEN_RETRY && all != 1 &&
	       sl_bucket_take(&quic->unproved, quic->env->now_ns, all / 2);
}

static void new_connection(struct sl_quic *quic, const struct sl_udp_rx *rx, const uint8_t *data, size_t len)
{
	ngtcp2_pkt_hd hd;
	ngtcp2_cid original;
	bool validated = false;

	// The id that a client makes up has eight bytes at least (section 7.2), and so have ours in its
	// answers.
	if (ngtcp2_accept(&hd, data, len) != 0 || len < NGTCP2_MAX_UDP_PAYLOAD_SIZE ||
	    hd.dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) {
		quic->stats.rx_packets_bad++;
		return;
	}
	// A Retry token that does not verify is an error, an unknown one is as good as none (section 8.1.3).
	if (hd.tokenlen != 0 && hd.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
		if (ngtcp2_crypto_verify_retry_token(
			    &original, hd.token, hd.tokenlen, quic->token_secret, sizeof(quic->token_secret),
			    hd.version, (const ngtcp2_sockaddr *)&rx->remote->sa, rx->remote->len, &hd.dcid,
			    RETRY_TIMEOUT, quic->env->ops->wall_ns(quic->env)) != 0) {
			refuse(quic, rx, &hd, NGTCP2_INVALID_TOKEN);
			return;
		}
		validated = true;
	}
	if (!validated && !may_skip_retry(quic)) {
		send_retry(quic, rx, &hd);
		return;
	}
	if (quic->conn_count >= quic->config.max_connections ||
	    !sl_bucket_take(&quic->handshakes, quic->env->now_ns, quic->config.handshakes_per_second)) {
		quic->stats.handshakes_refused++;
		refuse(quic, rx, &hd, NGTCP2_CONNECTION_REFUSED);
		return;
	}
	ngtcp2_path path = sl_path_of(rx);
	struct sl_conn *conn = sl_conn_new(quic, NULL, &path, &hd, validated ? &original : NULL);
	if (conn == NULL) {
		quic->stats.handshakes_refused++;
		return;
	}
	sl_conn_read(conn, &path, rx->ecn, data, len);
	// Damaged or made up: nothing to say, and the true first packet must find its id free, even when it
	// comes in the same batch.
	if (conn->dying && !conn->close_wanted) {
		if (conn->no_parameters)
			refuse(quic, rx, &hd, NGTCP2_CRYPTO_ERROR | GNUTLS_A_MISSING_EXTENSION);
		quic->stats.handshakes_failed++;
		sl_conn_free(conn);
	}
}

void sl_quic_unknown(struct sl_quic *quic, const struct sl_udp_rx *rx, const uint8_t *data, size_t len,
		     const ngtcp2_version_cid *vc, int rv)
{
	bool long_header = (data[0] & 0x80) != 0;

	// ngtcp2 knows version 2 as well (RFC 9369).
	if (rv == NGTCP2_ERR_VERSION_NEGOTIATION ||
	    (long_header && vc->version != 0 && vc->version != NGTCP2_PROTO_VER_V1))
		send_version_negotiation(quic, rx, vc, len);
	else if (long_header)
		new_connection(quic, rx, data, len);
	else
		send_stateless_reset(quic, rx, vc->dcid, len);
}
