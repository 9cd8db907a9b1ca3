// An endpoint's session with the relay, shared by gateway and client: look up, connect, settle the
// path MTU, hello, welcome, frames, stats, and coming back after a loss (CORE-1, CORE-5, CORE-6, GW-7).
//
//   idle -> resolving -> connecting -> joining -> joined -> (lost) -> waiting -> resolving …
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "ctrl/msg.h"
#include "net/env.h"
#include "proto/split.h"
#include "quic/quic.h"

struct sl_session;

// A peer of the room, as the relay announced it; ours is not among them.
struct sl_session_peer {
	uint16_t id;
	enum sl_role role;
	struct sl_mac mac; // clients
	uint64_t joined_ns;
	uint64_t last_frame_ns;       // 0: none yet
	uint64_t rx_frames, rx_bytes; // frames of its that were accepted here
	uint64_t tx_frames, tx_bytes; // frames sent whose destination is its MAC (0 for a gateway)
	struct sl_split_source parts; // the session's: of frames of its, that wait for the other one
};

struct sl_session_welcome {
	uint16_t peer_id;
	uint64_t room_id;
	size_t mtu;       // effective TAP MTU
	size_t budget;    // agreed datagram budget
	uint16_t gateway; // 0: none
	bool split;       // agreed on the feature
};

// What the relay told of our frames that it dropped, for one reason.
struct sl_session_notice {
	enum sl_drop reason; // SL_DROP_NONE: one that this version does not know
	char token[SL_REASON_MAX + 1];
	char message[SL_MESSAGE_MAX + 1]; // a sentence for people
	uint64_t frames;                  // since the notice before
	uint64_t total;                   // on this connection
	bool isolated;                    // we are cut off from the room for it
	uint64_t at_ns;
};

struct sl_session_ops {
	// Welcome received (also again after each reconnect). Peers present are announced right after it.
	void (*joined)(void *arg, const struct sl_session_welcome *welcome);
	void (*peer_joined)(void *arg, const struct sl_session_peer *peer);
	// The peer is out of all tables already and freed after the call. On a loss (reason
	// "connection_lost") it comes for every peer, before `down`; not after sl_session_stop.
	void (*peer_left)(void *arg, const struct sl_session_peer *peer, const char *reason);
	// A frame from the relay. It passed: overlay header, known source peer. The L2 checks are the
	// receiver's (gateway: GW-3, client: CORE-3, CORE-4); it counts its verdict with sl_session_count_rx.
	void (*frame)(void *arg, struct sl_session_peer *peer, const uint8_t *frame, size_t len);
	void (*batch_end)(void *arg); // after the frames of one received batch; may be NULL
	// The relay dropped frames of ours, or cut us off from the room, or let us in again; may be NULL.
	void (*notice)(void *arg, const struct sl_session_notice *notice);
	// The session was lost or could not be made; it tries again by itself after `retry_ns`.
	void (*down)(void *arg, const char *sentence, uint64_t retry_ns);
	// It ended for good: a reject that can't be retried, a certificate that is not trusted, or
	// sl_session_stop has finished (sentence NULL).
	void (*ended)(void *arg, const char *sentence);
	void *arg;
};

struct sl_session_config {
	enum sl_role role;
	const char *scope; // log scope: "gateway" or "client"
	struct sl_host relay;
	char server_name[SL_HOST_MAX + 1]; // never empty here
	struct sl_tls *tls;                // must outlive the session
	char room[SL_ROOM_MAX + 1];
	char secret[SL_SECRET_MAX + 1]; // "": none
	struct sl_mac mac;              // clients
	size_t max_datagram_size;       // the configured datagram.max_size
	bool split;                     // ask for the feature
	enum sl_congestion congestion;
	bool offload;
	uint64_t idle_timeout_ns, keep_alive_ns, stats_interval_ns;
	char agent[SL_AGENT_MAX + 1]; // "softlan-client/0.1 Linux"
	// Called with the relay's address before each connection is made (route pinning, LIN-4), with the
	// `arg` of the ops; may be NULL. Returns SL_OK, or a code with a sentence: then the attempt fails and
	// is tried again.
	int (*before_connect)(void *arg, const struct sl_addr *relay, struct sl_error *error);
};

int sl_session_new(struct sl_env *env, const struct sl_session_config *config,
		   const struct sl_session_ops *ops, struct sl_session **out, struct sl_error *error);
void sl_session_start(struct sl_session *session);
// Gives the connection up and makes a new one, or tries at once if it was waiting to: the way to the relay
// has changed. `why`: a sentence, for `down` and the log.
void sl_session_reconnect(struct sl_session *session, const char *why);
// Sends `disconnect` with the reason, waits at most 500 ms for it to arrive, then `ended`.
void sl_session_stop(struct sl_session *session, const char *reason);
void sl_session_free(struct sl_session *session); // NULL is fine; not from inside its callbacks

// Sends one frame of a flow (proto/flow.h; 0: not known). Returns SL_DROP_NONE (queued, and counted as tx) or
// the reason why not (counted as a drop): DATAGRAM_BUDGET, EGRESS_FULL; UNKNOWN_PEER when the session is not
// joined. tx_* counts what was handed to the queue: a frame that dies there later (EGRESS_AGE, or
// DATAGRAM_BUDGET when the path shrank) is counted as a drop as well. `destination` may be NULL.
enum sl_drop sl_session_send(struct sl_session *session, const uint8_t *frame, size_t len, uint32_t flow,
			     struct sl_session_peer *destination);

// The largest IP packet that goes to the relay in one datagram now, in an untagged frame: by the agreed
// budget and by what the path carries at present. 0: not joined.
size_t sl_session_unsplit_mtu(const struct sl_session *session);

// Sends what has been queued, now: at the end of a burst of frames from the port. Without it the loop's
// next turn does it.
void sl_session_flush(struct sl_session *session);

// The verdict on a frame given to `frame`: counts rx_frames and rx_bytes (SL_DROP_NONE), or the drop.
void sl_session_count_rx(struct sl_session *session, struct sl_session_peer *peer, size_t len,
			 enum sl_drop verdict);
// A local frame that was not sent, for this reason.
void sl_session_count_drop(struct sl_session *session, enum sl_drop reason);

struct sl_session_peer *sl_session_peer_by_mac(struct sl_session *session, const struct sl_mac *mac);
struct sl_session_peer *sl_session_peer_by_id(struct sl_session *session, uint16_t id);
// Walks the peers in the order of their ids: start with *cursor = 0; NULL at the end.
const struct sl_session_peer *sl_session_peer_next(const struct sl_session *session, unsigned *cursor);

// Walks the last notice for each reason: start with *cursor = 0; NULL at the end. They end with the
// connection.
const struct sl_session_notice *sl_session_notice_next(const struct sl_session *session, unsigned *cursor);

enum sl_session_state {
	SL_SESSION_IDLE,
	SL_SESSION_RESOLVING,
	SL_SESSION_CONNECTING,
	SL_SESSION_JOINING,
	SL_SESSION_JOINED,
	SL_SESSION_WAITING,
	SL_SESSION_ENDING,
	SL_SESSION_ENDED,
};
struct sl_session_status {
	enum sl_session_state state;
	const char *state_name;             // "joined" …
	char sentence[512];                 // for people: connected to where, or why not and what comes next
	struct sl_addr relay;               // len 0: not resolved yet
	struct sl_session_welcome welcome;  // valid when joined
	uint64_t since_ns;                  // when this state began
	bool isolated;                      // cut off from the room by the relay …
	char isolation[SL_MESSAGE_MAX + 1]; // … for this reason, with the remedy
	uint64_t rtt_ns;                    // 0: not known
	size_t max_datagram;                // what the path carries now
	unsigned reconnects;
	uint64_t unknown_messages; // control messages of types this version does not know
	struct sl_udp_stats udp;   // all connections together
	struct sl_conn_info conn;
};
void sl_session_status(const struct sl_session *session, struct sl_session_status *out);
const struct sl_counters *sl_session_counters(const struct sl_session *session);
