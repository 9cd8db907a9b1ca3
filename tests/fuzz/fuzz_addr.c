// The addresses that people write (NET-1, NET-2, PROTO-5): relay, listen, socket addresses, MACs, prefixes.
// What is taken can be written, and what was written is taken for the same.
#include <arpa/inet.h>

#include "client/prefix.h"
#include "common/mac.h"
#include "fuzz.h"
#include "net/addr.h"

static void check_socket_address(const struct sl_addr *addr)
{
	char text[SL_ADDR_TEXT];
	struct sl_addr again, mapped, plain;
	bool dual = true;

	CHECK(addr->len > 0 && addr->len <= sizeof(struct sockaddr_in6));
	sl_addr_format(addr, text);
	fuzz_check_sentence(text);
	CHECK(sl_listen_parse(text, &again, &dual, NULL) == SL_OK && !dual);
	CHECK(sl_addr_equal(addr, &again));
	sl_addr_map(addr, &mapped);
	sl_addr_unmap(&mapped, &plain);
	CHECK(mapped.sa.sa_family == AF_INET6);
	CHECK(sl_addr_equal(addr, &mapped) && sl_addr_equal(addr, &plain));
	CHECK(sl_addr_port(&mapped) == sl_addr_port(addr) && sl_addr_port(&plain) == sl_addr_port(addr));
	CHECK(sl_addr_is_ipv4(addr) == (plain.sa.sa_family == AF_INET));
}

static void check_host(const char *text)
{
	struct sl_error error = {.text = ""};
	struct sl_host host, again;
	struct in6_addr ipv6;
	struct sl_addr addr;
	char plain[SL_HOST_MAX + 16];
	const char *zone = NULL;
	bool is_ipv6;

	if (sl_host_parse(text, &host, &error) != SL_OK) {
		CHECK(error.text[0] != '\0');
		return;
	}
	CHECK(host.name[0] != '\0' && strlen(host.name) <= SL_HOST_MAX && host.port != 0);
	CHECK(strpbrk(host.name, " []/\n") == NULL || host.literal); // a zone may be any text
	is_ipv6 = sl_addr_ipv6(host.name, &ipv6, &zone);
	CHECK(host.literal == (is_ipv6 || inet_pton(AF_INET, host.name, &addr.in.sin_addr) == 1));
	if (zone == NULL || strpbrk(zone, "[]") == NULL) {
		snprintf(plain, sizeof(plain), is_ipv6 ? "[%s]:%u" : "%s:%u", host.name, host.port);
		CHECK(sl_host_parse(plain, &again, NULL) == SL_OK);
		CHECK(strcmp(again.name, host.name) == 0 && again.port == host.port &&
		      again.literal == host.literal);
	}
	if (sl_addr_literal(host.name, host.port, &addr))
		check_socket_address(&addr);
	else
		CHECK(!host.literal || zone != NULL); // no such interface
}

static void check_listen(const char *text)
{
	struct sl_error error = {.text = ""};
	struct sl_addr addr;
	bool dual = false;

	if (sl_listen_parse(text, &addr, &dual, &error) != SL_OK) {
		CHECK(error.text[0] != '\0');
		return;
	}
	CHECK(sl_addr_port(&addr) != 0);
	CHECK(!dual || strchr(text, '/') != NULL);
	check_socket_address(&addr);
}

static void check_mac(const char *text)
{
	char plain[SL_MAC_TEXT];
	struct sl_mac mac, again;

	if (!sl_mac_parse(text, &mac))
		return;
	CHECK(strlen(text) == SL_MAC_TEXT - 1);
	CHECK(strcasecmp(sl_mac_format(&mac, plain), text) == 0);
	CHECK(sl_mac_parse(plain, &again) && sl_mac_equal(&mac, &again));
	CHECK(!sl_mac_is_identity(&mac) || (!sl_mac_is_multicast(&mac) && !sl_mac_is_zero(&mac)));
}

static void check_prefix(const char *text)
{
	char plain[PREFIX_TEXT];
	struct prefix prefix, again, net;

	if (!prefix_parse(text, &prefix))
		return;
	CHECK(prefix.len <= prefix_max(prefix.family));
	CHECK(prefix_parse(prefix_format(&prefix, plain), &again) && prefix_equal(&prefix, &again));
	CHECK(prefix_parse(prefix_format_net(&prefix, plain), &net) && net.len == prefix.len);
	CHECK(!prefix_has_host_bits(&net));
	CHECK(prefix_has_host_bits(&prefix) == !prefix_same_addr(&prefix, &net));
	CHECK(prefix_overlaps(&prefix, &net) && prefix_overlaps(&net, &prefix));
	CHECK(prefix_set(&again, prefix.family, prefix.addr, prefix_size(prefix.family), prefix.len));
	CHECK(prefix_equal(&prefix, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_host(text);
	check_listen(text);
	check_mac(text);
	check_prefix(text);
	free(text);
	return 0;
}
