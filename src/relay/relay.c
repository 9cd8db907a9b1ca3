#include "relay/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "obs/events.h"
#include "proto/mtu.h"
#include "relay/core.h"
#include "relay/forward.h"

#define STOP_WAIT_NS (700 * SL_NS_PER_MS) // each peer has 500 ms for its last words
// Connections that are not joined: shaking hands, before hello, on their way out.
#define SPARE_CONNECTIONS 1024

static const struct relay_link quic_link = {
	.stream_write = sl_conn_stream_write,
	.stream_pending = sl_conn_stream_pending,
	.datagram_send = sl_conn_datagram_send,
	.datagram_rest = sl_conn_datagram_rest,
	.datagram_room = sl_conn_datagram_room,
	.max_datagram = sl_conn_max_datagram,
	.datagram_limit = sl_conn_datagram_limit,
	.pmtu_settled = sl_conn_pmtu_settled,
	.close = sl_conn_close,
	.info = sl_conn_info,
};

struct relay_room *relay_find_room(const struct sl_relay *relay, const char *code)
{
	for (struct relay_room *room = relay->rooms; room; room = room->next)
		if (strcmp(room->code, code) == 0)
			return room;
	return NULL;
}

void relay_room_rules(struct sl_relay *relay, struct relay_room *room)
{
	const struct relay_room_entry *entry = relay_room_list_find(&relay->listed, room->code);
	const struct sl_log_about about = {.room = room->code, .reason = "policy"};
	uint32_t before = room->relaxed;
	char names[SL_POLICY_NAMES];

	room->relaxed = entry ? entry->relaxed : 0;
	if (room->relaxed)
		sl_log_write_about(relay->env->log, SL_LOG_WARNING, "relay", &about,
				   "safety rules are switched off, room %s: %s", room->code,
				   sl_policy_names(room->relaxed, names));
	else if (before)
		sl_log_write_about(relay->env->log, SL_LOG_INFO, "relay", &about,
				   "all safety rules hold again, room %s", room->code);
}

void relay_drop_room_if_empty(struct sl_relay *relay, struct relay_room *room)
{
	struct relay_room **link = &relay->rooms;

	if (room->count > 0)
		return;
	while (*link != room)
		link = &(*link)->next;
	*link = room->next;
	relay->room_count--;
	relay_room_free(room);
}

void relay_changed(struct sl_relay *relay)
{
	if (relay->changed)
		relay->changed(relay->changed_arg);
}

void relay_announce(struct relay_room *room, const struct relay_peer *except, const struct sl_msg *msg)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int rc = sl_msg_encode(msg, &bytes, &len);

	for (size_t i = 0; i < room->count; i++) {
		if (room->members[i] == except)
			continue;
		if (rc == SL_OK)
			relay_peer_write(room->members[i], bytes, len);
		else // it would have a wrong picture of the room from now on
			relay_peer_condemn(room->members[i], SL_CLOSE_DONE, "connection_lost",
					   RELAY_FAREWELL_CLOSE,
					   "the relay has no memory for an announcement");
	}
	free(bytes);
}

void relay_leave(struct relay_peer *peer, const char *reason)
{
	struct sl_relay *relay = peer->relay;
	struct relay_room *room = peer->room;
	struct sl_msg left = {.type = SL_MSG_PEER_LEFT, .peer_left.peer_id = peer->id};
	struct sl_log_about about;

	if (!room)
		return;
	sl_reason_clean(reason, left.peer_left.reason);
	about = relay_about(peer, left.peer_left.reason);
	relay_parts_forget(peer); // counted in the room, too
	relay_room_remove(room, peer);
	relay_ids_give(&relay->ids, peer->id, relay->env->now_ns);
	relay->joined--;
	relay->leaves++;
	sl_log_write_about(relay->env->log, SL_LOG_INFO, "relay", &about, "peer left, room %s peer %u (%s)",
			   room->code, peer->id, left.peer_left.reason);
	sl_event(relay->env, "peer_left", "{s:s, s:i, s:s}", "room", room->code, "peer", (int)peer->id,
		 "reason", left.peer_left.reason);
	if (!relay->stopping)
		relay_announce(room, NULL, &left);
	relay_drop_room_if_empty(relay, room);
	relay_changed(relay);
}

static void end_condemned(struct relay_peer *peer)
{
	struct sl_msg last = {.type = SL_MSG_DISCONNECT};

	peer->condemned = false;
	peer->relay->condemned--;
	memcpy(last.disconnect.reason, peer->left_reason, sizeof(last.disconnect.reason));
	relay_leave(peer, peer->left_reason);
	if (peer->farewell == RELAY_FAREWELL_CLOSE)
		relay_peer_close(peer, peer->close_code, peer->close_text);
	else
		relay_peer_end(peer, peer->farewell == RELAY_FAREWELL_DISCONNECT ? &last : NULL,
			       peer->close_code, peer->close_text);
}

void relay_reap(struct sl_relay *relay)
{
	// Announcing that one has left can condemn others, earlier in the list too.
	while (relay->condemned > 0)
		for (struct relay_peer *peer = relay->peers; peer; peer = peer->next)
			if (peer->condemned)
				end_condemned(peer);
}

static void *on_accept(void *arg, struct sl_conn *conn)
{
	struct sl_relay *relay = arg;
	struct relay_peer *peer;

	if (relay->stopping)
		return NULL;
	peer = relay_peer_new(relay, conn);
	if (!peer)
		return NULL;
	peer->next = relay->peers;
	if (peer->next)
		peer->next->prev = peer;
	relay->peers = peer;
	relay->connections++;
	return peer;
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	(void)conn;
	relay_peer_stream(user, data, len, fin, reset);
	relay_reap(arg);
}

static void on_stream_drained(void *arg, struct sl_conn *conn, void *user)
{
	(void)conn;
	relay_peer_drained(user);
	relay_reap(arg);
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	(void)conn;
	relay_forward(user, data, len);
	relay_reap(arg);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	(void)arg;
	(void)conn;
	relay_peer_count_drop(user, reason, count);
}

// Takes the peer off the list and frees it; its counters stay in the sum.
static void bury(struct sl_relay *relay, struct relay_peer *peer)
{
	if (peer->prev)
		peer->prev->next = peer->next;
	else
		relay->peers = peer->next;
	if (peer->next)
		peer->next->prev = peer->prev;
	relay->connections--;
	sl_counters_add(&relay->past, &peer->counters);
	relay_peer_free(peer);
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct sl_relay *relay = arg;
	struct relay_peer *peer = user;

	(void)conn;
	if (peer->condemned) {
		peer->condemned = false;
		relay->condemned--;
	}
	peer->state = RELAY_PEER_CLOSING;
	relay_leave(peer, why->cause == SL_CAUSE_IDLE ? "timed_out" : "connection_lost");
	bury(relay, peer);
	relay_reap(relay);
	if (relay->stopping && relay->connections == 0)
		relay->env->ops->timer_set(relay->stop_timer, relay->env->now_ns);
}

void relay_callbacks(struct sl_relay *relay, struct sl_quic_ops *out)
{
	*out = (struct sl_quic_ops){
		.accept = on_accept,
		.stream = on_stream,
		.stream_drained = on_stream_drained,
		.datagram = on_datagram,
		.dropped = on_dropped,
		.closed = on_closed,
		.arg = relay,
	};
}

static void on_stop_timer(void *arg)
{
	struct sl_relay *relay = arg;
	sl_relay_fn stopped = relay->stopped;

	relay->stopped = NULL;
	if (stopped)
		stopped(relay->stopped_arg);
}

static void on_stats_timer(void *arg)
{
	struct sl_relay *relay = arg;
	struct sl_relay_info info;

	if (sl_log_on(relay->env->log, SL_LOG_DEBUG)) {
		sl_relay_info(relay, &info);
		sl_debug(relay->env->log, "relay",
			 "totals, rooms %zu peers %zu rx_frames %llu tx_frames %llu dropped %llu", info.rooms,
			 info.peers, (unsigned long long)info.counters.rx_frames,
			 (unsigned long long)info.counters.tx_frames,
			 (unsigned long long)sl_counters_dropped(&info.counters));
	}
	relay->env->ops->timer_set(relay->stats_timer, relay->env->now_ns + relay->stats_interval_ns);
}

static void take_limits(struct sl_relay *relay, const struct relay_config *config)
{
	relay->max_peers = (size_t)config->max_peers;
	relay->max_rooms = (size_t)config->max_rooms;
	relay->max_peers_per_room = (size_t)config->max_peers_per_room;
	relay->malformed_limit = (uint64_t)config->malformed_datagrams;
	relay->stats_interval_ns = (uint64_t)config->stats_interval * SL_NS_PER_S;
	relay_rates_take(&relay->rates, config);
}

int relay_core_new(struct sl_env *env, const struct relay_config *config, const struct relay_link *link,
		   struct sl_relay **out, struct sl_error *error)
{
	struct sl_relay *relay = calloc(1, sizeof(*relay));
	int rc = SL_ERR_NOMEM;

	*out = NULL;
	if (!relay)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	relay->env = env;
	relay->link = link;
	relay->max_size = (size_t)config->max_size;
	relay->mtu = sl_mtu_from_budget(relay->max_size);
	relay->needed_budget = sl_budget_from_mtu(relay->mtu);
	relay->split = config->split;
	relay->silent_ns = (uint64_t)config->keep_alive * SL_NS_PER_S * 3 / 2;
	take_limits(relay, config);
	if (relay->mtu == 0) {
		rc = sl_fail(error, SL_ERR_INVALID,
			     "datagram.max_size %zu leaves an MTU below %d: raise it to %d", relay->max_size,
			     SL_MTU_MIN, SL_BUDGET_MIN);
		goto out;
	}
	env->ops->random(env, relay->hash_key, sizeof(relay->hash_key));
	env->ops->random(env, relay->probe_key, sizeof(relay->probe_key));
	// Room ids of two relays shall differ: a gateway tells its own room's loop probes by them.
	env->ops->random(env, &relay->last_room_id, sizeof(relay->last_room_id));
	relay->last_room_id &= 0xfffff;
	relay->started_ns = env->now_ns;
	if (relay_room_list_copy(&relay->listed, &config->rooms) != SL_OK ||
	    relay_ids_init(&relay->ids) != SL_OK)
		goto out;
	relay->stop_timer = env->ops->timer_new(env, on_stop_timer, relay);
	relay->stats_timer = env->ops->timer_new(env, on_stats_timer, relay);
	relay->tick = env->ops->timer_new(env, relay_on_tick, relay);
	if (!relay->stop_timer || !relay->stats_timer || !relay->tick || relay_parts_init(relay) != SL_OK)
		goto out;
	env->ops->timer_set(relay->stats_timer, env->now_ns + relay->stats_interval_ns);
	*out = relay;
	return SL_OK;
out:
	sl_relay_free(relay);
	return rc == SL_ERR_NOMEM ? sl_fail(error, rc, "out of memory") : rc;
}

static size_t max_connections(const struct relay_config *config)
{
	return (size_t)config->max_peers + SPARE_CONNECTIONS;
}

int sl_relay_new(struct sl_env *env, const struct relay_config *config, struct sl_tls *tls,
		 struct sl_relay **out, struct sl_error *error)
{
	struct sl_quic_config quic = {
		.tls = tls,
		.congestion = strcmp(config->congestion, "cubic") == 0 ? SL_CC_CUBIC : SL_CC_BBR,
		.offload = config->offload,
		.datagram_size = (size_t)config->max_size,
		.idle_timeout_ns = (uint64_t)config->idle_timeout * SL_NS_PER_S,
		.keep_alive_ns = (uint64_t)config->keep_alive * SL_NS_PER_S,
		.max_connections = max_connections(config),
		.handshakes_per_second = (unsigned)config->handshakes_per_second,
	};
	struct sl_relay *relay = NULL;
	struct sl_quic_ops ops;
	struct sl_addr bind;
	bool dual_stack;
	int rc;

	*out = NULL;
	rc = sl_listen_parse(config->listen, &bind, &dual_stack, error);
	if (rc != SL_OK)
		return rc;
	rc = relay_core_new(env, config, &quic_link, &relay, error);
	if (rc != SL_OK)
		return rc;
	relay_callbacks(relay, &ops);
	rc = sl_quic_server_new(env, &quic, &ops, &bind, dual_stack, &relay->quic, error);
	if (rc != SL_OK) {
		sl_relay_free(relay);
		return rc;
	}
	*out = relay;
	return SL_OK;
}

void sl_relay_free(struct sl_relay *relay)
{
	if (!relay)
		return;
	relay->stopping = true; // nobody is told any more
	relay->changed = NULL;
	sl_quic_free(relay->quic);
	while (relay->peers) {
		relay->peers->condemned = false;
		relay_leave(relay->peers, "shutting_down");
		bury(relay, relay->peers);
	}
	assert(relay->joined == 0 && relay->connections == 0 && relay->room_count == 0);
	relay->env->ops->timer_free(relay->stop_timer);
	relay->env->ops->timer_free(relay->stats_timer);
	relay->env->ops->timer_free(relay->tick);
	relay_parts_fini(relay);
	relay_ids_fini(&relay->ids);
	relay_room_list_free(&relay->listed);
	free(relay);
}

void sl_relay_stop(struct sl_relay *relay, sl_relay_fn stopped, void *arg)
{
	struct sl_msg last = {.type = SL_MSG_DISCONNECT, .disconnect.reason = "shutting_down"};
	struct relay_peer *peer, *next;

	relay->stopped = stopped;
	relay->stopped_arg = arg;
	if (relay->stopping)
		return;
	relay->stopping = true;
	for (peer = relay->peers; peer; peer = next) {
		next = peer->next;
		if (peer->state == RELAY_PEER_JOINED) {
			relay_leave(peer, "shutting_down");
			relay_peer_end(peer, &last, SL_CLOSE_SHUTTING_DOWN, "shutting_down");
		} else if (peer->state == RELAY_PEER_SETTLING) {
			relay_reject(peer, SL_REJECT_SHUTTING_DOWN, "the relay is shutting down");
		} else if (peer->state == RELAY_PEER_HELLO) {
			relay_peer_close(peer, SL_CLOSE_SHUTTING_DOWN, "shutting_down");
		}
	}
	relay->env->ops->timer_set(relay->stop_timer,
				   relay->env->now_ns + (relay->connections ? STOP_WAIT_NS : 0));
}

int sl_relay_reload(struct sl_relay *relay, const struct relay_config *config, struct sl_tls *tls)
{
	struct relay_room_list rooms;
	int rc = relay_room_list_copy(&rooms, &config->rooms);

	if (rc != SL_OK)
		return rc;
	relay_room_list_free(&relay->listed);
	relay->listed = rooms;
	take_limits(relay, config);
	if (relay->quic) {
		sl_quic_set_tls(relay->quic, tls);
		sl_quic_set_limits(relay->quic, max_connections(config),
				   (unsigned)config->handshakes_per_second);
	}
	for (struct relay_room *room = relay->rooms; room; room = room->next)
		relay_room_rules(relay, room);
	relay_tick_start(relay); // isolations may end, or probes begin
	return SL_OK;
}

void sl_relay_on_change(struct sl_relay *relay, sl_relay_fn changed, void *arg)
{
	relay->changed = changed;
	relay->changed_arg = arg;
}

void sl_relay_info(const struct sl_relay *relay, struct sl_relay_info *out)
{
	*out = (struct sl_relay_info){
		.rooms = relay->room_count,
		.peers = relay->joined,
		.connections = relay->connections,
		.joins = relay->joins,
		.leaves = relay->leaves,
		.protocol_errors = relay->protocol_errors,
		.unknown_messages = relay->unknown_messages,
		.counters = relay->past,
		.mtu = relay->split ? SL_MTU_MAX : relay->mtu,
	};
	memcpy(out->rejects, relay->rejects, sizeof(out->rejects));
	for (const struct relay_peer *peer = relay->peers; peer; peer = peer->next)
		sl_counters_add(&out->counters, &peer->counters);
	if (relay->quic) {
		sl_quic_stats(relay->quic, &out->quic);
		sl_quic_local(relay->quic, &out->listen);
	}
}
