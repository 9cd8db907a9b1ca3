// A daemon as a service of Windows. Elsewhere there are none: systemd needs no more than daemon/notify.h.
#pragma once

#include <stdbool.h>

#include "net/loop.h"

// What may stand after --service, "install|remove|…"; NULL: there are no such services here.
const char *sl_service_actions(void);

struct sl_service_job {
	const char *name;   // of the service, "softlan-client"
	const char *title;  // one line for people
	const char *config; // the file that the service is to read; NULL: the default one
	// What the service does, for "run": until the loop that it attached has been told to end. An exit
	// status, 2 (SL_EXIT_USAGE) for a configuration that no further start would make better.
	int (*run)(void *arg);
	void *arg;
};

// Does what `action` says and tells it on stdout or stderr. An exit status.
int sl_service(const char *action, const struct sl_service_job *job);

// Is this process a service at work?
bool sl_service_active(void);
// The service is up: from now on stop, reload and a computer that wakes up come as the loop's signals. NULL,
// before the loop's signals go: it is no longer. Does nothing in a process that is no service.
void sl_service_attach(struct sl_loop *loop);
