// The relay's inside, shared by the files of this folder (relay.h is its outside).
#pragma once

#include "relay/config.h"
#include "relay/ids.h"
#include "relay/peer.h"
#include "relay/relay.h"
#include "relay/room.h"

struct sl_relay {
	struct sl_env *env;
	struct sl_quic *quic; // NULL in a test that has no network
	const struct relay_link *link;

	// From the configuration.
	size_t max_rooms, max_peers_per_room, max_peers;
	uint64_t malformed_limit;
	struct relay_room_list listed;
	size_t max_size, mtu, needed_budget; // of a peer without `split`
	bool split;                          // `split` is granted
	uint64_t silent_ns;                  // a peer silent for longer gives its place to a newcomer
	uint64_t stats_interval_ns;
	struct relay_rates rates;

	uint64_t hash_key[2], probe_key[2];
	uint64_t started_ns;
	struct relay_ids ids;
	struct relay_peer *peers; // all connections
	size_t connections, joined, condemned;
	struct relay_room *rooms;
	size_t room_count;
	uint64_t last_room_id;

	struct sl_counters past; // of peers that are gone
	uint64_t joins, leaves, protocol_errors, unknown_messages;
	uint64_t rejects[SL_REJECT_UNKNOWN];
	struct sl_log_limit reject_log[SL_REJECT_UNKNOWN];
	struct sl_log_limit fault_log, secret_log;
	struct sl_timer *stats_timer;
	struct sl_timer *tick; // once a second while `ticking`
	bool ticking;
	struct sl_split_pool parts;   // of all peers
	struct sl_timer *parts_timer; // while parts wait
	bool parts_timed;

	bool stopping;
	struct sl_timer *stop_timer;
	sl_relay_fn stopped, changed;
	void *stopped_arg, *changed_arg;
};

// The relay without a socket: its connections come from whoever calls `ops` (relay_callbacks).
int relay_core_new(struct sl_env *env, const struct relay_config *config, const struct relay_link *link,
		   struct sl_relay **out, struct sl_error *error);
void relay_callbacks(struct sl_relay *relay, struct sl_quic_ops *out);

struct relay_room *relay_find_room(const struct sl_relay *relay, const char *code); // NULL: not open

// admit.c: hello was received: joins the peer to its room, lets it wait for the path MTU, or refuses it.
// Takes over `hello` (allocated).
void relay_admit(struct relay_peer *peer, struct sl_msg *hello);
void relay_admit_again(struct relay_peer *peer); // while settling
void relay_reject(struct relay_peer *peer, enum sl_reject reason, const char *format, ...) SL_PRINTF(3, 4);

void relay_drop_room_if_empty(struct sl_relay *relay, struct relay_room *room);
// Out of the room, the others hear of it (RELAY-13). No-op for one that is not joined.
void relay_leave(struct relay_peer *peer, const char *reason);
// Encodes once and writes to all members but `except`.
void relay_announce(struct relay_room *room, const struct relay_peer *except, const struct sl_msg *msg);
// Ends the condemned. Called last by every callback.
void relay_reap(struct sl_relay *relay);
void relay_changed(struct sl_relay *relay);

// Applies the rules that the configuration has for the room now; says in the log which are off.
void relay_room_rules(struct sl_relay *relay, struct relay_room *room);

// parts.c
int relay_parts_init(struct sl_relay *relay); // SL_OK or SL_ERR_NOMEM
void relay_parts_fini(struct sl_relay *relay);
// Joins a part with the other one. SL_OK: `part` is the whole frame now. SL_ERR_AGAIN: it waits. Else it is
// lost, and *drop is the reason.
int relay_parts_join(struct relay_peer *ingress, struct sl_overlay *part, enum sl_drop *drop);
void relay_parts_forget(struct relay_peer *peer); // it leaves

// tick.c
void relay_tick_start(struct sl_relay *relay); // there is something to do once a second
void relay_on_tick(void *relay);
