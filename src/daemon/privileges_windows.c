#include "daemon/privileges.h"

#include "daemon/folder.h"

// Windows has no setuid: a service runs from its start as whom, and with which privileges, the service
// manager was told (daemon/service_manager_windows.c). What is left to do is the folder: everybody may make
// one of its name, and what is in there is trusted from here on.
int sl_privileges_drop(const struct sl_privileges *wanted, struct sl_log *log, struct sl_error *error)
{
	int rc = folder_make(error);

	(void)wanted;
	if (rc == SL_OK || rc == SL_ERR_EXISTS)
		return rc;
	sl_warn(log, "daemon", "%s",
		error->text); // without an administrator's rights: what needs them says so
	return SL_OK;
}
