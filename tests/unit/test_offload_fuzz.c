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

struct bounds {
	const uint8_t *frame;
	size_t len, emitted, touched;
};

static void stay_inside(void *arg, const uint8_t *frame, size_t len)
{
	struct bounds *bounds = arg;

	bounds->emitted++;
	assert_true(frame >= bounds->frame && len <= bounds->len);
	assert_true((size_t)(frame - bounds->frame) <= bounds->len - len);
	if (len > 0)
		bounds->touched += frame[0] + frame[len - 1];
}

// GW-2: damaged frames and vnet headers never crash, never read or write out of bounds (the
// sanitizers watch), and an error emits nothing.
static void offload_fuzz(void **state)
{
	static struct built seeds[12];
	uint8_t *scratch = malloc(SL_OFFLOAD_SCRATCH);
	uint64_t random = 20240601;
	size_t accepted = 0, refused = 0;

	(void)state;
	assert_non_null(scratch);
	for (unsigned i = 0; i < 12; i++) {
		const struct plan plan = {
			.tags = i % 3,
			.v6 = i & 1,
			.protocol = i & 2 ? UDP : TCP,
			.ip_options = i & 4 ? 8 : 0,
			.l4_options = i & 2 ? 0 : 12,
			.payload = 300,
			.mss = 90,
			.needs_csum = i & 8,
		};

		build(&plan, &seeds[i]);
	}
	for (int round = 0; round < 300000; round++) {
		const struct built *seed = &seeds[next_random(&random) % 12];
		struct sl_vnet vnet = seed->vnet;
		size_t len =
			next_random(&random) % 4 == 0 ? next_random(&random) % (seed->len + 1) : seed->len;
		uint8_t *frame = malloc(len > 0 ? len : 1);
		struct bounds bounds = {.frame = frame, .len = len};
		uint32_t mutations = next_random(&random) % 6;
		int rc;

		assert_non_null(frame);
		memcpy(frame, seed->bytes, len);
		for (uint32_t m = 0; m < mutations; m++) {
			uint16_t value = (uint16_t)next_random(&random);
			size_t near = next_random(&random) % (seed->payload + 4);

			if (next_random(&random) % 2)
				value &= 0xff;
			switch (next_random(&random) % 12) {
			case 0:
				vnet.gso_size = value;
				break;
			case 1:
				vnet.csum_start = value;
				break;
			case 2:
				vnet.csum_offset = value;
				break;
			case 3:
				vnet.needs_csum = value & 1;
				break;
			case 4:
				vnet.gso = (enum sl_gso)(value % 4);
				break;
			case 5:
				vnet.header_len = value;
				break;
			default:
				if (near < len)
					frame[near] = (uint8_t)value;
				break;
			}
		}
		rc = sl_offload_segment(&vnet, frame, len, scratch, SL_OFFLOAD_SCRATCH, stay_inside, &bounds);
		if (rc == SL_OK) {
			assert_true(bounds.emitted > 0);
			accepted++;
		} else {
			assert_int_equal(rc, SL_ERR_INVALID);
			assert_int_equal(bounds.emitted, 0);
			refused++;
		}
		free(frame);
	}
	assert_true(accepted > 50000);
	assert_true(refused > 50000);
	free(scratch);
}

// Nothing but noise, of every length.
static void offload_fuzz_noise(void **state)
{
	uint8_t scratch[256];
	uint64_t random = 99;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		uint8_t header[SL_VNET_HEADER];
		size_t len = next_random(&random) % 200;
		uint8_t *frame = malloc(len > 0 ? len : 1);
		struct bounds bounds = {.frame = frame, .len = len};
		struct sl_vnet vnet;

		assert_non_null(frame);
		for (size_t i = 0; i < sizeof(header); i++)
			header[i] = (uint8_t)next_random(&random);
		header[1] &= 0x87;
		for (size_t i = 0; i < len; i++)
			frame[i] = (uint8_t)next_random(&random);
		if (len > 14 && round % 2 == 0) {
			put16(frame + 12, round % 4 == 0 ? 0x0800 : 0x86dd);
			frame[14] = round % 4 == 0 ? 0x45 : 0x60;
		}
		if (sl_vnet_decode(header, sizeof(header), &vnet) == SL_OK &&
		    sl_offload_segment(&vnet, frame, len, scratch, sizeof(scratch), stay_inside, &bounds) !=
			    SL_OK)
			assert_int_equal(bounds.emitted, 0);
		free(frame);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offload_fuzz),
		cmocka_unit_test(offload_fuzz_noise),
	};
	return cmocka_run_group_tests_name("offload_fuzz", tests, NULL, NULL);
}
