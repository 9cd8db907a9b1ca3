// An IPv4 or IPv6 address with a prefix length: the TAP's address, a route's destination, a subnet.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

#define PREFIX_TEXT 64 // "xxxx:…/128" and the terminator

struct prefix {
	int family; // AF_INET, AF_INET6; 0: none
	uint8_t addr[16];
	uint8_t len;
};

// "192.0.2.7/24", "2001:db8::7/64". False: not that; a length must be given.
bool prefix_parse(const char *text, struct prefix *out);
// From raw bytes, as netlink gives them. False: no such family, or the size does not fit it.
bool prefix_set(struct prefix *out, int family, const void *addr, size_t addr_len, unsigned len);
// A host: all of the address, an IPv4-mapped one as IPv4. False: neither IPv4 nor IPv6.
bool prefix_host(struct prefix *out, const struct sl_addr *addr);
char *prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT]);
char *prefix_format_net(const struct prefix *prefix, char out[static PREFIX_TEXT]); // host bits cleared

unsigned prefix_max(int family); // 32 or 128
size_t prefix_size(int family);  // 4 or 16
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_same_addr(const struct prefix *a, const struct prefix *b); // whatever the lengths
// Do the two networks have an address in common?
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
// Has the prefix bits set behind its length?
bool prefix_has_host_bits(const struct prefix *prefix);
bool prefix_is_link_local(const struct prefix *prefix);
// A default route's destination, whole or in the halves that take everything just as well: at most
// /1 of IPv4, at most /3 of IPv6 (2000::/3 is all of its unicast space, RFC 4291 section 2.4).
bool prefix_is_default(const struct prefix *prefix);
