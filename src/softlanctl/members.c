#include "softlanctl/members.h"

#include <inttypes.h>
#include <stdio.h>

#include "softlanctl/text.h"

bool ctl_member_count(const json_t *object, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

const char *ctl_member_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name)); // NULL for any other type
}

void ctl_cell_count(struct ctl_table *table, const json_t *object, const char *name)
{
	char text[CTL_UNIT_TEXT];
	uint64_t value;
	bool known = ctl_member_count(object, name, &value);
	if (known)
		snprintf(text, sizeof(text), "%" PRIu64, value);
	ctl_table_cell(table, known ? text : NULL);
}

void ctl_cell_text(struct ctl_table *table, const json_t *object, const char *name)
{
	ctl_table_cell(table, ctl_member_text(object, name));
}

static void cell_unit(struct ctl_table *table, const json_t *object, const char *name,
		      char *(*format)(uint64_t value, char *out))
{
	char text[CTL_UNIT_TEXT];
	uint64_t value;
	ctl_table_cell(table, ctl_member_count(object, name, &value) ? format(value, text) : NULL);
}

void ctl_cell_bytes(struct ctl_table *table, const json_t *object, const char *name)
{
	cell_unit(table, object, name, ctl_bytes);
}

void ctl_cell_seconds(struct ctl_table *table, const json_t *object, const char *name)
{
	cell_unit(table, object, name, ctl_seconds);
}

void ctl_cell_millis(struct ctl_table *table, const json_t *object, const char *name)
{
	cell_unit(table, object, name, ctl_millis);
}
