// The client's bridge between a port in memory and a session that records what it is told. The rest of
// a session is not needed here: tests/sim joins the bridge with the real one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_frames.h"
#include "client/bridge.h"
#include "net/loop.h"
#include "obs/drops.h"
#include "obs/events.h"
#include "proto/probe.h"

static const struct sl_mac own = {{0x02, 0, 0, 0, 0, 1}}, friend = {{0x02, 0, 0, 0, 0, 2}},
			   lan_host = {{0x00, 0x10, 0x20, 0, 0, 3}},
			   broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
			   multicast = {{0x01, 0x00, 0x5e, 0x7f, 0, 1}};

struct fixture;
struct sl_session { // what the bridge asks of one
	bool joined;
	struct sl_session_peer client, gateway;
	struct sl_counters counters;
	const struct sl_session_peer *sent_to;
	uint8_t sent[2048];
	size_t sent_len;
};

struct port {
	struct sl_port port;
	unsigned frames, flushes;
	uint8_t frame[2048];
	size_t len;
};

struct fixture {
	struct sl_log log;
	char lines[16384];
	struct sl_events events;
	char watched[8192]; // as JSON texts, one a line
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_client_bridge *bridge;
	struct sl_session session;
	struct sl_session_ops ops;
	struct sl_port_handler handler;
	struct port port;
	unsigned joined, down, ended, changed, failed, notices;
};

// ---- the recording session ----

enum sl_drop sl_session_send(struct sl_session *session, const uint8_t *frame, size_t len,
			     struct sl_session_peer *destination)
{
	if (!session->joined) {
		session->counters.drops[SL_DROP_UNKNOWN_PEER]++;
		return SL_DROP_UNKNOWN_PEER;
	}
	session->counters.tx_frames++;
	session->sent_to = destination;
	session->sent_len = len;
	memcpy(session->sent, frame, len);
	return SL_DROP_NONE;
}

void sl_session_count_rx(struct sl_session *session, struct sl_session_peer *peer, size_t len,
			 enum sl_drop verdict)
{
	if (verdict == SL_DROP_NONE) {
		session->counters.rx_frames++;
		session->counters.rx_bytes += len;
		peer->rx_frames++;
	} else {
		session->counters.drops[verdict]++;
	}
}

void sl_session_flush(struct sl_session *session)
{
	(void)session;
}

void sl_session_count_drop(struct sl_session *session, enum sl_drop reason)
{
	session->counters.drops[reason]++;
}

struct sl_session_peer *sl_session_peer_by_mac(struct sl_session *session, const struct sl_mac *mac)
{
	return sl_mac_equal(mac, &session->client.mac) ? &session->client : NULL;
}

// ---- the port ----

static int port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct port *p = (struct port *)(void *)port;

	p->frames++;
	p->len = len;
	memcpy(p->frame, frame, len);
	return SL_OK;
}

static void port_flush(struct sl_port *port)
{
	((struct port *)(void *)port)->flushes++;
}

static const struct sl_port_ops port_ops = {.send = port_send, .flush = port_flush};

// ---- the owner ----

static void on_joined(void *arg, const struct sl_session_welcome *welcome)
{
	(void)welcome;
	((struct fixture *)arg)->joined++;
}
static void on_changed(void *arg)
{
	((struct fixture *)arg)->changed++;
}
static void on_notice(void *arg, const struct sl_session_notice *notice)
{
	(void)notice;
	((struct fixture *)arg)->notices++;
}
static void on_down(void *arg, const char *sentence, uint64_t retry_ns)
{
	(void)sentence, (void)retry_ns;
	((struct fixture *)arg)->down++;
}
static void on_ended(void *arg, const char *sentence)
{
	(void)sentence;
	((struct fixture *)arg)->ended++;
}
static void on_failed(void *arg, const char *why)
{
	(void)why;
	((struct fixture *)arg)->failed++;
}
static int on_connect(void *arg, const struct sl_addr *relay, struct sl_error *error)
{
	(void)arg, (void)relay;
	return sl_fail(error, SL_ERR_NOT_FOUND, "no way");
}

static void on_line(void *arg, enum sl_log_level level, const char *line)
{
	struct fixture *f = arg;
	size_t used = strlen(f->lines);

	(void)level;
	snprintf(f->lines + used, sizeof f->lines - used, "%s\n", line);
}

static bool is_watched(void *arg)
{
	(void)arg;
	return true;
}

static void on_event(void *arg, json_t *event)
{
	struct fixture *f = arg;
	char *text = json_dumps(event, JSON_COMPACT);
	size_t used = strlen(f->watched);

	snprintf(f->watched + used, sizeof f->watched - used, "%s\n", text);
	free(text);
	json_decref(event);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct sl_observer observer = {on_joined, on_changed, on_notice,  on_down,
				       on_ended,  on_failed,  on_connect, f};

	assert_non_null(f);
	sl_log_init(&f->log);
	f->log.sink = on_line;
	f->log.sink_arg = f;
	f->loop = sl_loop_new(&f->log, NULL);
	f->env = sl_loop_env(f->loop);
	f->events = (struct sl_events){is_watched, on_event, f};
	f->env->events = &f->events;
	f->port.port.ops = &port_ops;
	f->session.client = (struct sl_session_peer){.id = 7, .role = SL_ROLE_CLIENT, .mac = friend};
	f->session.gateway = (struct sl_session_peer){.id = 8, .role = SL_ROLE_GATEWAY};
	f->bridge = sl_client_bridge_new(f->env, &own, "ROOM1", &observer);
	assert_non_null(f->bridge);
	sl_client_bridge_port_handler(f->bridge, &f->handler);
	sl_client_bridge_session_ops(f->bridge, &f->ops);
	sl_client_bridge_attach(f->bridge, &f->session, &f->port.port);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sl_client_bridge_free(f->bridge);
	sl_loop_free(f->loop);
	free(f);
	return 0;
}

static void join(struct fixture *f)
{
	struct sl_session_welcome welcome = {.peer_id = 3, .mtu = 1382, .budget = 1400};

	f->session.joined = true;
	f->ops.joined(f->ops.arg, &welcome);
}

static size_t make(uint8_t *out, const struct sl_mac *dst, const struct sl_mac *src, size_t payload)
{
	memset(out, 0x5a, 14 + payload);
	memcpy(out, dst->b, 6);
	memcpy(out + 6, src->b, 6);
	out[12] = 0x88; // local experimental: nothing to judge inside
	out[13] = 0xb5;
	return 14 + payload;
}

static void from_tap(struct fixture *f, const struct sl_mac *dst, const struct sl_mac *src, size_t payload)
{
	uint8_t frame[2048];
	size_t len = make(frame, dst, src, payload);

	f->session.sent_len = 0;
	f->handler.receive(f->handler.arg, frame, len);
}

static void from_relay(struct fixture *f, struct sl_session_peer *peer, const struct sl_mac *dst,
		       const struct sl_mac *src, size_t payload)
{
	uint8_t frame[2048];
	size_t len = make(frame, dst, src, payload);

	f->port.len = 0;
	f->ops.frame(f->ops.arg, peer, frame, len);
}

// Exactly this drop was counted, and nothing else.
static void dropped(struct fixture *f, enum sl_drop reason)
{
	if (f->session.counters.drops[reason] != 1 || sl_counters_dropped(&f->session.counters) != 1)
		fail_msg("expected one %s", sl_drop_name(reason));
	memset(&f->session.counters, 0, sizeof f->session.counters);
}

// CORE-3: own frames go to the relay, as they are; the destination peer is named when it is known.
static void test_core3_tap_to_relay(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	uint8_t expected[2048];

	join(f);
	from_tap(f, &friend, &own, 100);
	assert_int_equal(f->session.sent_len, make(expected, &friend, &own, 100));
	assert_memory_equal(f->session.sent, expected, 114);
	assert_ptr_equal(f->session.sent_to, &f->session.client);
	from_tap(f, &lan_host, &own, 1382);
	assert_int_equal(f->session.sent_len, 1396);
	assert_null(f->session.sent_to);
	from_tap(f, &broadcast, &own, 28);
	from_tap(f, &multicast, &own, 28);
	assert_int_equal(f->session.counters.tx_frames, 4);
	assert_int_equal(sl_counters_dropped(&f->session.counters), 0);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.group_out, 2);
	assert_int_equal(stats.offline, 0);
}

// CORE-3, FILTER-1, FILTER-2, FILTER-8, FILTER-9: a local outcome for each frame that stays here.
static void test_core3_tap_drops(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64] = {0};

	join(f);
	from_tap(f, &lan_host, &friend, 100);
	dropped(f, SL_DROP_FORGED_SOURCE);
	assert_non_null(strstr(f->lines, "direction tap_to_relay room ROOM1 peer 3"));
	assert_non_null(strstr(f->lines, "action filtered reason=forged_source"));
	from_tap(f, &lan_host, &multicast, 100);
	dropped(f, SL_DROP_INVALID_SOURCE);
	from_tap(f, &lan_host, &own, 1383);
	dropped(f, SL_DROP_OVER_MTU);
	from_tap(f, &lan_host, &own, 1501);
	dropped(f, SL_DROP_JUMBO);
	for (size_t len = 0; len < 14; len++) {
		f->handler.receive(f->handler.arg, frame, len);
		dropped(f, SL_DROP_RUNT);
	}
	f->handler.malformed(f->handler.arg, frame, 60);
	dropped(f, SL_DROP_MALFORMED);
	f->handler.malformed(f->handler.arg, frame, 0);
	dropped(f, SL_DROP_MALFORMED);
	assert_int_equal(f->session.sent_len, 0);
}

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
	uint8_t frame[SL_PROBE_LEN];

	join(f);
	sl_probe_build(frame, key, 1, 3, 1);
	f->ops.frame(f->ops.arg, &f->session.gateway, frame, sizeof frame);
	assert_int_equal(f->port.frames, 1);
	assert_memory_equal(f->port.frame, frame, sizeof frame);
	f->session.sent_len = 0;
	f->handler.receive(f->handler.arg, frame, sizeof frame); // given back by a bridge
	dropped(f, SL_DROP_FORGED_SOURCE);
	assert_int_equal(f->session.sent_len, 0);
}

// CORE-3: without a session a frame is dropped and counted, before, between and after.
static void test_core3_no_session(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;

	from_tap(f, &broadcast, &own, 100);
	dropped(f, SL_DROP_UNKNOWN_PEER);
	join(f);
	from_tap(f, &broadcast, &own, 100);
	assert_int_equal(sl_counters_dropped(&f->session.counters), 0);
	f->session.joined = false;
	f->ops.down(f->ops.arg, "gone", 1);
	from_tap(f, &broadcast, &own, 100);
	dropped(f, SL_DROP_UNKNOWN_PEER);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.offline, 2);
	assert_int_equal(stats.group_out, 1);
}

// CORE-3: frames for us and for all reach the TAP, from the gateway with any source on its LAN.
static void test_core3_relay_to_tap(void **state)
{
	struct fixture *f = *state;
	struct sl_client_stats stats;
	uint8_t expected[2048];

	join(f);
	from_relay(f, &f->session.gateway, &own, &lan_host, 200);
	assert_int_equal(f->port.len, make(expected, &own, &lan_host, 200));
	assert_memory_equal(f->port.frame, expected, 214);
	from_relay(f, &f->session.gateway, &broadcast, &lan_host, 46);
	from_relay(f, &f->session.client, &own, &friend, 46);
	from_relay(f, &f->session.client, &multicast, &friend, 46);
	assert_int_equal(f->port.frames, 4);
	assert_int_equal(f->port.flushes, 0);
	f->ops.batch_end(f->ops.arg);
	assert_int_equal(f->port.flushes, 1);
	assert_int_equal(f->session.counters.rx_frames, 4);
	assert_int_equal(f->session.counters.rx_bytes, 214 + 3 * 60);
	assert_int_equal(f->session.client.rx_frames, 2);
	assert_int_equal(f->session.gateway.rx_frames, 2);
	sl_client_bridge_stats(f->bridge, &stats);
	assert_int_equal(stats.group_in, 2);
}

// CORE-3, CORE-4: forged, reflected, misdirected, oversize and runt frames stop here; each counted and
// logged.
static void test_core4_relay_drops(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[16] = {0};

	join(f);
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	dropped(f, SL_DROP_MISDIRECTED);
	assert_non_null(strstr(f->lines,
			       "direction relay_to_tap peer 8 src 00:10:20:00:00:03 dst 02:00:00:00:00:02"));
	assert_non_null(strstr(f->lines, "(misdirected)"));
	from_relay(f, &f->session.client, &lan_host, &friend, 60);
	dropped(f, SL_DROP_MISDIRECTED);
	from_relay(f, &f->session.client, &own, &lan_host, 60);
	dropped(f, SL_DROP_FORGED_SOURCE);
	from_relay(f, &f->session.client, &own, &own, 60);
	dropped(f, SL_DROP_FORGED_SOURCE);
	from_relay(f, &f->session.gateway, &broadcast, &own, 60);
	dropped(f, SL_DROP_REFLECTED);
	from_relay(f, &f->session.gateway, &own, &own, 60);
	dropped(f, SL_DROP_REFLECTED);
	from_relay(f, &f->session.gateway, &own, &broadcast, 60);
	dropped(f, SL_DROP_INVALID_SOURCE);
	from_relay(f, &f->session.gateway, &own, &lan_host, 1383);
	dropped(f, SL_DROP_OVER_MTU);
	for (size_t len = 0; len < 14; len++) {
		f->ops.frame(f->ops.arg, &f->session.gateway, frame, len);
		dropped(f, SL_DROP_RUNT);
	}
	assert_int_equal(f->port.frames, 0);
}

// CORE-4: a flood of bad frames is counted in full and logged at most once in 10 s.
static void test_core4_flood_is_one_line(void **state)
{
	struct fixture *f = *state;
	size_t after_one;

	join(f);
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	after_one = strlen(f->lines);
	assert_true(after_one > 0);
	for (int i = 0; i < 999; i++)
		from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	assert_int_equal(strlen(f->lines), after_one);
	assert_int_equal(f->session.counters.drops[SL_DROP_MISDIRECTED], 1000);
}

// OBS-1: the frame log, when it is asked for, has one line for each frame of either direction.
static void test_obs1_frame_log(void **state)
{
	struct fixture *f = *state;

	join(f);
	f->log.frames = true;
	from_tap(f, &broadcast, &own, 46);
	assert_non_null(strstr(f->lines, "direction tap_to_relay room ROOM1 peer 3"));
	assert_non_null(strstr(f->lines, "action forwarded"));
	from_relay(f, &f->session.gateway, &friend, &lan_host, 60);
	assert_non_null(strstr(f->lines, "direction relay_to_tap room ROOM1 peer 8"));
	assert_non_null(strstr(f->lines, "reason=misdirected"));
}

// The owner hears of everything that is its affair.
static void test_owner_is_told(void **state)
{
	struct fixture *f = *state;
	const struct sl_session_notice notice = {.reason = SL_DROP_LOOP};
	struct sl_addr relay = {0};
	struct sl_error error = {0};

	join(f);
	f->ops.peer_joined(f->ops.arg, &f->session.client);
	f->ops.peer_left(f->ops.arg, &f->session.client, "bye");
	f->ops.notice(f->ops.arg, &notice);
	f->ops.down(f->ops.arg, "gone", 1);
	f->ops.ended(f->ops.arg, NULL);
	f->handler.failed(f->handler.arg, "deleted");
	assert_int_equal(f->joined, 1);
	assert_int_equal(f->changed, 2);
	assert_int_equal(f->notices, 1);
	assert_int_equal(f->down, 1);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->failed, 1);
	assert_int_equal(sl_membership_before_connect(f->ops.arg, &relay, &error), SL_ERR_NOT_FOUND);
	assert_string_equal(error.text, "no way");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_core3_each_rule_towards_the_room),
		TEST(test_core3_each_rule_towards_the_tap),
		TEST(test_core3_rules_switched_off),
		TEST(test_core3_hints),
		TEST(test_core3_probes_reach_the_tap),
		TEST(test_core3_tap_to_relay),
		TEST(test_core3_tap_drops),
		TEST(test_core3_no_session),
		TEST(test_core3_relay_to_tap),
		TEST(test_core4_relay_drops),
		TEST(test_core4_flood_is_one_line),
		TEST(test_obs1_frame_log),
		TEST(test_owner_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
