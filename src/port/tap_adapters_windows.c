#include "port/tap_adapters_windows.h"

#include <windows.h>

#include <string.h>
#include <wchar.h>

#define CONTROL L"SYSTEM\\CurrentControlSet\\Control\\"
#define CLASS_KEY CONTROL L"Class\\" TAP_WIDE(TAP_CLASS)
#define NETWORK_KEY CONTROL L"Network\\" TAP_WIDE(TAP_CLASS)
#define SUBKEYS_MAX 4096 // looked at, whatever else is there
#define TEXT_MAX 512     // characters of a value; longer ones are none that we want
#define VIEW KEY_WOW64_64KEY

// A REG_SZ as UTF-8, up to its first terminator, which may be missing. False: there is none, or it is too
// long.
static bool read_text(HKEY key, const WCHAR *name, char *out, size_t size)
{
	WCHAR wide[TEXT_MAX];
	DWORD type, bytes = sizeof(wide);
	int len;

	if (RegQueryValueExW(key, name, NULL, &type, (BYTE *)wide, &bytes) != ERROR_SUCCESS ||
	    type != REG_SZ || bytes > sizeof(wide))
		return false;
	len = (int)wcsnlen(wide, bytes / sizeof(wide[0]));
	if (len > 0)
		len = WideCharToMultiByte(CP_UTF8, 0, wide, len, out, (int)size - 1, NULL, NULL);
	out[len] = '\0';
	return len > 0;
}

static bool is_number(const WCHAR *name)
{
	size_t digits = wcsspn(name, L"0123456789");

	return digits > 0 && digits < SL_TAP_KEY && name[digits] == 0;
}

// Of the connection, as people have named it. The id is well-formed, so the path is what it should be.
static bool connection_name(const char *id, char out[static SL_TAP_ADAPTER_NAME])
{
	char text[3 * TEXT_MAX + 1];
	WCHAR path[256];
	HKEY key;
	bool found;

	swprintf(path, sizeof(path) / sizeof(path[0]), NETWORK_KEY L"\\%hs\\Connection", id);
	if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE | VIEW, &key) != ERROR_SUCCESS)
		return false;
	found = read_text(key, L"Name", text, sizeof(text));
	RegCloseKey(key);
	if (found)
		sl_tap_adapter_name(text, out);
	return found && out[0];
}

static bool read_adapter(HKEY class_key, const WCHAR *name, struct sl_tap_adapter *out)
{
	char text[3 * TEXT_MAX + 1];
	HKEY key;
	bool ours;

	if (RegOpenKeyExW(class_key, name, 0, KEY_QUERY_VALUE | VIEW, &key) != ERROR_SUCCESS)
		return false; // one that is the system's own
	memset(out, 0, sizeof(*out));
	ours = read_text(key, L"ComponentId", text, sizeof(text)) && sl_tap_is_ours(text) &&
	       read_text(key, L"NetCfgInstanceId", text, sizeof(text)) && sl_tap_id_parse(text, out->id);
	if (ours) {
		snprintf(out->key, sizeof(out->key), "%ls", name);
		if (read_text(key, L"DriverVersion", text, sizeof(text))) {
			char version[SL_TAP_ADAPTER_NAME];

			sl_tap_adapter_name(text, version);
			snprintf(out->driver, sizeof(out->driver), "%.*s", (int)sizeof(out->driver) - 1,
				 version);
		}
		if (!connection_name(out->id, out->name) && read_text(key, L"DriverDesc", text, sizeof(text)))
			sl_tap_adapter_name(text, out->name);
		if (!out->name[0])
			strcpy(out->name, "without a name");
	}
	RegCloseKey(key);
	return ours;
}

static void add(struct sl_tap_adapters *adapters, const struct sl_tap_adapter *adapter)
{
	for (size_t i = 0; i < adapters->count; i++) {
		if (strcmp(adapters->list[i].id, adapter->id) == 0)
			return; // a stale copy of the key
	}
	if (adapters->count < SL_TAP_ADAPTERS_MAX)
		adapters->list[adapters->count++] = *adapter;
	else
		adapters->left_out++;
}

int tap_adapters_find(struct sl_tap_adapters *out, struct sl_error *error)
{
	struct sl_tap_adapter adapter;
	WCHAR name[256]; // a key's name has 255 characters at most
	LSTATUS status;
	HKEY key;

	memset(out, 0, sizeof(*out));
	status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, CLASS_KEY, 0, KEY_ENUMERATE_SUB_KEYS | VIEW, &key);
	if (status == ERROR_FILE_NOT_FOUND)
		return SL_OK;
	if (status != ERROR_SUCCESS)
		return sl_fail(error, SL_ERR_SYSTEM,
			       "the registry's list of network adapters can't be read: Windows error %ld",
			       status);
	for (DWORD i = 0; i < SUBKEYS_MAX; i++) {
		DWORD len = sizeof(name) / sizeof(name[0]);

		status = RegEnumKeyExW(key, i, name, &len, NULL, NULL, NULL, NULL);
		if (status == ERROR_NO_MORE_ITEMS)
			break;
		if (status == ERROR_SUCCESS && is_number(name) && read_adapter(key, name, &adapter))
			add(out, &adapter);
	}
	RegCloseKey(key);
	return SL_OK;
}

static int refused(const struct sl_tap_adapter *adapter, LSTATUS status, struct sl_error *error)
{
	if (status == ERROR_ACCESS_DENIED)
		return sl_fail(error, SL_ERR_PERMISSION,
			       "TAP adapter \"%.100s\": its MAC (NetworkAddress in the registry) may not be "
			       "set; run "
			       "softlan-client as administrator",
			       adapter->name);
	return sl_fail(error, SL_ERR_SYSTEM,
		       "TAP adapter \"%.100s\": its MAC (NetworkAddress in the registry) can't be set: "
		       "Windows error %ld",
		       adapter->name, status);
}

int tap_adapters_set_mac(const struct sl_tap_adapter *adapter, const struct sl_mac *mac, bool *changed,
			 struct sl_error *error)
{
	char text[SL_TAP_ADDRESS], now[3 * TEXT_MAX + 1];
	WCHAR path[256], value[SL_TAP_ADDRESS];
	LSTATUS status;
	HKEY key;

	*changed = false;
	swprintf(path, sizeof(path) / sizeof(path[0]), CLASS_KEY L"\\%hs", adapter->key);
	sl_tap_address(mac, text);
	// What stands there already may be read by everybody.
	status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE | VIEW, &key);
	if (status != ERROR_SUCCESS)
		return refused(adapter, status, error);
	if (read_text(key, L"NetworkAddress", now, sizeof(now)) && _stricmp(now, text) == 0) {
		RegCloseKey(key);
		return SL_OK;
	}
	RegCloseKey(key);
	status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_SET_VALUE | VIEW, &key);
	if (status != ERROR_SUCCESS)
		return refused(adapter, status, error);
	swprintf(value, SL_TAP_ADDRESS, L"%hs", text);
	status = RegSetValueExW(key, L"NetworkAddress", 0, REG_SZ, (const BYTE *)value, sizeof(value));
	RegCloseKey(key);
	if (status != ERROR_SUCCESS)
		return refused(adapter, status, error);
	*changed = true;
	return SL_OK;
}
