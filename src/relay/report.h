// The relay as JSON, for the control socket and for tests. The shapes are in docs/protocol.md.
// All functions give NULL when there is no memory.
#pragma once

#include <jansson.h>

#include "quic/tls.h"
#include "relay/relay.h"

bool relay_report_has_room(const struct sl_relay *relay, const char *code);
json_t *relay_report_rooms(const struct sl_relay *relay, const char *code); // code NULL: all
json_t *relay_report_peers(const struct sl_relay *relay, const char *code);
json_t *relay_report_stats(const struct sl_relay *relay);
// Adds the relay's members to `status`. SL_OK or SL_ERR_NOMEM.
int relay_report_status(json_t *status, const struct sl_relay *relay, const struct sl_tls *tls);
