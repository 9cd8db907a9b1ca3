#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool is_mapped(const struct sl_addr *addr)
{
	return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr);
}

char *sl_addr_format(const struct sl_addr *addr, char out[static SL_ADDR_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "", zone[IF_NAMESIZE + 1] = "", *name = zone + 1;
	struct sl_addr plain;

	if (addr->len == 0) {
		snprintf(out, SL_ADDR_TEXT, "-");
		return out;
	}
	sl_addr_unmap(addr, &plain);
	if (plain.sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &plain.in.sin_addr, host, sizeof(host));
		snprintf(out, SL_ADDR_TEXT, "%s:%u", host, ntohs(plain.in.sin_port));
		return out;
	}
	if (plain.sa.sa_family != AF_INET6) {
		snprintf(out, SL_ADDR_TEXT, "(address family %d)", plain.sa.sa_family);
		return out;
	}
	inet_ntop(AF_INET6, &plain.in6.sin6_addr, host, sizeof(host));
	if (plain.in6.sin6_scope_id != 0) {
		zone[0] = '%';
		if (!if_indextoname(plain.in6.sin6_scope_id, name))
			snprintf(name, IF_NAMESIZE, "%u", (unsigned)plain.in6.sin6_scope_id);
	}
	snprintf(out, SL_ADDR_TEXT, "[%s%s]:%u", host, zone, ntohs(plain.in6.sin6_port));
	return out;
}

bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b)
{
	struct sl_addr x, y;

	if (a->len == 0 || b->len == 0)
		return a->len == b->len;
	sl_addr_unmap(a, &x);
	sl_addr_unmap(b, &y);
	if (x.sa.sa_family != y.sa.sa_family || sl_addr_port(&x) != sl_addr_port(&y))
		return false;
	if (x.sa.sa_family == AF_INET)
		return x.in.sin_addr.s_addr == y.in.sin_addr.s_addr;
	if (x.sa.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&x.in6.sin6_addr, &y.in6.sin6_addr) &&
		       x.in6.sin6_scope_id == y.in6.sin6_scope_id;
	return false;
}

uint16_t sl_addr_port(const struct sl_addr *addr)
{
	if (addr->len == 0)
		return 0;
	return ntohs(addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_port : addr->in.sin_port);
}

void sl_addr_set_port(struct sl_addr *addr, uint16_t port)
{
	if (addr->sa.sa_family == AF_INET6)
		addr->in6.sin6_port = htons(port);
	else
		addr->in.sin_port = htons(port);
}

bool sl_addr_is_ipv4(const struct sl_addr *addr)
{
	return addr->len != 0 && (addr->sa.sa_family == AF_INET || is_mapped(addr));
}

void sl_addr_map(const struct sl_addr *in, struct sl_addr *out)
{
	struct sl_addr mapped = {.len = sizeof(struct sockaddr_in6)};

	if (in->len == 0 || in->sa.sa_family != AF_INET) {
		*out = *in;
		return;
	}
	mapped.in6.sin6_family = AF_INET6;
	mapped.in6.sin6_port = in->in.sin_port;
	mapped.in6.sin6_addr.s6_addr[10] = 0xff;
	mapped.in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&mapped.in6.sin6_addr.s6_addr[12], &in->in.sin_addr, 4);
	*out = mapped;
}

void sl_addr_unmap(const struct sl_addr *in, struct sl_addr *out)
{
	struct sl_addr plain = {.len = sizeof(struct sockaddr_in)};

	if (in->len == 0 || !is_mapped(in)) {
		*out = *in;
		return;
	}
	plain.in.sin_family = AF_INET;
	plain.in.sin_port = in->in6.sin6_port;
	memcpy(&plain.in.sin_addr, &in->in6.sin6_addr.s6_addr[12], 4);
	*out = plain;
}

bool sl_addr_ipv6(const char *name, struct in6_addr *out, const char **zone)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(name, "%");

	*zone = NULL;
	if (len >= sizeof(host))
		return false;
	memcpy(host, name, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, out) != 1)
		return false;
	if (name[len] == '\0')
		return true;
	*zone = name + len + 1;
	return **zone != '\0' && strlen(*zone) < IF_NAMESIZE && IN6_IS_ADDR_LINKLOCAL(out);
}

bool sl_addr_literal(const char *name, uint16_t port, struct sl_addr *out)
{
	struct sl_addr addr;
	const char *zone;

	memset(&addr, 0, sizeof(addr));
	if (inet_pton(AF_INET, name, &addr.in.sin_addr) == 1) {
		addr.len = sizeof(addr.in);
		addr.in.sin_family = AF_INET;
		addr.in.sin_port = htons(port);
		*out = addr;
		return true;
	}
	memset(&addr, 0, sizeof(addr));
	if (!sl_addr_ipv6(name, &addr.in6.sin6_addr, &zone))
		return false;
	addr.len = sizeof(addr.in6);
	addr.in6.sin6_family = AF_INET6;
	addr.in6.sin6_port = htons(port);
	if (zone) {
		addr.in6.sin6_scope_id = if_nametoindex(zone);
		if (addr.in6.sin6_scope_id == 0)
			return false;
	}
	*out = addr;
	return true;
}
