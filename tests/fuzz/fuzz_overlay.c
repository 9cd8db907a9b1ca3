// Overlay datagrams (PROTO-1 to PROTO-3, PROTO-6): any bytes decode or are refused; what decodes is encoded
// to the same bytes again. The first two bytes are a budget too.
#include <stdbool.h>

#include "common/bytes.h"
#include "common/err.h"
#include "fuzz.h"
#include "proto/mtu.h"
#include "proto/overlay.h"

static void check_part(const uint8_t *data, size_t size)
{
	struct sl_overlay overlay;
	uint8_t header[SL_OVERLAY_PART_HEADER];
	bool part = size > SL_OVERLAY_PART_HEADER && (data[0] == 0x12 || data[0] == 0x13) && data[1] == 0 &&
		    sl_get16(data + 2) != 0;

	CHECK(!part || sl_overlay_decode(data, size, false, &overlay) == SL_ERR_INVALID);
	if (sl_overlay_decode(data, size, true, &overlay) != SL_OK || overlay.type == SL_OVERLAY_ETHERNET) {
		CHECK(!part);
		return;
	}
	CHECK(part);
	CHECK(overlay.frame == data + SL_OVERLAY_PART_HEADER);
	CHECK(overlay.frame_len == size - SL_OVERLAY_PART_HEADER);
	sl_overlay_encode_part(header, overlay.type, overlay.peer_id, overlay.frame_id);
	CHECK(memcmp(header, data, sizeof(header)) == 0);
}

static void check_decode(const uint8_t *data, size_t size)
{
	struct sl_overlay overlay;
	uint8_t header[SL_OVERLAY_HEADER];
	int rc = sl_overlay_decode(data, size, false, &overlay);

	if (rc != SL_OK) {
		CHECK(rc == SL_ERR_INVALID);
		// What this version writes, it reads.
		CHECK(size < SL_OVERLAY_HEADER || data[0] != 0x11 || data[1] != 0 ||
		      (data[2] == 0 && data[3] == 0));
		return;
	}
	CHECK(overlay.type == SL_OVERLAY_ETHERNET && overlay.peer_id != 0);
	CHECK(overlay.frame == data + SL_OVERLAY_HEADER);
	CHECK(overlay.frame_len == size - SL_OVERLAY_HEADER);
	sl_overlay_encode_header(header, overlay.peer_id);
	CHECK(memcmp(header, data, sizeof(header)) == 0);
}

// The bytes as the frame of a datagram that is sent.
static void check_encode(const uint8_t *frame, size_t len, uint16_t peer_id)
{
	size_t size = SL_OVERLAY_HEADER + len;
	uint8_t *datagram = malloc(size);
	struct sl_overlay overlay;

	CHECK(datagram != NULL);
	sl_overlay_encode_header(datagram, peer_id);
	if (len > 0)
		memcpy(datagram + SL_OVERLAY_HEADER, frame, len);
	CHECK(sl_overlay_decode(datagram, size, peer_id & 1, &overlay) ==
	      (peer_id != 0 ? SL_OK : SL_ERR_INVALID));
	CHECK(peer_id == 0 || (overlay.peer_id == peer_id && overlay.frame_len == len &&
			       (len == 0 || memcmp(overlay.frame, frame, len) == 0)));
	free(datagram);
}

static void check_budget(size_t len, size_t budget)
{
	size_t mtu = sl_mtu_from_budget(budget);
	bool fits = len <= SIZE_MAX - SL_OVERLAY_HEADER && len + SL_OVERLAY_HEADER <= budget;

	CHECK(sl_overlay_check_budget(len, budget) == (fits ? SL_OK : SL_ERR_TOO_LARGE));
	CHECK(mtu == 0 || (mtu >= SL_MTU_MIN && mtu <= SL_MTU_MAX));
	CHECK((mtu != 0) == (budget >= SL_BUDGET_MIN));
	// A frame of the agreed MTU always fits the budget it was agreed from.
	CHECK(mtu == 0 || sl_budget_from_mtu(mtu) <= budget);
	CHECK(mtu == 0 || sl_overlay_check_budget(sl_frame_from_mtu(mtu), budget) == SL_OK);
	CHECK(mtu == 0 || mtu == SL_MTU_MAX || sl_budget_from_mtu(mtu + 1) > budget);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t first = size < 2 ? 0 : sl_get16(data);

	check_decode(data, size);
	check_part(data, size);
	check_encode(data, size, first);
	check_budget(size, first);
	check_budget(first, size);
	check_budget(SIZE_MAX - first, first);
	check_budget(first, SIZE_MAX - first);
	return 0;
}
