// The text forms of a relay (NET-1) and of `listen` (NET-2).
#include "net/addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

// What is wrong with a host or listen text never needs more of it than this to be recognised.
#define SHOWN "%.80s"

// 1 to 65535, decimal digits only.
static bool parse_port(const char *text, size_t len, uint16_t *out)
{
	unsigned value = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	if (value == 0 || value > 65535)
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool is_ipv4(const char *name)
{
	struct in_addr addr;

	return inet_pton(AF_INET, name, &addr) == 1;
}

// Whether the zone exists is asked when the address is used: the interface may come later than the
// configuration is read.
static bool is_ipv6(const char *name)
{
	struct in6_addr addr;
	const char *zone;

	return sl_addr_ipv6(name, &addr, &zone);
}

// Letters, digits, hyphens and underscores in labels of 1 to 63, 253 in all, one dot at the end
// allowed (RFC 1123 section 2.1, RFC 1035 section 2.3.4).
static bool is_dns_name(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '.') {
			if (label == 0 || name[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_') || (c == '-' && label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && name[len - 1] != '-';
}

// "1.2.3" or "300.1.1.1": meant as an address, so it must not go to the DNS as a name.
static bool is_numeric_name(const char *name)
{
	return name[strspn(name, "0123456789.")] == '\0';
}

// Takes the text apart into host and port text (NULL: none). Brackets are stripped.
static int split(const char *text, char host[static SL_HOST_MAX + 1], const char **port, bool *bracketed,
		 struct sl_error *error)
{
	const char *start = text, *colon;
	size_t len;

	*port = NULL;
	*bracketed = text[0] == '[';
	if (*bracketed) {
		const char *end = strchr(text, ']');

		if (!end)
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN
				       "\": the closing bracket is missing; write \"[2001:db8::1]:443\"",
				       text);
		start++;
		len = (size_t)(end - start);
		if (end[1] == ':')
			*port = end + 2;
		else if (end[1] != '\0')
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN "\": only \":port\" may follow the closing bracket", text);
	} else {
		colon = strchr(text, ':');
		// Two colons and no brackets: a bare IPv6 address, which has no port.
		if (colon && !strchr(colon + 1, ':')) {
			len = (size_t)(colon - text);
			*port = colon + 1;
		} else {
			len = strlen(text);
		}
	}
	if (len > SL_HOST_MAX)
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "...\": a host name has at most 253 characters", text);
	memcpy(host, start, len);
	host[len] = '\0';
	return SL_OK;
}

static int check_characters(const char *text, const char *what, const char *example, struct sl_error *error)
{
	if (!text || text[0] == '\0')
		return sl_fail(error, SL_ERR_INVALID, "%s is empty; write for example \"%s\"", what, example);
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN "\": spaces and control characters can't be part of %s",
				       text, what);
	}
	return SL_OK;
}

int sl_host_parse(const char *text, struct sl_host *out, struct sl_error *error)
{
	struct sl_host host = {.port = SL_DEFAULT_PORT};
	const char *port;
	bool bracketed;
	int rc;

	rc = check_characters(text, "the relay's address", "relay.example.org", error);
	if (rc < 0)
		return rc;
	if (strstr(text, "//"))
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN
			       "\" looks like a URL; write the host alone, such as \"relay.example.org\"",
			       text);
	rc = split(text, host.name, &port, &bracketed, error);
	if (rc < 0)
		return rc;
	if (port && !parse_port(port, strlen(port), &host.port))
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\": the port must be a number from 1 to 65535", text);
	if (host.name[0] == '\0')
		return sl_fail(error, SL_ERR_INVALID, "\"" SHOWN "\": the host is missing before the port",
			       text);

	host.literal = is_ipv6(host.name) || (!bracketed && is_ipv4(host.name));
	if (!host.literal) {
		if (bracketed || strchr(host.name, ':'))
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN "\" is not an IPv6 address; write \"2001:db8::1\" or "
				       "\"[2001:db8::1]:443\"",
				       text);
		if (is_numeric_name(host.name))
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN
				       "\" is not an IPv4 address; write four numbers from 0 to 255, "
				       "such as \"192.0.2.1\"",
				       text);
		if (!is_dns_name(host.name))
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN
				       "\" is not a host name; use letters, digits, dots and hyphens "
				       "(other alphabets in their xn-- form)",
				       text);
	}
	*out = host;
	return SL_OK;
}

// "443/udp"
static int parse_shorthand(const char *text, const char *slash, struct sl_addr *out, bool *dual_stack,
			   struct sl_error *error)
{
	struct sl_addr addr;
	uint16_t port;

	if (strcmp(slash + 1, "udp") != 0)
		return sl_fail(error, SL_ERR_INVALID, "\"" SHOWN "\": only UDP is served; write \"443/udp\"",
			       text);
	if (!parse_port(text, (size_t)(slash - text), &port))
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\": the port must be a number from 1 to 65535, as in \"443/udp\"",
			       text);
	memset(&addr, 0, sizeof(addr));
	addr.len = sizeof(addr.in6);
	addr.in6.sin6_family = AF_INET6;
	addr.in6.sin6_addr = in6addr_any;
	addr.in6.sin6_port = htons(port);
	*out = addr;
	*dual_stack = true;
	return SL_OK;
}

int sl_listen_parse(const char *text, struct sl_addr *out, bool *dual_stack, struct sl_error *error)
{
	char host[SL_HOST_MAX + 1];
	const char *port_text, *slash;
	uint16_t port;
	bool bracketed;
	int rc;

	rc = check_characters(text, "the address to listen on", "443/udp", error);
	if (rc < 0)
		return rc;
	slash = strchr(text, '/');
	if (slash)
		return parse_shorthand(text, slash, out, dual_stack, error);
	if (text[strspn(text, "0123456789")] == '\0')
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\" is a port without an address; write \"" SHOWN "/udp\"", text,
			       text);
	rc = split(text, host, &port_text, &bracketed, error);
	if (rc < 0)
		return rc;
	if (bracketed ? !is_ipv6(host) : !is_ipv4(host)) {
		if (!bracketed && is_ipv6(host))
			return sl_fail(error, SL_ERR_INVALID,
				       "\"" SHOWN
				       "\": an IPv6 address to listen on needs brackets and a port; write "
				       "\"[" SHOWN "]:443\"",
				       text, host);
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN
			       "\": an IP address of this machine is needed, not a name; write \"443/udp\", "
			       "\"[::]:443\" or \"203.0.113.10:443\"",
			       text);
	}
	if (!port_text)
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\": the port is missing; write \"" SHOWN ":443\"", text, text);
	if (!parse_port(port_text, strlen(port_text), &port))
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\": the port must be a number from 1 to 65535", text);
	if (!sl_addr_literal(host, port, out))
		return sl_fail(error, SL_ERR_INVALID,
			       "\"" SHOWN "\": there is no such interface as in \"" SHOWN "\"", text, host);
	*dual_stack = false;
	return SL_OK;
}
