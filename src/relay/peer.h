// A peer: one connection, from its handshake to its end, and the control messages on it.
//
//   hello -> settling -> joined -> ending -> closing -> (freed by the connection's `closed`)
//
// Nothing here frees a peer or takes it out of its room on the spot: a fault marks it
// (relay_peer_condemn), and sl_relay's reaper ends it when no list is being walked.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/log.h"
#include "ctrl/msg.h"
#include "obs/drops.h"
#include "proto/split.h"
#include "quic/quic.h"
#include "relay/loop.h"
#include "relay/notice.h"
#include "relay/rate.h"
#include "relay/station.h"

struct sl_relay;
struct relay_room;

// What the relay does with a connection: QUIC's functions (quic/quic.h), or a test's recorder.
struct relay_link {
	int (*stream_write)(struct sl_conn *conn, const void *data, size_t len, bool fin);
	size_t (*stream_pending)(const struct sl_conn *conn);
	int (*datagram_send)(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
			     const void *body, size_t body_len);
	int (*datagram_rest)(struct sl_conn *conn, uint32_t flow, const void *head, size_t head_len,
			     const void *body, size_t body_len);
	bool (*datagram_room)(struct sl_conn *conn, uint32_t flow);
	size_t (*max_datagram)(const struct sl_conn *conn);
	size_t (*datagram_limit)(const struct sl_conn *conn);
	bool (*pmtu_settled)(const struct sl_conn *conn);
	void (*close)(struct sl_conn *conn, uint64_t code, const char *reason);
	void (*info)(const struct sl_conn *conn, struct sl_conn_info *out);
};

enum relay_peer_state {
	RELAY_PEER_HELLO,    // the handshake is done, hello has not come
	RELAY_PEER_SETTLING, // hello has come, the path MTU towards the peer is not known yet
	RELAY_PEER_JOINED,
	RELAY_PEER_ENDING,  // reject or disconnect is under way to it, or its own was received
	RELAY_PEER_CLOSING, // the connection was told to close
};

// How a peer is told that it must go.
enum relay_farewell {
	RELAY_FAREWELL_CLOSE,      // close at once
	RELAY_FAREWELL_DISCONNECT, // say `disconnect` with the reason first
	RELAY_FAREWELL_FINISH,     // it said so itself: finish our side of the stream, let it close
};

#define RELAY_MALFORMED_SECONDS 60

// Malformed datagrams of the last 60 s, counted by second.
struct relay_malformed {
	uint64_t second[RELAY_MALFORMED_SECONDS];
	uint32_t count[RELAY_MALFORMED_SECONDS];
};
// Counts one more, and gives how many there were in the last 60 s.
uint64_t relay_malformed_add(struct relay_malformed *window, uint64_t now_ns);

struct relay_peer {
	struct sl_relay *relay;
	struct sl_conn *conn;
	struct relay_peer *prev, *next; // all connections of the relay
	struct sl_timer *timer;         // hello, settling, ending: what must not last
	enum relay_peer_state state;

	struct relay_room *room; // while joined
	uint16_t id;
	enum sl_role role;
	struct relay_station station; // the announced MAC
	size_t budget;                // agreed datagram budget
	size_t mtu;                   // effective TAP MTU (RELAY-3)
	bool split;                   // agreed on the feature
	uint16_t frame_id;            // of the next frame to it that goes in two parts
	struct sl_split_source parts; // of frames from it, that wait for the other one
	uint64_t joined_ns;
	char agent[SL_AGENT_MAX + 1];

	struct sl_counters counters; // rx_*: from this peer; tx_*: to it
	struct sl_counters reported; // its own `stats`, retained (RELAY-12)
	uint64_t reported_ns;        // 0: none yet
	struct relay_malformed malformed;
	struct sl_log_limit malformed_log, skipped_log;
	struct sl_drop_limits drop_limits;
	struct relay_buckets buckets;
	struct relay_isolation isolation; // clients
	struct relay_notices notices;     // clients

	struct sl_msg_reader reader;
	struct sl_msg *hello; // while settling
	uint64_t settle_by_ns;

	// How it ends: the close code, the reason in peer_left, the sentence for the close frame.
	uint64_t close_code;
	char left_reason[SL_REASON_MAX + 1];
	char close_text[128];
	bool condemned;
	enum relay_farewell farewell;
};

// NULL: out of memory.
struct relay_peer *relay_peer_new(struct sl_relay *relay, struct sl_conn *conn);
void relay_peer_free(struct relay_peer *peer); // not a member of a room any more

void relay_peer_forget_hello(struct relay_peer *peer); // wiped: it may hold a secret

// Bytes of the control stream.
void relay_peer_stream(struct relay_peer *peer, const uint8_t *data, size_t len, bool fin, bool reset);
void relay_peer_drained(struct relay_peer *peer);

// Writes encoded messages to a joined peer. A peer that does not read is condemned.
void relay_peer_write(struct relay_peer *peer, const uint8_t *bytes, size_t len);

// Marks the peer to be ended: out of its room with `left_reason`, then closed with `code` and a text.
// The first mark counts.
void relay_peer_condemn(struct relay_peer *peer, uint64_t code, const char *left_reason,
			enum relay_farewell farewell, const char *format, ...) SL_PRINTF(5, 6);

// Sends a last message (reject, disconnect; NULL: none) and finishes the stream; the connection is
// closed with `code` when that has been acknowledged, or after 500 ms.
void relay_peer_end(struct relay_peer *peer, const struct sl_msg *last, uint64_t code, const char *text);
void relay_peer_close(struct relay_peer *peer, uint64_t code, const char *text);

// For the log: a peer that is in a room, or not yet. `reason` may be NULL.
struct sl_log_about relay_about(const struct relay_peer *peer, const char *reason);

void relay_peer_count_drop(struct relay_peer *peer, enum sl_drop reason, uint64_t count);
