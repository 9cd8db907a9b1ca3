// Frames in, super-frames out, and cut again: the same frames, byte by byte, each flow in its order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/err.h"
#include "proto/coalesce.h"
#include "wireframe.h"

#define ANY (SL_COALESCE_TCP | SL_COALESCE_UDP)
#define BURST 256

struct frame {
	uint8_t bytes[WIRE_MAX];
	size_t len;
};

static struct sl_coalesce coalesce;
static struct frame out[BURST];                       // wire frames, super-frames cut again
static unsigned out_count, given[BURST], given_count; // segments of each that was given out
static size_t longest;

static void take(void *arg, const uint8_t *bytes, size_t len)
{
	(void)arg;
	assert_true(out_count < BURST && len <= WIRE_MAX);
	memcpy(out[out_count].bytes, bytes, len);
	out[out_count++].len = len;
}

// A super-frame's header and headers are what virtio 1.2 section 5.1.6.2 asks for.
static void check_super(const struct sl_super *super)
{
	const uint8_t *frame = super->frame, *ip = frame + 14;
	bool v6 = frame[12] == 0x86;
	size_t l4 = v6 ? 54 : 34, ip_len = v6 ? 40u + get16(ip + 4) : get16(ip + 2);
	uint8_t protocol = ip[v6 ? 6 : 9];
	struct sl_vnet vnet;

	assert_int_equal(sl_vnet_decode(frame - SL_VNET_HEADER, SL_VNET_HEADER, &vnet), SL_OK);
	assert_memory_equal(&vnet, &super->vnet, sizeof(vnet));
	assert_true(super->len <= SL_COALESCE_MAX);
	longest = super->len > longest ? super->len : longest;
	assert_true(super->segments >= 1 && super->segments <= SL_COALESCE_SEGMENTS);
	if (super->segments == 1) {
		assert_int_equal(vnet.gso, SL_GSO_NONE);
		assert_false(vnet.needs_csum);
		return;
	}
	assert_true(vnet.needs_csum);
	assert_int_equal(vnet.gso, protocol == UDP ? SL_GSO_UDP_L4 : v6 ? SL_GSO_TCPV6 : SL_GSO_TCPV4);
	assert_int_equal(vnet.csum_start, l4);
	assert_int_equal(vnet.csum_offset, protocol == UDP ? 6 : 16);
	assert_int_equal(vnet.header_len, l4 + (protocol == UDP ? 8u : (size_t)(frame[l4 + 12] >> 4) * 4));
	assert_int_equal((super->len - vnet.header_len + vnet.gso_size - 1) / vnet.gso_size, super->segments);
	assert_int_equal(ip_len, super->len - 14);
	if (!v6)
		assert_int_equal(naive_sum(0, ip, 20), 0xffff);
	if (protocol == UDP)
		assert_int_equal(get16(frame + l4 + 4), super->len - l4);
	assert_int_equal(get16(frame + l4 + vnet.csum_offset), pseudo_sum(ip, v6, protocol, super->len - l4));
}

static void emit(void *arg, const struct sl_super *super)
{
	uint8_t scratch[SL_ETH_HEADER + 40 + 60];

	(void)arg;
	check_super(super);
	given[given_count++] = super->segments;
	assert_int_equal(sl_offload_segment(&super->vnet, super->frame, super->len, scratch, sizeof(scratch),
					    take, NULL),
			 SL_OK);
}

static void start(unsigned kinds, bool any_id)
{
	sl_coalesce_init(&coalesce, kinds, any_id);
	out_count = given_count = 0;
	longest = 0;
}

static void flush(void)
{
	sl_coalesce_flush(&coalesce, emit, NULL);
}

// As a port does it. From memory that ends with the frame.
static enum sl_coalesced add_bytes(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum sl_coalesced result;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	result = sl_coalesce_add(&coalesce, copy, len);
	if (result == SL_COALESCE_FULL) {
		flush();
		result = sl_coalesce_add(&coalesce, copy, len);
	}
	assert_int_not_equal(result, SL_COALESCE_FULL);
	if (result == SL_COALESCE_PASS)
		take(NULL, copy, len);
	free(copy);
	return result;
}

static enum sl_coalesced add(const struct wire *wire)
{
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_make(wire, bytes);

	return add_bytes(bytes, len);
}

static struct wire plain(bool v6, uint8_t protocol)
{
	return (struct wire){
		.v6 = v6,
		.protocol = protocol,
		.sport = 4000,
		.tos = 2, // ECT(0)
		.ttl = 64,
		.id = 0xfffe, // wraps around
		.fragment = 0x4000,
		.seq = 0xfffff000,
		.ack = 77,
		.flags = ACK,
		.payload = 1300,
	};
}

static void step(struct wire *wire)
{
	wire->seq += (uint32_t)wire->payload;
	wire->id++;
}

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

enum change {
	SAME,
	SOURCE,
	TAGGED,
	OTHER_TOS,
	OTHER_TTL,
	OTHER_FRAGMENT,
	OTHER_ID,
	MORE_FRAGMENTS,
	RESERVED_BIT,
	GAP,
	REPEATED,
	OTHER_ACK,
	OTHER_TIMESTAMP,
	NO_TIMESTAMP,
	IS_FIN,
	IS_SYN,
	IS_CWR,
	IS_URG,
	WINDOW,
	URGENT_POINTER,
	LOW_BITS,
	LONGER,
	EMPTY,
	PADDED,
	IP_OPTIONS,
	BAD_IP_CHECKSUM,
	BAD_L4_CHECKSUM,
	NO_CHECKSUM,
	ALL_ONES_IP,
	GROUP,
	FLOW_LABEL,
	CHANGES,
};

// Builds the second frame of a flow, changed. False: this change does not exist for it.
static bool change_frame(enum change change, struct wire *wire, uint8_t *bytes, size_t *len)
{
	bool tcp = wire->protocol == TCP, seal = true;
	uint8_t *ip, *l4;

	switch (change) {
	case SOURCE:
		wire->station++;
		break;
	case TAGGED:
		wire->tags = 1;
		break;
	case OTHER_TOS:
		wire->tos ^= 1;
		break;
	case OTHER_TTL:
		wire->ttl--;
		break;
	case OTHER_FRAGMENT:
		wire->fragment = 0;
		break;
	case OTHER_ID:
		wire->id++;
		break;
	case MORE_FRAGMENTS:
		wire->fragment = 0x2000;
		break;
	case RESERVED_BIT:
		wire->fragment = 0xc000;
		break;
	case GAP:
		wire->seq++;
		break;
	case REPEATED:
		wire->seq -= (uint32_t)wire->payload;
		break;
	case OTHER_ACK:
		wire->ack++;
		break;
	case OTHER_TIMESTAMP:
		wire->timestamp++;
		break;
	case NO_TIMESTAMP:
		wire->timestamps = false;
		break;
	case IS_FIN:
		wire->flags |= FIN;
		break;
	case IS_SYN:
		wire->flags |= SYN;
		break;
	case IS_CWR:
		wire->flags |= 0x80;
		break;
	case IS_URG:
		wire->flags |= 0x20;
		break;
	case LONGER:
		wire->payload++;
		break;
	case EMPTY:
		wire->payload = 0;
		break;
	case PADDED:
		wire->padding = 4;
		break;
	default:
		break;
	}
	*len = wire_make(wire, bytes);
	ip = bytes + wire_l3(wire);
	l4 = bytes + wire_l4(wire);
	switch (change) {
	case WINDOW:
		l4[15] ^= 1;
		break;
	case URGENT_POINTER:
		l4[19] ^= 1;
		break;
	case LOW_BITS:
		l4[12] |= 1;
		break;
	case IP_OPTIONS:
		memmove(ip + 24, ip + 20, *len - 34);
		memset(ip + 20, 1, 4);
		*len += 4;
		ip[0] = 0x46;
		put16(ip + 2, *len - 14);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~naive_sum(0, ip, 24));
		seal = false;
		break;
	case GROUP:
		bytes[0] |= 1;
		break;
	case FLOW_LABEL:
		ip[3] ^= 1;
		break;
	default:
		break;
	}
	if (seal)
		wire_seal(wire, bytes, *len);
	if (change == BAD_IP_CHECKSUM)
		ip[10] ^= 0x80;
	else if (change == BAD_L4_CHECKSUM)
		bytes[*len - 1] ^= 0x80;
	else if (change == NO_CHECKSUM)
		put16(l4 + 6, 0);
	else if (change == ALL_ONES_IP)
		put16(ip + 10, 0xffff);

	switch (change) {
	case OTHER_FRAGMENT:
	case OTHER_ID:
	case MORE_FRAGMENTS:
	case RESERVED_BIT:
	case IP_OPTIONS:
	case BAD_IP_CHECKSUM:
	case ALL_ONES_IP:
		return !wire->v6;
	case FLOW_LABEL:
		return wire->v6;
	case GAP:
	case REPEATED:
	case OTHER_ACK:
	case OTHER_TIMESTAMP:
	case NO_TIMESTAMP:
	case IS_FIN:
	case IS_SYN:
	case IS_CWR:
	case IS_URG:
	case WINDOW:
	case URGENT_POINTER:
	case LOW_BITS:
		return tcp;
	case NO_CHECKSUM:
		return !tcp;
	default:
		return true;
	}
}

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

// --- any traffic -------------------------------------------------------------------------------

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
		cmocka_unit_test(random_traffic_comes_back_whole_and_in_order),
	};
	return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
