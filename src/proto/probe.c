#include "proto/probe.h"

#include <string.h>

#include "common/bytes.h"
#include "common/map.h"

#define MAGIC_AT 14
#define ROOM_AT 18
#define PEER_AT 26
#define SERIAL_AT 28
#define TOKEN_AT 36
#define TEXT_AT 44

static const char magic[] = "SLP1";
static const char text[] = "softlan loop probe: must not come back over a LAN";
_Static_assert(TEXT_AT + sizeof(text) <= SL_PROBE_LEN, "the text fits");

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)sl_get32(p) << 32 | sl_get32(p + 4);
}

static void put64(uint8_t *p, uint64_t value)
{
	sl_put32(p, (uint32_t)(value >> 32));
	sl_put32(p + 4, (uint32_t)value);
}

// What the token stands for, as it stands in the frame, from its byte 14 on.
static uint64_t make_token(const uint64_t key[2], uint64_t room_id, uint16_t peer_id, uint64_t serial)
{
	uint8_t signed_bytes[TOKEN_AT - MAGIC_AT];

	memcpy(signed_bytes, magic, ROOM_AT - MAGIC_AT);
	put64(signed_bytes + (ROOM_AT - MAGIC_AT), room_id);
	sl_put16(signed_bytes + (PEER_AT - MAGIC_AT), peer_id);
	put64(signed_bytes + (SERIAL_AT - MAGIC_AT), serial);
	return sl_siphash(key, signed_bytes, sizeof(signed_bytes));
}

void sl_probe_build(uint8_t out[static SL_PROBE_LEN], const uint64_t key[2], uint64_t room_id,
		    uint16_t peer_id, uint64_t serial)
{
	memset(out, 0, SL_PROBE_LEN);
	memcpy(out, "\xff\xff\xff\xff\xff\xff\x02\x53\x4c\x50\x52\x42", SL_MAC_LEN * 2);
	sl_put16(out + SL_MAC_LEN * 2, SL_ETHERTYPE_OWN);
	memcpy(out + MAGIC_AT, magic, ROOM_AT - MAGIC_AT);
	put64(out + ROOM_AT, room_id);
	sl_put16(out + PEER_AT, peer_id);
	put64(out + SERIAL_AT, serial);
	put64(out + TOKEN_AT, make_token(key, room_id, peer_id, serial));
	memcpy(out + TEXT_AT, text, sizeof(text));
}

// The addresses do not count: a machine that bridges over Wi-Fi puts its own source in. Tags don't either.
bool sl_probe_parse(const struct sl_eth *eth, struct sl_probe *out)
{
	const uint8_t *at = eth->payload;

	if (eth->type != SL_ETHERTYPE_OWN || eth->payload_len < SL_PROBE_LEN - SL_ETH_HEADER ||
	    memcmp(at, magic, ROOM_AT - MAGIC_AT) != 0)
		return false;
	out->room_id = get64(at + ROOM_AT - MAGIC_AT);
	out->peer_id = sl_get16(at + PEER_AT - MAGIC_AT);
	out->serial = get64(at + SERIAL_AT - MAGIC_AT);
	out->token = get64(at + TOKEN_AT - MAGIC_AT);
	return true;
}

// Not in constant time: nothing is sent in answer, so there is nothing to be timed.
bool sl_probe_verify(const struct sl_probe *probe, const uint64_t key[2])
{
	return probe->token == make_token(key, probe->room_id, probe->peer_id, probe->serial);
}
