#include "ctrl/msg.h"

#include <string.h>

#include "common/utf8.h"
#include "ctrl/msg_internal.h"

static const struct {
	const char *token;
	bool retry;
} rejects[] = {
#define X(id, token, retry) [SL_REJECT_##id] = {token, retry},
	SL_REJECT_REASONS(X)
#undef X
};

const char *sl_reject_token(enum sl_reject reason)
{
	return (size_t)reason < sizeof rejects / sizeof rejects[0] ? rejects[reason].token : "unknown";
}

bool sl_reject_may_retry(enum sl_reject reason)
{
	return (size_t)reason < sizeof rejects / sizeof rejects[0] && rejects[reason].retry;
}

bool sl_room_valid(const char *room)
{
	size_t len = strnlen(room, SL_ROOM_MAX + 1);
	if (len == 0 || len > SL_ROOM_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = room[i];
		bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '_';
		if (!good)
			return false;
	}
	return true;
}

bool sl_secret_sendable(const char *secret)
{
	return ctrl_utf8_valid(secret);
}

void sl_reason_clean(const char *in, char out[static SL_REASON_MAX + 1])
{
	size_t i;
	for (i = 0; i < SL_REASON_MAX && in[i] != '\0'; i++)
		out[i] = (char)(in[i] >= 0x20 && in[i] <= 0x7e ? in[i] : '?');
	out[i] = '\0';
}

const char *sl_role_name(enum sl_role role)
{
	return role == SL_ROLE_GATEWAY ? "gateway" : "client";
}

bool ctrl_utf8_valid(const char *text)
{
	while (*text != '\0') {
		size_t n = sl_utf8_length(text);
		if (n == 0)
			return false;
		text += n;
	}
	return true;
}

// Terminals obey C0, DEL and, in UTF-8, C1 (U+0080 to U+009F).
static bool is_control(const char *text, size_t len)
{
	unsigned char first = (unsigned char)text[0];
	if (len == 1)
		return first < 0x20 || first == 0x7f;
	return len == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0;
}

void ctrl_text_clean(const char *in, char *out, size_t size)
{
	size_t used = 0;
	while (*in != '\0') {
		size_t n = sl_utf8_length(in);
		bool replace = n == 0 || is_control(in, n);
		size_t need = replace ? 1 : n;
		if (used + need >= size)
			break;
		if (replace)
			out[used] = '?';
		else
			memcpy(out + used, in, n);
		used += need;
		in += n == 0 ? 1 : n;
	}
	out[used] = '\0';
}
