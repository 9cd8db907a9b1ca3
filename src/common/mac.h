// Ethernet addresses (IEEE 802 EUI-48).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SL_MAC_LEN 6
#define SL_MAC_TEXT 18 // "aa:bb:cc:dd:ee:ff" and the terminator

struct sl_mac {
	uint8_t b[SL_MAC_LEN];
};

// Parses exactly "xx:xx:xx:xx:xx:xx" (either case of the hexadecimal digits). False: not that.
bool sl_mac_parse(const char *text, struct sl_mac *out);

// Writes the lower-case form with colons into `out` and returns it.
char *sl_mac_format(const struct sl_mac *mac, char out[static SL_MAC_TEXT]);

// May this address be a client's identity: unicast, not zero, locally administered (PROTO-5)?
bool sl_mac_is_identity(const struct sl_mac *mac);

static inline bool sl_mac_equal(const struct sl_mac *a, const struct sl_mac *b)
{
	return memcmp(a->b, b->b, SL_MAC_LEN) == 0;
}

static inline bool sl_mac_is_multicast(const struct sl_mac *mac) // broadcast included
{
	return (mac->b[0] & 1) != 0;
}

static inline bool sl_mac_is_zero(const struct sl_mac *mac)
{
	static const struct sl_mac zero;
	return sl_mac_equal(mac, &zero);
}
