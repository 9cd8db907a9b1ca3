// Control messages: schema, validation, codec (CTRL-1..6). Pure; jansson does the JSON.
// The wire form is in docs/protocol.md: a 4-byte big-endian length, then that many bytes of one
// UTF-8 JSON object with a string "type".
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/err.h"
#include "common/mac.h"

#define SL_CTRL_MAX 16384 // bytes of JSON in one message
#define SL_CTRL_PREFIX 4
#define SL_CTRL_PROTOCOL 1
#define SL_ROOM_MAX 64
#define SL_AGENT_MAX 64
#define SL_SECRET_MAX 256
#define SL_REASON_MAX 64
#define SL_MESSAGE_MAX 256

enum sl_role { SL_ROLE_CLIENT, SL_ROLE_GATEWAY };
const char *sl_role_name(enum sl_role role); // "client" or "gateway", as in messages and in JSON

// The machine-readable reasons of `reject` (CTRL-4). X(enumerator, token, retry): may the
// endpoint try again by itself?
#define SL_REJECT_REASONS(X)                                                                                 \
	X(INVALID_HELLO, "invalid_hello", false)                                                             \
	X(PROTOCOL_VERSION, "protocol_version", false)                                                       \
	X(INVALID_ROOM, "invalid_room", false)                                                               \
	X(UNAUTHORIZED, "unauthorized", false)                                                               \
	X(GATEWAY_EXISTS, "gateway_exists", true)                                                            \
	X(DUPLICATE_MAC, "duplicate_mac", true)                                                              \
	X(ROOM_FULL, "room_full", true)                                                                      \
	X(RELAY_FULL, "relay_full", true)                                                                    \
	X(MTU_TOO_SMALL, "mtu_too_small", false)                                                             \
	X(NO_DATAGRAMS, "no_datagrams", false)                                                               \
	X(RATE_LIMITED, "rate_limited", true)                                                                \
	X(SHUTTING_DOWN, "shutting_down", true)

enum sl_reject {
#define X(id, token, retry) SL_REJECT_##id,
	SL_REJECT_REASONS(X)
#undef X
		SL_REJECT_UNKNOWN, // a token this version does not know: not retried
};
const char *sl_reject_token(enum sl_reject reason);
bool sl_reject_may_retry(enum sl_reject reason);

// QUIC application close codes.
enum sl_close {
	SL_CLOSE_DONE = 0,
	SL_CLOSE_PROTOCOL_ERROR = 1,
	SL_CLOSE_REJECTED = 2,
	SL_CLOSE_MALFORMED_DATAGRAMS = 3,
	SL_CLOSE_KICKED = 4,
	SL_CLOSE_SHUTTING_DOWN = 5,
	SL_CLOSE_TIMED_OUT = 6,
};

#define SL_FEATURE_SPLIT (1u << 0) // "split"; other names are ignored

enum sl_msg_type {
	SL_MSG_HELLO,
	SL_MSG_WELCOME,
	SL_MSG_REJECT,
	SL_MSG_PEER_JOINED,
	SL_MSG_PEER_LEFT,
	SL_MSG_STATS,
	SL_MSG_DISCONNECT,
	SL_MSG_NOTICE,
	SL_MSG_UNKNOWN, // a type this version does not know; its name is in `unknown.type`
};

struct sl_msg {
	enum sl_msg_type type;
	union {
		struct {
			int64_t protocol;
			enum sl_role role;
			char room[SL_ROOM_MAX + 1];
			bool has_mac;
			struct sl_mac mac;
			uint64_t max_datagram_size;
			char agent[SL_AGENT_MAX + 1]; // cut to fit on a character's border
			bool has_secret;
			char secret[SL_SECRET_MAX + 1];
			unsigned features; // SL_FEATURE_*
		} hello;
		struct {
			int64_t protocol;
			uint16_t peer_id;
			uint64_t room_id;
			uint64_t effective_tap_mtu;
			uint64_t max_datagram_size;
			uint16_t gateway; // 0: none present
			unsigned features;
		} welcome; // mode is always "ethernet"
		struct {
			enum sl_reject reason;
			char token[SL_REASON_MAX + 1]; // as received
			char message[SL_MESSAGE_MAX + 1];
		} reject;
		struct {
			uint16_t peer_id;
			enum sl_role role;
			struct sl_mac mac; // clients only
		} peer_joined;
		struct {
			uint16_t peer_id;
			char reason[SL_REASON_MAX + 1];
		} peer_left;
		struct sl_counters stats; // counters that are missing are 0; unknown ones are ignored
		struct {
			char reason[SL_REASON_MAX + 1];
		} disconnect;
		// Relay -> endpoint: what becomes of the endpoint's frames, and why.
		struct {
			enum sl_drop reason; // SL_DROP_NONE: a reason that this version does not know
			char token[SL_REASON_MAX + 1];
			char message[SL_MESSAGE_MAX + 1]; // a sentence for people
			uint64_t frames;                  // dropped for it since the last notice
			bool isolated;                    // is the endpoint cut off from its room now?
		} notice;
		struct {
			char type[SL_REASON_MAX + 1];
		} unknown;
	};
};

// Room codes: 1 to 64 of A-Z a-z 0-9 - _ (CTRL-6).
bool sl_room_valid(const char *room);
// Can it be sent as a room's secret? UTF-8 is what JSON holds (RFC 8259 section 8.1); length apart.
bool sl_secret_sendable(const char *secret);
// A reason as it may stand on the wire and in a log: at most 64 printable ASCII characters; anything
// else is replaced by '?', too long is cut. `out` may be `in`.
void sl_reason_clean(const char *in, char out[static SL_REASON_MAX + 1]);

// Encodes prefix and JSON into *out (malloc'd, the caller frees). Reasons and agent are cleaned on
// the way; counters above 2^53-1 are sent as 2^53-1, those that are zero in `drops` not at all.
// SL_OK, SL_ERR_INVALID (a member out of range: the caller's mistake), SL_ERR_NOMEM.
int sl_msg_encode(const struct sl_msg *msg, uint8_t **out, size_t *out_len);

// Decodes the JSON of one message (without its prefix). SL_OK, or SL_ERR_PROTO with `error` naming
// the member and what was expected (for a hello with protocol != 1, type and protocol alone are
// filled in and SL_OK is returned, so that `protocol_version` can be answered).
// Refused: invalid UTF-8, NUL, duplicate names, nesting deeper than 8, integers outside 0..2^53-1,
// anything after the object; for the rules on each member see docs/protocol.md. A hello whose JSON is
// well-formed but whose members break the rules returns SL_ERR_INVALID (answer: reject invalid_hello,
// or invalid_room when *bad_room is set); out->type is SL_MSG_HELLO then. A member that is missing or
// of the wrong type is SL_ERR_PROTO there too. `bad_room` and `error` may be NULL. The error text holds
// nothing of the message but member names, so a secret can't get into a log.
int sl_msg_decode(const uint8_t *json, size_t len, struct sl_msg *out, bool *bad_room,
		  struct sl_error *error);

// Cuts the byte stream into messages.
struct sl_msg_reader {
	uint8_t *buf;
	size_t len, capacity;
	size_t taken; // bytes at the front that `next` has given out
};
void sl_msg_reader_init(struct sl_msg_reader *reader);
void sl_msg_reader_fini(struct sl_msg_reader *reader);
// Appends stream bytes (they are copied). SL_OK, SL_ERR_NOMEM.
int sl_msg_reader_push(struct sl_msg_reader *reader, const uint8_t *data, size_t len);
// Gives the next whole message: SL_OK with *json/*json_len (valid until the next call on the reader),
// SL_ERR_AGAIN (more bytes are needed), SL_ERR_PROTO (length 0 or above SL_CTRL_MAX).
int sl_msg_reader_next(struct sl_msg_reader *reader, const uint8_t **json, size_t *json_len);
