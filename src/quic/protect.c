#include "quic/protect.h"

#include <gnutls/crypto.h>
#include <intel-ipsec-mb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN 16
#define IV_LEN 12
#define TAG_LEN 16
#define MASK_LEN 5 // NGTCP2_HP_MASKLEN
#define BLOCK_LEN 16
#define ROUND_KEYS ((10 + 1) * BLOCK_LEN)

struct sl_protect {
	IMB_MGR *mgr;
};

// A key for packets, and one for their headers. ngtcp2 keeps a pointer for each; ours is told from GnuTLS' by
// its lowest bit, which is 0 in every pointer to allocated memory.
struct packet_key {
	_Alignas(64) struct gcm_key_data gcm; // its header says so to Intel's own makefiles alone
	const IMB_MGR *mgr;
};

struct header_key {
	_Alignas(BLOCK_LEN) uint8_t rounds[ROUND_KEYS];
	const IMB_MGR *mgr;
};

// What follows from a secret (RFC 9001 section 5.1, QUIC version 1).
struct derived {
	uint8_t key[KEY_LEN], iv[IV_LEN], header[KEY_LEN];
};

static void *tagged(void *key)
{
	return (void *)((uintptr_t)key | 1);
}

static void *own_key(void *handle)
{
	return ((uintptr_t)handle & 1) != 0 ? (void *)((uintptr_t)handle & ~(uintptr_t)1) : NULL;
}

// False: the key is not ours.
static bool wipe_own(void *handle, size_t size)
{
	void *key = own_key(handle);

	if (key == NULL)
		return false;
	gnutls_memset(key, 0, size);
	free(key);
	return true;
}

static size_t round_up(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

static void *packet_key_new(const struct sl_protect *protect, const uint8_t key[static KEY_LEN])
{
	const size_t align = _Alignof(struct packet_key);
	struct packet_key *made = aligned_alloc(align, round_up(sizeof(*made), align));

	if (made == NULL)
		return NULL;
	made->mgr = protect->mgr;
	IMB_AES128_GCM_PRE(protect->mgr, key, &made->gcm);
	return tagged(made);
}

static void *header_key_new(const struct sl_protect *protect, const uint8_t key[static KEY_LEN])
{
	_Alignas(BLOCK_LEN) uint8_t unused[ROUND_KEYS];
	struct header_key *made = aligned_alloc(BLOCK_LEN, round_up(sizeof(*made), BLOCK_LEN));

	if (made == NULL)
		return NULL;
	made->mgr = protect->mgr;
	IMB_AES_KEYEXP_128(protect->mgr, key, made->rounds, unused);
	gnutls_memset(unused, 0, sizeof(unused));
	return tagged(made);
}

struct sl_protect *sl_protect_new(void)
{
	struct sl_protect *protect = calloc(1, sizeof(*protect));

	if (protect == NULL)
		return NULL;
	protect->mgr = alloc_mb_mgr(0);
	if (protect->mgr != NULL) {
		const uint64_t tested = IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;
		IMB_ARCH arch = IMB_ARCH_NONE;
		init_mb_mgr_auto(protect->mgr, &arch);
		uint64_t features = protect->mgr->features;
		// Without AES instructions the library would emulate them, slowly, and open to whoever
		// measures time; without others that it needs it chooses no code at all.
		if (arch >= IMB_ARCH_SSE && (features & IMB_FEATURE_AESNI) != 0 &&
		    (features & tested) != IMB_FEATURE_SELF_TEST)
			return protect;
	}
	sl_protect_free(protect);
	return NULL;
}

void sl_protect_free(struct sl_protect *protect)
{
	if (protect == NULL)
		return;
	if (protect->mgr != NULL)
		free_mb_mgr(protect->mgr);
	free(protect);
}

// HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1), with SHA-256 and no context.
static bool expand(const uint8_t *secret, size_t secret_len, const char *label, uint8_t *out, size_t out_len)
{
	const gnutls_datum_t key = {(unsigned char *)(uintptr_t)secret, (unsigned)secret_len};
	uint8_t info[64] = {0, (uint8_t)out_len};
	int len = snprintf((char *)info + 3, sizeof(info) - 3, "tls13 %s", label);

	info[2] = (uint8_t)len;
	// The length of the context, 0, is what ends the string.
	const gnutls_datum_t whole = {info, 3 + (unsigned)len + 1};
	return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &whole, out, out_len) == 0;
}

static bool derive(const uint8_t *secret, size_t secret_len, struct derived *out)
{
	return expand(secret, secret_len, "quic key", out->key, sizeof(out->key)) &&
	       expand(secret, secret_len, "quic iv", out->iv, sizeof(out->iv)) &&
	       expand(secret, secret_len, "quic hp", out->header, sizeof(out->header));
}

bool sl_protect_can(const struct sl_protect *protect, ngtcp2_conn *nc, gnutls_session_t session)
{
	return protect != NULL && gnutls_cipher_get(session) == GNUTLS_CIPHER_AES_128_GCM &&
	       ngtcp2_conn_get_negotiated_version(nc) == NGTCP2_PROTO_VER_V1;
}

int sl_protect_install(const struct sl_protect *protect, ngtcp2_conn *nc, bool receive, const uint8_t *secret,
		       size_t secret_len)
{
	ngtcp2_crypto_aead_ctx packet = {NULL};
	ngtcp2_crypto_cipher_ctx header = {NULL};
	struct derived keys;
	int rv = NGTCP2_ERR_NOMEM;

	if (derive(secret, secret_len, &keys)) {
		packet.native_handle = packet_key_new(protect, keys.key);
		header.native_handle = header_key_new(protect, keys.header);
	}
	if (packet.native_handle != NULL && header.native_handle != NULL)
		rv = receive ? ngtcp2_conn_install_rx_key(nc, secret, secret_len, &packet, keys.iv,
							  sizeof(keys.iv), &header)
			     : ngtcp2_conn_install_tx_key(nc, secret, secret_len, &packet, keys.iv,
							  sizeof(keys.iv), &header);
	gnutls_memset(&keys, 0, sizeof(keys));
	if (rv == 0)
		return 0;
	sl_protect_delete_aead_cb(nc, &packet, NULL);
	sl_protect_delete_cipher_cb(nc, &header, NULL);
	return -1;
}

int sl_protect_update_key(const struct sl_protect *protect, ngtcp2_conn *nc, uint8_t *rx_secret,
			  uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx, uint8_t *rx_iv,
			  ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_secret_now,
			  const uint8_t *tx_secret_now, size_t secret_len)
{
	uint8_t rx_key[KEY_LEN], tx_key[KEY_LEN];

	// The helper derives everything; of what it makes, only the keys of GnuTLS are not wanted.
	int rv = ngtcp2_crypto_update_key(nc, rx_secret, tx_secret, rx, rx_key, rx_iv, tx, tx_key, tx_iv,
					  rx_secret_now, tx_secret_now, secret_len);
	if (rv == 0) {
		ngtcp2_crypto_aead_ctx_free(rx);
		ngtcp2_crypto_aead_ctx_free(tx);
		rx->native_handle = packet_key_new(protect, rx_key);
		tx->native_handle = packet_key_new(protect, tx_key);
	}
	gnutls_memset(rx_key, 0, sizeof(rx_key));
	gnutls_memset(tx_key, 0, sizeof(tx_key));
	if (rv != 0)
		return -1;
	if (rx->native_handle != NULL && tx->native_handle != NULL)
		return 0;
	sl_protect_delete_aead_cb(nc, rx, NULL);
	sl_protect_delete_aead_cb(nc, tx, NULL);
	return -1;
}

int sl_protect_encrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *plain, size_t len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len)
{
	const struct packet_key *key = own_key(ctx->native_handle);
	struct gcm_context_data state;

	if (key == NULL)
		return ngtcp2_crypto_encrypt_cb(dest, aead, ctx, plain, len, nonce, nonce_len, aad, aad_len);
	IMB_AES128_GCM_ENC(key->mgr, &key->gcm, &state, dest, plain, len, nonce, aad, aad_len, dest + len,
			   TAG_LEN);
	return 0;
}

int sl_protect_decrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
			  const uint8_t *sealed, size_t len, const uint8_t *nonce, size_t nonce_len,
			  const uint8_t *aad, size_t aad_len)
{
	const struct packet_key *key = own_key(ctx->native_handle);
	struct gcm_context_data state;
	uint8_t tag[TAG_LEN];

	if (key == NULL)
		return ngtcp2_crypto_decrypt_cb(dest, aead, ctx, sealed, len, nonce, nonce_len, aad, aad_len);
	if (len < TAG_LEN)
		return NGTCP2_ERR_DECRYPT;
	IMB_AES128_GCM_DEC(key->mgr, &key->gcm, &state, dest, sealed, len - TAG_LEN, nonce, aad, aad_len, tag,
			   TAG_LEN);
	// In constant time: the library computes the tag and leaves the comparison to its user.
	return gnutls_memcmp(tag, sealed + len - TAG_LEN, TAG_LEN) == 0 ? 0 : NGTCP2_ERR_DECRYPT;
}

int sl_protect_hp_mask_cb(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
			  const uint8_t *sample)
{
	static const uint8_t zeros[BLOCK_LEN];
	const struct header_key *key = own_key(ctx->native_handle);
	uint8_t block[BLOCK_LEN];

	if (key == NULL)
		return ngtcp2_crypto_hp_mask_cb(dest, hp, ctx, sample);
	// A block of zeros in CFB is the encrypted IV: the one block of ECB that RFC 9001 section 5.4.3 asks
	// for.
	IMB_AES128_CFB_ONE(key->mgr, block, zeros, sample, key->rounds, BLOCK_LEN);
	memcpy(dest, block, MASK_LEN);
	return 0;
}

void sl_protect_delete_aead_cb(ngtcp2_conn *nc, ngtcp2_crypto_aead_ctx *ctx, void *user_data)
{
	if (!wipe_own(ctx->native_handle, sizeof(struct packet_key)))
		ngtcp2_crypto_delete_crypto_aead_ctx_cb(nc, ctx, user_data);
	ctx->native_handle = NULL;
}

void sl_protect_delete_cipher_cb(ngtcp2_conn *nc, ngtcp2_crypto_cipher_ctx *ctx, void *user_data)
{
	if (!wipe_own(ctx->native_handle, sizeof(struct header_key)))
		ngtcp2_crypto_delete_crypto_cipher_ctx_cb(nc, ctx, user_data);
	ctx->native_handle = NULL;
}
