// The one narrow interface through which quic/, session/, relay/ and the bridges get time,
// timers, randomness, name resolution and UDP datagrams. The real one is net/loop.h; a test
// gives another, with a fake clock and an in-memory link (tests/sim).
//
// One thread. Callbacks are never called from inside a call into the environment, always from
// its loop. now_ns is read once per wake-up and never goes backwards.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/log.h"
#include "common/time.h"
#include "net/addr.h"

struct sl_timer;
struct sl_udp;
struct sl_resolve;

typedef void (*sl_timer_fn)(void *arg);

// One received datagram, or with `segment` != 0 a train of datagrams of `segment` bytes each (the
// last may be shorter), as UDP_GRO gives them. Valid during the callback.
struct sl_udp_rx {
	const struct sl_addr *local, *remote;
	const uint8_t *data;
	size_t len;
	uint16_t segment;
	uint8_t ecn; // the two ECN bits (RFC 3168)
};

// One datagram, or with `segment` != 0 a train, to send.
struct sl_udp_tx {
	const struct sl_addr *local, *remote; // local may be NULL
	const uint8_t *data;
	size_t len;
	uint16_t segment; // at most 64 segments and 65,507 bytes in all
	uint8_t ecn;
};

struct sl_udp_handler {
	void (*recv)(void *arg, const struct sl_udp_rx *batch, size_t count); // one batch per wake-up part
	void (*writable)(void *arg); // once, after udp_send came back short
	void *arg;
};

struct sl_udp_options {
	struct sl_addr bind;   // len 0: any address of remote's family, any port
	bool dual_stack;       // bind is [::]: take IPv4 too; without IPv6 on the host, 0.0.0.0
	struct sl_addr remote; // len 0: not connected; else only this peer's datagrams are seen
	bool offload;          // UDP_GRO and UDP_SEGMENT where the system has them
};

struct sl_udp_stats {
	uint64_t rx_calls, rx_datagrams, rx_bytes, tx_calls, tx_datagrams, tx_bytes;
	uint64_t tx_errors;  // datagrams that the system refused and that were given up
	uint64_t tx_blocked; // how often the socket was full
	uint64_t rx_errors;  // datagrams longer than the buffer, and errors that ICMP reported
	bool gro, gso;       // in use now
};

// Results of a look-up: `count` addresses (0: it failed, and `error` is one sentence).
typedef void (*sl_resolve_fn)(void *arg, const struct sl_addr *addrs, size_t count, const char *error);

struct sl_env;
struct sl_env_ops {
	// A one-shot timer, not armed. NULL: out of memory.
	struct sl_timer *(*timer_new)(struct sl_env *env, sl_timer_fn fn, void *arg);
	// Arms (or moves) it; a past deadline fires at the next turn of the loop; SL_TIME_NEVER disarms.
	void (*timer_set)(struct sl_timer *timer, uint64_t deadline_ns);
	void (*timer_free)(struct sl_timer *timer); // NULL is fine

	void (*random)(struct sl_env *env, void *out, size_t len); // cryptographic quality in production
	uint64_t (*wall_ns)(struct sl_env *env);                   // since 1970, for tokens and certificates

	int (*udp_open)(struct sl_env *env, const struct sl_udp_options *options,
			const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error);
	// Sends in order; returns how many entries were taken (an entry that the system refuses for
	// good, such as EMSGSIZE, is counted and taken). Less than `count`: the socket is full, the
	// rest is the caller's to send again after `writable`.
	size_t (*udp_send)(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count);
	void (*udp_local)(const struct sl_udp *udp, struct sl_addr *out);
	void (*udp_stats)(const struct sl_udp *udp, struct sl_udp_stats *out);
	void (*udp_close)(struct sl_udp *udp); // NULL is fine

	// Looks a host up without blocking; `fn` is called once, later, unless it is cancelled first.
	struct sl_resolve *(*resolve)(struct sl_env *env, const struct sl_host *host, sl_resolve_fn fn,
				      void *arg);
	void (*resolve_cancel)(struct sl_resolve *resolve); // NULL is fine; not after fn was called
};

struct sl_events; // obs/events.h

struct sl_env {
	const struct sl_env_ops *ops;
	struct sl_log *log;
	struct sl_events *events; // for `softlanctl watch`; NULL: nobody can watch
	uint64_t now_ns;          // monotonic
};
