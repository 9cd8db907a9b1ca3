#include "ctrl/msg.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/bytes.h"
#include "ctrl/msg_internal.h"
#include "proto/mtu.h"

// Builds one object; the first failure (out of memory) is kept until the end.
struct writer {
	json_t *root;
	bool failed;
};

static void put(struct writer *w, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0)
		w->failed = true;
}

static void put_string(struct writer *w, const char *name, const char *text)
{
	put(w, w->root, name, json_string(text));
}

static void put_int(struct writer *w, json_t *object, const char *name, uint64_t value)
{
	put(w, object, name, json_integer((json_int_t)(value > CTRL_INT_MAX ? CTRL_INT_MAX : value)));
}

static void put_mac(struct writer *w, const struct sl_mac *mac)
{
	char text[SL_MAC_TEXT];
	put_string(w, "mac", sl_mac_format(mac, text));
}

static void put_reason(struct writer *w, const char *reason)
{
	char clean[SL_REASON_MAX + 1];
	sl_reason_clean(reason, clean);
	put_string(w, "reason", clean);
}

static void put_features(struct writer *w, unsigned features)
{
	json_t *list = json_array();
	if (list != NULL && (features & SL_FEATURE_SPLIT) != 0 &&
	    json_array_append_new(list, json_string("split")) != 0)
		w->failed = true;
	put(w, w->root, "features", list);
}

static int put_hello(struct writer *w, const struct sl_msg *msg)
{
	bool client = msg->hello.role == SL_ROLE_CLIENT;
	if (msg->hello.protocol < 0 || msg->hello.protocol > CTRL_INT_MAX ||
	    msg->hello.max_datagram_size > CTRL_INT_MAX || !sl_room_valid(msg->hello.room) ||
	    (!client && msg->hello.role != SL_ROLE_GATEWAY) || msg->hello.has_mac != client ||
	    (client && !sl_mac_is_identity(&msg->hello.mac)) ||
	    (msg->hello.has_secret && !ctrl_utf8_valid(msg->hello.secret)))
		return SL_ERR_INVALID;
	char agent[SL_AGENT_MAX + 1];
	ctrl_text_clean(msg->hello.agent, agent, sizeof agent);
	put_int(w, w->root, "protocol", (uint64_t)msg->hello.protocol);
	put_string(w, "role", sl_role_name(msg->hello.role));
	put_string(w, "room", msg->hello.room);
	if (client)
		put_mac(w, &msg->hello.mac);
	put_int(w, w->root, "max_datagram_size", msg->hello.max_datagram_size);
	put_string(w, "agent", agent);
	if (msg->hello.has_secret)
		put_string(w, "secret", msg->hello.secret);
	if (msg->hello.features != 0)
		put_features(w, msg->hello.features);
	return SL_OK;
}

static int put_welcome(struct writer *w, const struct sl_msg *msg)
{
	if (msg->welcome.protocol != SL_CTRL_PROTOCOL || msg->welcome.peer_id == 0 ||
	    msg->welcome.room_id > CTRL_INT_MAX || msg->welcome.effective_tap_mtu < SL_MTU_MIN ||
	    msg->welcome.effective_tap_mtu > SL_MTU_MAX || msg->welcome.max_datagram_size == 0 ||
	    msg->welcome.max_datagram_size > SL_BUDGET_MAX)
		return SL_ERR_INVALID;
	put_int(w, w->root, "protocol", (uint64_t)msg->welcome.protocol);
	put_string(w, "mode", "ethernet");
	put_int(w, w->root, "peer_id", msg->welcome.peer_id);
	put_int(w, w->root, "room_id", msg->welcome.room_id);
	put_int(w, w->root, "effective_tap_mtu", msg->welcome.effective_tap_mtu);
	put_int(w, w->root, "max_datagram_size", msg->welcome.max_datagram_size);
	json_t *gateway = msg->welcome.gateway == 0 ? json_null() : json_object();
	if (gateway != NULL && msg->welcome.gateway != 0)
		put_int(w, gateway, "peer_id", msg->welcome.gateway);
	put(w, w->root, "gateway", gateway);
	put_features(w, msg->welcome.features);
	return SL_OK;
}

static int put_reject(struct writer *w, const struct sl_msg *msg)
{
	char message[SL_MESSAGE_MAX + 1];
	bool known = (size_t)msg->reject.reason < (size_t)SL_REJECT_UNKNOWN;
	ctrl_text_clean(msg->reject.message, message, sizeof message);
	put_reason(w, known ? sl_reject_token(msg->reject.reason) : msg->reject.token);
	put_string(w, "message", message);
	return SL_OK;
}

static int put_peer_joined(struct writer *w, const struct sl_msg *msg)
{
	bool client = msg->peer_joined.role == SL_ROLE_CLIENT;
	if (msg->peer_joined.peer_id == 0 || (!client && msg->peer_joined.role != SL_ROLE_GATEWAY) ||
	    (client && !sl_mac_is_identity(&msg->peer_joined.mac)))
		return SL_ERR_INVALID;
	put_int(w, w->root, "peer_id", msg->peer_joined.peer_id);
	put_string(w, "role", sl_role_name(msg->peer_joined.role));
	if (client)
		put_mac(w, &msg->peer_joined.mac);
	return SL_OK;
}

static void put_stats(struct writer *w, const struct sl_counters *counters)
{
#define X(field) put_int(w, w->root, #field, counters->field);
	SL_COUNTER_FIELDS(X)
#undef X
	json_t *drops = json_object();
	for (size_t i = 0; drops != NULL && i < SL_DROP_COUNT; i++) {
		if (counters->drops[i] != 0)
			put_int(w, drops, sl_drop_name((enum sl_drop)i), counters->drops[i]);
	}
	put(w, w->root, "drops", drops);
}

static int put_notice(struct writer *w, const struct sl_msg *msg)
{
	char clean[SL_MESSAGE_MAX + 1];
	if ((unsigned)msg->notice.reason >= SL_DROP_COUNT)
		return SL_ERR_INVALID;
	ctrl_text_clean(msg->notice.message, clean, sizeof clean);
	put_string(w, "reason", sl_drop_name(msg->notice.reason));
	put_string(w, "message", clean);
	put_int(w, w->root, "frames", msg->notice.frames);
	put(w, w->root, "isolated", json_boolean(msg->notice.isolated));
	return SL_OK;
}

static int put_message(struct writer *w, const struct sl_msg *msg)
{
	switch (msg->type) {
	case SL_MSG_HELLO:
		put_string(w, "type", "hello");
		return put_hello(w, msg);
	case SL_MSG_WELCOME:
		put_string(w, "type", "welcome");
		return put_welcome(w, msg);
	case SL_MSG_REJECT:
		put_string(w, "type", "reject");
		return put_reject(w, msg);
	case SL_MSG_PEER_JOINED:
		put_string(w, "type", "peer_joined");
		return put_peer_joined(w, msg);
	case SL_MSG_PEER_LEFT:
		if (msg->peer_left.peer_id == 0)
			return SL_ERR_INVALID;
		put_string(w, "type", "peer_left");
		put_int(w, w->root, "peer_id", msg->peer_left.peer_id);
		put_reason(w, msg->peer_left.reason);
		return SL_OK;
	case SL_MSG_STATS:
		put_string(w, "type", "stats");
		put_stats(w, &msg->stats);
		return SL_OK;
	case SL_MSG_DISCONNECT:
		put_string(w, "type", "disconnect");
		put_reason(w, msg->disconnect.reason);
		return SL_OK;
	case SL_MSG_NOTICE:
		put_string(w, "type", "notice");
		return put_notice(w, msg);
	case SL_MSG_UNKNOWN:
		break;
	}
	return SL_ERR_INVALID;
}

int sl_msg_encode(const struct sl_msg *msg, uint8_t **out, size_t *out_len)
{
	struct writer w = {.root = json_object()};
	uint8_t *bytes = NULL;
	int result = SL_ERR_NOMEM;

	if (w.root == NULL)
		goto out;
	result = put_message(&w, msg);
	if (result != SL_OK)
		goto out;
	result = SL_ERR_NOMEM;
	size_t len = w.failed ? 0 : json_dumpb(w.root, NULL, 0, JSON_COMPACT);
	if (len == 0)
		goto out;
	if (len > SL_CTRL_MAX) {
		result = SL_ERR_INVALID;
		goto out;
	}
	bytes = malloc(SL_CTRL_PREFIX + len);
	if (bytes == NULL)
		goto out;
	if (json_dumpb(w.root, (char *)bytes + SL_CTRL_PREFIX, len, JSON_COMPACT) != len)
		goto out;
	sl_put32(bytes, (uint32_t)len);
	*out = bytes;
	*out_len = SL_CTRL_PREFIX + len;
	bytes = NULL;
	result = SL_OK;
out:
	free(bytes);
	json_decref(w.root);
	return result;
}
