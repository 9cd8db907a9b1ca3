// Windows' service manager knows no more than running and stopped, which daemon/service.h tells it;
// `softlanctl status` has the sentences.
#include "daemon/notify.h"

#include <stdlib.h>

struct sl_notify {
	char unused;
};

struct sl_notify *sl_notify_new(struct sl_env *env)
{
	(void)env;
	return calloc(1, sizeof(struct sl_notify));
}

void sl_notify_free(struct sl_notify *notify)
{
	free(notify);
}

void sl_notify_ready(struct sl_notify *notify)
{
	(void)notify;
}

void sl_notify_reloading(struct sl_notify *notify)
{
	(void)notify;
}

void sl_notify_reloaded(struct sl_notify *notify)
{
	(void)notify;
}

void sl_notify_stopping(struct sl_notify *notify)
{
	(void)notify;
}

void sl_notify_status(struct sl_notify *notify, const char *format, ...)
{
	(void)notify;
	(void)format;
}
