#include "proto/eth.h"

#include <string.h>

#include "common/bytes.h"
#include "common/err.h"

#define TAG_BYTES 4
#define TYPE_OFFSET 12

bool sl_eth_is_tag(uint16_t type)
{
	return type == SL_ETHERTYPE_VLAN || type == SL_ETHERTYPE_QINQ || type == 0x9100 || type == 0x9200 ||
	       type == 0x9300;
}

int sl_eth_parse(const uint8_t *frame, size_t len, struct sl_eth *out)
{
	size_t at = TYPE_OFFSET;

	memset(out, 0, sizeof(*out));
	if (len >= SL_MAC_LEN)
		memcpy(out->dst.b, frame, SL_MAC_LEN);
	if (len >= SL_MAC_LEN * 2)
		memcpy(out->src.b, frame + SL_MAC_LEN, SL_MAC_LEN);
	if (len < SL_ETH_HEADER)
		return SL_ERR_INVALID;

	// IEEE 802.1Q section 9: a tag is its ethertype, two bytes of TCI, and then the next ethertype.
	out->type = sl_get16(frame + at);
	while (sl_eth_is_tag(out->type)) {
		if (out->tags == SL_ETH_MAX_TAGS || len - at < TAG_BYTES + 2)
			return SL_ERR_INVALID;
		if (out->tags == 0)
			out->outer_tci = sl_get16(frame + at + 2);
		out->tags++;
		at += TAG_BYTES;
		out->type = sl_get16(frame + at);
	}
	out->payload = frame + at + 2;
	out->payload_len = len - at - 2;
	return SL_OK;
}
