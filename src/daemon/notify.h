// What systemd hears of us (sd_notify(3)): readiness, a status line, stopping, the watchdog.
#pragma once

#include "net/env.h"

struct sl_notify;
// NULL: out of memory. Without NOTIFY_SOCKET in the environment every call does nothing, and every
// call takes NULL.
// Starts the watchdog's pings from the loop's own timer at half of WATCHDOG_USEC, if that is set.
struct sl_notify *sl_notify_new(struct sl_env *env);
void sl_notify_free(struct sl_notify *notify);
void sl_notify_ready(struct sl_notify *notify);
// Around a reload; `reloaded` says READY again only if it had been said before.
void sl_notify_reloading(struct sl_notify *notify);
void sl_notify_reloaded(struct sl_notify *notify);
void sl_notify_stopping(struct sl_notify *notify);
void sl_notify_status(struct sl_notify *notify, const char *format, ...) SL_PRINTF(2, 3);
