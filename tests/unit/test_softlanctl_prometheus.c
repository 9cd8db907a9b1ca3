// The text format of `softlanctl stats --prometheus` (OPS-3, OBS-2); promtool judges the real daemons' in
// tests/netns/test_softlanctl.py.
#include "softlanctl/prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// NULL: refused.
static char *print(const char *status_text, const char *stats_text)
{
	json_t *status = json_loads(status_text, JSON_DECODE_ANY, NULL),
	       *stats = json_loads(stats_text, JSON_DECODE_ANY, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(status);
	assert_non_null(stats);
	int rc = ctl_print_prometheus(out, status, stats);
	fclose(out);
	json_decref(status);
	json_decref(stats);
	if (rc == 0)
		return text;
	assert_string_equal(text, "");
	free(text);
	return NULL;
}

static void assert_print(const char *status, const char *stats, const char *expected)
{
	char *text = print(status, stats);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_OPS_3_counters_gauges_and_reasons(void **state)
{
	(void)state;
	assert_print("{\"daemon\":\"softlan-relay\"}",
		     "{\"counters\":{\"rx_frames\":9007199254740991,\"drops\":{\"runt\":2,\"loop\":0}},"
		     "\"udp\":{\"gso\":true},\"rooms\":3,\"unheard\":1}",
		     "# HELP softlan_rx_frames_total Frames that came in over the tunnel.\n"
		     "# TYPE softlan_rx_frames_total counter\n"
		     "softlan_rx_frames_total{daemon=\"relay\"} 9007199254740991\n"
		     "# HELP softlan_drops_total Frames dropped, by reason.\n"
		     "# TYPE softlan_drops_total counter\n"
		     "softlan_drops_total{daemon=\"relay\",reason=\"runt\"} 2\n"
		     "softlan_drops_total{daemon=\"relay\",reason=\"loop\"} 0\n"
		     "# HELP softlan_udp_gso 1 when datagrams are sent in trains (UDP_SEGMENT).\n"
		     "# TYPE softlan_udp_gso gauge\n"
		     "softlan_udp_gso{daemon=\"relay\"} 1\n"
		     "# HELP softlan_rooms Rooms with peers in them.\n"
		     "# TYPE softlan_rooms gauge\n"
		     "softlan_rooms{daemon=\"relay\"} 3\n");
}

static void test_OPS_3_labels_are_escaped(void **state)
{
	(void)state;
	assert_print("{\"daemon\":\"a\\\"b\\\\\"}", "{\"counters\":{\"drops\":{\"x\\ny\\u001b\\\"} 5\":1}}}",
		     "# HELP softlan_drops_total Frames dropped, by reason.\n"
		     "# TYPE softlan_drops_total counter\n"
		     "softlan_drops_total{daemon=\"a\\\"b\\\\\",reason=\"x\\\\x0ay\\\\x1b\\\"} 5\"} 1\n");
}

static void test_OPS_3_other_shapes(void **state)
{
	(void)state;
	assert_null(print("{}", "{\"counters\":{}}"));
	assert_null(print("null", "{\"counters\":{}}"));
	assert_null(print("{\"daemon\":\"x\"}", "{}"));
	assert_null(print("{\"daemon\":\"x\"}", "[]"));
	assert_null(print("{\"daemon\":5}", "{\"counters\":{}}"));
	assert_print("{\"daemon\":\"x\"}",
		     "{\"counters\":{\"rx_frames\":-1,\"tx_frames\":1.5,\"rx_bytes\":\"1\",\"drops\":[1]},"
		     "\"udp\":7,\"rooms\":null}",
		     "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_OPS_3_counters_gauges_and_reasons),
		cmocka_unit_test(test_OPS_3_labels_are_escaped),
		cmocka_unit_test(test_OPS_3_other_shapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
