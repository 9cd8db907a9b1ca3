// The settings that gateway and client share, and how they become a session (interfaces: relay,
// server_name, relay_ca, room, secret, datagram, congestion, offload, log, timing, control_*).
#pragma once

#include <stdbool.h>

#include "common/log.h"
#include "daemon/options.h"
#include "session/session.h"

struct sl_endpoint_settings {
	char *relay, *server_name, *relay_ca, *room, *secret;
	char *control_socket, *control_group, *user;
	char *congestion, *log_level;
	bool offload, log_frames, split, mss_clamp;
	long long max_size, idle_timeout, keep_alive, stats_interval;
};

// Checks of single values, for the option table (SL_OK, or a code with "expected …").
int sl_endpoint_check_relay(const char *value, struct sl_error *error);
int sl_endpoint_check_server_name(const char *value, struct sl_error *error);
int sl_endpoint_check_room(const char *value, struct sl_error *error);
int sl_endpoint_check_secret(const char *value, struct sl_error *error);

// Checks across these keys (relay and room are given, keep_alive < idle_timeout).
void sl_endpoint_validate(const struct sl_endpoint_settings *settings, const char *file,
			  struct sl_option_errors *errors);

// Fills a session's configuration from the settings: parses the relay, chooses the server name (the
// relay's name, or "softlan-relay.local" for an address), loads the trust (*tls, the caller frees it
// after the session). SL_OK or a code with a sentence.
int sl_endpoint_session_config(const struct sl_endpoint_settings *settings, enum sl_role role,
			       struct sl_session_config *out, struct sl_tls **tls, struct sl_error *error);

// Says in the log which rules are switched off in `policy`; nothing if none is.
void sl_endpoint_warn_relaxed(struct sl_log *log, const char *scope, uint32_t relaxed);

// Rows of an option table for these settings: SL_ENDPOINT_OPTIONS(T, member, who) in
// session/settings_table.h, which only the daemons' option tables include.
