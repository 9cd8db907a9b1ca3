#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "obs/framelog.h"

struct sink {
	char line[2048];
	enum sl_log_level level;
	unsigned lines;
};

static void keep_line(void *arg, enum sl_log_level level, const char *line)
{
	struct sink *sink = arg;

	snprintf(sink->line, sizeof(sink->line), "%s", line);
	sink->level = level;
	sink->lines++;
}

static const struct sl_eth ipv4 = {
	.dst = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	.src = {{0x02, 0, 0, 0, 0, 0x11}},
	.type = 0x0800,
};

static void expect(const struct sl_framelog *entry, const char *expected)
{
	struct sink sink = {.lines = 0};
	struct sl_log log;

	sl_log_init(&log);
	log.sink = keep_line;
	log.sink_arg = &sink;
	log.frames = true;
	sl_framelog_write(&log, entry);
	assert_int_equal(sink.lines, 1);
	assert_int_equal(sink.level, SL_LOG_INFO);
	assert_string_equal(sink.line, expected);
}

// OBS-1: one line with the whole vocabulary.
static void framelog_forwarded(void **state)
{
	struct sl_framelog entry = {
		.scope = "relay",
		.direction = "forward",
		.room = "ROOM1",
		.peer = 7,
		.eth = &ipv4,
		.frame_len = 342,
		.drop = SL_DROP_NONE,
		.targets = 3,
	};

	(void)state;
	expect(&entry, "relay: frame, direction forward room ROOM1 peer 7 src 02:00:00:00:00:11 "
		       "dst ff:ff:ff:ff:ff:ff ethertype 0x0800 len 342 action forwarded targets 3");
	entry.scope = "gateway";
	entry.direction = "relay_to_lan";
	entry.reason = "peer_joined"; // GW-5
	entry.targets = 1;
	expect(&entry, "gateway: frame, direction relay_to_lan room ROOM1 peer 7 src 02:00:00:00:00:11 "
		       "dst ff:ff:ff:ff:ff:ff ethertype 0x0800 len 342 action forwarded reason=peer_joined "
		       "targets 1");
}

// OBS-1, RELAY-9: the action tells a policy, a rate limit and other drops apart.
static void framelog_actions(void **state)
{
	struct sl_eth ieee = ipv4;
	struct sl_framelog entry = {
		.scope = "client",
		.direction = "tap_to_relay",
		.room = "r",
		.eth = &ieee,
		.frame_len = 60,
		.drop = SL_DROP_FORGED_SOURCE,
	};

	(void)state;
	ieee.type = 38; // an 802.3 length
	expect(&entry,
	       "client: frame, direction tap_to_relay room r peer 0 src 02:00:00:00:00:11 "
	       "dst ff:ff:ff:ff:ff:ff length 38 len 60 action filtered reason=forged_source targets 0");
	entry.drop = SL_DROP_RATE_BROADCAST;
	expect(&entry, "client: frame, direction tap_to_relay room r peer 0 src 02:00:00:00:00:11 "
		       "dst ff:ff:ff:ff:ff:ff length 38 len 60 action rate_limited reason=rate_broadcast "
		       "targets 0");
	entry.drop = SL_DROP_OVER_MTU;
	expect(&entry, "client: frame, direction tap_to_relay room r peer 0 src 02:00:00:00:00:11 "
		       "dst ff:ff:ff:ff:ff:ff length 38 len 60 action dropped reason=over_mtu targets 0");
}

// OBS-1, FILTER-9: a frame that could not be read has no addresses to tell.
static void framelog_without_header(void **state)
{
	const struct sl_framelog entry = {
		.scope = "gateway",
		.direction = "lan_to_relay",
		.frame_len = 5,
		.drop = SL_DROP_RUNT,
	};

	(void)state;
	expect(&entry, "gateway: frame, direction lan_to_relay room - peer 0 len 5 action dropped "
		       "reason=runt targets 0");
}

static void framelog_fields(void **state)
{
	struct sl_framelog entry = {
		.scope = "relay", .room = "ROOM1", .peer = 7, .eth = &ipv4, .drop = SL_DROP_DHCP_SERVER};
	struct sl_log_about about = sl_framelog_about(&entry);

	(void)state;
	assert_string_equal(about.room, "ROOM1");
	assert_int_equal(about.peer, 7);
	assert_ptr_equal(about.mac, &ipv4.src);
	assert_string_equal(about.reason, "dhcp_server");
	entry.reason = "periodic";
	assert_string_equal(sl_framelog_about(&entry).reason, "periodic");
	entry = (struct sl_framelog){.scope = "relay", .drop = SL_DROP_NONE};
	about = sl_framelog_about(&entry);
	assert_null(about.reason);
	assert_null(about.mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framelog_fields),
		cmocka_unit_test(framelog_forwarded),
		cmocka_unit_test(framelog_actions),
		cmocka_unit_test(framelog_without_header),
	};
	return cmocka_run_group_tests_name("framelog", tests, NULL, NULL);
}
