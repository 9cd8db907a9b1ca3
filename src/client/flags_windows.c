#include "client/clientd.h"

#include "port/tap_list.h"

static int list_tap_adapters(FILE *out, struct sl_error *error)
{
	return sl_tap_list(out, error) == SL_OK ? SL_EXIT_OK : SL_EXIT_FAILED;
}

const struct sl_daemon_flag sl_client_flags[] = {
	{
		.name = "list-tap-adapters",
		.help = "print ids, names and states for tap.instance_id, exit",
		.run = list_tap_adapters,
	},
	{.name = NULL},
};
