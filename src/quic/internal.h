// Private to src/quic.
//
//   quic.c       endpoint: socket in, routing by connection id, the work list
//   accept.c     server: packets of no connection: version negotiation, Retry, reset, new connections
//   conn.c       one connection: ngtcp2's callbacks, its life
//   work.c       its turn: when there is something to write
//   close.c      its death
//   info.c       what others may ask of it
//   stream.c     its control stream
//   egress.c     what waits to leave on it
//   limit.c      how long that may wait, and how much may be under way
//   tx.c         its packets, and the endpoint's trains of packets
//   protect.c    encryption by intel-ipsec-mb
//   tls.c        credentials and the check of the server's certificate
#pragma once

#include "quic/compat.h"
#include "quic/egress.h"
#include "quic/protect.h"
#include "quic/quic.h"

#include "common/bucket.h"
#include "common/map.h"

#include <gnutls/gnutls.h>
#include <string.h>

#define SL_CID_LEN 8           // of the connection ids that we choose
#define SL_CIDS_MAX 16         // ngtcp2 keeps 8 of them at once, the retired ones included
#define SL_UDP_PAYLOAD_V4 1472 // 1500 - IPv4 and UDP headers
#define SL_UDP_PAYLOAD_V6 1452
#define SL_UDP_PAYLOAD_MAX SL_UDP_PAYLOAD_V4
#define SL_PROBES_MAX 15
#define SL_TX_ARENA (192u * 1024u)
#define SL_TX_ENTRIES 64
#define SL_TRAIN_SEGMENTS 60  // the kernel's bound is 64
#define SL_TRAIN_BYTES 65000u // the kernel's bound is 65,507

// ---- tls.c

struct sl_tls {
	unsigned references;
	bool server, development;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	gnutls_datum_t *pins; // DER of every certificate in ca_file
	size_t pin_count;
	char *ca_file;    // for sentences; NULL: the system's store
	uint8_t seed[32]; // server: HKDF-Extract of the private key
	struct sl_tls_info info;
	struct sl_protect *protect; // NULL: GnuTLS encrypts
};

struct sl_tls *sl_tls_ref(struct sl_tls *tls);
// A TLS session for a connection; the server's name is for clients.
int sl_tls_session(struct sl_tls *tls, ngtcp2_crypto_conn_ref *ref, const char *server_name,
		   gnutls_session_t *out);
// Judges the server's certificate. SL_OK, or SL_ERR_TLS with the sentence.
int sl_tls_verify(const struct sl_tls *tls, gnutls_session_t session, const char *server_name,
		  struct sl_error *error);

// ---- connections

enum sl_conn_state {
	SL_CONN_HANDSHAKE,
	SL_CONN_OPEN,
	SL_CONN_LINGER, // closed and reported; answers or absorbs late packets for three PTO
	SL_CONN_DEAD,   // to be freed at the end of the turn
};

struct sl_chunk { // a piece of the control stream that is not acknowledged yet
	struct sl_chunk *next;
	size_t len;
	uint8_t data[];
};

struct sl_conn {
	struct sl_quic *quic;
	ngtcp2_conn *nc;
	ngtcp2_crypto_conn_ref ref;
	gnutls_session_t session;
	struct sl_tls *tls;
	char *server_name; // client
	void *user;
	enum sl_conn_state state;
	bool dirty;           // in the endpoint's work list
	bool reported;        // `closed` was called, or never will be
	bool close_wanted;    // the CONNECTION_CLOSE in `error` is to be written
	bool trusted;         // client: the server's certificate was judged and found good
	bool no_parameters;   // the other side gave no transport parameters: ngtcp2 must not write any more
	struct sl_closed why; // meaningful when dying
	bool dying;
	ngtcp2_ccerr error;
	char error_text[65]; // a reason has 64 characters at most
	struct sl_conn *next_dirty, *next, *prev;
	struct sl_timer *timer;
	uint64_t timer_deadline;
	uint64_t wake_ns;   // when there will be something to do
	unsigned reads;     // packets read since something was last written
	bool heard;         // and one of them had something for us
	size_t unpaced;     // bytes written that the pacing was not told of
	bool write_wanted;  // whatever there is to say
	uint64_t opened_ns; // OPEN since
	uint64_t last_rx_ns;
	uint64_t mtu_changed_ns;
	size_t room; // the largest datagram
	bool room_stale;
	size_t mtu, mtu_max;            // UDP payload now, and the most that is probed for
	uint16_t probes[SL_PROBES_MAX]; // the sizes that are tried, in this order
	size_t probe_count;
	ngtcp2_cid cids[SL_CIDS_MAX]; // server: the keys of this connection in the endpoint's map
	size_t cid_count;
	// control stream
	int64_t stream_id; // -1: not open
	struct sl_chunk *chunks,
		**chunks_end;                 // first byte: stream offset `acked - (part of the first chunk)`
	struct sl_chunk *send_chunk;          // next to be sent, NULL: none
	size_t send_offset;                   // in send_chunk
	uint64_t written, acked, head_offset; // stream offsets; head_offset: of chunks' first byte
	bool fin_wanted, fin_sent;
	bool stream_blocked; // flow control says no: other things go out in this turn
	bool stream_ended;   // the other side's end of it was told
	// egress
	struct sl_egress egress;
	uint64_t age_ns, patience_ns; // of what waits in it
	bool short_path;              // so short that the machines take longer than the way
	uint64_t allowance;           // bytes that flows that send much may still send in this turn
	uint64_t rate, rate_bytes;    // bytes per second, and those since rate_since_ns
	uint64_t rate_since_ns;
	// the last close packet, for late packets
	uint8_t *close_packet;
	size_t close_len;
	uint64_t close_rx, close_next;
};

struct sl_quic {
	struct sl_env *env;
	struct sl_quic_config config;
	struct sl_quic_ops ops;
	struct sl_udp *udp;
	struct sl_addr local;
	bool server;
	struct sl_conn *conns; // all
	size_t conn_count, half_open;
	struct sl_map cids;           // server: connection id -> struct sl_conn
	uint8_t last_cid[SL_CID_LEN]; // the last one that was looked up, and where it leads
	struct sl_conn *last_conn;    // NULL: forgotten
	struct sl_conn *dirty_head, **dirty_end;
	struct sl_timer *kick; // ends a turn that began outside of our own callbacks
	bool kick_armed;
	struct sl_egress_pool pool;
	bool in_turn;
	uint8_t reset_secret[SL_TLS_SECRET], token_secret[SL_TLS_SECRET];
	struct sl_bucket handshakes, unproved; // of those, for newcomers without a Retry token
	struct sl_bucket stateless, retries;
	// packets written and not yet taken by the socket
	uint8_t *arena;
	size_t arena_used;
	struct sl_train {
		struct sl_addr local, remote;
		const struct sl_conn *conn; // NULL: takes no more packets
		uint8_t *data;
		size_t len, segment;
		unsigned count;
		uint8_t ecn;
	} trains[SL_TX_ENTRIES];
	size_t train_first, train_count;
	struct sl_udp_tx batch[SL_TX_ENTRIES]; // the trains as the socket takes them
	bool blocked;                          // the socket is full
	struct sl_quic_stats stats;
};

// Our addresses and ngtcp2's.
static inline void sl_addr_of(const ngtcp2_addr *addr, struct sl_addr *out)
{
	// A socklen_t has a sign on one system, and none on another.
	out->len = (size_t)addr->addrlen <= sizeof(out->in6) ? addr->addrlen : 0;
	memcpy(&out->sa, addr->addr, (size_t)out->len);
}

static inline ngtcp2_path sl_path_of(const struct sl_udp_rx *rx)
{
	return (ngtcp2_path){
		.local = {(ngtcp2_sockaddr *)(uintptr_t)&rx->local->sa, rx->local->len},
		.remote = {(ngtcp2_sockaddr *)(uintptr_t)&rx->remote->sa, rx->remote->len},
	};
}

// quic.c
void sl_quic_mark(struct sl_conn *conn); // the connection has work at the end of the turn
void sl_quic_turn(struct sl_quic *quic); // does all work that is marked

// accept.c
// `vc` and `rv` (0 or NGTCP2_ERR_VERSION_NEGOTIATION) are what ngtcp2_pkt_decode_version_cid said.
void sl_quic_unknown(struct sl_quic *quic, const struct sl_udp_rx *rx, const uint8_t *data, size_t len,
		     const ngtcp2_version_cid *vc, int rv);

// conn.c
struct sl_conn *sl_conn_new(struct sl_quic *quic, const char *server_name, const ngtcp2_path *path,
			    const ngtcp2_pkt_hd *initial, const ngtcp2_cid *original_dcid);
void sl_conn_free(struct sl_conn *conn);
void sl_conn_read(struct sl_conn *conn, const ngtcp2_path *path, uint8_t ecn, const uint8_t *data,
		  size_t len);

// work.c
bool sl_conn_young(const struct sl_conn *conn); // ngtcp2 has much to say of its own
void sl_conn_work(struct sl_conn *conn);        // writes, closes, reports, arms the timer

// close.c
void sl_conn_fail(struct sl_conn *conn, int ngtcp2_error);
void sl_conn_die(struct sl_conn *conn, enum sl_close_cause cause, const char *text);
void sl_conn_end(struct sl_conn *conn); // it is reported: linger for late packets, or go

// limit.c
void sl_limit_turn(struct sl_conn *conn); // sets the bounds of this turn
void sl_limit_wrote(struct sl_conn *conn, size_t bytes);

// info.c
size_t sl_datagram_overhead(size_t dcid_len); // of a packet with one datagram in it

// stream.c
void sl_stream_received(struct sl_conn *conn, int64_t id, const uint8_t *data, size_t len, bool fin);
void sl_stream_reset(struct sl_conn *conn);
void sl_stream_acked(struct sl_conn *conn, uint64_t offset, uint64_t len);
bool sl_stream_ready(const struct sl_conn *conn); // bytes (or the end) wait to be sent
void sl_stream_fini(struct sl_conn *conn);
// Writes stream bytes into a packet. Returns what ngtcp2 returned; *again: call the packet writer's loop
// again.
ngtcp2_ssize sl_stream_write(struct sl_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *info, uint8_t *out,
			     size_t room, uint64_t now, bool *again);

// tx.c
void sl_tx_conn(struct sl_conn *conn);     // writes what the connection may send now
void sl_tx_give_up(struct sl_conn *conn);  // tells of what will never leave
void sl_tx_close(struct sl_conn *conn);    // writes its CONNECTION_CLOSE and keeps a copy
void sl_tx_flush(struct sl_quic *quic);    // gives all trains to the socket
void sl_tx_writable(struct sl_quic *quic); // the socket takes more
void sl_tx_raw(struct sl_quic *quic, const struct sl_addr *local, const struct sl_addr *remote,
	       const uint8_t *data, size_t len); // a packet of no connection
