#include "session/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/time.h"
#include "proto/policy.h"

#define DEV_SERVER_NAME "softlan-relay.local"

#ifdef _WIN32
#define SYSTEM_NAME "Windows"
#else
#define SYSTEM_NAME "Linux"
#endif

// A DNS name as SNI takes it (RFC 6066 section 3), or an address literal.
static bool server_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SL_HOST_MAX)
		return false;
	for (const char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr(".-_:", *c) == NULL)
			return false;
	}
	return true;
}

// The checks of single values let the empty ones pass: sl_endpoint_validate asks for those that are
// required, once every line of the file has been read.
int sl_endpoint_check_relay(const char *value, struct sl_error *error)
{
	struct sl_error why = {{0}};
	struct sl_host host;

	if (value[0] == '\0' || sl_host_parse(value, &host, &why) == SL_OK)
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID, "expected the relay's name or address (%s)", why.text);
}

int sl_endpoint_check_server_name(const char *value, struct sl_error *error)
{
	if (value[0] == '\0' || server_name_valid(value))
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID, "expected the DNS name in the relay's certificate");
}

int sl_endpoint_check_room(const char *value, struct sl_error *error)
{
	if (value[0] == '\0' || sl_room_valid(value))
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID, "expected 1 to %d of A-Z a-z 0-9 - _", SL_ROOM_MAX);
}

int sl_endpoint_check_secret(const char *value, struct sl_error *error)
{
	if (strlen(value) > SL_SECRET_MAX)
		return sl_fail(error, SL_ERR_INVALID, "expected at most %d bytes", SL_SECRET_MAX);
	if (!sl_secret_sendable(value))
		return sl_fail(error, SL_ERR_INVALID, "expected UTF-8 text: save the file in that encoding");
	return SL_OK;
}

void sl_endpoint_validate(const struct sl_endpoint_settings *settings, const char *file,
			  struct sl_option_errors *errors)
{
	if (settings->relay[0] == '\0')
		sl_option_errors_add(
			errors, file, 0, "relay",
			"expected the relay's name or address, such as relay = \"relay.example.org\"; "
			"found nothing");
	if (settings->room[0] == '\0')
		sl_option_errors_add(
			errors, file, 0, "room",
			"expected the code of the room to join, such as room = \"ROOM1\"; found nothing");
	// At least one sign of life must fit into the idle time, or a quiet session is taken for lost.
	if (settings->keep_alive >= settings->idle_timeout)
		sl_option_errors_add(errors, file, 0, "timing.keep_alive",
				     "expected less than timing.idle_timeout, which is %lld, found %lld",
				     settings->idle_timeout, settings->keep_alive);
}

static int choose_server_name(const struct sl_endpoint_settings *settings, struct sl_session_config *out,
			      struct sl_error *error)
{
	const char *name = settings->server_name;

	if (name[0] == '\0')
		name = out->relay.literal ? DEV_SERVER_NAME : out->relay.name;
	if (!server_name_valid(name))
		return sl_fail(error, SL_ERR_INVALID,
			       "server_name: expected the DNS name in the relay's certificate, got \"%s\"",
			       name);
	snprintf(out->server_name, sizeof(out->server_name), "%s", name);
	return SL_OK;
}

int sl_endpoint_session_config(const struct sl_endpoint_settings *settings, enum sl_role role,
			       struct sl_session_config *out, struct sl_tls **tls, struct sl_error *error)
{
	struct sl_error why = {{0}};
	int rc;

	memset(out, 0, sizeof(*out));
	*tls = NULL;
	out->role = role;
	out->scope = sl_role_name(role);

	if (sl_host_parse(settings->relay, &out->relay, &why) != SL_OK)
		return sl_fail(error, SL_ERR_INVALID, "relay: %s", why.text);
	rc = choose_server_name(settings, out, error);
	if (rc != SL_OK)
		return rc;
	if (!sl_room_valid(settings->room) || sl_endpoint_check_secret(settings->secret, &why) != SL_OK)
		return sl_fail(error, SL_ERR_INVALID, "room, secret: %s",
			       why.text[0] != '\0' ? why.text
						   : "expected a room code of 1 to 64 of A-Z a-z 0-9 - _");
	snprintf(out->room, sizeof(out->room), "%s", settings->room);
	snprintf(out->secret, sizeof(out->secret), "%s", settings->secret);

	out->max_datagram_size = (size_t)settings->max_size;
	out->split = settings->split;
	out->congestion = strcmp(settings->congestion, "cubic") == 0 ? SL_CC_CUBIC : SL_CC_BBR;
	out->offload = settings->offload;
	out->idle_timeout_ns = (uint64_t)settings->idle_timeout * SL_NS_PER_S;
	out->keep_alive_ns = (uint64_t)settings->keep_alive * SL_NS_PER_S;
	out->stats_interval_ns = (uint64_t)settings->stats_interval * SL_NS_PER_S;
	snprintf(out->agent, sizeof(out->agent), "softlan-%s/" SL_VERSION " " SYSTEM_NAME, out->scope);

	// A certificate file that cannot be used is a mistake in the configuration (exit code 2).
	*tls = sl_tls_client_new(settings->relay_ca, &why);
	if (*tls == NULL)
		return sl_fail(error, SL_ERR_INVALID,
			       "%s (relay_ca names a copy of the relay's certificate, or of its CA's)",
			       why.text);
	out->tls = *tls;
	return SL_OK;
}

void sl_endpoint_warn_relaxed(struct sl_log *log, const char *scope, uint32_t relaxed)
{
	char names[SL_POLICY_NAMES];

	if (relaxed != 0)
		sl_warn(log, scope, "safety rules are switched off, such frames may cross: %s (policy)",
			sl_policy_names(relaxed, names));
}
