// What --service asks of Windows' service manager.
#pragma once

#include "daemon/service.h"

// All say what came of it, and return an exit status. What is so already is no error.
int service_install(const struct sl_service_job *job); // or updates
int service_remove(const struct sl_service_job *job);
int service_start(const struct sl_service_job *job); // waits until it is up
int service_stop(const struct sl_service_job *job);  // waits until it has ended
int service_reload(const struct sl_service_job *job);
int service_status(const struct sl_service_job *job); // SL_EXIT_OK: it runs

// "NAME: WHAT: why; remedy" on stderr. Returns SL_EXIT_FAILED.
int service_failed(const struct sl_service_job *job, const char *what, uint32_t code);
