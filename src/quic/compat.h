// Differences between ngtcp2 1.1 and later 1.x, and nothing else. No version test stands elsewhere.
#pragma once

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

// ngtcp2_settings.pmtud_probes came with 1.4.0; before, the library's own table is used.
#if NGTCP2_VERSION_NUM >= 0x010400
#define SL_HAVE_PMTUD_PROBES 1
#else
#define SL_HAVE_PMTUD_PROBES 0
#endif
