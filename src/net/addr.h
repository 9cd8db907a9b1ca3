// Socket addresses and the text forms that people write (NET-1, NET-2).
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"

#define SL_DEFAULT_PORT 443
#define SL_ADDR_TEXT 72
#define SL_HOST_MAX 255

struct sl_addr {
	socklen_t len; // 0: not set
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

// "192.0.2.1:443", "[2001:db8::1]:443"; an IPv4-mapped IPv6 address is shown as IPv4.
char *sl_addr_format(const struct sl_addr *addr, char out[static SL_ADDR_TEXT]);
// The same address, port and zone; an IPv4-mapped address equals the IPv4 one.
bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b);
uint16_t sl_addr_port(const struct sl_addr *addr);
void sl_addr_set_port(struct sl_addr *addr, uint16_t port);
bool sl_addr_is_ipv4(const struct sl_addr *addr); // IPv4, or IPv4-mapped IPv6
// Is `name` an IPv6 address, perhaps with a zone ("fe80::1%eth0")? Only link-local ones have zones (RFC
// 4007); whether the zone's interface exists is not asked. *zone points into `name`; NULL: none.
bool sl_addr_ipv6(const char *name, struct in6_addr *out, const char **zone);
// An IP literal without brackets ("192.0.2.1", "2001:db8::1", "fe80::1%eth0") and a port. False: not
// a literal, or its zone is no interface of this machine.
bool sl_addr_literal(const char *name, uint16_t port, struct sl_addr *out);
// The same address for a socket of the other family: IPv4 <-> IPv4-mapped IPv6 (RFC 4291 section
// 2.5.5.2). What can't be changed comes out as it is.
void sl_addr_map(const struct sl_addr *in, struct sl_addr *out);
void sl_addr_unmap(const struct sl_addr *in, struct sl_addr *out);

// A relay as given by a person: DNS name, IP literal or socket address; IPv6 with a port in
// brackets; a bare host means UDP port 443.
struct sl_host {
	char name[SL_HOST_MAX + 1]; // without brackets
	uint16_t port;
	bool literal; // name is an IP address
};
int sl_host_parse(const char *text, struct sl_host *out, struct sl_error *error);

// What `listen` takes: "443/udp", "[::]:443", "203.0.113.10:443". "443/udp" gives [::]:443 with
// *dual_stack set (IPv4 as well); an address means that address alone. Names are refused: a socket is
// bound to an address.
int sl_listen_parse(const char *text, struct sl_addr *out, bool *dual_stack, struct sl_error *error);
