// Socket addresses and their text forms: NET-1, NET-2.
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_host(const char *text, const char *name, uint16_t port, bool literal)
{
	struct sl_error error = {0};
	struct sl_host host;

	if (sl_host_parse(text, &host, &error) != SL_OK)
		fail_msg("%s: %s", text, error.text);
	assert_string_equal(host.name, name);
	assert_int_equal(host.port, port);
	assert_int_equal(host.literal, literal);
}

static void expect_bad_host(const char *text, const char *part)
{
	struct sl_error error = {0};
	struct sl_host host;

	if (sl_host_parse(text, &host, &error) != SL_ERR_INVALID)
		fail_msg("taken: %s", text);
	if (!strstr(error.text, part))
		fail_msg("%s: the sentence lacks \"%s\": %s", text, part, error.text);
}

static void net_1_relay_forms(void **state)
{
	(void)state;
	expect_host("relay.example.org", "relay.example.org", 443, false);
	expect_host("relay.example.org.", "relay.example.org.", 443, false);
	expect_host("relay", "relay", 443, false);
	expect_host("relay:4433", "relay", 4433, false);
	expect_host("xn--bcher-kva.example:1", "xn--bcher-kva.example", 1, false);
	expect_host("_lan._udp.example:65535", "_lan._udp.example", 65535, false);
	expect_host("3com.example", "3com.example", 443, false);
	expect_host("192.0.2.1", "192.0.2.1", 443, true);
	expect_host("192.0.2.1:4433", "192.0.2.1", 4433, true);
	expect_host("2001:db8::1", "2001:db8::1", 443, true);
	expect_host("::1", "::1", 443, true);
	expect_host("[2001:db8::1]", "2001:db8::1", 443, true);
	expect_host("[2001:db8::1]:4433", "2001:db8::1", 4433, true);
	expect_host("[::ffff:192.0.2.1]:4433", "::ffff:192.0.2.1", 4433, true);
	expect_host("fe80::1%lo", "fe80::1%lo", 443, true);
	expect_host("[fe80::1%lo]:5", "fe80::1%lo", 5, true);
}

static void net_1_bad_relays_get_a_remedy(void **state)
{
	char longest[300];

	(void)state;
	expect_bad_host("", "empty");
	expect_bad_host("relay example", "spaces");
	expect_bad_host("relay\n", "spaces");
	expect_bad_host("relay:", "1 to 65535");
	expect_bad_host("relay:0", "1 to 65535");
	expect_bad_host("relay:65536", "1 to 65535");
	expect_bad_host("relay:99999999999999999999", "1 to 65535");
	expect_bad_host("relay:-1", "1 to 65535");
	expect_bad_host("relay:+443", "1 to 65535");
	expect_bad_host("relay:443x", "1 to 65535");
	expect_bad_host(":443", "missing before the port");
	expect_bad_host("[]:443", "missing before the port");
	expect_bad_host("[2001:db8::1", "closing bracket");
	expect_bad_host("[2001:db8::1]443", "follow the closing bracket");
	expect_bad_host("[192.0.2.1]:443", "not an IPv6 address");
	expect_bad_host("[relay]:443", "not an IPv6 address");
	expect_bad_host("2001:db8::1::2", "not an IPv6 address");
	expect_bad_host("relay:443:444", "not an IPv6 address");
	expect_bad_host("2001:db8::1%eth0", "not an IPv6 address");
	expect_bad_host("fe80::1%", "not an IPv6 address");
	expect_bad_host("300.1.1.1", "not an IPv4 address");
	expect_bad_host("192.0.2", "not an IPv4 address");
	expect_bad_host("https://relay.example.org", "URL");
	expect_bad_host("relay..example", "not a host name");
	expect_bad_host("-relay.example", "not a host name");
	expect_bad_host("relay-.example", "not a host name");
	expect_bad_host("relay-", "not a host name");
	expect_bad_host("rel\xc3\xa4y.example", "xn--");
	expect_bad_host("relay/443", "not a host name");
	expect_bad_host(
		"a.very-long-label-of-more-than-sixty-three-characters-that-no-dns-server-takes-at-all.org",
		"not a host name");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	expect_bad_host(longest, "253");
	for (size_t i = 10; i < sizeof(longest) - 1; i += 10)
		longest[i] = '.';
	longest[253] = '\0';
	expect_host(longest, longest, 443, false);
	longest[253] = 'a';
	longest[254] = '\0';
	expect_bad_host(longest, "not a host name");
}

static void expect_listen(const char *text, const char *shown, bool dual_stack)
{
	struct sl_error error = {0};
	struct sl_addr addr;
	char out[SL_ADDR_TEXT];
	bool dual = !dual_stack;

	if (sl_listen_parse(text, &addr, &dual, &error) != SL_OK)
		fail_msg("%s: %s", text, error.text);
	assert_string_equal(sl_addr_format(&addr, out), shown);
	assert_int_equal(dual, dual_stack);
}

static void expect_bad_listen(const char *text, const char *part)
{
	struct sl_error error = {0};
	struct sl_addr addr;
	bool dual;

	if (sl_listen_parse(text, &addr, &dual, &error) != SL_ERR_INVALID)
		fail_msg("taken: %s", text);
	if (!strstr(error.text, part))
		fail_msg("%s: the sentence lacks \"%s\": %s", text, part, error.text);
}

static void net_2_listen_forms(void **state)
{
	(void)state;
	expect_listen("443/udp", "[::]:443", true);
	expect_listen("65535/udp", "[::]:65535", true);
	expect_listen("[::]:443", "[::]:443", false);
	expect_listen("[2001:db8::1]:4433", "[2001:db8::1]:4433", false);
	expect_listen("203.0.113.10:443", "203.0.113.10:443", false);
	expect_listen("0.0.0.0:1", "0.0.0.0:1", false);
	expect_listen("[fe80::1%lo]:443", "[fe80::1%lo]:443", false);
}

static void net_2_bad_listen_gets_a_remedy(void **state)
{
	(void)state;
	expect_bad_listen("", "443/udp");
	expect_bad_listen("443", "443/udp");
	expect_bad_listen("443/tcp", "443/udp");
	expect_bad_listen("443/", "443/udp");
	expect_bad_listen("/udp", "1 to 65535");
	expect_bad_listen("0/udp", "1 to 65535");
	expect_bad_listen("65536/udp", "1 to 65535");
	expect_bad_listen("relay.example.org:443", "not a name");
	expect_bad_listen("localhost:443", "not a name");
	expect_bad_listen(":443", "not a name");
	expect_bad_listen("203.0.113.10", "the port is missing");
	expect_bad_listen("203.0.113.10:", "1 to 65535");
	expect_bad_listen("203.0.113.10:0", "1 to 65535");
	expect_bad_listen("[::]", "the port is missing");
	expect_bad_listen("[::]:x", "1 to 65535");
	expect_bad_listen("::", "brackets");
	expect_bad_listen("[::", "closing bracket");
	expect_bad_listen("[fe80::1%nosuchif0]:443", "no such interface");
}

static void addresses_compare_and_map(void **state)
{
	struct sl_addr v4, mapped, other, back;
	char out[SL_ADDR_TEXT];

	(void)state;
	assert_true(sl_addr_literal("192.0.2.1", 443, &v4));
	sl_addr_map(&v4, &mapped);
	assert_int_equal(mapped.sa.sa_family, AF_INET6);
	assert_string_equal(sl_addr_format(&mapped, out), "192.0.2.1:443");
	assert_true(sl_addr_is_ipv4(&mapped));
	assert_true(sl_addr_equal(&v4, &mapped));
	sl_addr_unmap(&mapped, &back);
	assert_int_equal(back.sa.sa_family, AF_INET);
	assert_memory_equal(&back.in, &v4.in, sizeof(v4.in));

	other = v4;
	sl_addr_set_port(&other, 444);
	assert_int_equal(sl_addr_port(&other), 444);
	assert_false(sl_addr_equal(&v4, &other));
	sl_addr_set_port(&mapped, 444);
	assert_true(sl_addr_equal(&mapped, &other));

	assert_true(sl_addr_literal("2001:db8::1", 1, &other));
	assert_false(sl_addr_is_ipv4(&other));
	assert_false(sl_addr_equal(&v4, &other));
	assert_string_equal(sl_addr_format(&other, out), "[2001:db8::1]:1");
	sl_addr_unmap(&other, &back);
	assert_true(sl_addr_equal(&other, &back));

	memset(&other, 0, sizeof(other));
	assert_string_equal(sl_addr_format(&other, out), "-");
	assert_int_equal(sl_addr_port(&other), 0);
	assert_false(sl_addr_equal(&v4, &other));
	assert_false(sl_addr_is_ipv4(&other));
	assert_false(sl_addr_literal("relay", 1, &other));
	assert_false(sl_addr_literal("fe80::1%nosuchif0", 1, &other));
	assert_false(sl_addr_literal("2001:db8::1%lo", 1, &other));
}

static void the_longest_address_fits(void **state)
{
	struct sl_addr addr;
	char out[SL_ADDR_TEXT];

	(void)state;
	assert_true(sl_addr_literal("fe80:1111:2222:3333:4444:5555:6666:7777", 65535, &addr));
	addr.in6.sin6_scope_id = 4294967295u;
	assert_string_equal(sl_addr_format(&addr, out),
			    "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_1_relay_forms),         cmocka_unit_test(net_1_bad_relays_get_a_remedy),
		cmocka_unit_test(net_2_listen_forms),        cmocka_unit_test(net_2_bad_listen_gets_a_remedy),
		cmocka_unit_test(addresses_compare_and_map), cmocka_unit_test(the_longest_address_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
