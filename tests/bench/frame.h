// The frames of the benches: Ethernet, IPv4, UDP, as a game sends them, with room for a number.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mac.h"
#include "proto/checksum.h"

#define BENCH_FRAME_MAX 1600
#define BENCH_FRAME_MIN 60
#define BENCH_PAYLOAD (14 + 20 + 8)
#define BENCH_MAGIC 0x736c6265u

// Writes a frame of `len` bytes (BENCH_FRAME_MIN to BENCH_FRAME_MAX) from one host to the other. `flow` makes
// the ports. The UDP checksum is left out, as IPv4 allows, so that the number can change.
static inline void bench_frame(uint8_t *out, size_t len, const struct sl_mac *to, const struct sl_mac *from,
			       uint16_t flow)
{
	uint8_t *ip = out + 14, *udp = ip + 20;

	memset(out, 0, len);
	memcpy(out, to->b, SL_MAC_LEN);
	memcpy(out + SL_MAC_LEN, from->b, SL_MAC_LEN);
	sl_put16(out + 12, 0x0800);
	ip[0] = 0x45;
	sl_put16(ip + 2, (uint16_t)(len - 14));
	ip[8] = 64;
	ip[9] = 17;
	sl_put32(ip + 12, 0x0a4d0000u | sl_get16(from->b + 4)); // 10.77.x.y, from the MACs
	sl_put32(ip + 16, 0x0a4d0000u | sl_get16(to->b + 4));
	sl_put16(ip + 10, sl_sum_finish(sl_sum_add(0, ip, 20)));
	sl_put16(udp, (uint16_t)(40000 + flow));
	sl_put16(udp + 2, 27015);
	sl_put16(udp + 4, (uint16_t)(len - 34));
	sl_put32(out + BENCH_PAYLOAD, BENCH_MAGIC);
}

static inline void bench_frame_number(uint8_t *frame, uint32_t number)
{
	sl_put32(frame + BENCH_PAYLOAD + 4, number);
}

// Is it a frame of ours? Then its number is in *number.
static inline int bench_frame_read(const uint8_t *frame, size_t len, uint32_t *number)
{
	if (len < BENCH_FRAME_MIN || sl_get16(frame + 12) != 0x0800 ||
	    sl_get32(frame + BENCH_PAYLOAD) != BENCH_MAGIC)
		return 0;
	*number = sl_get32(frame + BENCH_PAYLOAD + 4);
	return 1;
}
