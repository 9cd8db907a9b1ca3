#include "port/tap_device_windows.h"

#include <winioctl.h>

#include <string.h>
#include <wchar.h>

// Of tap-windows6's src/tap-windows.h.
#define CODE(function) CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define GET_MAC CODE(1)
#define GET_VERSION CODE(2)
#define GET_MTU CODE(3)
#define SET_MEDIA_STATUS CODE(6)

// Exactly `len` bytes.
static uint32_t ask(struct sl_device *device, uint32_t code, void *out, uint32_t len)
{
	uint32_t got = 0;
	uint32_t error = sl_device_ioctl(device, code, NULL, 0, out, len, &got);

	return error ? error : got == len ? 0 : ERROR_BAD_LENGTH;
}

uint32_t tap_device_media(struct sl_device *device, bool connected)
{
	ULONG in = connected, out, got;

	return sl_device_ioctl(device, SET_MEDIA_STATUS, &in, sizeof(in), &out, sizeof(out),
			       (uint32_t *)&got);
}

uint32_t tap_device_mac(struct sl_device *device, struct sl_mac *out)
{
	return ask(device, GET_MAC, out->b, SL_MAC_LEN);
}

uint32_t tap_device_mtu(struct sl_device *device, uint32_t *out)
{
	return ask(device, GET_MTU, out, sizeof(*out));
}

enum tap_state tap_device_state(uint32_t code)
{
	switch (code) {
	case 0:
		return TAP_READY;
	case ERROR_GEN_FAILURE: // the driver's answer to a second one that opens it (STATUS_UNSUCCESSFUL)
	case ERROR_SHARING_VIOLATION:
	case ERROR_BUSY:
		return TAP_BUSY;
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
	case ERROR_DEV_NOT_EXIST:
	case ERROR_DEVICE_REMOVED:
	case ERROR_OPERATION_ABORTED: // it has just gone
		return TAP_ABSENT;
	case ERROR_ACCESS_DENIED:
		return TAP_DENIED;
	default:
		return TAP_BROKEN;
	}
}

enum tap_state tap_device_open(struct sl_loop *loop, const struct sl_tap_adapter *adapter,
			       void (*burst_end)(void *arg), void *arg, struct sl_device **out,
			       struct tap_version *version, uint32_t *code)
{
	ULONG answer[3];
	WCHAR path[64];
	HANDLE handle;

	*out = NULL;
	*version = (struct tap_version){0};
	swprintf(path, sizeof(path) / sizeof(path[0]), L"\\\\.\\Global\\%hs.tap", adapter->id);
	handle = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			     FILE_ATTRIBUTE_SYSTEM | FILE_FLAG_OVERLAPPED, NULL);
	if (handle == INVALID_HANDLE_VALUE) {
		*code = GetLastError();
		return tap_device_state(*code ? *code : ERROR_OPEN_FAILED);
	}
	if (sl_device_new(loop, handle, burst_end, arg, out, NULL) != SL_OK) {
		*code = ERROR_NOT_ENOUGH_MEMORY;
		return TAP_BROKEN;
	}
	*code = ask(*out, GET_VERSION, answer, sizeof(answer));
	if (*code == 0) {
		*version = (struct tap_version){answer[0], answer[1]};
		*code = tap_device_media(*out, false);
	}
	if (*code != 0) {
		(void)sl_device_close(*out); // which has no operations
		*out = NULL;
	}
	return tap_device_state(*code);
}

int tap_device_refused(enum tap_state state, const struct sl_tap_adapter *adapter, uint32_t code,
		       struct sl_error *error)
{
	switch (state) {
	case TAP_BUSY:
		return sl_fail(
			error, SL_ERR_EXISTS,
			"TAP adapter \"%.100s\" is in use by another program (another softlan-client, "
			"OpenVPN?); "
			"end that program, or make an adapter of its own for softlan (tapctl create) and set "
			"tap.instance_id",
			adapter->name);
	case TAP_ABSENT:
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "TAP adapter \"%.100s\" is disabled, or its driver does not run (Windows "
			       "error %u); enable it "
			       "in Device Manager",
			       adapter->name, (unsigned)code);
	case TAP_DENIED:
		return sl_fail(
			error, SL_ERR_PERMISSION,
			"TAP adapter \"%.100s\" may not be opened; run softlan-client as administrator",
			adapter->name);
	default:
		return sl_fail(error, SL_ERR_SYSTEM,
			       "TAP adapter \"%.100s\" can't be opened: Windows error %u; disable and enable "
			       "it in Device "
			       "Manager",
			       adapter->name, (unsigned)code);
	}
}
