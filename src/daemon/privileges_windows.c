#include "daemon/privileges.h"

// Windows has no setuid: a service runs from its start as whom, and with which privileges, the service
// manager was told (daemon/service_manager_windows.c).
int sl_privileges_drop(const struct sl_privileges *wanted, struct sl_log *log, struct sl_error *error)
{
	(void)wanted;
	(void)log;
	(void)error;
	return SL_OK;
}
