// Services, and drivers as services of a kind.
#include "helper.h"
#include <stdlib.h>

static DWORD open_service(const WCHAR *name, SC_HANDLE *manager, SC_HANDLE *service)
{
	*service = NULL;
	*manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	if (*manager)
		*service = OpenServiceW(*manager, name, SERVICE_ALL_ACCESS);
	return *service ? 0 : GetLastError();
}

static DWORD close_service(SC_HANDLE manager, SC_HANDLE service, DWORD error)
{
	if (service)
		CloseServiceHandle(service);
	if (manager)
		CloseServiceHandle(manager);
	return error;
}

// driver-load NAME PATH: makes and starts a kernel driver
static DWORD load_verb(struct helper *helper, int argc, WCHAR **argv)
{
	SC_HANDLE manager, service;
	DWORD error = open_service(argv[1], &manager, &service);

	(void)helper;
	(void)argc;
	if (manager && !service) {
		service = CreateServiceW(manager, argv[1], argv[1], SERVICE_ALL_ACCESS, SERVICE_KERNEL_DRIVER,
					 SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, argv[2], NULL, NULL,
					 NULL, NULL, NULL);
		error = service ? 0 : GetLastError();
	}
	if (!error && !StartServiceW(service, 0, NULL) && GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
		error = GetLastError();
	return close_service(manager, service, error);
}

// service-control NAME CODE: SERVICE_CONTROL_STOP is 1
static DWORD control_verb(struct helper *helper, int argc, WCHAR **argv)
{
	SC_HANDLE manager, service;
	SERVICE_STATUS status;
	DWORD error = open_service(argv[1], &manager, &service);

	(void)helper;
	(void)argc;
	if (!error && !ControlService(service, wcstoul(argv[2], NULL, 10), &status))
		error = GetLastError();
	return close_service(manager, service, error);
}

// service-start NAME [ARGUMENT...]
static DWORD start_verb(struct helper *helper, int argc, WCHAR **argv)
{
	SC_HANDLE manager, service;
	DWORD error = open_service(argv[1], &manager, &service);

	(void)helper;
	if (!error && !StartServiceW(service, argc - 2, (const WCHAR **)argv + 2))
		error = GetLastError();
	return close_service(manager, service, error);
}

// service-delete NAME
static DWORD delete_verb(struct helper *helper, int argc, WCHAR **argv)
{
	SC_HANDLE manager, service;
	DWORD error = open_service(argv[1], &manager, &service);

	(void)helper;
	(void)argc;
	if (!error && !DeleteService(service))
		error = GetLastError();
	return close_service(manager, service, error);
}

// service-query NAME: SERVICE_STOPPED is 1, SERVICE_RUNNING 4
static DWORD query_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct answer *to = &helper->answer;
	SC_HANDLE manager, service;
	SERVICE_STATUS_PROCESS status;
	union {
		QUERY_SERVICE_CONFIGW config;
		BYTE room[8192];
	} u;
	DWORD error = open_service(argv[1], &manager, &service), size;

	(void)argc;
	if (!error &&
	    !QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status, sizeof(status), &size))
		error = GetLastError();
	if (!error && !QueryServiceConfigW(service, &u.config, sizeof(u), &size))
		error = GetLastError();
	if (!error) {
		answer_number(to, "state", status.dwCurrentState);
		answer_number(to, "exit_code", status.dwWin32ExitCode);
		answer_number(to, "specific_exit_code", status.dwServiceSpecificExitCode);
		answer_number(to, "pid", status.dwProcessId);
		answer_number(to, "start_type", u.config.dwStartType);
		answer_text(to, "path", u.config.lpBinaryPathName);
		answer_text(to, "account", u.config.lpServiceStartName ? u.config.lpServiceStartName : L"");
		answer_text(to, "display_name", u.config.lpDisplayName ? u.config.lpDisplayName : L"");
	}
	return close_service(manager, service, error);
}

const struct verb *service_verbs(void)
{
	static const struct verb verbs[] = {
		{L"driver-load", 3, load_verb},      {L"service-control", 3, control_verb},
		{L"service-start", 2, start_verb},   {L"service-query", 2, query_verb},
		{L"service-delete", 2, delete_verb}, {0},
	};
	return verbs;
}
