// The development certificate (RELAY-14): self-signed, ECDSA P-256, made once and kept.
#include "quic/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define YEARS_10 (INT64_C(10) * 365 * 24 * 3600)

// Written beside and renamed, so that a crash leaves the old file or the new one.
static int write_file(const char *path, const gnutls_datum_t *data, mode_t mode, struct sl_error *error)
{
	char temporary[4096];
	size_t done = 0;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
		return sl_fail(error, SL_ERR_INVALID, "the path %.64s… is too long", path);
	unlink(temporary);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return sl_fail(error, SL_ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
	while (done < data->size) {
		ssize_t n = write(fd, data->data + done, data->size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	int failed = done < data->size || fsync(fd) != 0;
	int cause = errno;
	if (close(fd) != 0 || failed || rename(temporary, path) != 0) {
		if (!failed)
			cause = errno;
		unlink(temporary);
		return sl_fail(error, SL_ERR_SYSTEM, "cannot write %s: %s", path, strerror(cause));
	}
	return SL_OK;
}

// Reads the kept pair. False: there is none, it is damaged, or it is for another name.
static bool load_pair(const char *key_path, const char *crt_path, const char *name, gnutls_x509_privkey_t key,
		      gnutls_x509_crt_t crt, bool *have_key)
{
	gnutls_datum_t data = {NULL, 0};
	uint8_t a[64], b[64];
	size_t a_len = sizeof(a), b_len = sizeof(b);
	bool good = false;

	*have_key = false;
	if (gnutls_load_file(key_path, &data) != 0)
		return false;
	int rv = gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_memset(data.data, 0, data.size);
	gnutls_free(data.data);
	data.data = NULL;
	*have_key = rv == 0;
	if (rv != 0 || gnutls_load_file(crt_path, &data) != 0)
		return false;
	if (gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_PEM) == 0 &&
	    gnutls_x509_crt_check_hostname(crt, name) &&
	    gnutls_x509_crt_get_expiration_time(crt) > time(NULL) + 24 * 3600 &&
	    gnutls_x509_crt_get_key_id(crt, 0, a, &a_len) == 0 &&
	    gnutls_x509_privkey_get_key_id(key, 0, b, &b_len) == 0 && a_len == b_len &&
	    memcmp(a, b, a_len) == 0)
		good = true;
	gnutls_free(data.data);
	return good;
}

static int make_certificate(gnutls_x509_privkey_t key, const char *name, gnutls_x509_crt_t crt)
{
	uint8_t serial[16], id[64];
	size_t id_len = sizeof(id);
	const time_t now = time(NULL);
	struct sl_addr literal;

	int rv = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] &= 0x7f; // a serial is positive (RFC 5280 section 4.1.2.2)
	if (rv == 0)
		rv = gnutls_x509_crt_set_version(crt, 3);
	if (rv == 0)
		rv = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	// A day of grace for clients whose clock is behind.
	if (rv == 0)
		rv = gnutls_x509_crt_set_activation_time(crt, now - 24 * 3600);
	if (rv == 0)
		rv = gnutls_x509_crt_set_expiration_time(crt, now + YEARS_10);
	if (rv == 0)
		rv = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
						   (unsigned)strlen(name));
	if (rv == 0 && !sl_addr_literal(name, 0, &literal))
		rv = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
							  (unsigned)strlen(name), GNUTLS_FSAN_SET);
	else if (rv == 0) // RFC 5280 section 4.2.1.6: an address stands there as its bytes
		rv = gnutls_x509_crt_set_subject_alt_name(
			crt, GNUTLS_SAN_IPADDRESS,
			literal.sa.sa_family == AF_INET ? (const void *)&literal.in.sin_addr
							: (const void *)&literal.in6.sin6_addr,
			literal.sa.sa_family == AF_INET ? 4 : 16, GNUTLS_FSAN_SET);
	if (rv == 0)
		rv = gnutls_x509_crt_set_key(crt, key);
	if (rv == 0)
		rv = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (rv == 0)
		rv = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rv == 0)
		rv = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (rv == 0)
		rv = gnutls_x509_crt_get_key_id(crt, 0, id, &id_len);
	if (rv == 0)
		rv = gnutls_x509_crt_set_subject_key_id(crt, id, id_len);
	if (rv == 0)
		rv = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	return rv;
}

static int save_pair(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt, const char *key_path,
		     const char *crt_path, bool keep_key, struct sl_error *error)
{
	gnutls_datum_t pem = {NULL, 0};
	int rv = SL_OK;

	if (!keep_key) {
		if (gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
						      &pem) != 0)
			return sl_fail(error, SL_ERR_TLS, "cannot export the development key");
		rv = write_file(key_path, &pem, 0600, error);
		gnutls_memset(pem.data, 0, pem.size);
		gnutls_free(pem.data);
	}
	if (rv == SL_OK && gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0) {
		rv = write_file(crt_path, &pem, 0644, error);
		gnutls_free(pem.data);
	}
	return rv;
}

struct sl_tls *sl_tls_server_dev(const char *state_directory, const char *name, const char *der_out,
				 struct sl_error *error)
{
	char key_path[4096], crt_path[4096];
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t der = {NULL, 0};
	struct sl_tls *tls = NULL;
	bool have_key = false, made = false;

	if ((size_t)snprintf(key_path, sizeof(key_path), "%s/dev-relay.key", state_directory) >=
		    sizeof(key_path) ||
	    (size_t)snprintf(crt_path, sizeof(crt_path), "%s/dev-relay.crt", state_directory) >=
		    sizeof(crt_path)) {
		sl_fail(error, SL_ERR_INVALID, "state_directory is too long");
		return NULL;
	}
	if (mkdir(state_directory, 0750) != 0 && errno != EEXIST) {
		sl_fail(error, SL_ERR_SYSTEM,
			"cannot make the state_directory %s: %s (make it, or name one that this user may "
			"write to)",
			state_directory, strerror(errno));
		return NULL;
	}
	if (gnutls_x509_privkey_init(&key) != 0 || gnutls_x509_crt_init(&crt) != 0) {
		sl_fail(error, SL_ERR_NOMEM, "out of memory");
		goto out;
	}
	if (!load_pair(key_path, crt_path, name, key, crt, &have_key)) {
		int rv = 0;
		// An unreadable key of another user must not be replaced behind his back.
		if (!have_key && access(key_path, F_OK) == 0) {
			sl_fail(error, SL_ERR_INVALID,
				"the development key %s cannot be read: mend its permissions, or remove it "
				"to get a new "
				"one (clients then need the new certificate)",
				key_path);
			goto out;
		}
		if (!have_key)
			rv = gnutls_x509_privkey_generate2(key, GNUTLS_PK_ECDSA,
							   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
							   0, NULL, 0);
		gnutls_x509_crt_deinit(crt);
		crt = NULL;
		if (rv == 0)
			rv = gnutls_x509_crt_init(&crt);
		if (rv == 0)
			rv = make_certificate(key, name, crt);
		if (rv != 0) {
			sl_fail(error, SL_ERR_TLS, "cannot make a development certificate for '%s': %s", name,
				gnutls_strerror(rv));
			goto out;
		}
		made = true;
	}
	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) != 0 ||
	    write_file(der_out, &der, 0644, error) != SL_OK)
		goto out;
	// Last: an output file that can't be written must not cost the pair that clients have pinned.
	if (made && save_pair(key, crt, key_path, crt_path, have_key, error) != SL_OK)
		goto out;
	tls = sl_tls_server_new(crt_path, key_path, error);
	if (tls != NULL)
		tls->development = true;
out:
	gnutls_free(der.data);
	if (crt != NULL)
		gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return tls;
}
