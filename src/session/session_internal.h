// Private to the session's own files.
//
//   session.c           life cycle: start, lose, wait, stop
//   session_connect.c   look up, connect, and what the connection reports
//   session_control.c   the control stream: hello, welcome, reject, stats, disconnect
//   session_peers.c     the peers of the room
//   session_notice.c    what the relay tells of our frames
//   session_frames.c    datagrams in and out, the waiting room, counters
//   session_parts.c     frames in two parts
//   session_status.c    what others may ask of it
#pragma once

#include "common/log.h"
#include "common/map.h"
#include "proto/overlay.h"
#include "proto/split.h"
#include "session/session.h"

#define SESSION_PEERS_MAX 4096
#define SESSION_ADDRS_MAX 8

// Frames that overtook the announcement of their peer, or `welcome`, wait here.
#define HELD_MAX 32
#define HELD_NS (200 * SL_NS_PER_MS)
#define HELD_FRAME_MAX 1600 // longer than any datagram a path of 1500 bytes carries

struct held_frame {
	uint64_t order; // of arrival; 0: this slot is free
	uint64_t put_ns;
	struct sl_overlay overlay; // `frame` points to the bytes below; a part waits here as it is
	uint8_t frame[HELD_FRAME_MAX];
};

// Peers by id: blocks of 256, allocated when the first id in them is seen, so that the look-up for
// each frame is two loads and a walk comes in the order of the ids.
struct peer_block {
	struct sl_session_peer *peers[256];
};

// Why a connection, or the try to make one, came to its end: what the next try waits for.
enum loss {
	LOSS_DEAD,      // it died under a joined session: at once, then by backoff
	LOSS_NO_ANSWER, // nothing was heard: seldom enough, but a relay that is back is found soon
	LOSS_REFUSED,   // the relay, the resolver or this host said no: backoff up to 5 s
};

struct sl_session {
	struct sl_env *env;
	struct sl_session_config config;
	struct sl_session_ops ops;
	enum sl_session_state state;
	uint64_t since_ns;  // when the state began
	uint64_t retry_ns;  // WAITING: when the next try begins
	char sentence[512]; // why it is not connected
	bool final;         // ENDING: `sentence` goes to `ended`
	bool stopping;      // sl_session_stop was called
	bool ever_joined;

	struct sl_resolve *resolve;
	struct sl_addr addrs[SESSION_ADDRS_MAX];
	size_t addr_count, addr_next;
	struct sl_addr relay;     // the address of the present or the last try
	struct sl_addr last_good; // the one that gave the last welcome
	unsigned failures;        // tries since the last welcome; drives the backoff
	uint64_t handshake_ns;    // time-out of the next handshake

	struct sl_quic *quic;
	struct sl_conn *conn;           // NULL once it was reported closed
	bool closing;                   // sl_conn_close was called: nothing it says counts any more
	struct sl_udp_stats udp_before; // of earlier connections

	struct sl_timer *timer; // the state's own
	struct sl_timer *reap;  // frees an endpoint outside of its callbacks
	struct sl_timer *stats_timer, *held_timer;

	// control stream
	struct sl_msg_reader reader;
	bool hello_sent;
	size_t hello_budget;
	uint64_t pmtu_wait_ns; // how long hello waits for path-MTU discovery to settle
	bool budget_unsettled; // it was still under way at hello
	bool narrow;           // the path does not carry what a relay without `split` needs
	uint64_t unknown_messages;
	unsigned reconnects;
	struct sl_session_welcome welcome;
	struct sl_log_limit log_down, log_unknown;

	struct sl_session_notice notices[SL_DROP_COUNT + 1]; // by reason; no token: none yet
	const struct sl_session_notice *isolated_by;         // one of them; NULL: not isolated
	struct sl_log_limit log_notice[SL_DROP_COUNT + 1], log_isolated, log_let_in;

	struct peer_block *blocks[256];
	struct sl_map by_mac;
	size_t peer_count;

	struct held_frame *held; // HELD_MAX of them
	size_t held_count;
	uint64_t held_order;

	struct sl_split_pool parts; // of all peers
	struct sl_timer *parts_timer;
	bool parts_timed;
	uint16_t frame_id; // of the next frame that goes in two parts

	struct sl_counters counters;
};

// QUIC's probes for a lost Initial come ever more seldom (RFC 9002 section 6.2), so a fresh handshake
// finds a relay that is back sooner than an old one.
#define HANDSHAKE_FIRST (1500 * SL_NS_PER_MS)
#define PMTU_WAIT (1 * SL_NS_PER_S)     // for discovery to settle, at first
#define CLOSE_WAIT (100 * SL_NS_PER_MS) // for our own close to be reported

// session.c
void session_enter(struct sl_session *s, enum sl_session_state state);
void session_timer(struct sl_session *s, uint64_t after_ns);
// The connection, or the try, is over. Closes it with `code` if it is still there; peers leave, `down`
// is told, and the next try is set.
void session_lose(struct sl_session *s, enum loss loss, uint64_t code, const char *format, ...)
	SL_PRINTF(4, 5);
// It is over for good, with this sentence.
void session_end(struct sl_session *s, const char *format, ...) SL_PRINTF(2, 3);

// session_connect.c
void connect_start(struct sl_session *s); // looks the relay up, then connects
void connect_next(struct sl_session *s);  // connects to the next address
void connect_close(struct sl_session *s, uint64_t code, const char *reason);
void connect_drop(struct sl_session *s); // frees the endpoint; never from inside its callbacks

// session_control.c
void control_established(struct sl_session *s);
void control_timer(struct sl_session *s);      // JOINING
void control_check_path(struct sl_session *s); // JOINED
void control_stream(struct sl_session *s, const uint8_t *data, size_t len, bool fin, bool reset);
void control_stats(struct sl_session *s);
int control_send(struct sl_session *s, const struct sl_msg *msg, bool fin);
// "relay.example.org (203.0.113.10:443)"
#define RELAY_TEXT (SL_HOST_MAX + SL_ADDR_TEXT + 16)
const char *control_relay_text(const struct sl_session *s, char out[static RELAY_TEXT]);

// session_peers.c
// SL_OK, SL_ERR_PROTO (with the sentence) or SL_ERR_NOMEM.
int peers_join(struct sl_session *s, const struct sl_msg *msg, struct sl_error *error);
void peers_leave(struct sl_session *s, uint16_t id, const char *reason);
void peers_all_leave(struct sl_session *s, const char *reason); // each is reported
void peers_clear(struct sl_session *s);                         // none is

// session_notice.c
void notices_take(struct sl_session *s, const struct sl_msg *msg);
void notices_clear(struct sl_session *s);

// session_frames.c
void frames_datagram(struct sl_session *s, const uint8_t *data, size_t len);
void frames_dropped(struct sl_session *s, enum sl_drop reason, uint64_t count);
void frames_welcome(struct sl_session *s); // our own id is known now
void frames_announced(struct sl_session *s, struct sl_session_peer *peer);
void frames_expire(struct sl_session *s);
void frames_clear(struct sl_session *s);

// session_parts.c
int parts_init(struct sl_session *s); // SL_OK or SL_ERR_NOMEM
void parts_fini(struct sl_session *s);
// Joins a part with the other one. True: `part` is the whole frame now. False: it waits, or is lost and
// counted.
bool parts_join(struct sl_session *s, struct sl_session_peer *peer, struct sl_overlay *part);
void parts_forget(struct sl_session *s, struct sl_session_peer *peer); // it leaves
// Queues a frame that does not go in one datagram, and counts the datagrams: SL_OK, or what
// sl_conn_datagram_send says of it.
int parts_send(struct sl_session *s, const uint8_t *frame, size_t len, uint32_t flow);

// session_status.c
void status_add_udp(struct sl_udp_stats *to, const struct sl_udp_stats *from);
