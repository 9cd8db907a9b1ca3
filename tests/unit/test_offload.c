#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "proto/offload.h"
#include "superframe.h"

struct collected {
	uint8_t bytes[1 << 18];
	size_t used;
	struct {
		size_t at, len;
	} frames[4096];
	size_t count;
};

static void collect(void *arg, const uint8_t *frame, size_t len)
{
	struct collected *all = arg;

	assert_true(all->count < sizeof(all->frames) / sizeof(all->frames[0]));
	assert_true(len <= sizeof(all->bytes) - all->used);
	memcpy(all->bytes + all->used, frame, len);
	all->frames[all->count].at = all->used;
	all->frames[all->count++].len = len;
	all->used += len;
}

// Runs the code on memory that ends exactly with the frame and with the scratch it may use.
static int run(const struct built *in, size_t scratch_len, struct collected *all)
{
	uint8_t *frame = malloc(in->len > 0 ? in->len : 1);
	uint8_t *scratch = malloc(scratch_len > 0 ? scratch_len : 1);
	int rc;

	assert_non_null(frame);
	assert_non_null(scratch);
	memcpy(frame, in->bytes, in->len);
	all->count = 0;
	all->used = 0;
	rc = sl_offload_segment(&in->vnet, frame, in->len, scratch, scratch_len, collect, all);
	free(frame);
	free(scratch);
	return rc;
}

// One wire frame, read afresh: each field against the super-frame, both checksums by the naive sum.
static void check_segment(const struct plan *plan, const struct built *in, const uint8_t *f, size_t len,
			  size_t index, size_t count)
{
	size_t offset = index * plan->mss;
	size_t expected = index + 1 < count ? plan->mss : plan->payload - offset;
	const uint8_t *ip = f + in->l3, *old_ip = in->bytes + in->l3;
	const uint8_t *l4 = f + in->l4, *old_l4 = in->bytes + in->l4;
	size_t checksum_at = plan->protocol == TCP ? 16 : 6;
	uint32_t sum;

	assert_int_equal(len, in->payload + expected);
	assert_memory_equal(f, in->bytes, in->l3); // addresses, tags, ethertype
	assert_memory_equal(f + in->payload, in->bytes + in->payload + offset, expected);
	if (plan->v6) {
		assert_memory_equal(ip, old_ip, 4);
		assert_int_equal(get16(ip + 4), len - in->l3 - 40);
		assert_memory_equal(ip + 6, old_ip + 6, in->l4 - in->l3 - 6);
	} else {
		assert_memory_equal(ip, old_ip, 2);
		assert_int_equal(get16(ip + 2), len - in->l3);
		assert_int_equal(get16(ip + 4), (get16(old_ip + 4) + index) & 0xffff);
		assert_memory_equal(ip + 6, old_ip + 6, 4);
		assert_memory_equal(ip + 12, old_ip + 12, in->l4 - in->l3 - 12);
		assert_int_equal(naive_sum(0, ip, in->l4 - in->l3), 0xffff);
	}

	assert_memory_equal(l4, old_l4, 4); // ports
	if (plan->protocol == TCP) {
		uint8_t flags = plan->tcp_flags;

		if (index > 0)
			flags &= 0x7f;
		if (index + 1 < count)
			flags &= 0xff - 0x09;
		assert_int_equal(get32(l4 + 4), (uint32_t)(get32(old_l4 + 4) + offset));
		assert_memory_equal(l4 + 8, old_l4 + 8, 5);
		assert_int_equal(l4[13], flags);
		assert_memory_equal(l4 + 14, old_l4 + 14, 2);
		assert_memory_equal(l4 + 18, old_l4 + 18, 2 + plan->l4_options);
	} else {
		assert_int_equal(get16(l4 + 4), len - in->l4);
	}
	if (plan->udp_no_checksum) {
		assert_int_equal(get16(l4 + checksum_at), 0);
		return;
	}
	sum = pseudo_sum(ip, plan->v6, plan->protocol, len - in->l4);
	assert_int_equal(naive_sum(sum, l4, len - in->l4), 0xffff);
	if (plan->protocol == UDP)
		assert_int_not_equal(get16(l4 + checksum_at), 0);
}

static void check_plan(const struct plan *plan)
{
	static struct collected all;
	static struct built in;
	size_t count = plan->payload <= plan->mss ? 1 : (plan->payload + plan->mss - 1) / plan->mss;

	build(plan, &in);
	assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
	assert_int_equal(all.count, count);
	for (size_t i = 0; i < count; i++)
		check_segment(plan, &in, all.bytes + all.frames[i].at, all.frames[i].len, i, count);
}

// GW-2: TCP bulk as TSO and GRO leave it, over IPv4 and IPv6, with and without partial checksum.
static void offload_tcp_bulk(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct plan plan = {
			.v6 = i & 1,
			.protocol = TCP,
			.l4_options = 12,
			.payload = 64000,
			.mss = 1288,
			.tcp_flags = 0x18,
			.needs_csum = i & 2,
		};

		check_plan(&plan);
	}
}

// GW-2: UDP_SEGMENT, the last datagram shorter; no checksum stays no checksum.
static void offload_udp(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		const struct plan plan = {
			.v6 = i & 1,
			.protocol = UDP,
			.payload = i & 4 ? 10001 : 12000,
			.mss = 1200,
			.needs_csum = i & 2,
		};

		check_plan(&plan);
	}
	check_plan(&(struct plan){.protocol = UDP, .payload = 5000, .mss = 999, .udp_no_checksum = true});
}

// GW-2: every combination of tags, options and extension headers, odd sizes, all flags but SYN and RST.
static void offload_headers(void **state)
{
	static const size_t sizes[][2] = {{3000, 1000}, {2999, 1001}, {2, 1},
					  {41, 7},      {1400, 1399}, {500, 499}};

	(void)state;
	for (unsigned i = 0; i < 3 * 2 * 2 * 3 * 2 * 2; i++) {
		struct plan plan = {
			.tags = i % 3,
			.v6 = i / 3 % 2,
			.protocol = i / 6 % 2 ? UDP : TCP,
			.ip_options = i / 12 % 3 * 20,
			.l4_options = i / 36 % 2 * 40,
			.needs_csum = i / 72 % 2,
		};

		if (plan.v6)
			plan.ip_options = i / 12 % 3 * 16;
		if (plan.v6 && plan.ip_options == 16)
			plan.ip_options = 8;
		if (plan.protocol == UDP)
			plan.l4_options = 0;
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			plan.payload = sizes[s][0];
			plan.mss = sizes[s][1];
			for (unsigned flags = 0; flags < 256; flags += plan.protocol == TCP ? 1 : 256) {
				if ((flags & 0x06) != 0)
					continue;
				plan.tcp_flags = (uint8_t)flags;
				check_plan(&plan);
			}
		}
	}
}

// RFC 768: a UDP checksum that comes out as zero is sent as 0xffff, in a segment as in a single frame.
static void offload_udp_checksum_zero(void **state)
{
	static struct collected all;
	static struct built in;
	unsigned hits = 0;

	(void)state;
	for (unsigned value = 0; value < 65536; value++) {
		const struct plan plan = {
			.v6 = true, .protocol = UDP, .payload = 8, .mss = 4, .needs_csum = true};
		const uint8_t *l4;

		if (value == 0)
			build(&plan, &in);
		put16(in.bytes + in.payload, value);
		assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
		l4 = all.bytes + all.frames[0].at + in.l4;
		assert_int_not_equal(get16(l4 + 6), 0);
		hits += get16(l4 + 6) == 0xffff;
	}
	assert_int_equal(hits, 1); // what would be zero is there too

	hits = 0;
	for (unsigned value = 0; value < 65536; value++) {
		uint8_t frame[14 + 8 + 2] = {0};

		put16(frame + 14 + 6, 0x1234);
		put16(frame + 22, value);
		assert_int_equal(sl_offload_complete_checksum(frame, sizeof(frame), 14, 6), SL_OK);
		assert_int_not_equal(get16(frame + 20), 0);
		hits += get16(frame + 20) == 0xffff;
	}
	assert_int_equal(hits, 1);
}

// A gso frame that is small enough goes as it is, with its checksum completed.
static void offload_small_gso_frame(void **state)
{
	static struct collected all;
	static struct built in;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct plan plan = {
			.v6 = i & 1,
			.protocol = i & 2 ? UDP : TCP,
			.payload = i & 4 ? 1000 : 1,
			.mss = 1000,
			.tcp_flags = 0x99,
			.needs_csum = true,
		};

		check_plan(&plan);
		plan.payload = 0;
		plan.needs_csum = false;
		check_plan(&plan);
	}

	// Padding up to the shortest Ethernet frame is not summed.
	build(&(struct plan){.protocol = UDP, .payload = 1, .mss = 5, .needs_csum = true}, &in);
	memset(in.bytes + in.len, 0xee, 60 - in.len);
	in.len = 60;
	assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
	assert_int_equal(all.count, 1);
	assert_int_equal(all.frames[0].len, 60);
	assert_int_equal(naive_sum(pseudo_sum(all.bytes + in.l3, false, UDP, 9), all.bytes + in.l4, 9),
			 0xffff);
}

// No gso: only the checksum is completed, if it is asked for.
static void offload_checksum_only(void **state)
{
	static struct collected all;
	static struct built in;
	uint32_t sum;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct plan plan = {.v6 = i & 1,
					  .protocol = i & 2 ? UDP : TCP,
					  .payload = 333,
					  .mss = 1,
					  .needs_csum = true};

		build(&plan, &in);
		in.vnet.gso = SL_GSO_NONE;
		assert_int_equal(run(&in, 0, &all), SL_OK); // no scratch needed
		assert_int_equal(all.count, 1);
		assert_int_equal(all.frames[0].len, in.len);
		sum = pseudo_sum(all.bytes + in.l3, plan.v6, plan.protocol, in.len - in.l4);
		assert_int_equal(naive_sum(sum, all.bytes + in.l4, in.len - in.l4), 0xffff);

		in.vnet.needs_csum = false;
		assert_int_equal(run(&in, 0, &all), SL_OK);
		assert_memory_equal(all.bytes, in.bytes, in.len);
	}
}

static void offload_complete_checksum_bounds(void **state)
{
	uint8_t frame[64] = {0}, before[64];

	(void)state;
	memset(frame, 0x11, sizeof(frame));
	memcpy(before, frame, sizeof(frame));
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 14, 49), SL_ERR_INVALID);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 13, 0), SL_ERR_INVALID);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 63, 0), SL_ERR_INVALID);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 65535, 65535), SL_ERR_INVALID);
	assert_int_equal(sl_offload_complete_checksum(frame, 0, 14, 0), SL_ERR_INVALID);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 53, 8), SL_ERR_INVALID); // SCTP: 4 bytes
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 54, 8), SL_ERR_INVALID);
	assert_memory_equal(frame, before, sizeof(frame));
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 14, 48), SL_OK);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 62, 0), SL_OK);
	assert_int_equal(sl_offload_complete_checksum(frame, 64, 52, 8), SL_OK);
}

// RFC 8200 section 8.1, RFC 8754: with a route still to go, the final destination is summed.
static void offload_ipv6_routing_header(void **state)
{
	static struct collected all;
	static struct built in;

	(void)state;
	for (unsigned type = 2; type <= 4; type += 2) {
		const struct plan plan = {
			.v6 = true, .protocol = TCP, .ip_options = 24, .payload = 2500, .mss = 1000};
		uint8_t *ip;

		build(&plan, &in);
		ip = in.bytes + in.l3;
		ip[6] = 43;
		memcpy(ip + 40, "\x06\x02\x00\x01\x00\x00\x00\x00", 8);
		ip[42] = (uint8_t)type;
		memset(ip + 48, 0x77, 16);
		assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
		assert_int_equal(all.count, 3);
		for (size_t i = 0; i < all.count; i++) {
			uint8_t addresses[40] = {0};
			uint8_t *f = all.bytes + all.frames[i].at;
			size_t l4_len = all.frames[i].len - in.l4;

			memcpy(addresses + 8, f + in.l3 + 8, 16);
			memset(addresses + 24, 0x77, 16);
			assert_int_equal(
				naive_sum(pseudo_sum(addresses, true, TCP, l4_len), f + in.l4, l4_len),
				0xffff);
		}
		ip[43] = 0; // arrived: the header's own destination
		assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
		for (size_t i = 0; i < all.count; i++) {
			uint8_t *f = all.bytes + all.frames[i].at;
			size_t l4_len = all.frames[i].len - in.l4;

			assert_int_equal(
				naive_sum(pseudo_sum(f + in.l3, true, TCP, l4_len), f + in.l4, l4_len),
				0xffff);
		}
	}
}

static void expect_invalid(const struct built *in)
{
	static struct collected all;

	assert_int_equal(run(in, SL_OFFLOAD_SCRATCH, &all), SL_ERR_INVALID);
	assert_int_equal(all.count, 0);
}

// Headers that do not match what the vnet header says: refused, and nothing is emitted.
static void offload_refuses_mismatches(void **state)
{
	static struct collected all;
	static struct built good, bad;
	const struct plan plan = {.protocol = TCP, .payload = 5000, .mss = 1000, .needs_csum = true};
	const struct plan plan6 = {
		.v6 = true, .protocol = TCP, .ip_options = 8, .payload = 5000, .mss = 1000};

	(void)state;
	build(&plan, &good);
	assert_int_equal(run(&good, SL_OFFLOAD_SCRATCH, &all), SL_OK);
	assert_int_equal(run(&good, good.payload, &all), SL_OK);
	assert_int_equal(run(&good, good.payload - 1, &all), SL_ERR_TOO_LARGE);
	assert_int_equal(all.count, 0);

#define BAD(change)                                                                                          \
	do {                                                                                                 \
		bad = good;                                                                                  \
		change;                                                                                      \
		expect_invalid(&bad);                                                                        \
	} while (0)
	BAD(bad.vnet.gso_size = 0);
	BAD(bad.vnet.gso = SL_GSO_TCPV6);
	BAD(bad.vnet.gso = SL_GSO_UDP_L4);
	BAD(bad.vnet.csum_start++);
	BAD(bad.vnet.csum_start = 65535);
	BAD(bad.vnet.csum_offset = 6);
	BAD(put16(bad.bytes + 12, 0x0806));
	BAD(bad.bytes[bad.l3] = 0x65);                        // version
	BAD(bad.bytes[bad.l3] = 0x44);                        // header length
	BAD(bad.bytes[bad.l3] = 0x4f);                        // moves the TCP header away from csum_start
	BAD(bad.bytes[bad.l3 + 9] = 17);                      // protocol
	BAD(put16(bad.bytes + bad.l3 + 6, 0x2000));           // more fragments
	BAD(put16(bad.bytes + bad.l3 + 6, 1));                // fragment offset
	BAD(put16(bad.bytes + bad.l3 + 2, bad.len - 14 + 1)); // longer than the frame
	BAD(put16(bad.bytes + bad.l3 + 2, 19));
	BAD(put16(bad.bytes + bad.l3 + 2, 39)); // TCP header cut
	BAD(bad.bytes[bad.l4 + 12] = 0x40);     // data offset
	BAD(bad.bytes[bad.l4 + 13] = 0x12);     // SYN
	BAD(bad.bytes[bad.l4 + 13] = 0x14);     // RST
	BAD(bad.len = 13);
	BAD(bad.len = bad.l4 + 19);

	build(&plan6, &good);
	assert_int_equal(run(&good, SL_OFFLOAD_SCRATCH, &all), SL_OK);
	BAD(bad.vnet.gso = SL_GSO_TCPV4);
	BAD(bad.bytes[bad.l3 + 6] = 44);  // fragment header
	BAD(bad.bytes[bad.l3 + 6] = 50);  // ESP
	BAD(bad.bytes[bad.l3 + 6] = 59);  // nothing follows
	BAD(bad.bytes[bad.l3 + 6] = 253); // unknown, and no csum_start to tell
	BAD(bad.bytes[bad.l3 + 41] = 255; put16(bad.bytes + bad.l3 + 4, 100)); // beyond the packet
	BAD(bad.bytes[bad.l3 + 40] = 0; bad.bytes[bad.l3 + 49] = 255);
	BAD(put16(bad.bytes + bad.l3 + 4, 7)); // cut within the extension header
	BAD(put16(bad.bytes + bad.l3 + 4, 1); bad.len = bad.l3 + 41);
	// A route still to go (RFC 8200 section 4.4), and no address in it.
	BAD(bad.bytes[bad.l3 + 6] = 43; bad.bytes[bad.l3 + 43] = 1);
#undef BAD

	// The same unknown header is passed when csum_start says where TCP begins.
	bad = good;
	bad.bytes[bad.l3 + 6] = 253;
	bad.vnet.needs_csum = true;
	bad.vnet.csum_start = (uint16_t)bad.l4;
	bad.vnet.csum_offset = 16;
	assert_int_equal(run(&bad, SL_OFFLOAD_SCRATCH, &all), SL_OK);
	assert_int_equal(all.count, 5);
}

static void vnet_decode_and_encode(void **state)
{
	uint8_t plain[SL_VNET_HEADER];
	uint8_t bytes[SL_VNET_HEADER] = {0};
	const uint16_t fields[4] = {54, 1448, 34, 16};
	struct sl_vnet vnet;

	(void)state;
	memcpy(bytes + 2, fields, sizeof(fields));
	bytes[0] = 1;
	bytes[1] = 1;
	assert_int_equal(sl_vnet_decode(bytes, sizeof(bytes), &vnet), SL_OK);
	assert_true(vnet.needs_csum);
	assert_int_equal(vnet.gso, SL_GSO_TCPV4);
	assert_int_equal(vnet.header_len, 54);
	assert_int_equal(vnet.gso_size, 1448);
	assert_int_equal(vnet.csum_start, 34);
	assert_int_equal(vnet.csum_offset, 16);
	for (size_t len = 0; len < SL_VNET_HEADER; len++)
		assert_int_equal(sl_vnet_decode(bytes, len, &vnet), SL_ERR_INVALID);

	for (unsigned type = 0; type < 256; type++) {
		static const int known[8] = {SL_GSO_NONE,  SL_GSO_TCPV4,  -1, -1,
					     SL_GSO_TCPV6, SL_GSO_UDP_L4, -1, -1};
		unsigned base = type & 0x7f; // without the ECN bit
		int expected = base < 8 ? known[base] : -1;

		bytes[0] = 2; // DATA_VALID
		bytes[1] = (uint8_t)type;
		assert_int_equal(sl_vnet_decode(bytes, sizeof(bytes), &vnet),
				 expected < 0 ? SL_ERR_INVALID : SL_OK);
		if (expected >= 0) {
			assert_int_equal(vnet.gso, expected);
			assert_false(vnet.needs_csum);
		}
	}
	sl_vnet_encode_plain(plain);
	assert_int_equal(sl_vnet_decode(plain, sizeof(plain), &vnet), SL_OK);
	assert_int_equal(vnet.gso, SL_GSO_NONE);
	assert_false(vnet.needs_csum);
}

// Segments as long as an IP packet can be, and one byte longer, which no length field holds.
static void offload_longest_segments(void **state)
{
	static struct collected all;
	static struct built in;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const size_t most = 65535 - 40 - (i ? 20 : 0); // in sum, IPv6's header is not counted there
		const struct plan plan = {.v6 = i, .protocol = TCP, .payload = most + 1, .mss = most};

		build(&plan, &in);
		put16(in.bytes + in.l3 + (i ? 4 : 2), 0); // beyond 64 KiB, it ends with the frame
		assert_int_equal(run(&in, SL_OFFLOAD_SCRATCH, &all), SL_OK);
		assert_int_equal(all.count, 2);
		assert_int_equal(all.frames[0].len, in.payload + most);
		assert_int_equal(get16(all.bytes + in.l3 + (i ? 4 : 2)), 65535 - (i ? 40 : 0));
		assert_int_equal(all.frames[1].len, in.payload + 1);
		in.vnet.gso_size++;
		in.len++;
		expect_invalid(&in);
	}
}

// A checksum that would lie outside the frame: refused, and the frame is not emitted.
static void offload_checksum_outside(void **state)
{
	static struct built in;

	(void)state;
	build(&(struct plan){.protocol = UDP, .payload = 100, .mss = 1, .needs_csum = true}, &in);
	in.vnet.gso = SL_GSO_NONE;
	in.vnet.csum_start = (uint16_t)(in.len - 6);
	expect_invalid(&in);
	in.vnet.csum_start = 13;
	expect_invalid(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offload_tcp_bulk),
		cmocka_unit_test(offload_udp),
		cmocka_unit_test(offload_headers),
		cmocka_unit_test(offload_udp_checksum_zero),
		cmocka_unit_test(offload_small_gso_frame),
		cmocka_unit_test(offload_checksum_only),
		cmocka_unit_test(offload_complete_checksum_bounds),
		cmocka_unit_test(offload_ipv6_routing_header),
		cmocka_unit_test(offload_refuses_mismatches),
		cmocka_unit_test(offload_longest_segments),
		cmocka_unit_test(offload_checksum_outside),
		cmocka_unit_test(vnet_decode_and_encode),
	};
	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
