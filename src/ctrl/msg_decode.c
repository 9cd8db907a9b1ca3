#include "ctrl/msg.h"

#include <string.h>

#include <jansson.h>

#include "ctrl/msg_internal.h"
#include "proto/mtu.h"

#define MAX_DEPTH 8

// The message being read. A failure is described once, where it is found.
struct reading {
	const json_t *root;
	const char *type;
	struct sl_error *error;
};

static int wrong(const struct reading *r, const char *member, const char *expected)
{
	return sl_fail(r->error, SL_ERR_PROTO, "%s: member \"%s\" must be %s", r->type, member, expected);
}

// The same for a rule on a hello's value, which the relay answers with a reject.
static int invalid(const struct reading *r, const char *member, const char *expected)
{
	return sl_fail(r->error, SL_ERR_INVALID, "%s: member \"%s\" must be %s", r->type, member, expected);
}

static int get_int(const struct reading *r, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(r->root, name);
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > CTRL_INT_MAX)
		return wrong(r, name, "an integer from 0 to 2^53-1");
	*out = (uint64_t)json_integer_value(value);
	return SL_OK;
}

static int get_ranged(const struct reading *r, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	if (get_int(r, name, out) != SL_OK)
		return SL_ERR_PROTO;
	if (*out < min || *out > max)
		return sl_fail(r->error, SL_ERR_PROTO, "%s: member \"%s\" must be from %llu to %llu", r->type,
			       name, (unsigned long long)min, (unsigned long long)max);
	return SL_OK;
}

static int get_peer_id(const struct reading *r, uint16_t *out)
{
	uint64_t id;
	if (get_ranged(r, "peer_id", 1, UINT16_MAX, &id) != SL_OK)
		return SL_ERR_PROTO;
	*out = (uint16_t)id;
	return SL_OK;
}

static int get_string(const struct reading *r, const char *name, const char **out)
{
	*out = json_string_value(json_object_get(r->root, name));
	return *out != NULL ? SL_OK : wrong(r, name, "a string");
}

// *out stays NULL when the member is not there.
static int get_optional_string(const struct reading *r, const char *name, const char **out)
{
	*out = NULL;
	return json_object_get(r->root, name) == NULL ? SL_OK : get_string(r, name, out);
}

static int get_reason(const struct reading *r, char out[static SL_REASON_MAX + 1])
{
	const char *text;
	if (get_string(r, "reason", &text) != SL_OK)
		return SL_ERR_PROTO;
	sl_reason_clean(text, out);
	return SL_OK;
}

static bool parse_role(const char *text, enum sl_role *out)
{
	if (strcmp(text, "client") == 0)
		*out = SL_ROLE_CLIENT;
	else if (strcmp(text, "gateway") == 0)
		*out = SL_ROLE_GATEWAY;
	else
		return false;
	return true;
}

// On the wire a MAC has one spelling only: lower case, colons.
static bool parse_identity(const char *text, struct sl_mac *out)
{
	char canonical[SL_MAC_TEXT];
	return sl_mac_parse(text, out) && strcmp(sl_mac_format(out, canonical), text) == 0 &&
	       sl_mac_is_identity(out);
}

static int get_features(const struct reading *r, bool required, unsigned *out)
{
	const json_t *list = json_object_get(r->root, "features");
	if (list == NULL && !required)
		return SL_OK;
	if (!json_is_array(list))
		return wrong(r, "features", "an array of strings");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		if (name == NULL)
			return wrong(r, "features", "an array of strings");
		if (strcmp(name, "split") == 0)
			*out |= SL_FEATURE_SPLIT;
	}
	return SL_OK;
}

static int decode_hello(const struct reading *r, struct sl_msg *out, bool *bad_room)
{
	const char *role, *room, *mac, *agent, *secret;
	uint64_t protocol;

	if (get_int(r, "protocol", &protocol) != SL_OK)
		return SL_ERR_PROTO;
	out->hello.protocol = (int64_t)protocol;
	if (protocol != SL_CTRL_PROTOCOL) // what its other members mean is not ours to say
		return SL_OK;
	// First everything that is a protocol error, then the rules on values.
	if (get_string(r, "role", &role) != SL_OK || get_string(r, "room", &room) != SL_OK ||
	    get_optional_string(r, "mac", &mac) != SL_OK ||
	    get_int(r, "max_datagram_size", &out->hello.max_datagram_size) != SL_OK ||
	    get_string(r, "agent", &agent) != SL_OK || get_optional_string(r, "secret", &secret) != SL_OK ||
	    get_features(r, false, &out->hello.features) != SL_OK)
		return SL_ERR_PROTO;
	if (!parse_role(role, &out->hello.role))
		return invalid(r, "role", "\"client\" or \"gateway\"");
	if (out->hello.role == SL_ROLE_GATEWAY && mac != NULL)
		return sl_fail(r->error, SL_ERR_INVALID, "hello: a gateway must not name a \"mac\"");
	if (out->hello.role == SL_ROLE_CLIENT) {
		if (mac == NULL)
			return sl_fail(r->error, SL_ERR_INVALID, "hello: a client must name its \"mac\"");
		if (!parse_identity(mac, &out->hello.mac))
			return invalid(r, "mac",
				       "a unicast, locally administered address in lower case "
				       "with colons");
		out->hello.has_mac = true;
	}
	if (secret != NULL) {
		size_t len = strlen(secret);
		if (len > SL_SECRET_MAX)
			return invalid(r, "secret", "at most 256 bytes long");
		memcpy(out->hello.secret, secret, len + 1);
		out->hello.has_secret = true;
	}
	ctrl_text_clean(agent, out->hello.agent, sizeof out->hello.agent);
	if (!sl_room_valid(room)) {
		*bad_room = true;
		return invalid(r, "room", "1 to 64 of A-Z a-z 0-9 - _");
	}
	memcpy(out->hello.room, room, strlen(room) + 1);
	return SL_OK;
}

static int decode_welcome(const struct reading *r, struct sl_msg *out)
{
	const char *mode;
	uint64_t protocol;

	if (get_ranged(r, "protocol", SL_CTRL_PROTOCOL, SL_CTRL_PROTOCOL, &protocol) != SL_OK ||
	    get_string(r, "mode", &mode) != SL_OK)
		return SL_ERR_PROTO;
	out->welcome.protocol = (int64_t)protocol;
	if (strcmp(mode, "ethernet") != 0)
		return wrong(r, "mode", "\"ethernet\"");
	if (get_peer_id(r, &out->welcome.peer_id) != SL_OK ||
	    get_int(r, "room_id", &out->welcome.room_id) != SL_OK ||
	    get_ranged(r, "effective_tap_mtu", SL_MTU_MIN, SL_MTU_MAX, &out->welcome.effective_tap_mtu) !=
		    SL_OK ||
	    get_ranged(r, "max_datagram_size", 1, SL_BUDGET_MAX, &out->welcome.max_datagram_size) != SL_OK ||
	    get_features(r, true, &out->welcome.features) != SL_OK)
		return SL_ERR_PROTO;
	const json_t *gateway = json_object_get(r->root, "gateway");
	if (json_is_null(gateway))
		return SL_OK;
	if (!json_is_object(gateway))
		return wrong(r, "gateway", "null or an object with \"peer_id\"");
	const struct reading inner = {.root = gateway, .type = "welcome: gateway", .error = r->error};
	return get_peer_id(&inner, &out->welcome.gateway);
}

static int decode_reject(const struct reading *r, struct sl_msg *out)
{
	const char *reason, *message;
	if (get_string(r, "reason", &reason) != SL_OK || get_string(r, "message", &message) != SL_OK)
		return SL_ERR_PROTO;
	out->reject.reason = SL_REJECT_UNKNOWN;
	for (unsigned i = 0; i < (unsigned)SL_REJECT_UNKNOWN; i++) {
		if (strcmp(reason, sl_reject_token((enum sl_reject)i)) == 0)
			out->reject.reason = (enum sl_reject)i;
	}
	sl_reason_clean(reason, out->reject.token);
	ctrl_text_clean(message, out->reject.message, sizeof out->reject.message);
	return SL_OK;
}

static int decode_peer_joined(const struct reading *r, struct sl_msg *out)
{
	const char *role, *mac;
	if (get_peer_id(r, &out->peer_joined.peer_id) != SL_OK || get_string(r, "role", &role) != SL_OK ||
	    get_optional_string(r, "mac", &mac) != SL_OK)
		return SL_ERR_PROTO;
	if (!parse_role(role, &out->peer_joined.role))
		return wrong(r, "role", "\"client\" or \"gateway\"");
	if (out->peer_joined.role == SL_ROLE_GATEWAY)
		return mac == NULL ? SL_OK : wrong(r, "mac", "absent for a gateway");
	if (mac == NULL || !parse_identity(mac, &out->peer_joined.mac))
		return wrong(r, "mac", "a unicast, locally administered address in lower case with colons");
	return SL_OK;
}

static int decode_peer_left(const struct reading *r, struct sl_msg *out)
{
	int result = get_peer_id(r, &out->peer_left.peer_id);
	return result != SL_OK ? result : get_reason(r, out->peer_left.reason);
}

static int get_counter(const struct reading *r, const char *name, uint64_t *out)
{
	return json_object_get(r->root, name) == NULL ? SL_OK : get_int(r, name, out);
}

static int decode_stats(const struct reading *r, struct sl_msg *out)
{
#define X(field)                                                                                             \
	if (get_counter(r, #field, &out->stats.field) != SL_OK)                                              \
		return SL_ERR_PROTO;
	SL_COUNTER_FIELDS(X)
#undef X
	const json_t *drops = json_object_get(r->root, "drops");
	if (drops == NULL)
		return SL_OK;
	if (!json_is_object(drops))
		return wrong(r, "drops", "an object of integers");
	const struct reading inner = {.root = drops, .type = "stats: drops", .error = r->error};
	for (size_t i = 0; i < SL_DROP_COUNT; i++) {
		if (get_counter(&inner, sl_drop_name((enum sl_drop)i), &out->stats.drops[i]) != SL_OK)
			return SL_ERR_PROTO;
	}
	return SL_OK;
}

static int decode_notice(const struct reading *r, struct sl_msg *out)
{
	const json_t *isolated = json_object_get(r->root, "isolated");
	const char *message;
	if (get_reason(r, out->notice.token) != SL_OK || get_string(r, "message", &message) != SL_OK ||
	    get_counter(r, "frames", &out->notice.frames) != SL_OK)
		return SL_ERR_PROTO;
	if (isolated != NULL && !json_is_boolean(isolated))
		return wrong(r, "isolated", "true or false");
	out->notice.reason = sl_drop_from_name(out->notice.token);
	out->notice.isolated = json_is_true(isolated);
	ctrl_text_clean(message, out->notice.message, sizeof out->notice.message);
	return SL_OK;
}

static int decode_members(const struct reading *r, struct sl_msg *out, bool *bad_room)
{
	static const char *const names[] = {
		[SL_MSG_HELLO] = "hello",           [SL_MSG_WELCOME] = "welcome",
		[SL_MSG_REJECT] = "reject",         [SL_MSG_PEER_JOINED] = "peer_joined",
		[SL_MSG_PEER_LEFT] = "peer_left",   [SL_MSG_STATS] = "stats",
		[SL_MSG_DISCONNECT] = "disconnect", [SL_MSG_NOTICE] = "notice",
	};
	unsigned i;
	for (i = 0; i < (unsigned)SL_MSG_UNKNOWN && strcmp(names[i], r->type) != 0; i++)
		;
	out->type = (enum sl_msg_type)i;
	switch (out->type) {
	case SL_MSG_HELLO:
		return decode_hello(r, out, bad_room);
	case SL_MSG_WELCOME:
		return decode_welcome(r, out);
	case SL_MSG_REJECT:
		return decode_reject(r, out);
	case SL_MSG_PEER_JOINED:
		return decode_peer_joined(r, out);
	case SL_MSG_PEER_LEFT:
		return decode_peer_left(r, out);
	case SL_MSG_STATS:
		return decode_stats(r, out);
	case SL_MSG_DISCONNECT:
		return get_reason(r, out->disconnect.reason);
	case SL_MSG_NOTICE:
		return decode_notice(r, out);
	case SL_MSG_UNKNOWN:
		break;
	}
	sl_reason_clean(r->type, out->unknown.type);
	return SL_OK;
}

// Looks at the nesting before the parser does, so that its recursion is bounded by our rule. Broken
// JSON may be measured wrongly here; the parser refuses it next.
static bool too_deep(const uint8_t *json, size_t len)
{
	size_t depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = json[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > MAX_DEPTH)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

// The parser's own text quotes the message, and so perhaps a secret: only its kind and place are told.
static int bad_json(const json_error_t *parse, struct sl_error *error)
{
	const char *what = "not valid JSON";
	switch (json_error_code(parse)) {
	case json_error_invalid_utf8:
		what = "not valid UTF-8";
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		what = "a NUL character";
		break;
	case json_error_duplicate_key:
		what = "a member given twice";
		break;
	case json_error_numeric_overflow:
		what = "a number out of range";
		break;
	case json_error_premature_end_of_input:
		what = "JSON cut short";
		break;
	case json_error_end_of_input_expected:
		what = "bytes after the JSON object";
		break;
	case json_error_out_of_memory:
		return sl_fail(error, SL_ERR_NOMEM, "control message: out of memory");
	default:
		break;
	}
	return sl_fail(error, SL_ERR_PROTO, "control message: %s, at byte %d", what, parse->position);
}

int sl_msg_decode(const uint8_t *json, size_t len, struct sl_msg *out, bool *bad_room, struct sl_error *error)
{
	bool room_dummy;
	json_error_t parse;

	memset(out, 0, sizeof *out);
	out->type = SL_MSG_UNKNOWN;
	if (bad_room == NULL)
		bad_room = &room_dummy;
	*bad_room = false;
	if (len == 0 || len > SL_CTRL_MAX)
		return sl_fail(error, SL_ERR_PROTO, "control message: %zu bytes long, 1 to %d are allowed",
			       len, SL_CTRL_MAX);
	if (too_deep(json, len))
		return sl_fail(error, SL_ERR_PROTO, "control message: nested deeper than %d levels",
			       MAX_DEPTH);
	json_t *root = json_loadb((const char *)json, len, JSON_REJECT_DUPLICATES, &parse);
	if (root == NULL)
		return bad_json(&parse, error);

	int result;
	struct reading r = {
		.root = root, .type = json_string_value(json_object_get(root, "type")), .error = error};
	if (!json_is_object(root))
		result = sl_fail(error, SL_ERR_PROTO, "control message: must be one JSON object");
	else if (r.type == NULL)
		result = sl_fail(error, SL_ERR_PROTO, "control message: member \"type\" must be a string");
	else
		result = decode_members(&r, out, bad_room);
	json_decref(root);
	return result;
}
