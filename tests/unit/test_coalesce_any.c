// Any traffic through the coalescer: every frame comes back whole, and each flow in its order.
#include "coalesce_fixture.h"

#define FLOWS 24
#define STATIONS 6
#define QUEUE 256

struct expected {
	struct frame frame;
	unsigned before; // frames of this station before it
	bool keyed;
};

static struct expected queue[FLOWS][QUEUE];
static unsigned pending, put_at[FLOWS], got_at[FLOWS], station_in[STATIONS], station_out[STATIONS];

// The flow's number is in the payload's last byte.
static void compare_outputs(void)
{
	for (unsigned i = 0; i < out_count; i++) {
		unsigned flow = out[i].bytes[out[i].len - 1], station = out[i].bytes[11];
		const struct expected *expected = &queue[flow][got_at[flow] % QUEUE];

		assert_true(flow < FLOWS && station < STATIONS && got_at[flow] < put_at[flow]);
		got_at[flow]++;
		assert_int_equal(out[i].len, expected->frame.len);
		assert_memory_equal(out[i].bytes, expected->frame.bytes, out[i].len);
		if (!expected->keyed) // it may belong to every flow of its station
			assert_int_equal(station_out[station], expected->before);
		station_out[station]++;
	}
	out_count = given_count = 0;
}

static unsigned flush_and_compare(void)
{
	unsigned merged = 0;

	flush();
	for (unsigned i = 0; i < given_count; i++)
		merged += given[i] > 1;
	compare_outputs();
	pending = 0;
	return merged;
}

static void random_traffic_comes_back_whole_and_in_order(void **state)
{
	static struct wire wires[FLOWS];
	uint64_t random = 20240607;
	unsigned merged = 0;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++) {
		wires[i] = plain(i & 1, i & 2 ? UDP : TCP);
		wires[i].station = (uint8_t)(i % STATIONS);
		wires[i].sport = (uint16_t)(1000 + i / STATIONS);
		wires[i].timestamps = i & 4;
		wires[i].seq = next_random(&random);
		wires[i].tags = i == FLOWS - 1;
	}
	start(ANY, false);
	for (unsigned round = 0; round < 24000; round++) {
		unsigned flow = next_random(&random) % (round / 1000 % FLOWS + 1), dice;
		struct wire wire = wires[flow];
		struct expected *expected = &queue[flow][put_at[flow] % QUEUE];
		unsigned repeat = next_random(&random) % 12;

		for (unsigned i = 0; i <= repeat; i++) {
			enum change change = SAME;

			expected = &queue[flow][put_at[flow] % QUEUE];
			wire = wires[flow];
			dice = next_random(&random) % 64;
			if (dice < CHANGES && dice != SOURCE && dice != GROUP)
				change = (enum change)dice;
			if (next_random(&random) % 16 == 0)
				wire.flags |= PSH;
			if (next_random(&random) % 16 == 0)
				wire.payload = 1 + next_random(&random) % 1300;
			if (change == EMPTY ||
			    !change_frame(change, &wire, expected->frame.bytes, &expected->frame.len)) {
				wire = wires[flow];
				change_frame(change = SAME, &wire, expected->frame.bytes,
					     &expected->frame.len);
			}
			expected->frame.bytes[expected->frame.len - 1] = (uint8_t)flow;
			if (change != BAD_L4_CHECKSUM && change != NO_CHECKSUM && change != IP_OPTIONS &&
			    change != BAD_IP_CHECKSUM && change != ALL_ONES_IP)
				wire_seal(&wire, expected->frame.bytes, expected->frame.len);
			expected->keyed = wire.tags == 0 && change != IP_OPTIONS && change != MORE_FRAGMENTS;
			expected->before = station_in[wire.station]++;
			put_at[flow]++;
			wires[flow].seq = wire.seq + (uint32_t)wire.payload;
			wires[flow].id = (uint16_t)(wire.id + 1);
			if (pending++ == BURST / 2)
				merged += flush_and_compare();
			add_bytes(expected->frame.bytes, expected->frame.len);
		}
		if (next_random(&random) % 8 == 0)
			merged += flush_and_compare();
	}
	merged += flush_and_compare();
	for (unsigned i = 0; i < FLOWS; i++)
		assert_int_equal(got_at[i], put_at[i]);
	assert_true(merged > 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_traffic_comes_back_whole_and_in_order),
	};
	return cmocka_run_group_tests_name("coalesce_any", tests, NULL, NULL);
}
