#include "client/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

unsigned prefix_max(int family)
{
	return family == AF_INET ? 32 : 128;
}

size_t prefix_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

bool prefix_parse(const char *text, struct prefix *out)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	unsigned len = 0;

	memset(out, 0, sizeof *out);
	if (!slash || slash == text || (size_t)(slash - text) >= sizeof addr)
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	out->family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(out->family, addr, out->addr) != 1)
		return false;
	if (slash[1] == '\0' || strlen(slash + 1) > 3)
		return false;
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		len = len * 10 + (unsigned)(*p - '0');
	}
	if (len > prefix_max(out->family))
		return false;
	out->len = (uint8_t)len;
	return true;
}

bool prefix_set(struct prefix *out, int family, const void *addr, size_t addr_len, unsigned len)
{
	memset(out, 0, sizeof *out);
	if (family != AF_INET && family != AF_INET6)
		return false;
	if (addr_len != prefix_size(family) || len > prefix_max(family))
		return false;
	out->family = family;
	memcpy(out->addr, addr, addr_len);
	out->len = (uint8_t)len;
	return true;
}

bool prefix_host(struct prefix *out, const struct sl_addr *addr)
{
	struct sl_addr plain;

	sl_addr_unmap(addr, &plain);
	if (plain.sa.sa_family == AF_INET)
		return prefix_set(out, AF_INET, &plain.in.sin_addr, 4, 32);
	return plain.sa.sa_family == AF_INET6 && prefix_set(out, AF_INET6, &plain.in6.sin6_addr, 16, 128);
}

char *prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT])
{
	char addr[INET6_ADDRSTRLEN];

	if (!inet_ntop(prefix->family, prefix->addr, addr, sizeof addr))
		addr[0] = '\0';
	snprintf(out, PREFIX_TEXT, "%s/%u", addr, prefix->len);
	return out;
}

static uint8_t mask_byte(unsigned len, size_t index)
{
	unsigned bits = len > index * 8 ? len - (unsigned)index * 8 : 0;

	return (uint8_t)(bits >= 8 ? 0xffu : 0xff00u >> bits);
}

char *prefix_format_net(const struct prefix *prefix, char out[static PREFIX_TEXT])
{
	struct prefix net = *prefix;

	for (size_t i = 0; i < sizeof net.addr; i++)
		net.addr[i] &= mask_byte(net.len, i);
	return prefix_format(&net, out);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && prefix_same_addr(a, b);
}

bool prefix_same_addr(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, prefix_size(a->family)) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	unsigned len = a->len < b->len ? a->len : b->len;

	if (a->family != b->family)
		return false;
	for (size_t i = 0; i < sizeof a->addr; i++)
		if (((a->addr[i] ^ b->addr[i]) & mask_byte(len, i)) != 0)
			return false;
	return true;
}

bool prefix_has_host_bits(const struct prefix *prefix)
{
	for (size_t i = 0; i < sizeof prefix->addr; i++)
		if ((prefix->addr[i] & ~mask_byte(prefix->len, i) & 0xff) != 0)
			return true;
	return false;
}

bool prefix_is_link_local(const struct prefix *prefix)
{
	if (prefix->family == AF_INET)
		return prefix->addr[0] == 169 && prefix->addr[1] == 254;    // RFC 3927
	return prefix->addr[0] == 0xfe && (prefix->addr[1] & 0xc0) == 0x80; // RFC 4291 section 2.5.6
}

bool prefix_is_default(const struct prefix *prefix)
{
	return prefix->len <= (prefix->family == AF_INET ? 1 : 3);
}
