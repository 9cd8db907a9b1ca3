// Drops that people hear of (OBS-1, RELAY-9): the line, the event `filtered`, the sentence with its hint.
#include "obs/drops.h"

#include "ear.h"

static const struct sl_eth eth = {
	.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	.src = {{0x02, 0, 0, 0, 0, 0x11}},
	.type = 0x0800,
};

static struct sl_framelog frame(enum sl_drop drop)
{
	return (struct sl_framelog){.scope = "relay",
				    .direction = "forward",
				    .room = "ROOM1",
				    .peer = 7,
				    .eth = &eth,
				    .frame_len = 342,
				    .drop = drop};
}

static void report(struct ear *ear, enum sl_drop drop, const char *detail)
{
	struct sl_framelog entry = frame(drop);

	sl_drop_report(&ear->env, &ear->limits, &entry, detail);
}

static void assert_event(const struct ear *ear, const char *expected)
{
	assert_string_equal(ear->text, expected);
}

#define LINE                                                                                                 \
	"relay: frame, direction forward room ROOM1 peer 7 src 02:00:00:00:00:11 dst ff:ff:ff:ff:ff:ff "     \
	"ethertype 0x0800 len 342 action "
#define EVENT                                                                                                \
	"{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"filtered\",\"room\":\"ROOM1\",\"peer\":7,"       \
	"\"direction\":\"forward\",\"action\":"
#define ADDRESSES "\"src\":\"02:00:00:00:00:11\",\"dst\":\"ff:ff:ff:ff:ff:ff\","

// RELAY-9: the line has the frame log's words, and the event has the same members.
static void test_OBS_1_line_and_event(void **state)
{
	struct ear *ear = *state;

	report(ear, SL_DROP_DHCP_SERVER, NULL);
	assert_int_equal(ear->level, SL_LOG_WARNING);
	assert_string_equal(ear->line, LINE "filtered reason=dhcp_server targets 0");
	assert_event(ear, EVENT "\"filtered\",\"reason\":\"dhcp_server\"," ADDRESSES
				"\"ethertype\":\"0x0800\",\"len\":342,\"held_back\":0}");
	report(ear, SL_DROP_ARP_GUARD, "the router's address 192.168.1.1");
	assert_string_equal(ear->line,
			    LINE "filtered reason=arp_guard targets 0 (the router's address 192.168.1.1)");
	assert_event(ear, EVENT "\"filtered\",\"reason\":\"arp_guard\"," ADDRESSES
				"\"ethertype\":\"0x0800\",\"len\":342,\"held_back\":0,"
				"\"detail\":\"the router's address 192.168.1.1\"}");
	report(ear, SL_DROP_RATE_BROADCAST, NULL);
	assert_int_equal(ear->level, SL_LOG_WARNING);
	assert_string_equal(ear->line, LINE "rate_limited reason=rate_broadcast targets 0");
	assert_event(ear, EVENT "\"rate_limited\",\"reason\":\"rate_broadcast\"," ADDRESSES
				"\"ethertype\":\"0x0800\",\"len\":342,\"held_back\":0}");
	report(ear, SL_DROP_LOOP, NULL);
	assert_int_equal(ear->level, SL_LOG_WARNING);
	assert_string_equal(ear->line, LINE "dropped reason=loop targets 0");
	assert_event(ear, EVENT "\"dropped\",\"reason\":\"loop\"," ADDRESSES
				"\"ethertype\":\"0x0800\",\"len\":342,\"held_back\":0}");
	assert_int_equal(ear->lines, 4);
	assert_int_equal(ear->heard, 4);
}

// A frame with an 802.3 length, one that could not be read, and no room.
static void test_OBS_1_odd_frames(void **state)
{
	struct ear *ear = *state;
	struct sl_eth ieee = eth;
	struct sl_framelog entry = frame(SL_DROP_SWITCH_CONTROL);

	ieee.type = 38;
	entry.eth = &ieee;
	sl_drop_report(&ear->env, &ear->limits, &entry, NULL);
	assert_event(ear, EVENT "\"filtered\",\"reason\":\"switch_control\"," ADDRESSES
				"\"length\":38,\"len\":342,\"held_back\":0}");
	entry.eth = NULL;
	entry.room = NULL;
	entry.drop = SL_DROP_HEADER_CHAIN;
	sl_drop_report(&ear->env, &ear->limits, &entry, NULL);
	assert_event(ear, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"filtered\",\"room\":null,"
			  "\"peer\":7,\"direction\":\"forward\",\"action\":\"filtered\","
			  "\"reason\":\"header_chain\",\"len\":342,\"held_back\":0}");
}

// One line and one event for each reason in 10 s, and then how many there were.
static void test_OBS_1_reports_are_limited(void **state)
{
	struct ear *ear = *state;
	struct sl_drop_limits other = {.reason = {{0}}};
	struct sl_framelog entry = frame(SL_DROP_VLAN_TAG);

	for (int i = 0; i < 1001; i++)
		report(ear, SL_DROP_VLAN_TAG, NULL);
	assert_int_equal(ear->lines, 1);
	assert_int_equal(ear->heard, 1);
	report(ear, SL_DROP_REDIRECT, NULL);             // another reason is not held back
	sl_drop_report(&ear->env, &other, &entry, NULL); // nor is another peer
	assert_int_equal(ear->lines, 3);
	ear->env.now_ns += 10 * SL_NS_PER_S - 1;
	report(ear, SL_DROP_VLAN_TAG, NULL);
	assert_int_equal(ear->lines, 3);
	ear->env.now_ns++;
	report(ear, SL_DROP_VLAN_TAG, "why");
	assert_int_equal(ear->lines, 4);
	assert_int_equal(ear->heard, 4);
	assert_string_equal(ear->line, LINE "filtered reason=vlan_tag targets 0, 1001 more not logged (why)");
	assert_int_equal(json_integer_value(json_object_get(ear->event, "held_back")), 1001);
}

// What is daily life: debug, no event.
static void test_OBS_1_daily_drops(void **state)
{
	struct ear *ear = *state;

	report(ear, SL_DROP_EGRESS_FULL, NULL);
	report(ear, SL_DROP_NONE, NULL);
	assert_int_equal(ear->lines, 0);
	ear->log.level = SL_LOG_DEBUG;
	report(ear, SL_DROP_EGRESS_FULL, NULL);
	report(ear, SL_DROP_EGRESS_FULL, NULL);
	report(ear, SL_DROP_NONE, NULL);
	assert_int_equal(ear->lines, 1);
	assert_int_equal(ear->level, SL_LOG_DEBUG);
	assert_string_equal(ear->line, LINE "dropped reason=egress_full targets 0");
	assert_int_equal(ear->heard, 0);
}

// With log.frames the frame log has the line; the event comes all the same. But a frame log that is not
// written, because only warnings are, does not count.
static void test_OBS_1_with_the_frame_log(void **state)
{
	struct ear *ear = *state;

	ear->log.frames = true;
	report(ear, SL_DROP_DHCP_SERVER, NULL);
	assert_int_equal(ear->lines, 0);
	assert_int_equal(ear->heard, 1);
	ear->log.level = SL_LOG_WARNING;
	report(ear, SL_DROP_REDIRECT, NULL);
	assert_int_equal(ear->lines, 1);
	ear->log.level = SL_LOG_ERROR;
	report(ear, SL_DROP_VLAN_TAG, NULL);
	assert_int_equal(ear->lines, 1);
	assert_int_equal(ear->heard, 3);
	ear->open = false;
	report(ear, SL_DROP_ARP_GUARD, NULL);
	ear->env.events = NULL;
	report(ear, SL_DROP_JUMBO, NULL);
	assert_int_equal(ear->heard, 3);
}

static void assert_sentence(enum sl_drop reason, uint64_t frames, const char *expected)
{
	char out[SL_DROP_SENTENCE];

	assert_ptr_equal(sl_drop_sentence(reason, frames, out), out);
	assert_string_equal(out, expected);
}

static void test_sentences(void **state)
{
	char out[SL_DROP_SENTENCE], least[SL_DROP_SENTENCE], most[SL_DROP_SENTENCE];

	(void)state;
	assert_sentence(SL_DROP_DHCP_SERVER, 12,
			"12 frames filtered: this computer answers DHCP; is Internet Connection Sharing on?");
	assert_sentence(SL_DROP_DHCP_SERVER, 1,
			"1 frame filtered: this computer answers DHCP; is Internet Connection Sharing on?");
	assert_sentence(SL_DROP_OVER_MTU, 2,
			"2 frames dropped: larger than the room's MTU; was the MTU of the TAP changed? "
			"Leave it as softlan sets it");
	assert_sentence(SL_DROP_DHCP_SERVER, 0, "");
	assert_sentence(SL_DROP_EGRESS_FULL, 5, "");
	assert_sentence(SL_DROP_UNKNOWN_UNICAST, 5, "");
	assert_sentence(SL_DROP_NONE, 5, "");
	assert_sentence((enum sl_drop) - 1, 5, "");
	for (int i = 0; i < SL_DROP_COUNT; i++) {
		enum sl_drop reason = (enum sl_drop)i;

		// Each rule and each limit has its own, and none is cut whatever the number.
		sl_drop_sentence(reason, 2, out);
		if ((sl_drop_is_filter(reason) || sl_drop_is_rate(reason) || reason == SL_DROP_LOOP) &&
		    strncmp(out, "2 frames ", 9) != 0)
			fail_msg("%s has no sentence", sl_drop_name(reason));
		if (out[0] == '\0')
			continue;
		sl_drop_sentence(reason, 1, least);
		sl_drop_sentence(reason, UINT64_MAX, most);
		assert_int_equal(strlen(most),
				 strlen(least) + strlen("18446744073709551615") - strlen("1") + strlen("s"));
		assert_null(strstr(out, "  "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, ear_setup, ear_teardown)
		T(test_OBS_1_line_and_event),      T(test_OBS_1_odd_frames),
		T(test_OBS_1_reports_are_limited), T(test_OBS_1_daily_drops),
		T(test_OBS_1_with_the_frame_log),  cmocka_unit_test(test_sentences),
	};
	return cmocka_run_group_tests_name("drops", tests, NULL, NULL);
}
