#include "proto/mss.h"

#include <string.h>

#include "common/bytes.h"

#define TCP_HEADER 20
#define TCP_DATA_OFFSET 12
#define TCP_CHECKSUM 16
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define OPTION_MSS_LEN 4
#define V4_HEADERS 40
#define V6_HEADERS 60

// RFC 1624 section 3, equation 3, for two bytes at `offset` of what is summed: at an odd one they lie in two
// words, each on the other's side.
static uint16_t update(uint16_t checksum, uint16_t before, uint16_t after, size_t offset)
{
	uint32_t sum;

	if (offset % 2 != 0) {
		before = (uint16_t)(before >> 8 | before << 8);
		after = (uint16_t)(after >> 8 | after << 8);
	}
	sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

// The offset of the MSS option's value in a TCP header, 0: it has none (or the options are malformed before
// it).
static size_t find_mss(const uint8_t *tcp, size_t len)
{
	size_t end = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;

	if (end > len)
		return 0;
	for (size_t at = TCP_HEADER; at < end && tcp[at] != OPTION_END;) {
		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > end - at)
			return 0;
		if (tcp[at] == OPTION_MSS)
			return tcp[at + 1] == OPTION_MSS_LEN ? at + 2 : 0;
		at += tcp[at + 1];
	}
	return 0;
}

const uint8_t *sl_mss_clamp(const uint8_t *frame, size_t len, const struct sl_view *view, size_t mtu,
			    uint8_t copy[static SL_MSS_FRAME_MAX])
{
	size_t headers = view->protocol == SL_ETHERTYPE_IPV6 ? V6_HEADERS : V4_HEADERS, at;
	uint16_t before, after;
	uint8_t *tcp;

	if (!sl_mss_syn(view) || mtu <= headers || mtu - headers > UINT16_MAX || len > SL_MSS_FRAME_MAX)
		return frame;
	at = find_mss(view->transport, view->transport_len);
	after = (uint16_t)(mtu - headers);
	if (at == 0 || sl_get16(view->transport + at) <= after)
		return frame;
	memcpy(copy, frame, len);
	tcp = copy + (view->transport - frame);
	before = sl_get16(tcp + at);
	sl_put16(tcp + at, after);
	sl_put16(tcp + TCP_CHECKSUM, update(sl_get16(tcp + TCP_CHECKSUM), before, after, at));
	return copy;
}
