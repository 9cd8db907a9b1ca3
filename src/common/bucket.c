#include "common/bucket.h"

#include "common/time.h"

#define DEBT_MAX (INT64_MAX / 4)

static void refill(struct sl_bucket *bucket, uint64_t now_ns, uint64_t rate)
{
	const int64_t full = (int64_t)rate * 1000; // what a second gives
	uint64_t elapsed = now_ns > bucket->refill_ns ? now_ns - bucket->refill_ns : 0;
	uint64_t seconds = elapsed / SL_NS_PER_S, ns = elapsed % SL_NS_PER_S;
	uint64_t part;

	if (bucket->refill_ns == 0 || bucket->tokens >= full ||
	    seconds > (uint64_t)(full - bucket->tokens) / (uint64_t)full) {
		bucket->tokens = full;
		bucket->rest = 0;
	} else {
		// ns * rate / 10^6, in two parts that cannot overflow.
		part = ns * (rate % 1000000) + bucket->rest;
		bucket->tokens +=
			(int64_t)(seconds * (uint64_t)full + ns * (rate / 1000000) + part / 1000000);
		bucket->rest = (uint32_t)(part % 1000000);
		if (bucket->tokens >= full) {
			bucket->tokens = full;
			bucket->rest = 0;
		}
	}
	if (now_ns > bucket->refill_ns || bucket->refill_ns == 0)
		bucket->refill_ns = now_ns ? now_ns : 1; // 0 means never
}

bool sl_bucket_ready(struct sl_bucket *bucket, uint64_t now_ns, uint64_t rate)
{
	if (rate == 0)
		return true;
	refill(bucket, now_ns, rate < SL_BUCKET_RATE_MAX ? rate : SL_BUCKET_RATE_MAX);
	return bucket->tokens >= 1000;
}

void sl_bucket_charge(struct sl_bucket *bucket, uint64_t tokens)
{
	int64_t cost = tokens < DEBT_MAX / 1000 ? (int64_t)tokens * 1000 : DEBT_MAX;

	bucket->tokens = bucket->tokens > cost - DEBT_MAX ? bucket->tokens - cost : -DEBT_MAX;
}

bool sl_bucket_take(struct sl_bucket *bucket, uint64_t now_ns, uint64_t rate)
{
	if (!sl_bucket_ready(bucket, now_ns, rate))
		return false;
	if (rate != 0)
		sl_bucket_charge(bucket, 1);
	return true;
}
