#include "obs/json.h"

// Integers on the wire go up to 2^53 - 1, which every JSON reader keeps exactly (RFC 8259 section 6).
#define JSON_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

static int set_counter(json_t *object, const char *name, uint64_t value)
{
	if (value > JSON_INTEGER_MAX)
		value = JSON_INTEGER_MAX;
	return json_object_set_new(object, name, json_integer((json_int_t)value));
}

json_t *sl_counters_json(const struct sl_counters *counters, bool all)
{
	json_t *object = json_object();
	json_t *drops = json_object();
	json_t *result = NULL;

	if (object == NULL || drops == NULL)
		goto out;
#define X(field)                                                                                             \
	if (set_counter(object, #field, counters->field) != 0)                                               \
		goto out;
	SL_COUNTER_FIELDS(X)
#undef X
	for (unsigned i = 0; i < SL_DROP_COUNT; i++) {
		if (counters->drops[i] == 0 && !all)
			continue;
		if (set_counter(drops, sl_drop_name((enum sl_drop)i), counters->drops[i]) != 0)
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
