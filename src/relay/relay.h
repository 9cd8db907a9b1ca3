// The relay: rooms of peers, and frames forwarded between the peers of a room. It knows the
// environment (time, timers, UDP) and nothing of the process around it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/err.h"
#include "ctrl/msg.h"
#include "net/env.h"
#include "quic/quic.h"
#include "relay/config.h"

struct sl_relay;
typedef void (*sl_relay_fn)(void *arg);

// Binds config->listen and serves. `config` is copied; `tls` must outlive the relay. SL_OK or a code
// with a sentence (SL_ERR_SYSTEM: the address can't be bound).
int sl_relay_new(struct sl_env *env, const struct relay_config *config, struct sl_tls *tls,
		 struct sl_relay **out, struct sl_error *error);
// Frees it at once with all its connections; NULL is fine. Not from inside its callbacks.
void sl_relay_free(struct sl_relay *relay);

// Says `disconnect` (shutting_down) to all peers, waits at most 500 ms for it to arrive, closes;
// `stopped` is then called from the loop, once.
void sl_relay_stop(struct sl_relay *relay, sl_relay_fn stopped, void *arg);
// Takes over what needs no restart: the rates and the rooms' safety rules (for those present, too), the
// limits, the rooms and their secrets, the certificate `tls` (for newcomers; nobody is thrown out), the
// statistics interval. SL_OK or SL_ERR_NOMEM
// (nothing changed).
int sl_relay_reload(struct sl_relay *relay, const struct relay_config *config, struct sl_tls *tls);
// Disconnects a joined peer at an operator's wish: it is told `disconnect` with the reason (cleaned as all
// are; NULL or "": "kicked"), the others of its room `peer_left`, the connection is closed with code 4. It
// may come back. `room` gets the code of the room that it was in. SL_OK, or SL_ERR_NOT_FOUND: no joined peer
// has this id. Not from inside the relay's own callbacks.
int sl_relay_kick(struct sl_relay *relay, uint16_t id, const char *reason, char room[static SL_ROOM_MAX + 1]);
// Called whenever the number of rooms or peers has changed.
void sl_relay_on_change(struct sl_relay *relay, sl_relay_fn changed, void *arg);

// A snapshot of the whole; rooms and peers are in relay/report.h.
struct sl_relay_info {
	size_t rooms, peers;      // joined peers
	size_t connections;       // joined or not yet, or on their way out
	uint64_t joins, leaves;   // since start
	uint64_t protocol_errors; // connections that were closed for one
	uint64_t unknown_messages;
	uint64_t rejects[SL_REJECT_UNKNOWN]; // by enum sl_reject
	struct sl_counters counters;         // of all peers since start
	struct sl_quic_stats quic;
	struct sl_addr listen;
	size_t mtu; // the largest that a peer is welcomed with
};
void sl_relay_info(const struct sl_relay *relay, struct sl_relay_info *out);
