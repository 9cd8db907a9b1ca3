// The printers of lists: one row for each object of an array.
#include "softlanctl/print.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/text.h"
#include "softlanctl/members.h"
#include "softlanctl/text.h"

static void cell_rtt(struct ctl_table *table, const json_t *peer, const char *name)
{
	const json_t *value = json_object_get(peer, name);
	char text[CTL_UNIT_TEXT];
	bool known = json_is_number(value) && json_number_value(value) >= 0;
	if (known)
		snprintf(text, sizeof(text), "%.1fms",
			 json_number_value(value) < 1e9 ? json_number_value(value) : 1e9);
	ctl_table_cell(table, known ? text : NULL);
}

// "1234/1.5MiB": frames and bytes of one direction, "rx" or "tx".
static void cell_traffic(struct ctl_table *table, const json_t *peer, const char *direction)
{
	char name[16], text[2 * CTL_UNIT_TEXT], unit[CTL_UNIT_TEXT];
	uint64_t frames, bytes;
	snprintf(name, sizeof(name), "%s_frames", direction);
	bool known = ctl_member_count(peer, name, &frames);
	snprintf(name, sizeof(name), "%s_bytes", direction);
	known = known && ctl_member_count(peer, name, &bytes);
	if (known)
		snprintf(text, sizeof(text), "%" PRIu64 "/%s", frames, ctl_bytes(bytes, unit));
	ctl_table_cell(table, known ? text : NULL);
}

// "over_mtu:3,runt:1"; reasons that never happened are left out. A peer that is cut off from its room is
// marked first: "isolated,loop:40".
static void cell_drops(struct ctl_table *table, const json_t *peer, const char *name)
{
	json_t *drops = json_object_get(peer, name), *value;
	const char *reason;
	bool isolated = json_is_true(json_object_get(peer, "isolated")), any = isolated;
	struct sl_text all = {0};
	if (isolated)
		sl_text_add(&all, "isolated");
	json_object_foreach(drops, reason, value)
	{
		if (!json_is_integer(value) || json_integer_value(value) <= 0)
			continue;
		sl_text_add(&all, "%s%s:%lld", any ? "," : "", reason, (long long)json_integer_value(value));
		any = true;
	}
	char *text = sl_text_take(&all);
	ctl_table_styled(table, text, isolated ? CTL_BAD : any ? CTL_WARN : CTL_PLAIN);
	free(text);
}

static void cell_dropped(struct ctl_table *table, const json_t *room, const char *name)
{
	char text[CTL_UNIT_TEXT];
	uint64_t count;
	bool known = ctl_member_count(room, name, &count);
	if (known)
		snprintf(text, sizeof(text), "%" PRIu64, count);
	ctl_table_styled(table, known ? text : NULL, known && count > 0 ? CTL_WARN : CTL_PLAIN);
}

// A room without one has no LAN.
static void cell_gateway(struct ctl_table *table, const json_t *room, const char *name)
{
	if (json_is_null(json_object_get(room, name)))
		ctl_table_styled(table, NULL, CTL_WARN);
	else
		ctl_cell_count(table, room, name);
}

// One row for each object of the document's array `member`.
static int print_list(FILE *out, bool colour, const json_t *document, const char *member,
		      const struct ctl_column *columns)
{
	const json_t *list = json_object_get(document, member), *object;
	size_t index;
	if (!json_is_array(list))
		return -1;
	struct ctl_table *table = ctl_table_new(columns);
	if (!table)
		return -1;
	json_array_foreach(list, index, object)
	{
		for (const struct ctl_column *column = columns; column->title; column++)
			column->cell(table, object, column->member);
	}
	int rc = ctl_table_print(table, out, colour);
	ctl_table_free(table);
	return rc;
}

int ctl_print_rooms(FILE *out, bool colour, const json_t *document)
{
	static const struct ctl_column columns[] = {
		{"CODE", false, "code", ctl_cell_text, 0},
		{"ID", true, "id", ctl_cell_count, 0},
		{"MTU", true, "mtu", ctl_cell_count, 0},
		{"GATEWAY", true, "gateway", cell_gateway, 0},
		{"CLIENTS", true, "clients", ctl_cell_count, 0},
		{"FRAMES", true, "frames", ctl_cell_count, 0},
		{"BYTES", true, "bytes", ctl_cell_bytes, 0},
		{"DROPPED", true, "dropped", cell_dropped, 0},
		{.title = NULL},
	};
	return print_list(out, colour, document, "rooms", columns);
}

int ctl_print_peers(FILE *out, bool colour, const json_t *document)
{
	static const struct ctl_column columns[] = {
		{"ID", true, "id", ctl_cell_count, 0},
		{"ROOM", false, "room", ctl_cell_text, 0},
		{"ROLE", false, "role", ctl_cell_text, 0},
		{"MAC", false, "mac", ctl_cell_text, 0},
		{"ADDRESS", false, "address", ctl_cell_text, 0},
		{"AGENT", false, "agent", ctl_cell_text, 0},
		{"RTT", true, "rtt_ms", cell_rtt, 0},
		{"BUDGET", true, "datagram_budget", ctl_cell_count, 0},
		{"JOINED", true, "joined_s", ctl_cell_seconds, 0},
		{"SEEN", true, "last_seen_ms", ctl_cell_millis, 0},
		{"RX", true, "rx", cell_traffic, 0},
		{"TX", true, "tx", cell_traffic, 0},
		{"DROPS", false, "drops", cell_drops, 0},
		{.title = NULL},
	};
	return print_list(out, colour, document, "peers", columns);
}
