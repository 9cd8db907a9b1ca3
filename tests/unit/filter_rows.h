// Tables of frames for the tests of docs/filter.md: each in both directions, and with its rule off.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame_text.h"
#include "proto/filter.h"

static const struct sl_mac remote = {{0x02, 0, 0, 0, 0, 0x11}};

#define ALL_RULES (((uint32_t)1 << SL_DROP_COUNT) - 1)
#define PASS SL_DROP_NONE
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static inline enum sl_drop judge(const uint8_t *bytes, size_t len, enum sl_direction direction,
				 uint32_t relaxed)
{
	const struct sl_filter_input input = {
		.direction = direction, .announced = &remote, .mtu = 1500, .relaxed = relaxed};
	uint8_t *exact = malloc(len); // so that a byte too far is found
	struct sl_view view;
	enum sl_drop drop;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	drop = sl_filter_check(exact, len, &input, &view);
	free(exact);
	return drop;
}

static inline enum sl_drop judge_text(const char *text, enum sl_direction direction, uint32_t relaxed)
{
	struct text_frame frame;

	text_frame_make(&frame, text);
	return judge(frame.bytes, frame.len, direction, relaxed);
}

static inline void expect(const char *text, const char *where, enum sl_drop got, enum sl_drop wanted)
{
	if (got != wanted)
		fail_msg("\"%s\", %s: %s, not %s", text, where, sl_drop_name(got), sl_drop_name(wanted));
}

struct row {
	const char *text;
	enum sl_drop drop;    // what a remote's frame gets
	enum sl_drop instead; // and with that rule off; 0: it passes
};

static inline enum sl_drop when_off(const struct row *row)
{
	return row->instead == 0 ? PASS : row->instead;
}

// Both directions, the rule off, all others off; `lan` is what a frame of the LAN gets.
static inline void check_plain(const char *text, const struct row *row, enum sl_drop lan)
{
	uint32_t bit = row->drop == PASS ? 0 : SL_POLICY_BIT(row->drop);

	expect(text, "remote", judge_text(text, SL_FROM_REMOTE, 0), row->drop);
	expect(text, "LAN", judge_text(text, SL_FROM_LAN, 0), lan);
	expect(text, "LAN, the remote's rules off",
	       judge_text(text, SL_FROM_LAN, ALL_RULES & ~SL_POLICY_BIT(SL_DROP_SWITCH_CONTROL)), lan);
	expect(text, "all off", judge_text(text, SL_FROM_REMOTE, ALL_RULES), PASS);
	if (row->drop == PASS)
		return;
	expect(text, "rule off", judge_text(text, SL_FROM_REMOTE, bit), when_off(row));
	expect(text, "all other rules off", judge_text(text, SL_FROM_REMOTE, ALL_RULES & ~bit), row->drop);
}
