#include "obs/json.h"

json_t *sl_json_number(uint64_t value)
{
	const uint64_t max = (UINT64_C(1) << 53) - 1;

	return json_integer((json_int_t)(value < max ? value : max));
}

json_t *sl_drops_json(const uint64_t drops[static SL_DROP_COUNT], bool all)
{
	json_t *object = json_object();

	for (unsigned i = 0; object != NULL && i < SL_DROP_COUNT; i++) {
		if ((drops[i] != 0 || all) && json_object_set_new(object, sl_drop_name((enum sl_drop)i),
								  sl_json_number(drops[i])) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

json_t *sl_counters_json(const struct sl_counters *counters, bool all)
{
	json_t *object = json_object();
	int rc = 0;

#define X(field) rc |= json_object_set_new(object, #field, sl_json_number(counters->field));
	SL_COUNTER_FIELDS(X)
#undef X
	rc |= json_object_set_new(object, "drops", sl_drops_json(counters->drops, all));
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
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
