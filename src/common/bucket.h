// A token bucket: a rate, and a burst of what the rate gives in one second. It may go into debt, so that what
// a thing costs need not be known before it is done. Zero-initialise: the first call fills it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sl_bucket {
	uint64_t refill_ns; // up to when tokens have been added; 0: never yet
	int64_t tokens;     // in thousandths
	uint32_t rest;      // millionths of a thousandth: no part of a token is lost, whatever the rate
};

#define SL_BUCKET_RATE_MAX 1000000000000 // tokens a second: 10^12

// Refills, and tells whether there is anything in it: a whole token, or more. `rate`: tokens a second; 0: no
// limit, always true.
bool sl_bucket_ready(struct sl_bucket *bucket, uint64_t now_ns, uint64_t rate);
// Takes tokens out, after sl_bucket_ready said so; into debt if need be.
void sl_bucket_charge(struct sl_bucket *bucket, uint64_t tokens);
// Both, for one token: true, and it is taken.
bool sl_bucket_take(struct sl_bucket *bucket, uint64_t now_ns, uint64_t rate);
