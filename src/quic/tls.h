// TLS 1.3 credentials for QUIC (GnuTLS). AES-128-GCM is preferred, then AES-256-GCM, then ChaCha20.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/err.h"

#define SL_ALPN "softlan/1"
#define SL_TLS_SECRET 32

struct sl_tls;

// A server's certificate chain and key (PEM). Errors name the file: unreadable, not PEM, the key
// does not match the certificate.
struct sl_tls *sl_tls_server_new(const char *certificate, const char *private_key, struct sl_error *error);

// A self-signed development certificate (ECDSA P-256) for `name`, kept in `state_directory`
// (dev-relay.key 0600, dev-relay.crt) and reused; its DER is written to `der_out` (RELAY-14).
struct sl_tls *sl_tls_server_dev(const char *state_directory, const char *name, const char *der_out,
				 struct sl_error *error);

// A client that trusts `ca_file` (PEM or DER: a CA, or the pinned server certificate itself), or
// the system's store when it is NULL or "".
struct sl_tls *sl_tls_client_new(const char *ca_file, struct sl_error *error);
void sl_tls_free(struct sl_tls *tls);

// A secret for `label`, derived from the server's private key (HKDF-SHA256, RFC 5869), the same
// after a restart: for Retry, address tokens and stateless reset.
int sl_tls_derive(const struct sl_tls *tls, const char *label, uint8_t out[static SL_TLS_SECRET]);

// What `softlanctl status` shows of the server's certificate.
struct sl_tls_info {
	char subject[256];
	char sha256[65]; // hexadecimal fingerprint of the DER
	time_t not_before, not_after;
	bool development;
};
void sl_tls_info(const struct sl_tls *tls, struct sl_tls_info *out);

const char *sl_quic_library_versions(void); // "ngtcp2 1.11.0, GnuTLS 3.7.9"
