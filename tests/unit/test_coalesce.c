// Frames in, super-frames out, and cut again: the same frames, byte by byte, each flow in its order.
#include "coalesce_fixture.h"

// --- what is merged ----------------------------------------------------------------------------

static void runs_become_one(bool v6, uint8_t protocol, bool timestamps)
{
	struct wire wire = plain(v6, protocol);
	struct frame in[20];

	start(ANY, false);
	wire.timestamps = timestamps;
	for (unsigned i = 0; i < 20; i++, step(&wire)) {
		if (i == 19) {
			wire.payload = 77; // the last one is shorter, and pushed
			wire.flags |= PSH;
		}
		in[i].len = wire_make(&wire, in[i].bytes);
		assert_int_equal(add_bytes(in[i].bytes, in[i].len), SL_COALESCE_TAKEN);
	}
	assert_int_equal(out_count, 0);
	flush();
	assert_int_equal(given_count, 1);
	assert_int_equal(given[0], 20);
	assert_int_equal(out_count, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(out[i].len, in[i].len);
		assert_memory_equal(out[i].bytes, in[i].bytes, in[i].len);
	}
	flush(); // nothing is left
	assert_int_equal(given_count, 1);
}

static void a_run_of_one_flow_becomes_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		runs_become_one(i & 1, i & 2 ? UDP : TCP, i & 4);
}

static void one_frame_stays_as_it_was(void **state)
{
	struct wire wire = plain(false, TCP);
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_make(&wire, bytes);

	(void)state;
	start(ANY, false);
	bytes[len - 1] ^= 1; // its checksum is nobody's affair here
	assert_int_equal(add_bytes(bytes, len), SL_COALESCE_TAKEN);
	flush();
	assert_int_equal(given_count, 1);
	assert_int_equal(given[0], 1);
	assert_memory_equal(out[0].bytes, bytes, len);
}

static void limits_are_kept(void **state)
{
	struct wire wire = plain(false, TCP);

	(void)state;
	start(ANY, false);
	wire.payload = 100;
	for (unsigned i = 0; i < 130; i++, step(&wire))
		add(&wire);
	flush();
	assert_int_equal(given_count, 3);
	assert_int_equal(given[0], SL_COALESCE_SEGMENTS);
	assert_int_equal(given[1], SL_COALESCE_SEGMENTS);
	assert_int_equal(given[2], 2);

	start(ANY, false);
	wire = plain(true, UDP);
	wire.payload = 1452;
	for (unsigned i = 0; i < 60; i++)
		add(&wire);
	flush();
	assert_int_equal(given_count, 2);
	assert_int_equal(given[0], 45);
	assert_true(longest > SL_COALESCE_MAX - 1452);
}

static void flows_are_kept_apart(void **state)
{
	struct wire wires[SL_COALESCE_SLOTS + 1];

	(void)state;
	start(ANY, false);
	for (unsigned i = 0; i <= SL_COALESCE_SLOTS; i++) {
		wires[i] = plain(i & 1, i & 2 ? UDP : TCP);
		wires[i].sport = (uint16_t)(5000 + i);
	}
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < SL_COALESCE_SLOTS; i++) {
			add(&wires[i]);
			step(&wires[i]);
		}
	}
	assert_int_equal(given_count, 0);
	add(&wires[SL_COALESCE_SLOTS]); // one more than there is room for
	assert_int_equal(given_count, SL_COALESCE_SLOTS);
	for (unsigned i = 0; i < SL_COALESCE_SLOTS; i++)
		assert_int_equal(given[i], 5);
	flush();
	assert_int_equal(out_count, 5 * SL_COALESCE_SLOTS + 1);
}

static void kinds_can_be_switched_off(void **state)
{
	struct wire tcp = plain(false, TCP), udp = plain(false, UDP);

	(void)state;
	start(0, false);
	assert_int_equal(add(&tcp), SL_COALESCE_PASS);
	start(SL_COALESCE_TCP, false);
	assert_int_equal(add(&udp), SL_COALESCE_PASS);
	assert_int_equal(add(&tcp), SL_COALESCE_TAKEN);
	coalesce.kinds = 0; // with frames inside
	step(&tcp);
	assert_int_equal(add(&tcp), SL_COALESCE_TAKEN); // behind its flow
	flush();
	assert_int_equal(given_count, 2);
	assert_int_equal(add(&tcp), SL_COALESCE_PASS);
	start(ANY, false);
	coalesce.frame_max = 14 + 40 + 1299;
	assert_int_equal(add(&tcp), SL_COALESCE_PASS);
}

// --- what is not -------------------------------------------------------------------------------

static void each_difference_keeps_frames_apart(void **state)
{
	(void)state;
	for (unsigned row = 0; row < 4 * CHANGES; row++) {
		enum change change = (enum change)(row / 4);
		struct wire wire = plain(row & 1, row & 2 ? UDP : TCP), first;
		struct frame in[3];

		start(ANY, false);
		wire.timestamps = true;
		first = wire;
		in[0].len = wire_make(&wire, in[0].bytes);
		step(&wire);
		if (!change_frame(change, &wire, in[1].bytes, &in[1].len))
			continue;
		step(&first);
		step(&first);
		in[2].len = wire_make(&first, in[2].bytes);
		for (unsigned i = 0; i < 3; i++)
			add_bytes(in[i].bytes, in[i].len);
		flush();
		assert_int_equal(out_count, 3);
		if (change == SAME) {
			assert_int_equal(given_count, 1);
			continue;
		}
		// Another station's frame, or one to a group, does not stand between the other two; and the
		// third is a shorter last one after a longer datagram.
		if (change == SOURCE || change == GROUP)
			continue;
		for (unsigned i = 0; i < given_count; i++) {
			if (given[i] != 1 && (change != LONGER || i == 0))
				fail_msg("change %u of row %u: merged %u", change, row % 4, given[i]);
		}
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(out[i].len, in[i].len);
			assert_memory_equal(out[i].bytes, in[i].bytes, in[i].len);
		}
	}
}

// RFC 6864: a packet that must not be fragmented has no use for its id.
static void ids_of_atomic_packets_may_be_ignored(void **state)
{
	(void)state;
	for (unsigned row = 0; row < 4; row++) {
		struct wire wire = plain(false, UDP);

		start(ANY, row & 1);
		wire.fragment = row & 2 ? 0x4000 : 0;
		for (unsigned i = 0; i < 5; i++)
			add(&wire);
		flush();
		assert_int_equal(given_count, row == 3 ? 1 : 5);
	}
}

static void a_wrong_first_frame_is_left_alone(void **state)
{
	struct wire wire = plain(false, TCP);
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_make(&wire, bytes);

	(void)state;
	start(ANY, false);
	bytes[len - 1] ^= 1;
	add_bytes(bytes, len);
	for (unsigned i = 0; i < 4; i++) {
		step(&wire);
		add(&wire);
	}
	flush();
	assert_int_equal(given_count, 2);
	assert_int_equal(given[0], 1);
	assert_int_equal(given[1], 4);
	assert_memory_equal(out[0].bytes, bytes, len);
}

static void a_push_or_a_shorter_one_ends_it(void **state)
{
	(void)state;
	for (unsigned row = 0; row < 4; row++) {
		struct wire wire = plain(row & 1, row & 2 ? UDP : TCP);

		start(ANY, false);
		for (unsigned i = 0; i < 6; i++, step(&wire)) {
			wire.flags = ACK;
			wire.payload = 1000;
			if (i == 2 && wire.protocol == TCP)
				wire.flags |= PSH;
			else if (i == 2)
				wire.payload = 999;
			add(&wire);
		}
		flush();
		assert_int_equal(given_count, 2);
		assert_int_equal(given[0], 3);
		assert_int_equal(given[1], 3);
		assert_int_equal(out_count, 6);
	}
}

static void a_frame_may_end_anywhere(void **state)
{
	(void)state;
	for (unsigned row = 0; row < 4; row++) {
		struct wire wire = plain(row & 1, row & 2 ? UDP : TCP);
		uint8_t bytes[WIRE_MAX];

		wire.payload = 40;
		for (size_t len = wire_make(&wire, bytes); len-- > 0;) {
			start(ANY, false);
			put16(bytes + (wire.v6 ? 18 : 16), len > 54 ? len - (wire.v6 ? 54 : 14) : 0);
			add_bytes(bytes, len);
			add_bytes(bytes, len);
			flush();
			assert_int_equal(out_count, 2);
			assert_memory_equal(out[1].bytes, bytes, len);
		}
	}
}

static void what_has_no_flow_passes_unless_something_waits(void **state)
{
	struct wire wire = plain(false, TCP), other = plain(false, TCP);
	uint8_t arp[60] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 1, 0, 0x08, 0x06}, runt[13] = {0};
	static uint8_t giant[70000];

	(void)state;
	start(ANY, false);
	assert_int_equal(add_bytes(arp, sizeof(arp)), SL_COALESCE_PASS);
	assert_int_equal(add(&wire), SL_COALESCE_TAKEN);
	assert_int_equal(add_bytes(arp, sizeof(arp)), SL_COALESCE_TAKEN); // between the same two stations
	arp[11] = 9;
	assert_int_equal(add_bytes(arp, sizeof(arp)), SL_COALESCE_PASS);
	assert_int_equal(add_bytes(runt, sizeof(runt)), SL_COALESCE_PASS);
	assert_int_equal(add_bytes(runt, 0), SL_COALESCE_PASS);
	other.payload = 0; // an acknowledgement of another flow
	other.sport++;
	assert_int_equal(add(&other), SL_COALESCE_TAKEN); // the ARP frame between them could be of its flow
	flush();
	assert_int_equal(add(&wire), SL_COALESCE_TAKEN);
	assert_int_equal(add(&other), SL_COALESCE_PASS);
	memcpy(giant, arp, 12);
	giant[11] = 0;
	assert_int_equal(sl_coalesce_add(&coalesce, giant, sizeof(giant)), SL_COALESCE_FULL);
	flush();
	assert_int_equal(sl_coalesce_add(&coalesce, giant, sizeof(giant)), SL_COALESCE_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_of_one_flow_becomes_one),
		cmocka_unit_test(one_frame_stays_as_it_was),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(flows_are_kept_apart),
		cmocka_unit_test(kinds_can_be_switched_off),
		cmocka_unit_test(each_difference_keeps_frames_apart),
		cmocka_unit_test(ids_of_atomic_packets_may_be_ignored),
		cmocka_unit_test(a_wrong_first_frame_is_left_alone),
		cmocka_unit_test(a_push_or_a_shorter_one_ends_it),
		cmocka_unit_test(a_frame_may_end_anywhere),
		cmocka_unit_test(what_has_no_flow_passes_unless_something_waits),
	};
	return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
