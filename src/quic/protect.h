// Packet protection with AES-128-GCM (RFC 9001 section 5) by intel-ipsec-mb: with a CPU's vector AES, for
// which GnuTLS has no code, three times as fast, and it is a fifth of a relay's work. Private to src/quic.
//
// GnuTLS does the handshake and protects its packets; with 1-RTT come keys of our own. All else stays with
// ngtcp2's helper for GnuTLS: other ciphers, CPUs without AES instructions, builds without the library. The
// callbacks tell the two kinds of key apart by themselves, so one table of callbacks serves all connections.
#pragma once

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>
#include <stdint.h>

struct sl_protect; // the library's state: read only once it is made, and shared by all keys

#ifdef HAVE_IPSEC_MB

// NULL: not on this CPU, not in this build, or out of memory; then GnuTLS does it. The caller owns it and
// keeps it longer than any key made with it.
struct sl_protect *sl_protect_new(void);
void sl_protect_free(struct sl_protect *protect);

// Can it protect this connection? False for NULL. To ask when TLS has chosen the cipher.
bool sl_protect_can(const struct sl_protect *protect, ngtcp2_conn *nc, gnutls_session_t session);

// Installs the 1-RTT key of one direction, from TLS's secret for it (RFC 9001 section 5.1). Returns 0, or -1:
// the connection cannot go on.
int sl_protect_install(const struct sl_protect *protect, ngtcp2_conn *nc, bool receive, const uint8_t *secret,
		       size_t secret_len);

// The rest stand in for the functions of the same names in ngtcp2's helper and have their contracts.

// ngtcp2_crypto_update_key_cb, for a connection that sl_protect_can protect (RFC 9001 section 6).
int sl_protect_update_key(const struct sl_protect *protect, ngtcp2_conn *nc, uint8_t *rx_secret,
			  uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx, uint8_t *rx_iv,
			  ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_secret_now,
			  const uint8_t *tx_secret_now, size_t secret_len);
int sl_protect_encrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *plain, size_t len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len);
int sl_protect_decrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *sealed, size_t len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len);
int sl_protect_hp_mask_cb(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
			  const uint8_t *sample);
void sl_protect_delete_aead_cb(ngtcp2_conn *nc, ngtcp2_crypto_aead_ctx *ctx, void *user_data);
void sl_protect_delete_cipher_cb(ngtcp2_conn *nc, ngtcp2_crypto_cipher_ctx *ctx, void *user_data);

#else

#define sl_protect_encrypt_cb ngtcp2_crypto_encrypt_cb
#define sl_protect_decrypt_cb ngtcp2_crypto_decrypt_cb
#define sl_protect_hp_mask_cb ngtcp2_crypto_hp_mask_cb
#define sl_protect_delete_aead_cb ngtcp2_crypto_delete_crypto_aead_ctx_cb
#define sl_protect_delete_cipher_cb ngtcp2_crypto_delete_crypto_cipher_ctx_cb
#define sl_protect_new() NULL
#define sl_protect_free(protect) (void)(protect)
#define sl_protect_can(protect, nc, session) ((void)(protect), (void)(nc), (void)(session), false)
#define sl_protect_install(...) (-1)
#define sl_protect_update_key(...) (-1)

#endif
