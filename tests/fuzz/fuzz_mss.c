// The MSS clamp (proto/mss): the first two bytes are an MTU, the rest is a frame. What comes back is the
// frame itself or a copy that differs in one option and the checksum, and needs no second time.
#include "common/bytes.h"
#include "fuzz.h"
#include "proto/mss.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sl_filter_input input = {.direction = SL_FROM_LAN};
	uint8_t copy[SL_MSS_FRAME_MAX], again[SL_MSS_FRAME_MAX], *frame;
	size_t mtu, tcp, changed = 0;
	struct sl_view view;
	const uint8_t *out;

	if (size <= 2) // no frame
		return 0;
	mtu = sl_get16(data);
	size -= 2;
	frame = fuzz_copy(data + 2, size);
	(void)sl_filter_check(frame, size, &input, &view);
	out = sl_mss_clamp(frame, size, &view, mtu, copy);
	CHECK(size == 0 || memcmp(frame, data + 2, size) == 0);
	if (out == frame)
		goto out;
	CHECK(out == copy && sl_mss_syn(&view) && mtu > 40 && size <= sizeof(copy));
	tcp = (size_t)(view.transport - frame);
	for (size_t i = 0; i < size; i++) {
		bool checksum = i == tcp + 16 || i == tcp + 17;

		if (copy[i] == frame[i])
			continue;
		CHECK(checksum || (i >= tcp + 22 && i < tcp + 60));
		changed += !checksum;
	}
	CHECK(changed == 1 || changed == 2);
	(void)sl_filter_check(copy, size, &input, &view);
	CHECK(sl_mss_clamp(copy, size, &view, mtu, again) == copy);
out:
	free(frame);
	return 0;
}
