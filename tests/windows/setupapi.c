// setupapi.dll in wine's place, beside the client: what the client asks for is wine's own, but for the
// restart of a device (DIF_PROPERTYCHANGE), which wine can't do. Here it takes the adapter out of the fake
// TAP driver and puts it back, with the MAC that the adapter's NetworkAddress says by then: the real driver
// reads it at its start. HKLM\Software\softlan-test "Restart" (a number): 0 or none, this; 1, nothing is
// done, and it went well; else the Windows error that it fails with.
#define _WIN32_WINNT 0x0a00
#define _SETUPAPI_ // these are ours
#include <windows.h>
#include <setupapi.h>
#include <string.h>
#include <winioctl.h>
#include "faketap.h"

#define EXPORT __declspec(dllexport)
#define NOTHING 1

static void *real(const char *name)
{
	char path[MAX_PATH + 16];

	GetSystemDirectoryA(path, MAX_PATH);
	strcat(path, "\\setupapi.dll");
	return (void *)GetProcAddress(LoadLibraryA(path), name);
}

typedef ULONG_PTR(WINAPI *any_function)(ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR,
					ULONG_PTR);
#define FORWARD(name)                                                                                        \
	EXPORT ULONG_PTR WINAPI ours_##name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e, \
					    ULONG_PTR f, ULONG_PTR g) __asm__(#name);                        \
	ULONG_PTR WINAPI ours_##name(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d, ULONG_PTR e,        \
				     ULONG_PTR f, ULONG_PTR g)                                               \
	{                                                                                                    \
		any_function function = (any_function)real(#name);                                           \
		return function ? function(a, b, c, d, e, f, g) : 0;                                         \
	}

FORWARD(SetupDiGetClassDevsW)
FORWARD(SetupDiEnumDeviceInfo)
FORWARD(SetupDiGetDeviceRegistryPropertyW)
FORWARD(SetupDiGetDeviceInstallParamsW)
FORWARD(SetupDiDestroyDeviceInfoList)

EXPORT BOOL WINAPI SetupDiSetClassInstallParamsW(HDEVINFO devices, SP_DEVINFO_DATA *device,
						 SP_CLASSINSTALL_HEADER *header, DWORD size)
{
	SP_PROPCHANGE_PARAMS *params = (SP_PROPCHANGE_PARAMS *)header;

	(void)devices;
	if (device && size == sizeof(*params) && header->cbSize == sizeof(*header) &&
	    header->InstallFunction == DIF_PROPERTYCHANGE && params->StateChange == DICS_PROPCHANGE &&
	    params->Scope == DICS_FLAG_CONFIGSPECIFIC)
		return TRUE;
	SetLastError(ERROR_INVALID_PARAMETER);
	return FALSE;
}

static DWORD set(struct ft_set *one)
{
	HANDLE back = CreateFileW(L"\\\\.\\" FT_BACK_DOOR, GENERIC_READ | GENERIC_WRITE,
				  FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
	DWORD got, error = 0;

	if (back == INVALID_HANDLE_VALUE)
		return GetLastError();
	if (!DeviceIoControl(back, FT_SET, one, sizeof(*one), NULL, 0, &got, NULL))
		error = GetLastError();
	CloseHandle(back);
	return error;
}

static int digit(WCHAR c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 0;
}

// `driver`: "{class}\NNNN"
static DWORD restart(const WCHAR *driver)
{
	WCHAR path[256] = L"SYSTEM\\CurrentControlSet\\Control\\Class\\", address[16] = {0};
	struct ft_set one = {.what = FT_MAC | FT_PLUGGED};
	DWORD size = sizeof(one.guid), error;

	wcscat(path, driver);
	error = RegGetValueW(HKEY_LOCAL_MACHINE, path, L"NetCfgInstanceId", RRF_RT_REG_SZ, NULL, one.guid,
			     &size);
	size = sizeof(address);
	if (!error)
		error = RegGetValueW(HKEY_LOCAL_MACHINE, path, L"NetworkAddress", RRF_RT_REG_SZ, NULL,
				     address, &size);
	for (int i = 0; i < 6; i++)
		one.mac[i] = (UCHAR)(digit(address[2 * i]) << 4 | digit(address[2 * i + 1]));
	if (!error)
		error = set(&one); // gone
	one.plugged = 1;
	return error ? error : set(&one);
}

EXPORT BOOL WINAPI SetupDiCallClassInstaller(DI_FUNCTION function, HDEVINFO devices, SP_DEVINFO_DATA *device)
{
	WCHAR driver[128];
	DWORD way = 0, size = sizeof(way);

	RegGetValueW(HKEY_LOCAL_MACHINE, L"Software\\softlan-test", L"Restart", RRF_RT_REG_DWORD, NULL, &way,
		     &size);
	if (way == 0 && function != DIF_PROPERTYCHANGE)
		way = ERROR_INVALID_FUNCTION;
	if (way == 0)
		way = ours_SetupDiGetDeviceRegistryPropertyW((ULONG_PTR)devices, (ULONG_PTR)device,
							     SPDRP_DRIVER, 0, (ULONG_PTR)driver,
							     sizeof(driver), 0)
			      ? restart(driver)
			      : GetLastError();
	else if (way == NOTHING)
		way = 0;
	SetLastError(way);
	return way == 0;
}
