#include "softlanctl/print.h"

#include "softlanctl/members.h"

int ctl_print_rooms(FILE *out, const json_t *document)
{
	static const struct ctl_column columns[] = {
		{"CODE", false},  {"ID", true},    {"MTU", true},     {"GATEWAY", true}, {"CLIENTS", true},
		{"FRAMES", true}, {"BYTES", true}, {"DROPPED", true}, {NULL, false},
	};
	const json_t *rooms = json_object_get(document, "rooms"), *room;
	size_t index;
	if (!json_is_array(rooms))
		return -1;
	struct ctl_table *table = ctl_table_new(columns);
	if (!table)
		return -1;
	json_array_foreach(rooms, index, room)
	{
		ctl_cell_text(table, room, "code");
		ctl_cell_count(table, room, "id");
		ctl_cell_count(table, room, "mtu");
		ctl_cell_count(table, room, "gateway");
		ctl_cell_count(table, room, "clients");
		ctl_cell_count(table, room, "frames");
		ctl_cell_bytes(table, room, "bytes");
		ctl_cell_count(table, room, "dropped");
	}
	int rc = ctl_table_print(table, out);
	ctl_table_free(table);
	return rc;
}
