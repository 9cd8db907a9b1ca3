#include "relay/rate.h"

#include "relay/core.h"
#include "relay/forward.h"

void relay_rates_take(struct relay_rates *rates, const struct relay_config *config)
{
	*rates = (struct relay_rates){
		.broadcast_pps = (uint64_t)config->broadcast_pps,
		.unknown_unicast_pps = (uint64_t)config->unknown_unicast_pps,
		.bandwidth_bps = (uint64_t)config->bandwidth_kbit * 1000,
		.lan_broadcast_pps = (uint64_t)config->lan_broadcast_pps,
	};
}

// The limit on the number of such frames. A rate of 0: there is none.
struct limit {
	struct sl_bucket *bucket;
	uint64_t rate;
	enum sl_drop reason;
};

static struct limit limit_of(struct relay_peer *ingress, const struct relay_verdict *verdict)
{
	const struct relay_rates *rates = &ingress->relay->rates;
	bool client = ingress->role == SL_ROLE_CLIENT;

	if (verdict->group)
		return (struct limit){&ingress->buckets.broadcast,
				      client ? rates->broadcast_pps : rates->lan_broadcast_pps,
				      SL_DROP_RATE_BROADCAST};
	return (struct limit){&ingress->buckets.unknown_unicast,
			      client && verdict->unknown ? rates->unknown_unicast_pps : 0,
			      SL_DROP_RATE_UNKNOWN_UNICAST};
}

static uint64_t bandwidth_of(const struct relay_peer *ingress)
{
	return ingress->role == SL_ROLE_CLIENT ? ingress->relay->rates.bandwidth_bps : 0;
}

enum sl_drop relay_rate_check(struct relay_peer *ingress, const struct relay_verdict *verdict)
{
	uint64_t now_ns = ingress->relay->env->now_ns;
	struct limit limit = limit_of(ingress, verdict);

	if (!sl_bucket_ready(limit.bucket, now_ns, limit.rate))
		return limit.reason;
	if (!sl_bucket_ready(&ingress->buckets.bandwidth, now_ns, bandwidth_of(ingress)))
		return SL_DROP_RATE_BANDWIDTH;
	return SL_DROP_NONE;
}

void relay_rate_count(struct relay_peer *ingress, const struct relay_verdict *verdict)
{
	struct limit limit = limit_of(ingress, verdict);

	if (limit.rate != 0)
		sl_bucket_charge(limit.bucket, 1);
}

void relay_rate_left(struct relay_peer *ingress, uint64_t bytes)
{
	if (bandwidth_of(ingress) != 0)
		sl_bucket_charge(&ingress->buckets.bandwidth, bytes * 8);
}
