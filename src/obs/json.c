#include "obs/json.h"

json_t *sl_json_number(uint64_t value)
{
	const uint64_t max = (UINT64_C(1) << 53) - 1;

	return json_integer((json_int_t)(value < max ? value : max));
}

json_t *sl_counters_json(const struct sl_counters *counters, bool all)
{
	json_t *object = json_object();
	json_t *drops = json_object();
	json_t *result = NULL;

	if (object == NULL || drops == NULL)
		goto out;
#define X(field)                                                                                             \
	if (json_object_set_new(object, #field, sl_json_number(counters->field)) != 0)                       \
		goto out;
	SL_COUNTER_FIELDS(X)
#undef X
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		if (counters->drops[i] == 0 && !all)
			continue;
		if (json_object_set_new(drops, sl_drop_name((enum sl_drop)i),
					sl_json_number(counters->drops[i])) != 0)
			goto out;
	}
	if (json_object_set(object, "drops", drops) != 0)
		goto out;
	result = json_incref(object);
out:
	json_decref(drops);
	json_decref(object);
	return result;
}

json_t *sl_udp_json(const struct sl_udp_stats *udp)
{
	json_t *object = json_object();
	int rc = 0;

#define PUT(field) rc |= json_object_set_new(object, #field, sl_json_number(udp->field))
	PUT(rx_calls);
	PUT(rx_datagrams);
	PUT(rx_bytes);
	PUT(rx_errors);
	PUT(tx_calls);
	PUT(tx_datagrams);
	PUT(tx_bytes);
	PUT(tx_errors);
	PUT(tx_blocked);
#undef PUT
	rc |= json_object_set_new(object, "gro", json_boolean(udp->gro));
	rc |= json_object_set_new(object, "gso", json_boolean(udp->gso));
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}
