#include "proto/overlay.h"

#include "common/bytes.h"
#include "common/err.h"

#define VERSION_AND(type) ((uint8_t)(SL_OVERLAY_VERSION << 4 | (type)))

static int decode_part(const uint8_t *data, size_t len, struct sl_overlay *out)
{
	if (len <= SL_OVERLAY_PART_HEADER)
		return SL_ERR_INVALID;
	out->frame_id = sl_get16(data + SL_OVERLAY_HEADER);
	out->frame = data + SL_OVERLAY_PART_HEADER;
	out->frame_len = len - SL_OVERLAY_PART_HEADER;
	return SL_OK;
}

int sl_overlay_decode(const uint8_t *data, size_t len, bool split, struct sl_overlay *out)
{
	if (len < SL_OVERLAY_HEADER || data[1] != 0)
		return SL_ERR_INVALID;
	out->peer_id = sl_get16(data + 2);
	if (out->peer_id == 0)
		return SL_ERR_INVALID;
	out->type = (enum sl_overlay_type)(data[0] & 0x0f);
	if (data[0] != VERSION_AND(SL_OVERLAY_ETHERNET)) {
		if (split &&
		    (data[0] == VERSION_AND(SL_OVERLAY_FIRST) || data[0] == VERSION_AND(SL_OVERLAY_REST)))
			return decode_part(data, len, out);
		return SL_ERR_INVALID;
	}
	out->frame_id = 0;
	out->frame = data + SL_OVERLAY_HEADER;
	out->frame_len = len - SL_OVERLAY_HEADER;
	return SL_OK;
}

void sl_overlay_encode_header(uint8_t out[static SL_OVERLAY_HEADER], uint16_t peer_id)
{
	out[0] = VERSION_AND(SL_OVERLAY_ETHERNET);
	out[1] = 0;
	sl_put16(out + 2, peer_id);
}

void sl_overlay_encode_part(uint8_t out[static SL_OVERLAY_PART_HEADER], enum sl_overlay_type type,
			    uint16_t peer_id, uint16_t frame_id)
{
	out[0] = VERSION_AND(type);
	out[1] = 0;
	sl_put16(out + 2, peer_id);
	sl_put16(out + SL_OVERLAY_HEADER, frame_id);
}

int sl_overlay_check_budget(size_t frame_len, size_t budget)
{
	if (budget < SL_OVERLAY_HEADER || frame_len > budget - SL_OVERLAY_HEADER)
		return SL_ERR_TOO_LARGE;
	return SL_OK;
}
