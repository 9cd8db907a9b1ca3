#include "proto/checksum.h"

#include <string.h>

#include "common/bytes.h"

#define BLOCK 64
#define LOW_HALF UINT64_C(0xffffffff)

// Two 64-bit lanes: gcc and clang make what the target has of it (SSE2, NEON or plain words). A plain
// loop is left scalar at -O2 by some compilers, at a seventh of the speed.
typedef uint64_t lanes __attribute__((vector_size(16)));

// Two bytes in the host's order.
static uint16_t load16(uint8_t first, uint8_t second)
{
	const uint8_t pair[2] = {first, second};
	uint16_t value;

	memcpy(&value, pair, sizeof(value));
	return value;
}

static uint64_t fold32(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (sum & UINT32_MAX) + (sum >> 32);
}

static uint16_t fold16(uint64_t sum)
{
	sum = fold32(sum);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

// The same with four lanes, where the processor has them: x86-64 compilers may not assume so. Chosen at run
// time and not by target_clones, whose resolvers run too early for the sanitizers.
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE_BLOCK 128
#define WIDE_MIN 256 // below, the choice costs what it gains

typedef uint64_t wide_lanes __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t sum_wide(const uint8_t *p, size_t blocks)
{
	wide_lanes a = {0}, b = {0}, c = {0}, d = {0};

	for (; blocks > 0; blocks--, p += WIDE_BLOCK) {
		wide_lanes w0, w1, w2, w3; // an array would go by way of the stack

		memcpy(&w0, p, sizeof(w0));
		memcpy(&w1, p + 32, sizeof(w1));
		memcpy(&w2, p + 64, sizeof(w2));
		memcpy(&w3, p + 96, sizeof(w3));
		a += w0 & LOW_HALF;
		b += w0 >> 32;
		c += w1 & LOW_HALF;
		d += w1 >> 32;
		a += w2 & LOW_HALF;
		b += w2 >> 32;
		c += w3 & LOW_HALF;
		d += w3 >> 32;
	}
	a += b + c + d;
	return fold32(a[0]) + fold32(a[1]) + fold32(a[2]) + fold32(a[3]);
}

static size_t wide_blocks(size_t len)
{
	return len >= WIDE_MIN && __builtin_cpu_supports("avx2") ? len / WIDE_BLOCK : 0;
}
#else
#define WIDE_BLOCK 1

static uint64_t sum_wide(const uint8_t *p, size_t blocks)
{
	(void)p, (void)blocks;
	return 0;
}

static size_t wide_blocks(size_t len)
{
	(void)len;
	return 0;
}
#endif

// RFC 1071 section 2: the sum may be taken in the host's byte order and in larger words, and be
// swapped and folded once at the end.
uint64_t sl_sum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	lanes a = {0}, b = {0}, c = {0}, d = {0};
	size_t wide = wide_blocks(len);
	uint64_t native = wide > 0 ? sum_wide(p, wide) : 0, word;
	uint16_t folded;

	p += wide * WIDE_BLOCK;
	len -= wide * WIDE_BLOCK;

	// 32-bit halves in 64-bit lanes: no carry is lost before 2^32 additions, far beyond any frame.
	for (; len >= BLOCK; len -= BLOCK, p += BLOCK) {
		lanes w[4];

		memcpy(w, p, BLOCK);
		a += w[0] & LOW_HALF;
		b += w[0] >> 32;
		c += w[1] & LOW_HALF;
		d += w[1] >> 32;
		a += w[2] & LOW_HALF;
		b += w[2] >> 32;
		c += w[3] & LOW_HALF;
		d += w[3] >> 32;
	}
	a += b + c + d;
	native += fold32(a[0]) + fold32(a[1]);
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		native += (word & LOW_HALF) + (word >> 32);
	}
	if ((len & 4) != 0) {
		uint32_t half;

		memcpy(&half, p, sizeof(half));
		native += half;
		p += sizeof(half);
	}
	if ((len & 2) != 0) {
		native += load16(p[0], p[1]);
		p += 2;
	}
	if ((len & 1) != 0)
		native += load16(p[0], 0);
	folded = fold16(native);
	return sum + sl_get16((const uint8_t *)&folded);
}

uint16_t sl_sum_finish(uint64_t sum)
{
	return (uint16_t)~fold16(sum);
}

uint32_t sl_crc32c(const void *data, size_t len)
{
	// Four bits at a time: SCTP is rare, and a larger table would cost others their cache.
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *at = data;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}
