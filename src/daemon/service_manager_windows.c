#include "daemon/service_manager.h"

#include <sys/socket.h> // before windows.h

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "common/text.h"
#include "common/wide.h"
#include "daemon/daemon.h"
#include "daemon/firewall.h"
#include "daemon/folder.h"

#define START_WAIT_MS 60000
#define STOP_WAIT_MS 20000
#define POLL_MS 100
#define PATH_CHARS 32768 // the longest path of Windows

int service_failed(const struct sl_service_job *job, const char *what, uint32_t code)
{
	char text[SL_WINDOWS_ERROR];

	fprintf(stderr, "%s: --service %s: %s%s\n", job->name, what, sl_windows_error(code, text),
		code == ERROR_ACCESS_DENIED ? "; run it as administrator" : "");
	return SL_EXIT_FAILED;
}

// What is not the service itself, and may fail.
static void warn(const struct sl_service_job *job, const char *what, uint32_t code)
{
	char text[SL_WINDOWS_ERROR];

	if (code)
		fprintf(stderr, "%s: warning: %s: %s\n", job->name, what, sl_windows_error(code, text));
}

// ---- the manager

struct manager {
	SC_HANDLE manager, service; // service NULL: there is none
	wchar_t *name;
};

static void manager_close(struct manager *manager)
{
	if (manager->service)
		CloseServiceHandle(manager->service);
	if (manager->manager)
		CloseServiceHandle(manager->manager);
	free(manager->name);
}

// 0, also where there is no such service, or a Windows error code.
static DWORD manager_open(const struct sl_service_job *job, DWORD manager_access, DWORD service_access,
			  struct manager *out)
{
	*out = (struct manager){.name = sl_wide(job->name)};
	if (!out->name)
		return ERROR_NOT_ENOUGH_MEMORY;
	out->manager = OpenSCManagerW(NULL, NULL, manager_access);
	if (!out->manager)
		return GetLastError();
	out->service = OpenServiceW(out->manager, out->name, service_access);
	if (out->service || GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST)
		return 0;
	return GetLastError();
}

static bool query(SC_HANDLE service, SERVICE_STATUS_PROCESS *out)
{
	DWORD size;
	return QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)out, sizeof(*out), &size);
}

// Until it is in that state, has stopped, or the time is over. The state then; 0: it can't be asked.
static DWORD wait_for(SC_HANDLE service, DWORD state, DWORD wait_ms, SERVICE_STATUS_PROCESS *status)
{
	ULONGLONG end = GetTickCount64() + wait_ms;

	while (query(service, status)) {
		if (status->dwCurrentState == state || status->dwCurrentState == SERVICE_STOPPED ||
		    GetTickCount64() >= end)
			return status->dwCurrentState;
		Sleep(POLL_MS);
	}
	return 0;
}

// ---- install

// This program's own path, without quotes.
static wchar_t *own_path(void)
{
	wchar_t *path = calloc(PATH_CHARS, sizeof(*path));
	DWORD len = path ? GetModuleFileNameW(NULL, path, PATH_CHARS) : 0;

	if (len > 0 && len < PATH_CHARS)
		return path;
	free(path);
	return NULL;
}

// "…\softlan-client.exe" --service run -c "…\client.conf"
static wchar_t *command_line(const struct sl_service_job *job, const wchar_t *program)
{
	wchar_t *given = job->config ? sl_wide(job->config) : NULL, *line = NULL;
	wchar_t *full = given ? calloc(PATH_CHARS, sizeof(*full)) : NULL;
	// The service starts in another folder.
	DWORD len = full ? GetFullPathNameW(given, PATH_CHARS, full, NULL) : 0;
	bool good = !job->config || (len > 0 && len < PATH_CHARS);
	size_t size = wcslen(program) + (full ? wcslen(full) : 0) + 64;

	if (good)
		line = calloc(size, sizeof(*line));
	if (line)
		swprintf(line, size, full ? L"\"%ls\" --service run -c \"%ls\"" : L"\"%ls\" --service run",
			 program, full);
	free(full);
	free(given);
	return line;
}

static void configure(const struct sl_service_job *job, SC_HANDLE service, const char *name, DWORD what,
		      void *value)
{
	warn(job, name, ChangeServiceConfig2W(service, what, value) ? 0 : GetLastError());
}

// How it is to be run, beyond what CreateService takes. It runs as SYSTEM because the TAP's device, its
// driver's restart, and the tables of addresses and routes take an administrator; of SYSTEM's privileges it
// keeps what that takes.
static void set_details(const struct sl_service_job *job, SC_HANDLE service)
{
	static wchar_t privileges[] = L"SeChangeNotifyPrivilege\0" // to walk through folders
				      L"SeImpersonatePrivilege\0"  // to ask who is at the control pipe
				      L"SeLoadDriverPrivilege\0";  // to restart the TAP's driver
	// Later failures than the second one have the last action too. A day without any counts anew.
	SC_ACTION again[] = {
		{SC_ACTION_RESTART, 5000}, {SC_ACTION_RESTART, 30000}, {SC_ACTION_RESTART, 60000}};
	wchar_t *title = sl_wide(job->title);
	SERVICE_DESCRIPTIONW description = {.lpDescription = title};
	SERVICE_DELAYED_AUTO_START_INFO delayed = {.fDelayedAutostart = TRUE};
	SERVICE_FAILURE_ACTIONSW failure = {.dwResetPeriod = 24 * 3600, .cActions = 3, .lpsaActions = again};
	SERVICE_FAILURE_ACTIONS_FLAG every = {.fFailureActionsOnNonCrashFailures = TRUE};
	SERVICE_REQUIRED_PRIVILEGES_INFOW required = {.pmszRequiredPrivileges = privileges};
	SERVICE_PRESHUTDOWN_INFO preshutdown = {.dwPreshutdownTimeout = STOP_WAIT_MS};

	if (title)
		configure(job, service, "the service's description", SERVICE_CONFIG_DESCRIPTION,
			  &description);
	configure(job, service, "the service's late start", SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed);
	configure(job, service, "the service's recovery", SERVICE_CONFIG_FAILURE_ACTIONS, &failure);
	configure(job, service, "the service's recovery", SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &every);
	configure(job, service, "the service's privileges", SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
		  &required);
	configure(job, service, "the service's time for a shutdown", SERVICE_CONFIG_PRESHUTDOWN_INFO,
		  &preshutdown);
	free(title);
}

int service_install(const struct sl_service_job *job)
{
	struct manager manager;
	struct sl_error error;
	wchar_t *program = own_path(), *line = program ? command_line(job, program) : NULL;
	DWORD code = line ? manager_open(job, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE,
					 SERVICE_ALL_ACCESS, &manager)
			  : ERROR_NOT_ENOUGH_MEMORY;
	int exit_code = SL_EXIT_FAILED;
	bool update;

	if (!line)
		manager = (struct manager){0};
	if (code) {
		service_failed(job, "install", code);
		goto out;
	}
	// Before there is a service that would trust what is in it.
	if (folder_make(&error) != SL_OK) {
		fprintf(stderr, "%s: --service install: %s\n", job->name, error.text);
		goto out;
	}
	update = manager.service != NULL;
	if (update &&
	    !ChangeServiceConfigW(manager.service, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
				  SERVICE_ERROR_NORMAL, line, NULL, NULL, NULL, NULL, NULL, manager.name)) {
		service_failed(job, "install", GetLastError());
		goto out;
	}
	if (!update) {
		manager.service =
			CreateServiceW(manager.manager, manager.name, manager.name, SERVICE_ALL_ACCESS,
				       SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
				       line, NULL, NULL, NULL, NULL, NULL); // as LocalSystem
		if (!manager.service) {
			service_failed(job, "install", GetLastError());
			goto out;
		}
	}
	set_details(job, manager.service);
	warn(job, "the source in the event log", event_source_add(job->name));
	if (firewall_allow(job->name, program, &error) != SL_OK)
		fprintf(stderr, "%s: warning: %s\n", job->name, error.text);
	if (folder_is_open(program))
		fprintf(stderr,
			"%s: warning: users who are no administrators may change this program, which the "
			"service "
			"runs as SYSTEM; keep it below Program Files\n",
			job->name);
	printf("%s: the service is %s and starts with Windows; --service start starts it now\n", job->name,
	       update ? "brought up to date" : "installed");
	exit_code = SL_EXIT_OK;
out:
	manager_close(&manager);
	free(line);
	free(program);
	return exit_code;
}

// ---- stop and remove

// 0: it has stopped. ERROR_SERVICE_REQUEST_TIMEOUT: it has been asked to.
static DWORD stop(SC_HANDLE service)
{
	SERVICE_STATUS_PROCESS status;
	SERVICE_STATUS ignored;

	if (!ControlService(service, SERVICE_CONTROL_STOP, &ignored)) {
		DWORD code = GetLastError();
		if (code == ERROR_SERVICE_NOT_ACTIVE)
			return 0;
		if (code != ERROR_SERVICE_CANNOT_ACCEPT_CTRL) // it ends already, or has not begun
			return code;
	}
	return wait_for(service, SERVICE_STOPPED, STOP_WAIT_MS, &status) == SERVICE_STOPPED
		       ? 0
		       : ERROR_SERVICE_REQUEST_TIMEOUT;
}

int service_remove(const struct sl_service_job *job)
{
	struct manager manager;
	struct sl_error error;
	DWORD code =
		manager_open(job, SC_MANAGER_CONNECT, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE, &manager);
	bool found = manager.service != NULL;

	if (!code && found)
		code = stop(manager.service);
	if (!code && found && !DeleteService(manager.service))
		code = GetLastError();
	if (code == ERROR_SERVICE_MARKED_FOR_DELETE) // it goes when the last program has closed it
		code = 0;
	manager_close(&manager);
	if (code)
		return service_failed(job, "remove", code);
	warn(job, "the source in the event log", event_source_remove(job->name));
	if (firewall_forget(job->name, &error) != SL_OK)
		fprintf(stderr, "%s: warning: %s\n", job->name, error.text);
	printf(found ? "%s: the service is removed\n" : "%s: there is no such service; nothing to remove\n",
	       job->name);
	return SL_EXIT_OK;
}

// ---- those that need a service

static int open_service(const struct sl_service_job *job, const char *what, DWORD access,
			struct manager *manager)
{
	DWORD code = manager_open(job, SC_MANAGER_CONNECT, access | SERVICE_QUERY_STATUS, manager);

	if (code)
		return service_failed(job, what, code);
	if (manager->service)
		return SL_EXIT_OK;
	fprintf(stderr, "%s: --service %s: the service is not installed; --service install installs it\n",
		job->name, what);
	return SL_EXIT_FAILED;
}

int service_start(const struct sl_service_job *job)
{
	struct manager manager;
	SERVICE_STATUS_PROCESS status = {0};
	int exit_code = open_service(job, "start", SERVICE_START, &manager);

	if (exit_code != SL_EXIT_OK)
		goto out;
	if (!StartServiceW(manager.service, 0, NULL)) {
		DWORD code = GetLastError();
		exit_code = code == ERROR_SERVICE_ALREADY_RUNNING ? SL_EXIT_OK
								  : service_failed(job, "start", code);
		if (exit_code == SL_EXIT_OK)
			printf("%s: the service runs already\n", job->name);
		goto out;
	}
	switch (wait_for(manager.service, SERVICE_RUNNING, START_WAIT_MS, &status)) {
	case SERVICE_RUNNING:
		printf("%s: the service runs\n", job->name);
		break;
	case SERVICE_STOPPED:
		fprintf(stderr,
			"%s: --service start: the service has ended at once; why is in the event log "
			"(Windows "
			"Logs, Application, source %s) and in the log file in ProgramData\\softlan\n",
			job->name, job->name);
		exit_code = SL_EXIT_FAILED;
		break;
	default:
		fprintf(stderr,
			"%s: --service start: the service is not up after %d s; --service status tells\n",
			job->name, START_WAIT_MS / 1000);
		exit_code = SL_EXIT_FAILED;
		break;
	}
out:
	manager_close(&manager);
	return exit_code;
}

int service_stop(const struct sl_service_job *job)
{
	struct manager manager;
	int exit_code = open_service(job, "stop", SERVICE_STOP, &manager);

	if (exit_code == SL_EXIT_OK) {
		DWORD code = stop(manager.service);
		if (code)
			exit_code = service_failed(job, "stop", code);
		else
			printf("%s: the service is stopped\n", job->name);
	}
	manager_close(&manager);
	return exit_code;
}

int service_reload(const struct sl_service_job *job)
{
	struct manager manager;
	SERVICE_STATUS ignored;
	int exit_code = open_service(job, "reload", SERVICE_PAUSE_CONTINUE, &manager);

	if (exit_code == SL_EXIT_OK) {
		if (!ControlService(manager.service, SERVICE_CONTROL_PARAMCHANGE, &ignored))
			exit_code = service_failed(job, "reload", GetLastError());
		else
			printf("%s: the service reads its configuration again; its log tells what came of "
			       "it, "
			       "softlanctl reload tells it here\n",
			       job->name);
	}
	manager_close(&manager);
	return exit_code;
}

int service_status(const struct sl_service_job *job)
{
	static const char *const states[] = {
		[SERVICE_STOPPED] = "stopped",
		[SERVICE_START_PENDING] = "starting",
		[SERVICE_STOP_PENDING] = "stopping",
		[SERVICE_RUNNING] = "running",
	};
	struct manager manager;
	SERVICE_STATUS_PROCESS status = {0};
	int exit_code = open_service(job, "status", 0, &manager);

	if (exit_code == SL_EXIT_OK && !query(manager.service, &status))
		exit_code = service_failed(job, "status", GetLastError());
	if (exit_code == SL_EXIT_OK) {
		bool known = status.dwCurrentState < sizeof(states) / sizeof(states[0]) &&
			     states[status.dwCurrentState];
		printf("%s: %s", job->name, known ? states[status.dwCurrentState] : "in another state");
		if (status.dwCurrentState == SERVICE_RUNNING)
			printf(", process %lu; softlanctl tells more", (unsigned long)status.dwProcessId);
		else if (status.dwWin32ExitCode == ERROR_SERVICE_SPECIFIC_ERROR)
			printf(", exit status %lu", (unsigned long)status.dwServiceSpecificExitCode);
		putchar('\n');
		exit_code = status.dwCurrentState == SERVICE_RUNNING ? SL_EXIT_OK : SL_EXIT_FAILED;
	}
	manager_close(&manager);
	return exit_code;
}
