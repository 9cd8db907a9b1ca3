/*
 * restart.dll: what the system does when a network device is restarted, for wine, which has no drivers to
 * restart. SetupAPI calls it as a co-installer of the class (registered below CoDeviceInstallers). For
 * DIF_PROPERTYCHANGE it takes the adapter out of the fake TAP driver and puts it back, with the MAC that the
 * adapter's NetworkAddress says then: the real driver reads that at its start.
 */
#define _WIN32_WINNT 0x0a00
#include <windows.h>
#include <setupapi.h>
#include <winioctl.h>
#include "faketap.h"

static DWORD set(struct ft_set *set)
{
	HANDLE back = CreateFileW(L"\\\\.\\" FT_BACK_DOOR, GENERIC_READ | GENERIC_WRITE,
				  FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
	DWORD got, error = 0;

	if (back == INVALID_HANDLE_VALUE)
		return GetLastError();
	if (!DeviceIoControl(back, FT_SET, set, sizeof(*set), NULL, 0, &got, NULL))
		error = GetLastError();
	CloseHandle(back);
	return error;
}

static int digit(WCHAR c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 0;
}

DWORD CALLBACK coinstaller(DI_FUNCTION function, HDEVINFO devices, SP_DEVINFO_DATA *device,
			   COINSTALLER_CONTEXT_DATA *context)
{
	struct ft_set one = {.what = FT_MAC | FT_PLUGGED};
	WCHAR address[16] = {0};
	DWORD size = sizeof(one.guid), error;
	HKEY key;

	if (function != DIF_PROPERTYCHANGE || context->PostProcessing)
		return NO_ERROR;
	key = SetupDiOpenDevRegKey(devices, device, DICS_FLAG_GLOBAL, 0, DIREG_DRV, KEY_READ);
	if (key == INVALID_HANDLE_VALUE)
		return GetLastError();
	error = RegQueryValueExW(key, L"NetCfgInstanceId", NULL, NULL, (BYTE *)one.guid, &size);
	size = sizeof(address);
	if (!error)
		error = RegQueryValueExW(key, L"NetworkAddress", NULL, NULL, (BYTE *)address, &size);
	RegCloseKey(key);
	if (error)
		return error;
	for (int i = 0; i < 6; i++)
		one.mac[i] = (UCHAR)(digit(address[2 * i]) << 4 | digit(address[2 * i + 1]));
	error = set(&one); /* gone */
	one.plugged = 1;
	return error ? error : set(&one);
}
