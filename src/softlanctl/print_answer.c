// The answers of the verbs that change something: one sentence each.
#include "softlanctl/print.h"

#include <inttypes.h>

#include "softlanctl/members.h"
#include "softlanctl/style.h"
#include "softlanctl/text.h"

int ctl_print_kick(FILE *out, bool colour, const json_t *document)
{
	const char *room = ctl_member_text(document, "room"), *reason = ctl_member_text(document, "reason");
	uint64_t peer;

	(void)colour;
	if (!ctl_member_count(document, "peer", &peer) || !room || !reason)
		return -1;
	fprintf(out, "Peer %" PRIu64 " is out of room ", peer);
	ctl_put_text(out, room);
	fputs(" (", out);
	ctl_put_text(out, reason);
	fputs("). It will try again by itself: to keep it out, change the room's secret and reload.\n", out);
	return 0;
}

int ctl_print_reload(FILE *out, bool colour, const json_t *document)
{
	const json_t *keys = json_object_get(document, "restart_needed"), *key;
	const char *before = "The new configuration is in force, but these settings need a restart: ";
	bool some = false;
	size_t index;

	if (!json_is_true(json_object_get(document, "reloaded")))
		return -1;
	json_array_foreach(keys, index, key)
	{
		if (!json_is_string(key))
			continue;
		fputs(before, out);
		ctl_put_styled(out, json_string_value(key), CTL_WARN, colour);
		before = ", ";
		some = true;
	}
	fputs(some ? ".\n" : "The new configuration is in force.\n", out);
	return 0;
}

int ctl_print_log(FILE *out, bool colour, const json_t *document)
{
	const char *level = ctl_member_text(document, "level");

	(void)colour;
	if (!level)
		return -1;
	fputs("The log level is ", out);
	ctl_put_text(out, level);
	fputs(" now.\n", out);
	return 0;
}
