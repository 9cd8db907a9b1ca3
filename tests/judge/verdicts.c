// Prints the filter's verdict on each frame of a corpus: the bridge to the second judge (FILTER-1 to
// FILTER-9). Reads records from standard input, numbers in network order:
//
//     direction 1 (0: remote, 1: LAN) | has an announced MAC 1 | MTU 2 | announced MAC 6 | length 2 | frame
//
// and prints one line for each: the drop reason's name, or "none". Arguments are the rules that are switched
// off, by their reasons' names. Exit 1 when a record is cut off, 2 when there is no such reason.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/counters.h"
#include "proto/filter.h"
#include "proto/policy.h"

#define HEAD 12

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

// 1: a verdict was printed; 0: the end; -1: a record is cut off.
static int judge_one(FILE *in, uint32_t relaxed)
{
	uint8_t head[HEAD];
	const size_t got = fread(head, 1, HEAD, in);

	if (got == 0)
		return 0;
	if (got < HEAD)
		return -1;

	struct sl_mac announced;
	memcpy(announced.b, head + 4, SL_MAC_LEN);
	const struct sl_filter_input input = {
		.direction = head[0] == 0 ? SL_FROM_REMOTE : SL_FROM_LAN,
		.announced = head[1] ? &announced : NULL,
		.mtu = get16(head + 2),
		.relaxed = relaxed,
	};
	const size_t len = get16(head + 10);
	// Exactly as long as the frame, so that a sanitizer sees a read past its end.
	uint8_t *frame = malloc(len ? len : 1);
	if (!frame || fread(frame, 1, len, in) != len) {
		free(frame);
		return -1;
	}
	struct sl_view view;
	const enum sl_drop verdict = sl_filter_check(frame, len, &input, &view);
	puts(verdict == SL_DROP_NONE ? "none" : sl_drop_name(verdict));
	free(frame);
	return 1;
}

int main(int argc, char **argv)
{
	uint32_t relaxed = 0;
	int status;

	for (int i = 1; i < argc; i++) {
		const enum sl_drop rule = sl_drop_from_name(argv[i]);
		if (rule == SL_DROP_NONE)
			return 2;
		relaxed |= SL_POLICY_BIT(rule);
	}
	do
		status = judge_one(stdin, relaxed);
	while (status > 0);
	return status < 0 || fflush(stdout) != 0 ? 1 : 0;
}
