// Frames on their way to the system (proto/coalesce): the input is frames with SEPARATOR between them, and an
// empty one ends a burst. Whatever they hold, what leaves is, cut again, the same frames in the order of each
// pair of stations and ports.
#include "common/bytes.h"
#include "common/err.h"
#include "fuzz.h"
#include "proto/coalesce.h"

#define SEPARATOR "\xfe\xed\xf0\x0d" // never in a seed's frame by chance
#define FRAMES_MAX 64

struct burst {
	struct sl_coalesce coalesce;
	const uint8_t *in[FRAMES_MAX];
	size_t in_len[FRAMES_MAX];
	bool seen[FRAMES_MAX];
	unsigned in_count, out_count;
};

// The plainest case: same stations, type, addresses and ports, without any header between.
static bool one_flow(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len < 58 || b_len < 58 || memcmp(a, b, 14) != 0)
		return false;
	return sl_get16(a + 12) == 0x86dd ? memcmp(a + 22, b + 22, 36) == 0 && a[20] == b[20]
					  : memcmp(a + 26, b + 26, 12) == 0 && a[23] == b[23];
}

// Frames of the same bytes are alike: the first of them is taken off the list.
static void came(void *arg, const uint8_t *frame, size_t len)
{
	struct burst *burst = arg;

	for (unsigned i = 0; i < burst->in_count; i++) {
		if (burst->seen[i])
			continue;
		if (burst->in_len[i] == len && (len == 0 || memcmp(burst->in[i], frame, len) == 0)) {
			burst->seen[i] = true;
			burst->out_count++;
			return;
		}
		CHECK(!one_flow(burst->in[i], burst->in_len[i], frame, len)); // it overtakes this one
	}
	CHECK(false); // a frame that nobody sent
}

static void emit(void *arg, const struct sl_super *super)
{
	uint8_t scratch[SL_ETH_HEADER + 40 + 60], again[SL_VNET_HEADER];

	CHECK(super->segments >= 1 && super->segments <= SL_COALESCE_SEGMENTS);
	CHECK((super->vnet.gso != SL_GSO_NONE) == (super->segments > 1));
	sl_vnet_encode(&super->vnet, again);
	CHECK(memcmp(again, super->frame - SL_VNET_HEADER, sizeof(again)) == 0);
	CHECK(sl_offload_segment(&super->vnet, super->frame, super->len, scratch, sizeof(scratch), came,
				 arg) == SL_OK);
}

static void end_burst(struct burst *burst)
{
	sl_coalesce_flush(&burst->coalesce, emit, burst);
	CHECK(burst->out_count == burst->in_count);
	burst->in_count = burst->out_count = 0;
	memset(burst->seen, 0, sizeof(burst->seen));
}

static void add(struct burst *burst, const uint8_t *frame, size_t len)
{
	enum sl_coalesced result;

	burst->in[burst->in_count] = frame;
	burst->in_len[burst->in_count++] = len;
	result = sl_coalesce_add(&burst->coalesce, frame, len);
	if (result == SL_COALESCE_FULL) {
		sl_coalesce_flush(&burst->coalesce, emit, burst);
		result = sl_coalesce_add(&burst->coalesce, frame, len);
	}
	CHECK(result != SL_COALESCE_FULL);
	if (result == SL_COALESCE_PASS)
		came(burst, frame, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct burst *burst = calloc(1, sizeof(*burst));
	uint8_t *copies[FRAMES_MAX];
	unsigned count = 0;

	CHECK(burst != NULL);
	sl_coalesce_init(&burst->coalesce, SL_COALESCE_TCP | SL_COALESCE_UDP, false);
	while (count < FRAMES_MAX) {
		const uint8_t *end = memmem(data, size, SEPARATOR, 4);
		size_t len = end != NULL ? (size_t)(end - data) : size;

		copies[count] = fuzz_copy(data, len);
		if (len == 0)
			end_burst(burst);
		else
			add(burst, copies[count], len);
		count++;
		if (end == NULL)
			break;
		data += len + 4;
		size -= len + 4;
	}
	end_burst(burst);
	while (count > 0)
		free(copies[--count]);
	free(burst);
	return 0;
}
