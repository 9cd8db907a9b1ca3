// The service at work: between Windows' service manager, which calls from a thread of its own, and the loop.
#include "daemon/service.h"

#include <sys/socket.h> // before windows.h

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "common/wide.h"
#include "daemon/daemon.h"
#include "daemon/service_manager.h"

#define START_HINT_MS 60000 // an adapter may have to be restarted
#define STOP_HINT_MS 15000
#define ENDS (SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PRESHUTDOWN)
#define TAKES (ENDS | SERVICE_ACCEPT_PARAMCHANGE | SERVICE_ACCEPT_POWEREVENT)

struct service {
	const struct sl_service_job *job;
	SERVICE_STATUS_HANDLE handle;
	SRWLOCK lock; // of what follows
	SERVICE_STATUS status;
	struct sl_loop *loop; // NULL: not yet, or no longer
	bool end_asked;       // before there was a loop
};

// The service manager calls service_main with no argument of ours, and a process is one service.
static struct service *the_service;

// With the lock.
static void report(struct service *service, DWORD state, DWORD hint_ms)
{
	SERVICE_STATUS *status = &service->status;

	status->dwServiceType = SERVICE_WIN32_OWN_PROCESS;
	status->dwCheckPoint = hint_ms && status->dwCurrentState == state ? status->dwCheckPoint + 1 : 0;
	status->dwCurrentState = state;
	status->dwControlsAccepted = state == SERVICE_RUNNING         ? TAKES
				     : state == SERVICE_START_PENDING ? ENDS
								      : 0;
	status->dwWaitHint = hint_ms;
	SetServiceStatus(service->handle, status);
}

static void ask_to_end(struct service *service)
{
	if (service->status.dwCurrentState == SERVICE_STOP_PENDING || service->end_asked)
		return; // asked twice the daemon would leave things undone
	service->end_asked = true;
	report(service, SERVICE_STOP_PENDING, STOP_HINT_MS);
	if (service->loop)
		sl_loop_raise(service->loop, SIGTERM);
}

static DWORD WINAPI on_control(DWORD control, DWORD event, void *data, void *arg)
{
	struct service *service = arg;
	DWORD result = NO_ERROR;

	(void)data;
	AcquireSRWLockExclusive(&service->lock);
	switch (control) {
	case SERVICE_CONTROL_STOP:
	case SERVICE_CONTROL_SHUTDOWN:
	case SERVICE_CONTROL_PRESHUTDOWN:
		ask_to_end(service);
		break;
	case SERVICE_CONTROL_PARAMCHANGE:
		if (service->loop)
			sl_loop_raise(service->loop, SIGHUP);
		break;
	case SERVICE_CONTROL_POWEREVENT:
		if (service->loop && (event == PBT_APMRESUMEAUTOMATIC || event == PBT_APMRESUMESUSPEND))
			sl_loop_raise(service->loop, SL_SIGNAL_RESUME);
		break;
	case SERVICE_CONTROL_INTERROGATE:
		break;
	default:
		result = ERROR_CALL_NOT_IMPLEMENTED;
		break;
	}
	ReleaseSRWLockExclusive(&service->lock);
	return result;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
	struct service *service = the_service;
	wchar_t *name = sl_wide(service->job->name);
	int code;

	(void)argc;
	(void)argv;
	service->handle = name ? RegisterServiceCtrlHandlerExW(name, on_control, service) : NULL;
	free(name);
	if (!service->handle)
		return;
	AcquireSRWLockExclusive(&service->lock);
	report(service, SERVICE_START_PENDING, START_HINT_MS);
	ReleaseSRWLockExclusive(&service->lock);
	code = service->job->run(service->job->arg);
	AcquireSRWLockExclusive(&service->lock);
	// With an error code the manager starts it anew (service_manager_windows.c). Not after a
	// configuration that is wrong: nothing would change but the event log's length.
	service->status.dwWin32ExitCode = code == SL_EXIT_FAILED ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR;
	service->status.dwServiceSpecificExitCode = (DWORD)code;
	report(service, SERVICE_STOPPED, 0); // the last thing: the process may be ended now
	ReleaseSRWLockExclusive(&service->lock);
}

static int service_run(const struct sl_service_job *job)
{
	struct service service = {.job = job, .lock = SRWLOCK_INIT};
	wchar_t *name = sl_wide(job->name);
	SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {NULL, NULL}};
	int code = SL_EXIT_FAILED;

	if (!name)
		return service_failed(job, "run", ERROR_NOT_ENOUGH_MEMORY);
	the_service = &service;
	if (StartServiceCtrlDispatcherW(table)) {
		code = (int)service.status.dwServiceSpecificExitCode;
	} else if (GetLastError() == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		fprintf(stderr,
			"%s: --service run is for Windows' service manager; --service start starts the "
			"service, "
			"and without --service it runs here\n",
			job->name);
		code = SL_EXIT_USAGE;
	} else {
		service_failed(job, "run", GetLastError());
	}
	the_service = NULL;
	free(name);
	return code;
}

bool sl_service_active(void)
{
	return the_service != NULL;
}

void sl_service_attach(struct sl_loop *loop)
{
	struct service *service = the_service;

	if (!service)
		return;
	AcquireSRWLockExclusive(&service->lock);
	service->loop = loop;
	if (loop && service->end_asked)
		sl_loop_raise(loop, SIGTERM);
	else if (loop)
		report(service, SERVICE_RUNNING, 0);
	else if (service->status.dwCurrentState == SERVICE_RUNNING) // it ends by itself
		report(service, SERVICE_STOP_PENDING, STOP_HINT_MS);
	ReleaseSRWLockExclusive(&service->lock);
}

// ---- the command line

static const struct {
	const char *name;
	int (*run)(const struct sl_service_job *job);
} actions[] = {
	{"install", service_install}, {"remove", service_remove}, {"start", service_start},
	{"stop", service_stop},       {"reload", service_reload}, {"status", service_status},
	{"run", service_run}, // not for people
};

const char *sl_service_actions(void)
{
	return "install|remove|start|stop|reload|status";
}

int sl_service(const char *action, const struct sl_service_job *job)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, action) == 0)
			return actions[i].run(job);
	}
	fprintf(stderr, "%s: --service: expected one of %s, found \"%.40s\"\n", job->name,
		sl_service_actions(), action);
	return SL_EXIT_USAGE;
}
