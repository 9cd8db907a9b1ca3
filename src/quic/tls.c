#include "quic/internal.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// TLS 1.3 only; AES-128-GCM first: GnuTLS' own order would choose AES-256 or, at six times the cost,
// ChaCha20. %DISABLE_TLS13_COMPAT_MODE: QUIC forbids the middlebox compatibility mode (RFC 9001 section 8.4).
#define PRIORITY                                                                                             \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"            \
	"-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE"

static const gnutls_datum_t alpn = {(unsigned char *)(uintptr_t)SL_ALPN, sizeof(SL_ALPN) - 1};

struct sl_tls *sl_tls_ref(struct sl_tls *tls)
{
	tls->references++;
	return tls;
}

void sl_tls_free(struct sl_tls *tls)
{
	if (tls == NULL || --tls->references != 0)
		return;
	for (size_t i = 0; i < tls->pin_count; i++)
		gnutls_free(tls->pins[i].data);
	free(tls->pins);
	free(tls->ca_file);
	if (tls->credentials != NULL)
		gnutls_certificate_free_credentials(tls->credentials);
	if (tls->priority != NULL)
		gnutls_priority_deinit(tls->priority);
	gnutls_memset(tls->seed, 0, sizeof(tls->seed));
	sl_protect_free(tls->protect);
	free(tls);
}

static struct sl_tls *tls_new(bool server, struct sl_error *error)
{
	struct sl_tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL) {
		sl_fail(error, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	tls->references = 1;
	tls->server = server;
	tls->protect = sl_protect_new();
	int rv = gnutls_certificate_allocate_credentials(&tls->credentials);
	if (rv == 0)
		rv = gnutls_priority_init(&tls->priority, server ? PRIORITY ":%SERVER_PRECEDENCE" : PRIORITY,
					  NULL);
	if (rv != 0) {
		sl_fail(error, SL_ERR_TLS, "cannot set up TLS: %s", gnutls_strerror(rv));
		sl_tls_free(tls);
		return NULL;
	}
	return tls;
}

static int load_file(const char *what, const char *path, gnutls_datum_t *out, struct sl_error *error)
{
	errno = 0;
	if (gnutls_load_file(path, out) == 0)
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID, "cannot read the %s %s: %s%s", what, path,
		       errno != 0 ? strerror(errno) : "not a readable file",
		       errno == EACCES
			       ? " for the daemon's user; chgrp it to that user's group and chmod it 640"
			       : "");
}

static int describe(struct sl_tls *tls, const gnutls_datum_t *pem, struct sl_error *error, const char *path)
{
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;
	uint8_t hash[32];
	size_t size = sizeof(hash);

	int rv = gnutls_x509_crt_list_import2(&list, &count, pem, GNUTLS_X509_FMT_PEM, 0);
	if (rv < 0)
		return sl_fail(error, SL_ERR_INVALID, "the certificate %s is not PEM: %s", path,
			       gnutls_strerror(rv));
	size_t len = sizeof(tls->info.subject);
	if (gnutls_x509_crt_get_dn(list[0], tls->info.subject, &len) != 0)
		tls->info.subject[0] = '\0';
	tls->info.not_before = gnutls_x509_crt_get_activation_time(list[0]);
	tls->info.not_after = gnutls_x509_crt_get_expiration_time(list[0]);
	if (gnutls_x509_crt_get_fingerprint(list[0], GNUTLS_DIG_SHA256, hash, &size) == 0)
		for (size_t i = 0; i < sizeof(hash); i++)
			snprintf(tls->info.sha256 + 2 * i, 3, "%02x", hash[i]);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	return SL_OK;
}

// The seed of all secrets that must be the same after a restart: HKDF-Extract (RFC 5869) of the key's DER.
static int derive_seed(struct sl_tls *tls, const gnutls_datum_t *key_pem, struct sl_error *error,
		       const char *path)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t der = {NULL, 0};
	static const unsigned char label[] = "softlan key seed 1";
	const gnutls_datum_t salt = {(unsigned char *)(uintptr_t)label, sizeof(label) - 1};

	int rv = gnutls_x509_privkey_init(&key);
	if (rv == 0)
		rv = gnutls_x509_privkey_import2(key, key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rv == 0)
		rv = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_DER, &der);
	if (rv == 0)
		rv = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &der, &salt, tls->seed);
	if (der.data != NULL) {
		gnutls_memset(der.data, 0, der.size);
		gnutls_free(der.data);
	}
	gnutls_x509_privkey_deinit(key);
	return rv == 0 ? SL_OK
		       : sl_fail(error, SL_ERR_INVALID, "the private key %s cannot be used: %s", path,
				 gnutls_strerror(rv));
}

struct sl_tls *sl_tls_server_new(const char *certificate, const char *private_key, struct sl_error *error)
{
	gnutls_datum_t crt = {NULL, 0}, key = {NULL, 0};
	struct sl_tls *tls = tls_new(true, error);
	int rv = tls == NULL ? SL_ERR_TLS : SL_OK;

	if (rv == SL_OK)
		rv = load_file("certificate", certificate, &crt, error);
	if (rv == SL_OK)
		rv = load_file("private key", private_key, &key, error);
	if (rv == SL_OK)
		rv = describe(tls, &crt, error, certificate);
	if (rv == SL_OK)
		rv = derive_seed(tls, &key, error, private_key);
	if (rv == SL_OK) {
		int e = gnutls_certificate_set_x509_key_mem(tls->credentials, &crt, &key,
							    GNUTLS_X509_FMT_PEM);
		if (e == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
			rv = sl_fail(error, SL_ERR_INVALID,
				     "the private key %s does not belong to the certificate %s: give the "
				     "pair that "
				     "was made together",
				     private_key, certificate);
		else if (e < 0)
			rv = sl_fail(error, SL_ERR_INVALID,
				     "cannot use the certificate %s with the key %s: %s", certificate,
				     private_key, gnutls_strerror(e));
	}
	gnutls_free(crt.data);
	if (key.data != NULL)
		gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
	if (rv != SL_OK) {
		sl_tls_free(tls);
		return NULL;
	}
	return tls;
}

// Every certificate in the file is a pin, and an authority that may have signed the relay's.
static int load_trust(struct sl_tls *tls, const char *ca_file, struct sl_error *error)
{
	gnutls_datum_t file = {NULL, 0};
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;

	int rv = load_file("relay certificate (relay_ca)", ca_file, &file, error);
	if (rv != SL_OK)
		return rv;
	// A PEM file says so; all else must be one DER certificate. (gnutls_load_file puts a NUL behind it.)
	bool pem = file.size > 0 && strstr((const char *)file.data, "-----BEGIN") != NULL;
	int e;
	if (pem) {
		e = gnutls_x509_crt_list_import2(&list, &count, &file, GNUTLS_X509_FMT_PEM, 0);
	} else {
		list = gnutls_malloc(sizeof(*list));
		e = list == NULL ? GNUTLS_E_MEMORY_ERROR : gnutls_x509_crt_init(&list[0]);
		if (e == 0) {
			count = 1;
			e = gnutls_x509_crt_import(list[0], &file, GNUTLS_X509_FMT_DER);
		}
	}
	gnutls_free(file.data);
	if (e >= 0)
		tls->pins = calloc(count, sizeof(*tls->pins));
	for (unsigned i = 0; e >= 0 && tls->pins != NULL && i < count; i++)
		if ((e = gnutls_x509_crt_export2(list[i], GNUTLS_X509_FMT_DER, &tls->pins[i])) >= 0)
			tls->pin_count++;
	if (e >= 0)
		e = gnutls_certificate_set_x509_trust(tls->credentials, list, (int)count);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	if (e < 0 || tls->pins == NULL)
		return sl_fail(error, SL_ERR_INVALID, "relay_ca %s is not a certificate in PEM or DER: %s",
			       ca_file, gnutls_strerror(e));
	return SL_OK;
}

struct sl_tls *sl_tls_client_new(const char *ca_file, struct sl_error *error)
{
	struct sl_tls *tls = tls_new(false, error);
	int rv = SL_OK;

	if (tls == NULL)
		return NULL;
	if (ca_file != NULL && ca_file[0] != '\0') {
		tls->ca_file = strdup(ca_file);
		rv = tls->ca_file == NULL ? sl_fail(error, SL_ERR_NOMEM, "out of memory")
					  : load_trust(tls, ca_file, error);
	} else {
		int e = gnutls_certificate_set_x509_system_trust(tls->credentials);
		if (e <= 0)
			rv = sl_fail(error, SL_ERR_INVALID,
				     "the system trusts no certificate authority (%s): install "
				     "ca-certificates, or set "
				     "relay_ca to the relay's certificate",
				     e < 0 ? gnutls_strerror(e) : "the store is empty");
	}
	if (rv != SL_OK) {
		sl_tls_free(tls);
		return NULL;
	}
	return tls;
}

static int install_key(const struct sl_conn *conn, ngtcp2_encryption_level level, bool receive,
		       const void *secret, size_t len)
{
	const struct sl_protect *protect = conn->tls->protect;

	if (secret == NULL)
		return 0;
	if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT && sl_protect_can(protect, conn->nc, conn->session))
		return sl_protect_install(protect, conn->nc, receive, secret, len);
	return receive ? ngtcp2_crypto_derive_and_install_rx_key(conn->nc, NULL, NULL, NULL, level, secret,
								 len)
		       : ngtcp2_crypto_derive_and_install_tx_key(conn->nc, NULL, NULL, NULL, level, secret,
								 len);
}

// GnuTLS has the secrets of a level. Instead of the function that the helper sets.
static int on_secret(gnutls_session_t session, gnutls_record_encryption_level_t gnutls_level,
		     const void *rx_secret, const void *tx_secret, size_t len)
{
	ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
	ngtcp2_encryption_level level =
		ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(gnutls_level);

	return install_key(ref->user_data, level, true, rx_secret, len) == 0 &&
			       install_key(ref->user_data, level, false, tx_secret, len) == 0
		       ? 0
		       : -1;
}

int sl_tls_session(struct sl_tls *tls, ngtcp2_crypto_conn_ref *ref, const char *server_name,
		   gnutls_session_t *out)
{
	gnutls_session_t session = NULL;
	struct sl_addr literal;
	unsigned flags = tls->server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT;

	if (gnutls_init(&session, flags | GNUTLS_NO_TICKETS | GNUTLS_NO_END_OF_EARLY_DATA) != 0)
		return SL_ERR_NOMEM;
	int rv = tls->server ? ngtcp2_crypto_gnutls_configure_server_session(session)
			     : ngtcp2_crypto_gnutls_configure_client_session(session);
	if (rv == 0)
		rv = gnutls_priority_set(session, tls->priority);
	if (rv == 0)
		rv = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
	if (rv == 0)
		rv = gnutls_alpn_set_protocols(session, &alpn, 1, GNUTLS_ALPN_MANDATORY);
	// A literal address is no server name (RFC 6066 section 3).
	if (rv == 0 && server_name != NULL && !sl_addr_literal(server_name, 0, &literal))
		rv = gnutls_server_name_set(session, GNUTLS_NAME_DNS, server_name, strlen(server_name));
	if (rv != 0) {
		gnutls_deinit(session);
		return SL_ERR_TLS;
	}
	gnutls_handshake_set_secret_function(session, on_secret);
	gnutls_session_set_ptr(session, ref);
	*out = session;
	return SL_OK;
}

static bool is_pinned(const struct sl_tls *tls, const gnutls_datum_t *leaf)
{
	for (size_t i = 0; i < tls->pin_count; i++)
		if (tls->pins[i].size == leaf->size && memcmp(tls->pins[i].data, leaf->data, leaf->size) == 0)
			return true;
	return false;
}

int sl_tls_verify(const struct sl_tls *tls, gnutls_session_t session, const char *server_name,
		  struct sl_error *error)
{
	unsigned count = 0, status = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t leaf = NULL;
	int rv = SL_OK;

	if (chain == NULL || count == 0 || gnutls_x509_crt_init(&leaf) != 0)
		return sl_fail(error, SL_ERR_TLS, "the relay showed no certificate");
	if (gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) != 0) {
		rv = sl_fail(error, SL_ERR_TLS, "the relay's certificate cannot be read");
		goto out;
	}
	// A pinned certificate is trusted as it is, its dates included: small gateway boxes have no clock
	// battery, and the pin says more than a date.
	if (!is_pinned(tls, &chain[0])) {
		gnutls_datum_t text = {NULL, 0};
		int e = gnutls_certificate_verify_peers2(session, &status);
		if (e == 0 && status == 0)
			goto name;
		if (e == 0)
			e = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
		rv = sl_fail(error, SL_ERR_TLS,
			     "the relay's certificate is not trusted by %.80s: name the relay's own "
			     "certificate, or its authority's, in relay_ca (%.90s)",
			     tls->ca_file != NULL ? tls->ca_file : "the system's authorities",
			     text.data != NULL ? (const char *)text.data : gnutls_strerror(e));
		gnutls_free(text.data);
		goto out;
	}
name:
	if (!gnutls_x509_crt_check_hostname(leaf, server_name)) {
		char subject[256] = "?";
		size_t size = sizeof(subject);
		if (gnutls_x509_crt_get_subject_alt_name(leaf, 0, subject, &size, NULL) < 0) {
			size = sizeof(subject);
			if (gnutls_x509_crt_get_dn(leaf, subject, &size) < 0)
				strcpy(subject, "?");
		}
		rv = sl_fail(error, SL_ERR_TLS,
			     "the relay's certificate is for '%.100s', not for '%.100s': set server_name to "
			     "the name in the certificate",
			     subject, server_name);
	}
out:
	gnutls_x509_crt_deinit(leaf);
	return rv;
}

int sl_tls_derive(const struct sl_tls *tls, const char *label, uint8_t out[static SL_TLS_SECRET])
{
	const gnutls_datum_t seed = {(unsigned char *)(uintptr_t)tls->seed, sizeof(tls->seed)};
	const gnutls_datum_t info = {(unsigned char *)(uintptr_t)label, (unsigned)strlen(label)};
	return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &seed, &info, out, SL_TLS_SECRET) == 0 ? SL_OK
											    : SL_ERR_TLS;
}

void sl_tls_info(const struct sl_tls *tls, struct sl_tls_info *out)
{
	*out = tls->info;
	out->development = tls->development;
}

const char *sl_quic_library_versions(void)
{
#ifdef HAVE_IPSEC_MB
	return "ngtcp2 " NGTCP2_VERSION ", GnuTLS " GNUTLS_VERSION ", intel-ipsec-mb";
#else
	return "ngtcp2 " NGTCP2_VERSION ", GnuTLS " GNUTLS_VERSION;
#endif
}
