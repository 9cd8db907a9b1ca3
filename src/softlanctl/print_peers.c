#include "softlanctl/print.h"

#include <inttypes.h>
#include <stdlib.h>

#include "softlanctl/members.h"
#include "softlanctl/text.h"

static void cell_rtt(struct ctl_table *table, const json_t *peer)
{
	const json_t *value = json_object_get(peer, "rtt_ms");
	char text[CTL_UNIT_TEXT];
	bool known = json_is_number(value) && json_number_value(value) >= 0;
	if (known)
		snprintf(text, sizeof(text), "%.1fms",
			 json_number_value(value) < 1e9 ? json_number_value(value) : 1e9);
	ctl_table_cell(table, known ? text : NULL);
}

// "1234/1.5MiB": frames and bytes of one direction.
static void cell_traffic(struct ctl_table *table, const json_t *peer, const char *frames, const char *bytes)
{
	char text[2 * CTL_UNIT_TEXT], unit[CTL_UNIT_TEXT];
	uint64_t frame_count, byte_count;
	bool known =
		ctl_member_count(peer, frames, &frame_count) && ctl_member_count(peer, bytes, &byte_count);
	if (known)
		snprintf(text, sizeof(text), "%" PRIu64 "/%s", frame_count, ctl_bytes(byte_count, unit));
	ctl_table_cell(table, known ? text : NULL);
}

// "over_mtu:3,runt:1"; reasons that never happened are left out.
static void cell_drops(struct ctl_table *table, const json_t *peer)
{
	json_t *drops = json_object_get(peer, "drops"), *value;
	const char *reason;
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);
	if (stream) {
		const char *comma = "";
		json_object_foreach(drops, reason, value)
		{
			if (!json_is_integer(value) || json_integer_value(value) <= 0)
				continue;
			fprintf(stream, "%s%s:%" JSON_INTEGER_FORMAT, comma, reason,
				json_integer_value(value));
			comma = ",";
		}
		if (fclose(stream) != 0) {
			free(text);
			text = NULL;
		}
	}
	ctl_table_cell(table, text);
	free(text);
}

int ctl_print_peers(FILE *out, const json_t *document)
{
	static const struct ctl_column columns[] = {
		{"ID", true},     {"ROOM", false}, {"ROLE", false},  {"MAC", false},   {"ADDRESS", false},
		{"AGENT", false}, {"RTT", true},   {"BUDGET", true}, {"JOINED", true}, {"SEEN", true},
		{"RX", true},     {"TX", true},    {"DROPS", false}, {NULL, false},
	};
	const json_t *peers = json_object_get(document, "peers"), *peer;
	size_t index;
	if (!json_is_array(peers))
		return -1;
	struct ctl_table *table = ctl_table_new(columns);
	if (!table)
		return -1;
	json_array_foreach(peers, index, peer)
	{
		ctl_cell_count(table, peer, "id");
		ctl_cell_text(table, peer, "room");
		ctl_cell_text(table, peer, "role");
		ctl_cell_text(table, peer, "mac");
		ctl_cell_text(table, peer, "address");
		ctl_cell_text(table, peer, "agent");
		cell_rtt(table, peer);
		ctl_cell_count(table, peer, "datagram_budget");
		ctl_cell_seconds(table, peer, "joined_s");
		ctl_cell_millis(table, peer, "last_seen_ms");
		cell_traffic(table, peer, "rx_frames", "rx_bytes");
		cell_traffic(table, peer, "tx_frames", "tx_bytes");
		cell_drops(table, peer);
	}
	int rc = ctl_table_print(table, out);
	ctl_table_free(table);
	return rc;
}
