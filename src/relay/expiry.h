// The end of the certificate's time, before the players meet it.
#pragma once

#include <stdint.h>

#include "quic/tls.h"

#define RELAY_EXPIRY_WARN_DAYS 14
#define RELAY_EXPIRY_TEXT 200

// Whole days that the certificate is still valid at `wall_ns` (since 1970); negative: it has expired.
long long relay_expiry_days(const struct sl_tls_info *certificate, uint64_t wall_ns);

// What there is to say of it, with the remedy: it expires in less than RELAY_EXPIRY_WARN_DAYS days, has
// expired, or is not valid yet. "" when there is nothing. Returns `out`.
const char *relay_expiry_sentence(const struct sl_tls_info *certificate, uint64_t wall_ns,
				  char out[static RELAY_EXPIRY_TEXT]);
