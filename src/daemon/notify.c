#include "daemon/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct sl_notify {
	struct sl_env *env;
	struct sl_timer *watchdog; // NULL: not asked for
	uint64_t ping_ns;
	bool ready;
};

static void watchdog_ping(void *arg)
{
	struct sl_notify *notify = arg;
	sd_notify(0, "WATCHDOG=1");
	notify->env->ops->timer_set(notify->watchdog, notify->env->now_ns + notify->ping_ns);
}

struct sl_notify *sl_notify_new(struct sl_env *env)
{
	struct sl_notify *notify = calloc(1, sizeof(*notify));
	if (!notify)
		return NULL;
	notify->env = env;
	uint64_t usec = 0;
	if (getenv("NOTIFY_SOCKET") && sd_watchdog_enabled(0, &usec) > 0 && usec > 1 &&
	    usec < UINT64_MAX / SL_NS_PER_US) {
		notify->ping_ns = usec * SL_NS_PER_US / 2; // half, as sd_watchdog_enabled(3) advises
		notify->watchdog = env->ops->timer_new(env, watchdog_ping, notify);
		if (!notify->watchdog) {
			free(notify);
			return NULL;
		}
		env->ops->timer_set(notify->watchdog, env->now_ns + notify->ping_ns);
	}
	return notify;
}

void sl_notify_free(struct sl_notify *notify)
{
	if (!notify)
		return;
	if (notify->watchdog)
		notify->env->ops->timer_free(notify->watchdog);
	free(notify);
}

void sl_notify_ready(struct sl_notify *notify)
{
	if (!notify || notify->ready)
		return;
	notify->ready = true;
	sd_notify(0, "READY=1");
}

void sl_notify_reloading(struct sl_notify *notify)
{
	if (!notify || !notify->ready)
		return;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, sl_clock_ns(CLOCK_MONOTONIC) / SL_NS_PER_US);
}

void sl_notify_reloaded(struct sl_notify *notify)
{
	if (notify && notify->ready)
		sd_notify(0, "READY=1");
}

void sl_notify_stopping(struct sl_notify *notify)
{
	if (notify)
		sd_notify(0, "STOPPING=1");
}

void sl_notify_status(struct sl_notify *notify, const char *format, ...)
{
	char text[512];
	if (!notify)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *p = text; *p; p++) { // a newline would begin another assignment
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	sd_notifyf(0, "STATUS=%s", text);
}
