// A whole LAN party in one process under the fake clock: the real relay, the real gateway and client
// bridges on real sessions, real QUIC and TLS; in memory are only the network and the L2 ports.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/bridge.h"
#include "gateway/bridge.h"
#include "obs/events.h"
#include "relay/relay.h"
#include "session/session.h"
#include "tests/sim/simenv.h"

#define PARTY_MEMBERS 8    // number 0 is the gateway (and the LAN behind it), then the clients
#define PARTY_NUMBERS 4096 // frames from one member to another are numbered from 0
#define PARTY_EVENTS 512
#define PARTY_ROOM "ROOM1"
#define PARTY_ROOM_2 "ROOM2"

enum party_what { PARTY_JOINED, PARTY_PEER_JOINED, PARTY_PEER_LEFT, PARTY_DOWN, PARTY_ENDED };
struct party_event {
	uint64_t at_ns;
	unsigned member; // who saw it
	enum party_what what;
	uint16_t peer;
	enum sl_role role;
	char text[160];    // the reason, or the sentence
	uint64_t retry_ns; // PARTY_DOWN: what the session says it waits
};

struct party_member {
	struct party *party;
	unsigned number;
	struct sl_env *env;
	struct sl_log log;
	struct sl_mac mac; // the client's, or the LAN host's behind the gateway
	struct sl_session *session;
	struct sl_session_ops inner; // the bridge's; what passes is recorded
	struct sl_gateway_bridge *gateway;
	struct sl_client_bridge *client;
	struct sl_port port;
	struct sl_port_handler handler;
	bool joined, ended;
	struct sl_events events;
	unsigned loops; // events `loop` of its own
	bool bridged;   // a client whose machine bridges its port to the party's LAN
	unsigned downs;
	uint16_t id;
	// What came out of the port: by sender and number.
	size_t received[PARTY_MEMBERS];
	size_t probes; // the relay's loop probes
	uint8_t seen[PARTY_MEMBERS][PARTY_NUMBERS];
};

struct party_options {
	unsigned clients;
	unsigned second; // 0: one room. Else this number is the gateway of a second one, and so are the
			 // clients from there on; all count as `clients` here
	struct sim_link link; // between everybody and the relay, in both directions
	enum sl_congestion congestion;
	bool offload;
	unsigned stats_interval_s, idle_timeout_s, keep_alive_s;
	size_t max_size, endpoint_max_size; // the relay's datagram.max_size, and the others'
	bool split;                         // everybody can do it
};
#define PARTY_DEFAULT                                                                                        \
	((struct party_options){.clients = 3,                                                                \
				.link = SIM_LINK_DEFAULT,                                                    \
				.offload = true,                                                             \
				.stats_interval_s = 10,                                                      \
				.idle_timeout_s = 30,                                                        \
				.keep_alive_s = 2,                                                           \
				.max_size = 1400,                                                            \
				.endpoint_max_size = 1400})

struct party {
	struct party_options options;
	struct sl_sim *sim;
	struct sl_log log;
	struct sl_tls *server_tls, *client_tls;
	struct sl_env *relay_env;
	struct sl_relay *relay;
	struct party_member member[PARTY_MEMBERS];
	struct party_event events[PARTY_EVENTS];
	size_t event_count;
	char last_log[256];
	unsigned isolated, cleared; // events of the relay: `loop`, `loop_cleared`
	struct sl_events relay_events;
	struct party_lan *lan; // NULL: each gateway has its LAN host for itself
};

static inline bool party_is_gateway(const struct party *party, unsigned number)
{
	return number == 0 || (party->options.second && number == party->options.second);
}

static inline const char *party_room(const struct party *party, unsigned number)
{
	return party->options.second && number >= party->options.second ? PARTY_ROOM_2 : PARTY_ROOM;
}

// A certificate for the whole test program (Ed25519: signatures of one length, so that a run can be
// repeated to the byte), written to a directory of its own. To be called once, before the tests.
struct party_files {
	char directory[64], certificate[96], key[96];
};
void party_files_make(struct party_files *files);
void party_files_remove(const struct party_files *files);

struct party *party_new(uint64_t seed, const struct party_options *options, const struct party_files *files);
void party_free(struct party *party);
void party_relay_start(struct party *party);
void party_relay_kill(struct party *party); // at once: nothing it would still send gets through

void party_start(struct party *party, unsigned member);
// Kills the member's program (nothing it would still send gets through) and makes a new one, not started.
void party_restart(struct party *party, unsigned member);
void party_link(struct party *party, unsigned member, struct sim_link up, struct sim_link down);
void party_stop(struct party *party, unsigned member, const char *reason);
// Runs until all members up to `count` are joined and know each other. False: not within the time.
bool party_wait_joined(struct party *party, unsigned count, uint64_t limit_ns);
void party_start_all(struct party *party); // and waits

// Puts frame `number` of `len` bytes into the member's port, for another member's MAC (or `to` ==
// PARTY_ALL: broadcast). What comes out anywhere must be such a frame, whole and only once.
#define PARTY_ALL 255u
void party_send(struct party *party, unsigned from, unsigned to, unsigned number, size_t len);

size_t party_probes(const struct party *party); // loop probes that arrived anywhere
// What the relay says of the member's being isolated.
bool party_isolated(const struct party *party, unsigned member);

// ---- lan.c: one wire for all gateways, the hosts behind them, and bridged clients. Frames may come more
// than once from now on: that is counted, not forbidden.
#define PARTY_WIRE 1024
struct party_lan {
	struct party *party;
	struct sl_timer *timer;
	struct party_wire_frame {
		unsigned from; // the member whose port it left; PARTY_ALL: a host on the LAN
		size_t len;
		uint8_t bytes[1600];
	} queue[PARTY_WIRE];
	size_t count;
	uint64_t frames, surplus, probes; // on the wire; those that had been there before; loop probes
	uint8_t seen[PARTY_MEMBERS][PARTY_NUMBERS];
};
void party_lan_make(struct party *party);
void party_lan_free(struct party *party);
void party_lan_put(struct party *party, unsigned from, const uint8_t *frame, size_t len);

// The first event of a kind that a member saw, from index `from` on: its index in `events`, -1: none.
// `peer` 0: any.
int party_find(const struct party *party, size_t from, unsigned member, enum party_what what, uint16_t peer);

// What every counter says, on standard error; for a failing run.
void party_dump(const struct party *party);
