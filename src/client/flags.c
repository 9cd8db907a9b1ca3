#include "client/clientd.h"

const struct sl_daemon_flag sl_client_flags[] = {
	{.name = NULL},
};
