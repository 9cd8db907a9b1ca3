#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include <jansson.h>

#include "common/counters.h"
#include "obs/json.h"

// The names that other programs depend on, in their order.
static const char *const published[] = {
	"invalid_source",
	"forged_source",
	"switch_control",
	"vlan_tag",
	"dhcp_server",
	"dhcpv6_server",
	"router_advertisement",
	"redirect",
	"multicast_query",
	"ipv6_fragment",
	"header_chain",
	"arp_guard",
	"jumbo",
	"over_mtu",
	"runt",
	"malformed",
	"unknown_unicast",
	"no_gateway",
	"misdirected",
	"reflected",
	"loop",
	"datagram_budget",
	"split_timeout",
	"unknown_peer",
	"rate_broadcast",
	"rate_unknown_unicast",
	"rate_bandwidth",
	"egress_full",
	"egress_age",
};

// OBS-2: one set of names, both ways.
static void counters_names(void **state)
{
	(void)state;
	assert_int_equal(SL_DROP_COUNT, sizeof(published) / sizeof(published[0]));
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		assert_string_equal(sl_drop_name((enum sl_drop)i), published[i]);
		assert_int_equal(sl_drop_from_name(published[i]), i);
	}
	assert_int_equal(sl_drop_from_name("nonsense"), SL_DROP_NONE);
	assert_int_equal(sl_drop_from_name(""), SL_DROP_NONE);
	assert_non_null(sl_drop_name(SL_DROP_NONE));
	assert_non_null(sl_drop_name((enum sl_drop)12345));
	assert_int_equal(sl_drop_from_name(sl_drop_name(SL_DROP_NONE)), SL_DROP_NONE);
}

// RELAY-9: filtered, rate_limited and dropped are told apart; RELAY-6: above the MTU is dropped.
static void counters_kinds(void **state)
{
	unsigned filters = 0, rates = 0;

	(void)state;
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		assert_false(sl_drop_is_filter((enum sl_drop)i) && sl_drop_is_rate((enum sl_drop)i));
		filters += sl_drop_is_filter((enum sl_drop)i);
		rates += sl_drop_is_rate((enum sl_drop)i);
	}
	assert_int_equal(filters, 13);
	assert_int_equal(rates, 3);
	assert_true(sl_drop_is_filter(SL_DROP_FORGED_SOURCE));
	assert_true(sl_drop_is_filter(SL_DROP_JUMBO));
	assert_false(sl_drop_is_filter(SL_DROP_OVER_MTU));
	assert_false(sl_drop_is_filter(SL_DROP_RUNT));
	assert_false(sl_drop_is_filter(SL_DROP_NONE));
	assert_true(sl_drop_is_rate(SL_DROP_RATE_BANDWIDTH));
	assert_false(sl_drop_is_rate(SL_DROP_NONE));
}

// OBS-2: sums.
static void counters_sums(void **state)
{
	struct sl_counters a = {.rx_frames = 1, .split_rx = 5}, b = {.rx_frames = 2, .tx_bytes = 7};

	(void)state;
	a.drops[SL_DROP_INVALID_SOURCE] = 3;
	b.drops[SL_DROP_INVALID_SOURCE] = 4;
	b.drops[SL_DROP_EGRESS_AGE] = 10;
	sl_counters_add(&a, &b);
	assert_int_equal(a.rx_frames, 3);
	assert_int_equal(a.tx_bytes, 7);
	assert_int_equal(a.split_rx, 5);
	assert_int_equal(a.drops[SL_DROP_INVALID_SOURCE], 7);
	assert_int_equal(sl_counters_dropped(&a), 17);
	assert_int_equal(sl_counters_dropped(&b), 14);
}

// OBS-2: the JSON shape of `stats` and `peers`.
static void counters_as_json(void **state)
{
	struct sl_counters counters = {
		.rx_frames = 1,
		.tx_frames = 2,
		.rx_bytes = 3,
		.tx_bytes = 4,
		.rx_datagrams = 5,
		.tx_datagrams = 6,
		.split_tx = 7,
		.split_rx = UINT64_MAX,
	};
	json_t *json, *drops;
	char *text;

	(void)state;
	counters.drops[SL_DROP_JUMBO] = 9;
	json = sl_counters_json(&counters, false);
	assert_non_null(json);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "{\"rx_frames\":1,\"tx_frames\":2,\"rx_bytes\":3,\"tx_bytes\":4,"
				  "\"rx_datagrams\":5,\"tx_datagrams\":6,\"split_tx\":7,"
				  "\"split_rx\":9007199254740991,\"drops\":{\"jumbo\":9}}");
	free(text);
	json_decref(json);

	json = sl_counters_json(&counters, true);
	assert_non_null(json);
	drops = json_object_get(json, "drops");
	assert_int_equal(json_object_size(drops), SL_DROP_COUNT);
	assert_int_equal(json_integer_value(json_object_get(drops, "jumbo")), 9);
	assert_true(json_is_integer(json_object_get(drops, "egress_age")));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_names),
		cmocka_unit_test(counters_kinds),
		cmocka_unit_test(counters_sums),
		cmocka_unit_test(counters_as_json),
	};
	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
