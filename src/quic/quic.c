#include "quic/internal.h"

#include <stdlib.h>
#include <string.h>

// Datagrams that may wait in all queues of a server together: some 50 MB.
#define POOL_SERVER 32768

void sl_quic_mark(struct sl_conn *conn)
{
	struct sl_quic *quic = conn->quic;
	if (!conn->dirty) {
		conn->dirty = true;
		conn->next_dirty = NULL;
		*quic->dirty_end = conn;
		quic->dirty_end = &conn->next_dirty;
	}
	if (!quic->in_turn && !quic->kick_armed) {
		quic->kick_armed = true;
		quic->env->ops->timer_set(quic->kick, quic->env->now_ns);
	}
}

// A callback made while working may mark more connections: go on until the list is empty. Each is
// taken off before its work, so nothing is lost and nothing is worked on twice at once.
void sl_quic_turn(struct sl_quic *quic)
{
	quic->in_turn = true;
	if (quic->kick_armed) {
		quic->kick_armed = false;
		quic->env->ops->timer_set(quic->kick, SL_TIME_NEVER);
	}
	while (quic->dirty_head != NULL) {
		struct sl_conn *conn = quic->dirty_head;
		quic->dirty_head = conn->next_dirty;
		if (quic->dirty_head == NULL)
			quic->dirty_end = &quic->dirty_head;
		conn->dirty = false;
		sl_conn_work(conn);
		if (conn->state == SL_CONN_DEAD && !conn->dirty)
			sl_conn_free(conn);
	}
	sl_tx_flush(quic);
	quic->in_turn = false;
}

static struct sl_conn *find_conn(struct sl_quic *quic, const uint8_t *dcid, size_t dcid_len)
{
	if (!quic->server)
		return quic->conns;
	if (dcid_len == 0 || dcid_len > SL_MAP_KEY_MAX)
		return NULL;
	// Packets come in trains of one connection.
	if (dcid_len == SL_CID_LEN && quic->last_conn != NULL &&
	    memcmp(dcid, quic->last_cid, SL_CID_LEN) == 0)
		return quic->last_conn;
	struct sl_conn *conn = sl_map_get(&quic->cids, dcid, dcid_len);
	if (dcid_len == SL_CID_LEN && conn != NULL) {
		memcpy(quic->last_cid, dcid, SL_CID_LEN);
		quic->last_conn = conn;
	}
	return conn;
}

static void take_packet(struct sl_quic *quic, const struct sl_udp_rx *rx, const uint8_t *data, size_t len)
{
	struct sl_conn *conn;
	ngtcp2_version_cid vc;

	// RFC 9000 section 17.2: the first bit tells long from short headers.
	if (len < 1 + SL_CID_LEN) {
		quic->stats.rx_packets_bad++;
		return;
	}
	int rv = ngtcp2_pkt_decode_version_cid(&vc, data, len, SL_CID_LEN);
	if (rv != 0 && rv != NGTCP2_ERR_VERSION_NEGOTIATION) {
		quic->stats.rx_packets_bad++;
		return;
	}
	conn = find_conn(quic, vc.dcid, vc.dcidlen);
	if (conn == NULL) {
		if (quic->server)
			sl_quic_unknown(quic, rx, data, len, &vc, rv);
		else
			quic->stats.rx_packets_bad++;
		return;
	}
	ngtcp2_path path = sl_path_of(rx);
	sl_conn_read(conn, &path, rx->ecn, data, len);
}

static void on_recv(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct sl_quic *quic = arg;

	quic->in_turn = true;
	for (size_t i = 0; i < count; i++) {
		const struct sl_udp_rx *rx = &batch[i];
		size_t segment = rx->segment != 0 ? rx->segment : rx->len;
		for (size_t at = 0; at < rx->len; at += segment) {
			size_t len = rx->len - at < segment ? rx->len - at : segment;
			take_packet(quic, rx, rx->data + at, len);
		}
	}
	if (quic->ops.batch_end != NULL)
		quic->ops.batch_end(quic->ops.arg);
	sl_quic_turn(quic);
}

static void on_writable(void *arg)
{
	sl_tx_writable(arg);
}

static void on_kick(void *arg)
{
	sl_quic_turn(arg);
}

static int quic_new(struct sl_env *env, const struct sl_quic_config *config, const struct sl_quic_ops *ops,
		    const struct sl_udp_options *options, bool server, struct sl_quic **out,
		    struct sl_error *error)
{
	uint64_t hash_key[2];
	struct sl_quic *quic = calloc(1, sizeof(*quic));
	int rv = SL_ERR_NOMEM;

	if (quic == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	quic->env = env;
	quic->config = *config;
	quic->ops = *ops;
	quic->server = server;
	quic->dirty_end = &quic->dirty_head;
	if (quic->config.handshake_timeout_ns == 0)
		quic->config.handshake_timeout_ns = 10 * SL_NS_PER_S;
	if (quic->config.max_connections == 0)
		quic->config.max_connections = 8192;
	if (quic->config.datagram_size == 0)
		quic->config.datagram_size = 1400;
	if (quic->config.queue_frames == 0)
		quic->config.queue_frames = 1024;
	if (quic->config.queue_age_ns == 0)
		quic->config.queue_age_ns = 50 * SL_NS_PER_MS;
	sl_egress_pool_init(&quic->pool, server ? POOL_SERVER : 2 * quic->config.queue_frames);
	sl_tls_ref(quic->config.tls);
	env->ops->random(env, hash_key, sizeof(hash_key));
	sl_map_init(&quic->cids, hash_key);
	// Not a whole second's worth at the start: the first call fills the other buckets.
	quic->stateless = quic->retries =
		(struct sl_bucket){.refill_ns = env->now_ns, .tokens = INT64_C(100) * 1000};

	quic->arena = malloc(SL_TX_ARENA);
	quic->kick = env->ops->timer_new(env, on_kick, quic);
	if (quic->arena == NULL || quic->kick == NULL) {
		sl_fail(error, rv, "out of memory");
		goto out;
	}
	if (server && (sl_tls_derive(config->tls, "stateless reset", quic->reset_secret) != SL_OK ||
		       sl_tls_derive(config->tls, "address token", quic->token_secret) != SL_OK)) {
		rv = sl_fail(error, SL_ERR_TLS,
			     "cannot derive the reset and token keys from the private key");
		goto out;
	}
	struct sl_udp_handler handler = {on_recv, on_writable, quic};
	rv = env->ops->udp_open(env, options, &handler, &quic->udp, error);
	if (rv != SL_OK)
		goto out;
	env->ops->udp_local(quic->udp, &quic->local);
out:
	if (rv != SL_OK) {
		sl_quic_free(quic);
		quic = NULL;
	}
	*out = quic;
	return rv;
}

int sl_quic_server_new(struct sl_env *env, const struct sl_quic_config *config, const struct sl_quic_ops *ops,
		       const struct sl_addr *bind, bool dual_stack, struct sl_quic **out,
		       struct sl_error *error)
{
	struct sl_udp_options options = {
		.bind = *bind,
		.dual_stack = dual_stack,
		.offload = config->offload,
	};
	return quic_new(env, config, ops, &options, true, out, error);
}

int sl_quic_client_new(struct sl_env *env, const struct sl_quic_config *config, const struct sl_quic_ops *ops,
		       const struct sl_addr *remote, const char *server_name, void *user,
		       struct sl_quic **out, struct sl_conn **conn, struct sl_error *error)
{
	struct sl_udp_options options = {.remote = *remote, .offload = config->offload};
	struct sl_quic *quic;
	int rv = quic_new(env, config, ops, &options, false, &quic, error);
	if (rv != SL_OK)
		return rv;

	ngtcp2_path path = {
		.local = {&quic->local.sa, quic->local.len},
		.remote = {(ngtcp2_sockaddr *)(uintptr_t)&remote->sa, remote->len},
	};
	struct sl_conn *made = sl_conn_new(quic, server_name, &path, NULL, NULL);
	if (made == NULL) {
		sl_quic_free(quic);
		*out = NULL;
		*conn = NULL;
		return sl_fail(error, SL_ERR_NOMEM, "cannot start a QUIC connection (out of memory)");
	}
	made->user = user;
	sl_quic_mark(made);
	*out = quic;
	*conn = made;
	return SL_OK;
}

void sl_quic_free(struct sl_quic *quic)
{
	if (quic == NULL)
		return;
	// Closes that were asked for in this turn still go out.
	quic->in_turn = true;
	while (quic->conns != NULL) {
		struct sl_conn *conn = quic->conns;
		if (conn->close_wanted && quic->udp != NULL)
			sl_tx_close(conn);
		sl_conn_free(conn);
	}
	if (quic->udp != NULL)
		sl_tx_flush(quic);
	quic->env->ops->udp_close(quic->udp);
	quic->env->ops->timer_free(quic->kick);
	sl_egress_pool_fini(&quic->pool);
	sl_map_fini(&quic->cids);
	sl_tls_free(quic->config.tls);
	gnutls_memset(quic->reset_secret, 0, sizeof(quic->reset_secret));
	gnutls_memset(quic->token_secret, 0, sizeof(quic->token_secret));
	free(quic->arena);
	free(quic);
}

void sl_quic_flush(struct sl_quic *quic)
{
	if (!quic->in_turn)
		sl_quic_turn(quic);
}

void sl_quic_local(const struct sl_quic *quic, struct sl_addr *out)
{
	*out = quic->local;
}

void sl_quic_set_tls(struct sl_quic *quic, struct sl_tls *tls)
{
	struct sl_tls *old = quic->config.tls;
	quic->config.tls = sl_tls_ref(tls);
	sl_tls_free(old);
}

void sl_quic_set_limits(struct sl_quic *quic, size_t max_connections, unsigned handshakes_per_second)
{
	quic->config.max_connections = max_connections;
	quic->config.handshakes_per_second = handshakes_per_second;
}

void sl_quic_stats(const struct sl_quic *quic, struct sl_quic_stats *out)
{
	*out = quic->stats;
	out->connections = quic->conn_count;
	quic->env->ops->udp_stats(quic->udp, &out->udp);
}
