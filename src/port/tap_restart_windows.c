#include "port/tap_restart_windows.h"

#include <windows.h>

#include <setupapi.h>

#include <wchar.h>

#include "port/tap_adapters_windows.h"

#define DEVICES_MAX 4096 // looked at

// The device whose driver is configured in the adapter's key. SPDRP_DRIVER is "{class}\NNNN".
static bool find(HDEVINFO devices, const char *key, SP_DEVINFO_DATA *out)
{
	WCHAR wanted[sizeof(TAP_CLASS) + 1 + SL_TAP_KEY], driver[128];

	swprintf(wanted, sizeof(wanted) / sizeof(wanted[0]), TAP_WIDE(TAP_CLASS) L"\\%hs", key);
	for (DWORD i = 0; i < DEVICES_MAX; i++) {
		DWORD type, bytes = 0;

		*out = (SP_DEVINFO_DATA){.cbSize = sizeof(*out)};
		if (!SetupDiEnumDeviceInfo(devices, i, out))
			return false;
		if (!SetupDiGetDeviceRegistryPropertyW(devices, out, SPDRP_DRIVER, &type, (BYTE *)driver,
						       sizeof(driver) - sizeof(driver[0]), &bytes) ||
		    type != REG_SZ || bytes > sizeof(driver) - sizeof(driver[0]))
			continue;
		driver[bytes / sizeof(driver[0])] = 0;
		if (_wcsicmp(driver, wanted) == 0)
			return true;
	}
	return false;
}

static uint32_t change(HDEVINFO devices, SP_DEVINFO_DATA *device)
{
	SP_PROPCHANGE_PARAMS params = {
		.ClassInstallHeader = {.cbSize = sizeof(params.ClassInstallHeader),
				       .InstallFunction = DIF_PROPERTYCHANGE},
		.StateChange = DICS_PROPCHANGE, // stops and starts it
		.Scope = DICS_FLAG_CONFIGSPECIFIC,
	};
	SP_DEVINSTALL_PARAMS_W after = {.cbSize = sizeof(after)};

	if (!SetupDiSetClassInstallParamsW(devices, device, &params.ClassInstallHeader, sizeof(params)) ||
	    !SetupDiCallClassInstaller(DIF_PROPERTYCHANGE, devices, device)) {
		uint32_t code = GetLastError();

		return code ? code : ERROR_GEN_FAILURE;
	}
	if (SetupDiGetDeviceInstallParamsW(devices, device, &after) &&
	    (after.Flags & (DI_NEEDREBOOT | DI_NEEDRESTART)))
		return ERROR_SUCCESS_REBOOT_REQUIRED;
	return 0;
}

uint32_t tap_restart(const struct sl_tap_adapter *adapter)
{
	static const GUID net = {
		0x4d36e972, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};
	HDEVINFO devices = SetupDiGetClassDevsW(&net, NULL, NULL, DIGCF_PRESENT);
	SP_DEVINFO_DATA device;
	uint32_t code;

	if (devices == INVALID_HANDLE_VALUE)
		return GetLastError();
	code = find(devices, adapter->key, &device) ? change(devices, &device) : ERROR_NO_SUCH_DEVINST;
	SetupDiDestroyDeviceInfoList(devices);
	return code;
}
