#include "relay/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/core.h"

#define HELLO_WAIT_NS (5 * SL_NS_PER_S)
#define LAST_WORDS_NS (500 * SL_NS_PER_MS)
#define UNREAD_MAX (64 * 1024)

uint64_t relay_malformed_add(struct relay_malformed *window, uint64_t now_ns)
{
	uint64_t second = now_ns / SL_NS_PER_S;
	size_t slot = second % RELAY_MALFORMED_SECONDS;
	uint64_t sum = 0;

	if (window->second[slot] != second) {
		window->second[slot] = second;
		window->count[slot] = 0;
	}
	if (window->count[slot] < UINT32_MAX)
		window->count[slot]++;
	for (size_t i = 0; i < RELAY_MALFORMED_SECONDS; i++)
		if (second - window->second[i] < RELAY_MALFORMED_SECONDS)
			sum += window->count[i];
	return sum;
}

static void on_timer(void *arg)
{
	struct relay_peer *peer = arg;

	switch (peer->state) {
	case RELAY_PEER_HELLO:
		relay_peer_close(peer, SL_CLOSE_TIMED_OUT, "no hello within 5 s");
		break;
	case RELAY_PEER_SETTLING:
		relay_admit_again(peer);
		break;
	case RELAY_PEER_ENDING:
		relay_peer_close(peer, peer->close_code, peer->close_text);
		break;
	case RELAY_PEER_JOINED:
	case RELAY_PEER_CLOSING:
		break;
	}
	relay_reap(peer->relay);
}

struct relay_peer *relay_peer_new(struct sl_relay *relay, struct sl_conn *conn)
{
	const struct sl_env_ops *ops = relay->env->ops;
	struct relay_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->relay = relay;
	peer->conn = conn;
	peer->state = RELAY_PEER_HELLO;
	sl_msg_reader_init(&peer->reader);
	peer->timer = ops->timer_new(relay->env, on_timer, peer);
	if (!peer->timer) {
		relay_peer_free(peer);
		return NULL;
	}
	ops->timer_set(peer->timer, relay->env->now_ns + HELLO_WAIT_NS);
	return peer;
}

void relay_peer_forget_hello(struct relay_peer *peer)
{
	if (peer->hello)
		explicit_bzero(peer->hello, sizeof(*peer->hello)); // it may hold a secret
	free(peer->hello);
	peer->hello = NULL;
}

void relay_peer_free(struct relay_peer *peer)
{
	if (!peer)
		return;
	peer->relay->env->ops->timer_free(peer->timer);
	sl_msg_reader_fini(&peer->reader);
	relay_peer_forget_hello(peer);
	free(peer);
}

void relay_peer_count_drop(struct relay_peer *peer, enum sl_drop reason, uint64_t count)
{
	peer->counters.drops[reason] += count;
	if (peer->room)
		peer->room->dropped += count;
}

void relay_peer_condemn(struct relay_peer *peer, uint64_t code, const char *left_reason,
			enum relay_farewell farewell, const char *format, ...)
{
	va_list args;

	if (peer->condemned || peer->state >= RELAY_PEER_ENDING)
		return;
	peer->condemned = true;
	peer->relay->condemned++;
	peer->close_code = code;
	peer->farewell = farewell;
	sl_reason_clean(left_reason, peer->left_reason);
	va_start(args, format);
	vsnprintf(peer->close_text, sizeof(peer->close_text), format, args);
	va_end(args);
}

void relay_peer_close(struct relay_peer *peer, uint64_t code, const char *text)
{
	if (peer->state == RELAY_PEER_CLOSING)
		return;
	peer->state = RELAY_PEER_CLOSING;
	peer->relay->env->ops->timer_set(peer->timer, SL_TIME_NEVER);
	peer->relay->link->close(peer->conn, code, text);
}

void relay_peer_end(struct relay_peer *peer, const struct sl_msg *last, uint64_t code, const char *text)
{
	struct sl_relay *relay = peer->relay;
	uint8_t *bytes = NULL;
	size_t len = 0;

	relay_peer_forget_hello(peer);
	peer->state = RELAY_PEER_ENDING;
	peer->close_code = code;
	if (text != peer->close_text)
		snprintf(peer->close_text, sizeof(peer->close_text), "%s", text);
	if ((last && sl_msg_encode(last, &bytes, &len) != SL_OK) ||
	    relay->link->stream_write(peer->conn, bytes, len, true) != SL_OK)
		relay_peer_close(peer, code, peer->close_text);
	else
		relay->env->ops->timer_set(peer->timer, relay->env->now_ns + LAST_WORDS_NS);
	free(bytes);
}

void relay_peer_drained(struct relay_peer *peer)
{
	if (peer->state == RELAY_PEER_ENDING)
		relay_peer_close(peer, peer->close_code, peer->close_text);
}

struct sl_log_about relay_about(const struct relay_peer *peer, const char *reason)
{
	return (struct sl_log_about){
		.room = peer->room ? peer->room->code : NULL,
		.peer = peer->id,
		.mac = peer->room && peer->role == SL_ROLE_CLIENT ? &peer->station.mac : NULL,
		.reason = reason,
	};
}

static void fault(struct relay_peer *peer, const char *text)
{
	struct sl_relay *relay = peer->relay;
	struct sl_log_about about;
	struct sl_conn_info info;
	char address[SL_ADDR_TEXT];
	uint64_t held_back;

	relay->protocol_errors++;
	if (sl_log_every(&relay->fault_log, relay->env->now_ns, &held_back)) {
		relay->link->info(peer->conn, &info);
		about = relay_about(peer, "protocol_error");
		sl_log_write_about(relay->env->log, SL_LOG_WARNING, "relay", &about,
				   "protocol error, peer %u address %s (%s), %llu more not logged", peer->id,
				   sl_addr_format(&info.remote, address), text,
				   (unsigned long long)held_back);
	}
	relay_peer_condemn(peer, SL_CLOSE_PROTOCOL_ERROR, "protocol_error", RELAY_FAREWELL_CLOSE, "%s", text);
}

void relay_peer_write(struct relay_peer *peer, const uint8_t *bytes, size_t len)
{
	const struct relay_link *link = peer->relay->link;
	int rc;

	if (peer->condemned || peer->state != RELAY_PEER_JOINED)
		return;
	rc = link->stream_write(peer->conn, bytes, len, false);
	if (rc == SL_ERR_CLOSED)
		return; // `closed` is on its way
	if (rc != SL_OK)
		relay_peer_condemn(peer, SL_CLOSE_DONE, "connection_lost", RELAY_FAREWELL_CLOSE,
				   "control message not written: %s", sl_strerror(rc));
	else if (link->stream_pending(peer->conn) > UNREAD_MAX)
		fault(peer, "more than 64 KiB of control messages left unread");
}

static void first_message(struct relay_peer *peer, const struct sl_msg *msg)
{
	struct sl_msg *hello;

	if (msg->type != SL_MSG_HELLO) {
		fault(peer, "the first message must be hello");
		return;
	}
	hello = malloc(sizeof(*hello));
	if (!hello) {
		relay_reject(peer, SL_REJECT_RELAY_FULL, "the relay is out of memory");
		return;
	}
	*hello = *msg;
	relay_admit(peer, hello);
}

static void later_message(struct relay_peer *peer, const struct sl_msg *msg)
{
	switch (msg->type) {
	case SL_MSG_STATS:
		peer->reported = msg->stats;
		peer->reported_ns = peer->relay->env->now_ns;
		break;
	case SL_MSG_DISCONNECT:
		relay_peer_condemn(peer, SL_CLOSE_DONE, msg->disconnect.reason, RELAY_FAREWELL_FINISH, "%s",
				   msg->disconnect.reason);
		break;
	case SL_MSG_UNKNOWN:
		peer->relay->unknown_messages++;
		break;
	case SL_MSG_HELLO:
		fault(peer, "a second hello");
		break;
	case SL_MSG_WELCOME:
	case SL_MSG_REJECT:
	case SL_MSG_PEER_JOINED:
	case SL_MSG_PEER_LEFT:
	case SL_MSG_NOTICE:
		fault(peer, "a message that only a relay may send");
		break;
	}
}

static void handle(struct relay_peer *peer, const uint8_t *json, size_t len)
{
	struct sl_msg msg = {.type = SL_MSG_UNKNOWN};
	struct sl_error error = {.text = ""};
	bool bad_room = false;
	int rc = sl_msg_decode(json, len, &msg, &bad_room, &error);

	if (rc == SL_ERR_INVALID && peer->state == RELAY_PEER_HELLO)
		relay_reject(peer, bad_room ? SL_REJECT_INVALID_ROOM : SL_REJECT_INVALID_HELLO, "%s",
			     error.text);
	else if (rc != SL_OK)
		fault(peer, error.text[0] ? error.text : sl_strerror(rc));
	else if (peer->state == RELAY_PEER_HELLO)
		first_message(peer, &msg);
	else
		later_message(peer, &msg);
	if (msg.type == SL_MSG_HELLO)
		explicit_bzero(&msg, sizeof(msg));
}

void relay_peer_stream(struct relay_peer *peer, const uint8_t *data, size_t len, bool fin, bool reset)
{
	const uint8_t *json;
	size_t json_len;
	int rc;

	if (peer->condemned || peer->state >= RELAY_PEER_ENDING)
		return;
	rc = sl_msg_reader_push(&peer->reader, data, len);
	while (rc == SL_OK) {
		rc = sl_msg_reader_next(&peer->reader, &json, &json_len);
		if (rc == SL_OK)
			handle(peer, json, json_len);
		if (peer->condemned || peer->state >= RELAY_PEER_ENDING)
			return;
	}
	if (rc == SL_ERR_PROTO)
		fault(peer, "a control message's length must be 1 to 16384");
	else if (rc != SL_ERR_AGAIN)
		fault(peer, sl_strerror(rc));
	else if (fin || reset)
		relay_peer_condemn(peer, SL_CLOSE_DONE, "connection_lost", RELAY_FAREWELL_CLOSE,
				   "the control stream has ended");
}
