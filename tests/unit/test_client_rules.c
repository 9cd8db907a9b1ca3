// What the client neither lets out nor takes in, on its own account: every rule of the filter in either
// direction (CORE-3, FILTER-1 to FILTER-9), and what `status` says of it.
#include "client_bridge_fixture.h"

#include "bad_frames.h"
#include "obs/drops.h"
#include "proto/probe.h"

static void says(const char *where, const char *part)
{
	if (strstr(where, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", where, part);
}

// CORE-3, FILTER-1 to FILTER-9: what a client may not send does not leave it, each counted under its own
// reason.
static void test_core3_each_rule_towards_the_room(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	uint8_t frame[BAD_FRAME_MAX];
	char text[64];

	join(f);
	for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
		size_t len = bad_frame(reason, &own, frame);

		if (len == 0)
			continue;
		f->lines[0] = f->watched[0] = '\0';
		f->handler.receive(f->handler.arg, frame, len);
		dropped(f, reason);
		sl_client_bridge_stats(f->bridge, &stats);
		assert_int_equal(stats.dropped_out[reason], 1);
		if (!sl_drop_is_filter(reason))
			continue;
		says(f->lines, "direction tap_to_relay");
		snprintf(text, sizeof text, "action filtered reason=%s", sl_drop_name(reason));
		says(f->lines, text);
		snprintf(text, sizeof text, "\"reason\":\"%s\"", sl_drop_name(reason));
		says(f->watched, text);
		// The same from the other side is no fault of this computer's.
		f->ops.frame(f->ops.arg, &f->session.client, frame, len);
		sl_client_bridge_stats(f->bridge, &stats);
		assert_int_equal(stats.dropped_out[reason], 1);
		memset(&f->session.counters, 0, sizeof f->session.counters);
	}
	assert_int_equal(f->session.sent_len, 0);
}

// CORE-3: a client trusts neither another one nor the LAN, nor that the relay looks.
static void test_core3_each_rule_towards_the_tap(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];

	join(f);
	for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
		size_t len = bad_frame(reason, &friend, frame);

		if (len == 0)
			continue;
		f->ops.frame(f->ops.arg, &f->session.client, frame, len);
		dropped(f, reason);
		assert_int_equal(f->port.frames, 0);
		len = bad_frame(reason, &lan_host, frame);
		f->ops.frame(f->ops.arg, &f->session.gateway, frame, len);
		if (bad_from_lan(reason))
			dropped(f, reason);
		if (f->port.frames != !bad_from_lan(reason))
			fail_msg("%s of the LAN: %u frames", sl_drop_name(reason), f->port.frames);
		f->port.frames = 0;
	}
}

// CORE-3: each rule can be switched off by itself, in both directions.
static void test_core3_rules_switched_off(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[BAD_FRAME_MAX];

	join(f);
	for (unsigned off = 0; off < SL_DROP_COUNT; off++) {
		// A group address is not the announced one either.
		uint32_t also = off == SL_DROP_INVALID_SOURCE ? SL_POLICY_BIT(SL_DROP_FORGED_SOURCE) : 0;

		sl_client_bridge_rules(f->bridge, SL_POLICY_BIT(off) | also);
		for (unsigned reason = 0; reason < SL_DROP_COUNT; reason++) {
			size_t len = bad_frame(reason, &own, frame);
			bool passes =
				bad_is_rule(reason) && (reason == off || (SL_POLICY_BIT(reason) & also) != 0);

			if (len == 0)
				continue;
			f->session.sent_len = 0;
			f->handler.receive(f->handler.arg, frame, len);
			if ((f->session.sent_len != 0) != passes)
				fail_msg("%s leaves without %s", sl_drop_name(reason), sl_drop_name(off));
			len = bad_frame(reason, &friend, frame);
			f->port.frames = 0;
			f->ops.frame(f->ops.arg, &f->session.client, frame, len);
			if ((f->port.frames != 0) != passes)
				fail_msg("%s arrives without %s", sl_drop_name(reason), sl_drop_name(off));
			if (!bad_from_lan(reason))
				continue;
			len = bad_frame(reason, &lan_host, frame);
			f->port.frames = 0;
			f->ops.frame(f->ops.arg, &f->session.gateway, frame, len);
			if ((f->port.frames != 0) != passes)
				fail_msg("%s of the LAN arrives without %s", sl_drop_name(reason),
					 sl_drop_name(off));
		}
	}
}

// RELAY-9, CORE-3: the numbers that `status` makes its sentences of.
static void test_core3_hints(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	char sentence[SL_DROP_SENTENCE];
	uint8_t frame[BAD_FRAME_MAX];
	size_t len = bad_frame(SL_DROP_DHCP_SERVER, &own, frame);

	for (unsigned i = 0; i < 5; i++)
		f->handler.receive(f->handler.arg, frame, len); // it shows before there is a session too
	join(f);
	for (unsigned i = 0; i < 7; i++)
		f->handler.receive(f->handler.arg, frame, len);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_string_equal(
		sl_drop_sentence(SL_DROP_DHCP_SERVER, stats.dropped_out[SL_DROP_DHCP_SERVER], sentence),
		"12 frames filtered: this computer answers DHCP; is Internet Connection Sharing on?");
}

// CORE-3: the relay's loop probe reaches the TAP as any frame of the gateway does, or no loop is found.
static void test_core3_probes_reach_the_tap(void **state)
{
	struct fixture *f = *state;
	static const uint64_t key[2] = {1, 2};
	struct sl_client_stats stats;
	uint8_t frame[SL_PROBE_LEN];

	join(f);
	sl_probe_build(frame, key, 1, 3, 1);
	f->ops.frame(f->ops.arg, &f->session.gateway, frame, sizeof frame);
	assert_int_equal(f->port.frames, 1);
	assert_memory_equal(f->port.frame, frame, sizeof frame);
	// It is none of the room's frames, but another room's would be.
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.probes, 1);
	assert_int_equal(stats.group_in, 0);
	assert_int_equal(f->session.counters.rx_frames, 0);
	sl_probe_build(frame, key, 2, 3, 1);
	f->ops.frame(f->ops.arg, &f->session.gateway, frame, sizeof frame);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.probes, 1);
	assert_int_equal(stats.group_in, 1);
	assert_int_equal(f->session.counters.rx_frames, 1);
	f->session.sent_len = 0;
	f->handler.receive(f->handler.arg, frame, sizeof frame); // given back by a bridge
	dropped(f, SL_DROP_FORGED_SOURCE);
	assert_int_equal(f->session.sent_len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_core3_each_rule_towards_the_room), TEST(test_core3_each_rule_towards_the_tap),
		TEST(test_core3_rules_switched_off),         TEST(test_core3_hints),
		TEST(test_core3_probes_reach_the_tap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
