#include "quic/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_FRAME_MAX 65535
#define CONTROL_WINDOW (256u * 1024u)
#define SILENCE_NS (500 * SL_NS_PER_MS)
// What a client may make a server hold by leaving a gap in the control stream; given back as it is read.
#define CONTROL_WINDOW_SERVER (64u * 1024u)

// ngtcp2 goes through the list once, from left to right, and leaves out what a success or a failure has
// decided already. First what the configured size of datagrams needs, then what the default size needs and
// upward (RFC 8899). If that fails, upward from 1330, which the least datagram.max_size of a relay needs
// without `split`, in small steps: a failure costs five PTO, a success one round trip. (1392 and 1372 are a
// path of 1420 bytes, over IPv4 and IPv6.) If that fails too, upward from 1232, which every path with IPv6
// carries.
static void choose_probes(struct sl_conn *conn)
{
#if SL_HAVE_PMTUD_PROBES
	static const uint16_t sizes[] = {1432, 1452, 1472, 1330, 1332, 1352, 1372,
					 1392, 1412, 1232, 1252, 1272, 1292, 1312};
	size_t first = conn->quic->config.datagram_size + sl_datagram_overhead(SL_CID_LEN);

	if (first > NGTCP2_MAX_UDP_PAYLOAD_SIZE && first <= conn->mtu_max)
		conn->probes[conn->probe_count++] = (uint16_t)first;
#else
	static const uint16_t sizes[] = {1406, 1342, 1232, 1444}; // the library's own
#endif
	_Static_assert(sizeof(sizes) / sizeof(sizes[0]) < SL_PROBES_MAX, "room for all, and the first");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		conn->probes[conn->probe_count++] = sizes[i];
}

static struct sl_conn *conn_of(void *user_data)
{
	return user_data;
}

static ngtcp2_conn *get_nc(ngtcp2_crypto_conn_ref *ref)
{
	struct sl_conn *conn = ref->user_data;
	return conn->nc;
}

// ---- server: the connection ids that lead to it. The list is our own, because no entry of the map may
// outlive its connection, whatever ngtcp2 knew of it when memory was short.

static bool claim_cid(struct sl_conn *conn, const ngtcp2_cid *cid)
{
	if (conn->cid_count == SL_CIDS_MAX ||
	    sl_map_put(&conn->quic->cids, cid->data, cid->datalen, conn) != SL_OK)
		return false;
	conn->cids[conn->cid_count++] = *cid;
	return true;
}

static void drop_cid(struct sl_conn *conn, const ngtcp2_cid *cid)
{
	conn->quic->last_conn = NULL;
	for (size_t i = 0; i < conn->cid_count; i++)
		if (ngtcp2_cid_eq(&conn->cids[i], cid)) {
			sl_map_remove(&conn->quic->cids, cid->data, cid->datalen);
			conn->cids[i] = conn->cids[--conn->cid_count];
			return;
		}
}

// ---- ngtcp2's callbacks. User callbacks made from here may mark, queue and close, never free.

static void on_rand(uint8_t *out, size_t len, const ngtcp2_rand_ctx *context)
{
	struct sl_env *env = context->native_handle;
	env->ops->random(env, out, len);
}

static int on_new_cid(ngtcp2_conn *nc, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	struct sl_quic *quic = conn->quic;
	(void)nc;

	quic->env->ops->random(quic->env, cid->data, len);
	cid->datalen = len;
	if (!quic->server) {
		quic->env->ops->random(quic->env, token, NGTCP2_STATELESS_RESET_TOKENLEN);
		return 0;
	}
	if (ngtcp2_crypto_generate_stateless_reset_token(token, quic->reset_secret,
							 sizeof(quic->reset_secret), cid) != 0 ||
	    !claim_cid(conn, cid))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}

static int on_remove_cid(ngtcp2_conn *nc, const ngtcp2_cid *cid, void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	(void)nc;
	if (conn->quic->server)
		drop_cid(conn, cid);
	return 0;
}

// RFC 9001 section 8.2: an end whose TLS brings no QUIC transport parameters must be refused.
static int refuse_plain_tls(struct sl_conn *conn)
{
	conn->no_parameters = true;
	sl_conn_die(conn, SL_CAUSE_HANDSHAKE, "the other side speaks TLS, but not QUIC");
	return NGTCP2_ERR_CALLBACK_FAILURE;
}

// GnuTLS goes on without the parameters, and ngtcp2 stops the whole program with an assertion when the
// server comes to write with its last keys, those after its Finished: a single packet of anybody would do.
static int on_crypto_data(ngtcp2_conn *nc, ngtcp2_encryption_level level, uint64_t offset,
			  const uint8_t *data, size_t len, void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	int rv = ngtcp2_crypto_recv_crypto_data_cb(nc, level, offset, data, len, user_data);

	if (rv == 0 && conn->quic->server && ngtcp2_conn_get_remote_transport_params(nc) == NULL &&
	    gnutls_handshake_get_last_out(conn->session) == GNUTLS_HANDSHAKE_FINISHED)
		return refuse_plain_tls(conn);
	return rv;
}

static int on_handshake_completed(ngtcp2_conn *nc, void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	struct sl_quic *quic = conn->quic;
	gnutls_datum_t alpn;

	if (gnutls_alpn_get_selected_protocol(conn->session, &alpn) != 0 || alpn.size != strlen(SL_ALPN) ||
	    memcmp(alpn.data, SL_ALPN, alpn.size) != 0) {
		sl_conn_die(conn, SL_CAUSE_HANDSHAKE, "the other side does not speak " SL_ALPN);
		return NGTCP2_ERR_CALLBACK_FAILURE;
	}
	if (ngtcp2_conn_get_remote_transport_params(nc) == NULL)
		return refuse_plain_tls(conn);
	if (!quic->server && !conn->trusted) {
		sl_conn_die(conn, SL_CAUSE_HANDSHAKE, "the relay showed no certificate");
		conn->why.certificate = true;
		return NGTCP2_ERR_CALLBACK_FAILURE;
	}
	conn->state = SL_CONN_OPEN;
	conn->room_stale = true;
	conn->mtu_changed_ns = conn->opened_ns = quic->env->now_ns;
	quic->stats.handshakes++;
	if (quic->config.keep_alive_ns != 0)
		ngtcp2_conn_set_keep_alive_timeout(nc, quic->config.keep_alive_ns);
	if (quic->server) {
		quic->half_open--;
		conn->user = quic->ops.accept(quic->ops.arg, conn);
		if (conn->user == NULL) {
			sl_conn_close(conn, 0, "refused"); // if `accept` itself has not given a reason
			conn->reported = true;             // nobody to tell
		}
	} else {
		quic->ops.established(quic->ops.arg, conn, conn->user);
	}
	return 0;
}

static int on_stream_data(ngtcp2_conn *nc, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
			  size_t len, void *user_data, void *stream_user_data)
{
	(void)nc, (void)offset, (void)stream_user_data;
	sl_stream_received(conn_of(user_data), id, data, len, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
	return 0;
}

static int on_stream_acked(ngtcp2_conn *nc, int64_t id, uint64_t offset, uint64_t len, void *user_data,
			   void *stream_user_data)
{
	(void)nc, (void)id, (void)stream_user_data;
	sl_stream_acked(conn_of(user_data), offset, len);
	return 0;
}

static int on_stream_reset(ngtcp2_conn *nc, int64_t id, uint64_t final_size, uint64_t code, void *user_data,
			   void *stream_user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	(void)nc, (void)id, (void)final_size, (void)code, (void)stream_user_data;
	sl_stream_reset(conn);
	return 0;
}

static int on_datagram(ngtcp2_conn *nc, uint32_t flags, const uint8_t *data, size_t len, void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);
	(void)nc, (void)flags;
	conn->heard = true;
	if (!conn->reported && !conn->dying && conn->state == SL_CONN_OPEN)
		conn->quic->ops.datagram(conn->quic->ops.arg, conn, conn->user, data, len);
	return 0;
}

static int on_update_key(ngtcp2_conn *nc, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
			 uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv,
			 const uint8_t *rx_secret_now, const uint8_t *tx_secret_now, size_t secret_len,
			 void *user_data)
{
	struct sl_conn *conn = conn_of(user_data);

	if (sl_protect_can(conn->tls->protect, nc, conn->session))
		return sl_protect_update_key(conn->tls->protect, nc, rx_secret, tx_secret, rx, rx_iv, tx,
					     tx_iv, rx_secret_now, tx_secret_now, secret_len) == 0
			       ? 0
			       : NGTCP2_ERR_CALLBACK_FAILURE;
	return ngtcp2_crypto_update_key_cb(nc, rx_secret, tx_secret, rx, rx_iv, tx, tx_iv, rx_secret_now,
					   tx_secret_now, secret_len, user_data);
}

static int on_stateless_reset(ngtcp2_conn *nc, const ngtcp2_pkt_stateless_reset *sr, void *user_data)
{
	(void)nc, (void)sr;
	sl_conn_die(conn_of(user_data), SL_CAUSE_RESET,
		    conn_of(user_data)->quic->server ? "the other side has forgotten us (stateless reset)"
						     : "the relay has restarted (stateless reset)");
	return 0;
}

static const ngtcp2_callbacks callbacks = {
	.client_initial = ngtcp2_crypto_client_initial_cb,
	.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
	.recv_crypto_data = on_crypto_data,
	.recv_retry = ngtcp2_crypto_recv_retry_cb,
	.encrypt = sl_protect_encrypt_cb,
	.decrypt = sl_protect_decrypt_cb,
	.hp_mask = sl_protect_hp_mask_cb,
	.update_key = on_update_key,
	.delete_crypto_aead_ctx = sl_protect_delete_aead_cb,
	.delete_crypto_cipher_ctx = sl_protect_delete_cipher_cb,
	.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
	.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	.rand = on_rand,
	.get_new_connection_id = on_new_cid,
	.remove_connection_id = on_remove_cid,
	.handshake_completed = on_handshake_completed,
	.recv_stream_data = on_stream_data,
	.acked_stream_data_offset = on_stream_acked,
	.stream_reset = on_stream_reset,
	.recv_datagram = on_datagram,
	.recv_stateless_reset = on_stateless_reset,
};

// ---- life

static int verify_server(gnutls_session_t session)
{
	ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
	struct sl_conn *conn = ref->user_data;
	struct sl_error error = {""};

	if (sl_tls_verify(conn->tls, session, conn->server_name, &error) == SL_OK) {
		conn->trusted = true;
		return 0;
	}
	sl_conn_die(conn, SL_CAUSE_HANDSHAKE, error.text);
	conn->why.certificate = true;
	return GNUTLS_E_CERTIFICATE_ERROR;
}

static void on_timer(void *arg)
{
	struct sl_conn *conn = arg;
	uint64_t now = conn->quic->env->now_ns;

	conn->timer_deadline = SL_TIME_NEVER;
	if (conn->state == SL_CONN_LINGER)
		conn->state = SL_CONN_DEAD;
	conn->write_wanted = conn->write_wanted || conn->wake_ns <= now;
	sl_quic_mark(conn);
	sl_quic_turn(conn->quic);
}

static int make_nc(struct sl_conn *conn, const ngtcp2_path *path, const ngtcp2_pkt_hd *initial,
		   const ngtcp2_cid *original_dcid)
{
	struct sl_quic *quic = conn->quic;
	ngtcp2_settings settings;
	ngtcp2_transport_params params;
	ngtcp2_cid scid = {.datalen = SL_CID_LEN}, dcid = {.datalen = 18};

	ngtcp2_settings_default(&settings);
	settings.initial_ts = quic->env->now_ns;
	settings.cc_algo = quic->config.congestion == SL_CC_CUBIC ? NGTCP2_CC_ALGO_CUBIC : NGTCP2_CC_ALGO_BBR;
	settings.rand_ctx.native_handle = quic->env;
	settings.handshake_timeout = quic->config.handshake_timeout_ns;
	// A lost first packet costs three of these; players are seldom further away.
	settings.initial_rtt = 100 * SL_NS_PER_MS;
	settings.max_tx_udp_payload_size = conn->mtu_max;
	settings.ack_thresh =
		1; // whatever is written acknowledges; when to write is decided here (must_write)
#if SL_HAVE_PMTUD_PROBES
	settings.pmtud_probes = conn->probes;
	settings.pmtud_probeslen = conn->probe_count;
#endif

	ngtcp2_transport_params_default(&params);
	params.initial_max_data = quic->server ? CONTROL_WINDOW_SERVER : CONTROL_WINDOW;
	params.initial_max_stream_data_bidi_local = params.initial_max_data;
	params.initial_max_stream_data_bidi_remote = params.initial_max_data;
	params.initial_max_streams_bidi = quic->server ? 1 : 0;
	params.initial_max_streams_uni = 0;
	params.max_idle_timeout = quic->config.idle_timeout_ns;
	params.max_datagram_frame_size = DATAGRAM_FRAME_MAX;
	params.active_connection_id_limit = 4;

	quic->env->ops->random(quic->env, scid.data, scid.datalen);
	if (!quic->server) {
		quic->env->ops->random(quic->env, dcid.data, dcid.datalen);
		return ngtcp2_conn_client_new(&conn->nc, &dcid, &scid, path, NGTCP2_PROTO_VER_V1, &callbacks,
					      &settings, &params, NULL, conn);
	}
	params.original_dcid_present = 1;
	if (original_dcid != NULL) { // the client came back with our Retry token
		params.original_dcid = *original_dcid;
		params.retry_scid = initial->dcid;
		params.retry_scid_present = 1;
		settings.token = initial->token;
		settings.tokenlen = initial->tokenlen;
		settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
	} else {
		params.original_dcid = initial->dcid;
	}
	params.stateless_reset_token_present = 1;
	if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, quic->reset_secret,
							 sizeof(quic->reset_secret), &scid) != 0)
		return NGTCP2_ERR_NOMEM;
	// The id that the client's first packets are sent to leads here as well.
	if (!claim_cid(conn, &scid) || (initial->dcid.datalen != 0 && !claim_cid(conn, &initial->dcid)))
		return NGTCP2_ERR_NOMEM;
	return ngtcp2_conn_server_new(&conn->nc, &initial->scid, &scid, path, initial->version, &callbacks,
				      &settings, &params, NULL, conn);
}

struct sl_conn *sl_conn_new(struct sl_quic *quic, const char *server_name, const ngtcp2_path *path,
			    const ngtcp2_pkt_hd *initial, const ngtcp2_cid *original_dcid)
{
	struct sl_conn *conn = calloc(1, sizeof(*conn));
	struct sl_addr remote;

	if (conn == NULL)
		return NULL;
	sl_addr_of(&path->remote, &remote);
	conn->quic = quic;
	conn->stream_id = -1;
	conn->chunks_end = &conn->chunks;
	conn->timer_deadline = SL_TIME_NEVER;
	conn->last_rx_ns = conn->rate_since_ns = quic->env->now_ns;
	conn->mtu = NGTCP2_MAX_UDP_PAYLOAD_SIZE;
	conn->mtu_max = sl_addr_is_ipv4(&remote) ? SL_UDP_PAYLOAD_V4 : SL_UDP_PAYLOAD_V6;
	choose_probes(conn);
	conn->ref.get_conn = get_nc;
	conn->ref.user_data = conn;
	ngtcp2_ccerr_default(&conn->error);
	sl_egress_init(&conn->egress, &quic->pool, quic->config.queue_frames);

	// Linked first, so that one function frees whatever was made.
	conn->next = quic->conns;
	if (quic->conns != NULL)
		quic->conns->prev = conn;
	quic->conns = conn;
	quic->conn_count++;
	if (quic->server)
		quic->half_open++;

	conn->tls = sl_tls_ref(quic->config.tls);
	conn->timer = quic->env->ops->timer_new(quic->env, on_timer, conn);
	if (server_name != NULL)
		conn->server_name = strdup(server_name);
	if (conn->timer == NULL || (server_name != NULL && conn->server_name == NULL) ||
	    make_nc(conn, path, initial, original_dcid) != 0 ||
	    sl_tls_session(conn->tls, &conn->ref, server_name, &conn->session) != SL_OK) {
		sl_conn_free(conn);
		return NULL;
	}
	if (!quic->server)
		gnutls_session_set_verify_function(conn->session, verify_server);
	ngtcp2_conn_set_tls_native_handle(conn->nc, conn->session);
	return conn;
}

static void forget_cids(struct sl_conn *conn)
{
	conn->quic->last_conn = NULL;
	while (conn->cid_count != 0) {
		const ngtcp2_cid *cid = &conn->cids[--conn->cid_count];
		sl_map_remove(&conn->quic->cids, cid->data, cid->datalen);
	}
}

void sl_conn_free(struct sl_conn *conn)
{
	if (conn == NULL)
		return;
	struct sl_quic *quic = conn->quic;
	if (conn->dirty) { // when the whole endpoint goes, or its first packet was no good
		struct sl_conn **at = &quic->dirty_head;
		while (*at != conn)
			at = &(*at)->next_dirty;
		*at = conn->next_dirty;
		if (*at == NULL)
			quic->dirty_end = at;
	}
	for (size_t i = 0; i < quic->train_count; i++)
		if (quic->trains[i].conn == conn)
			quic->trains[i].conn = NULL;
	if (quic->server && conn->state == SL_CONN_HANDSHAKE)
		quic->half_open--;
	forget_cids(conn);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		quic->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	quic->conn_count--;
	quic->env->ops->timer_free(conn->timer);
	ngtcp2_conn_del(conn->nc);
	if (conn->session != NULL)
		gnutls_deinit(conn->session);
	sl_tls_free(conn->tls);
	sl_stream_fini(conn);
	sl_egress_clear(&conn->egress);
	free(conn->close_packet);
	free(conn->server_name);
	free(conn);
}

void sl_conn_read(struct sl_conn *conn, const ngtcp2_path *path, uint8_t ecn, const uint8_t *data, size_t len)
{
	struct sl_quic *quic = conn->quic;
	ngtcp2_pkt_info info = {.ecn = ecn};

	if (conn->state == SL_CONN_LINGER) {
		// Say it again, ever more seldom, and never much to a sender that may be false (RFC 9000
		// section 10.2.1).
		if (conn->close_packet != NULL && conn->close_len <= 3 * len &&
		    ++conn->close_rx >= conn->close_next) {
			struct sl_addr local, remote;
			sl_addr_of(&path->local, &local);
			sl_addr_of(&path->remote, &remote);
			conn->close_next *= 2;
			sl_tx_raw(quic, &local, &remote, conn->close_packet, conn->close_len);
		}
		return;
	}
	if (conn->dying || conn->state == SL_CONN_DEAD)
		return;
	conn->reads++;
	conn->room_stale = true;
	// After a silence no answer is likely, and to wait for one would be a wake-up more.
	if (quic->env->now_ns - conn->last_rx_ns > SILENCE_NS)
		conn->write_wanted = true;
	int rv = ngtcp2_conn_read_pkt(conn->nc, path, &info, data, len, quic->env->now_ns);
	if (rv == 0)
		conn->last_rx_ns = quic->env->now_ns;
	else
		sl_conn_fail(conn, rv);
	sl_quic_mark(conn);
}
