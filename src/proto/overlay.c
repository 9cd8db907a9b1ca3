#include "proto/overlay.h"

#include "common/bytes.h"
#include "common/err.h"

int sl_overlay_decode(const uint8_t *data, size_t len, struct sl_overlay *out)
{
	if (len < SL_OVERLAY_HEADER)
		return SL_ERR_INVALID;
	if (data[0] != (SL_OVERLAY_VERSION << 4 | SL_OVERLAY_ETHERNET) || data[1] != 0)
		return SL_ERR_INVALID;
	out->peer_id = sl_get16(data + 2);
	if (out->peer_id == 0)
		return SL_ERR_INVALID;
	out->frame = data + SL_OVERLAY_HEADER;
	out->frame_len = len - SL_OVERLAY_HEADER;
	return SL_OK;
}

void sl_overlay_encode_header(uint8_t out[static SL_OVERLAY_HEADER], uint16_t peer_id)
{
	out[0] = SL_OVERLAY_VERSION << 4 | SL_OVERLAY_ETHERNET;
	out[1] = 0;
	sl_put16(out + 2, peer_id);
}

int sl_overlay_check_budget(size_t frame_len, size_t budget)
{
	if (budget < SL_OVERLAY_HEADER || frame_len > budget - SL_OVERLAY_HEADER)
		return SL_ERR_TOO_LARGE;
	return SL_OK;
}
