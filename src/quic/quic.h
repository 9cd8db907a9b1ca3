// QUIC (RFC 9000) with unreliable datagrams (RFC 9221) over ngtcp2: endpoints and connections.
// This folder alone names ngtcp2 and GnuTLS. Time and datagrams come through struct sl_env.
//
// Rules: callbacks come from sl_env's loop. Any call may be made from inside a callback; what it
// causes on the wire is sent when the batch ends. A connection that dies is reported once by
// `closed` and freed after that callback has returned.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "net/env.h"
#include "quic/tls.h"

struct sl_quic; // an endpoint: one UDP socket
struct sl_conn;

enum sl_close_cause {
	SL_CAUSE_LOCAL,     // sl_conn_close
	SL_CAUSE_PEER,      // CONNECTION_CLOSE by the other side; `code` if `application`
	SL_CAUSE_IDLE,      // silence over the idle timeout
	SL_CAUSE_RESET,     // stateless reset: the other side has restarted
	SL_CAUSE_HANDSHAKE, // never established; `text` says why (certificate, ALPN, time-out …)
	SL_CAUSE_TRANSPORT, // an error of the QUIC machinery
};

struct sl_closed {
	enum sl_close_cause cause;
	bool application; // an application close code (enum sl_close)
	uint64_t code;
	bool certificate; // HANDSHAKE: the server's certificate was refused by us
	char text[256];   // a sentence or the peer's reason, printable
};

struct sl_quic_ops {
	// Server: a handshake is done (ALPN agreed). Returns the connection's user pointer, NULL to refuse.
	void *(*accept)(void *arg, struct sl_conn *conn);
	// Client: the handshake is done and the certificate is trusted.
	void (*established)(void *arg, struct sl_conn *conn, void *user);
	// Bytes of the control stream (stream 0), in order; `fin`: the other side has finished it (or
	// reset it: then `reset`).
	void (*stream)(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		       bool reset);
	// All that was written to the control stream has been acknowledged (fin included, if sent).
	void (*stream_drained)(void *arg, struct sl_conn *conn, void *user);
	void (*datagram)(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len);
	// Queued datagrams were dropped: SL_DROP_EGRESS_AGE, SL_DROP_DATAGRAM_BUDGET (the path shrank), or
	// SL_DROP_UNKNOWN_PEER (the connection has ended; `closed` follows).
	void (*dropped)(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count);
	void (*closed)(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why);
	void (*batch_end)(void *arg); // after each received batch has been given out; may be NULL
	void *arg;
};

enum sl_congestion { SL_CC_BBR, SL_CC_CUBIC };

struct sl_quic_config {
	struct sl_tls *tls; // must outlive the endpoint
	enum sl_congestion congestion;
	bool offload;
	size_t datagram_size; // the largest datagram to be sent: the path is asked for it first; 0: 1400
	uint64_t idle_timeout_ns, keep_alive_ns, handshake_timeout_ns; // 0: 10 s for the handshake
	size_t max_connections;                                        // server; 0: 8192
	unsigned handshakes_per_second;                                // server; 0: no limit
	size_t queue_frames;   // egress queue of each connection; 0: 1024
	uint64_t queue_age_ns; // of what waits there, plus two round trips, at most five times this; 0: 50 ms
};

// A server bound to `bind`, or (bind == NULL) an endpoint for client connections to `remote`.
int sl_quic_server_new(struct sl_env *env, const struct sl_quic_config *config, const struct sl_quic_ops *ops,
		       const struct sl_addr *bind, bool dual_stack, struct sl_quic **out,
		       struct sl_error *error);
// Starts the handshake at once; exactly one connection, on a socket of its own. `server_name` is
// sent as SNI and checked against the certificate, pinned or not.
int sl_quic_client_new(struct sl_env *env, const struct sl_quic_config *config, const struct sl_quic_ops *ops,
		       const struct sl_addr *remote, const char *server_name, void *user,
		       struct sl_quic **out, struct sl_conn **conn, struct sl_error *error);
// Frees it with all its connections; no callback is made any more. NULL is fine. Not from inside
// a callback of the same endpoint.
void sl_quic_free(struct sl_quic *quic);
// Sends what has been queued, now: at the end of a burst of sl_conn_datagram_send calls that did not come
// from one of this endpoint's callbacks. Without it the loop's next turn does it.
void sl_quic_flush(struct sl_quic *quic);
void sl_quic_local(const struct sl_quic *quic, struct sl_addr *out);
// The server's new certificate for handshakes from now on (reload); the keys for Retry and reset stay.
void sl_quic_set_tls(struct sl_quic *quic, struct sl_tls *tls);

// The server's limits for newcomers from now on, as in struct sl_quic_config; nobody is thrown out.
void sl_quic_set_limits(struct sl_quic *quic, size_t max_connections, unsigned handshakes_per_second);

struct sl_quic_stats {
	uint64_t connections, handshakes, handshakes_failed, handshakes_refused; // now; since start
	uint64_t rx_packets_bad; // datagrams that belong to nothing and look like nothing
	uint64_t resets_sent, retries_sent, version_negotiations_sent;
	struct sl_udp_stats udp;
};
void sl_quic_stats(const struct sl_quic *quic, struct sl_quic_stats *out);

// Appends to the control stream (the client's first call opens it). Copied; kept until
// acknowledged. SL_OK, SL_ERR_CLOSED, SL_ERR_NOMEM.
int sl_conn_stream_write(struct sl_conn *conn, const void *data, size_t len, bool fin);
size_t sl_conn_stream_pending(const struct sl_conn *conn); // bytes not acknowledged yet

// Queues start+body as one datagram. `flow` (0: none known) says which datagrams belong together and stay in
// order; flows are served in turn, and one that sends little goes first (quic/egress.h). It leaves when the
// batch ends, the window allows and the socket takes it. SL_OK; SL_ERR_TOO_LARGE: above sl_conn_max_datagram
// (count it as datagram_budget); SL_ERR_AGAIN: the queue is full (egress_full); SL_ERR_CLOSED; SL_ERR_NOMEM.
// Never blocks, never queues what can't ever leave.
int sl_conn_datagram_send(struct sl_conn *conn, uint32_t flow, const void *start, size_t start_len,
			  const void *body, size_t body_len);
// The same for the rest of a frame whose first part was sent just before it: one does not leave without the
// other, but for want of time.
int sl_conn_datagram_rest(struct sl_conn *conn, uint32_t flow, const void *start, size_t start_len,
			  const void *body, size_t body_len);
// Would the two of them be taken now?
bool sl_conn_datagram_room(struct sl_conn *conn, uint32_t flow);
// The largest datagram the path carries now, with a reserve for a long packet number; grows while
// path-MTU discovery runs. 0: the other side takes no datagrams.
size_t sl_conn_max_datagram(const struct sl_conn *conn);
// The largest datagram the other side takes, whatever the path. 0: it takes none.
size_t sl_conn_datagram_limit(const struct sl_conn *conn);
// Has path-MTU discovery come to its end?
bool sl_conn_pmtu_settled(const struct sl_conn *conn);

// Closes with an application code and a reason; `closed` (cause LOCAL) follows from the loop.
void sl_conn_close(struct sl_conn *conn, uint64_t code, const char *reason);

struct sl_conn_info {
	struct sl_addr remote, local;
	uint64_t rtt_ns;     // smoothed; 0: not known yet
	uint64_t last_rx_ns; // when a packet was last taken from the peer; at first, when the connection was
			     // made
	size_t max_udp_payload; // what the path is known to carry
	uint64_t cwnd, in_flight;
	size_t queued;      // frames waiting in the egress queue
	const char *cipher; // "AES-128-GCM"
};
void sl_conn_info(const struct sl_conn *conn, struct sl_conn_info *out);
