#include "daemon/service.h"

#include "daemon/daemon.h"

const char *sl_service_actions(void)
{
	return NULL;
}

int sl_service(const char *action, const struct sl_service_job *job)
{
	(void)action;
	(void)job;
	return SL_EXIT_USAGE;
}

bool sl_service_active(void)
{
	return false;
}

void sl_service_attach(struct sl_loop *loop)
{
	(void)loop;
}
