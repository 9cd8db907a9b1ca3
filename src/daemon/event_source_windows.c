#include "daemon/folder.h"

#include <windows.h>

#include <stdlib.h>

#include "common/text.h"
#include "common/wide.h"

// Windows' own program for writing events has a message table that hands its one insert through, for all ids
// to 1000. So lines show as they are, and go on doing so after our programs are gone.
static const wchar_t messages[] = L"%SystemRoot%\\System32\\EventCreate.exe";

static wchar_t *key_of(const char *name)
{
	struct sl_text text = {0};
	char *path;
	wchar_t *key;

	sl_text_add(&text, "SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\%s", name);
	path = sl_text_take(&text);
	key = path ? sl_wide(path) : NULL;
	free(path);
	return key;
}

uint32_t event_source_add(const char *name)
{
	const DWORD types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
	wchar_t *path = key_of(name);
	HKEY key;
	LSTATUS code = ERROR_NOT_ENOUGH_MEMORY;

	if (path)
		code = RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, 0, KEY_WRITE, NULL, &key, NULL);
	free(path);
	if (code != ERROR_SUCCESS)
		return (uint32_t)code;
	code = RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ, (const BYTE *)messages,
			      sizeof(messages));
	if (code == ERROR_SUCCESS)
		code = RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, (const BYTE *)&types,
				      sizeof(types));
	RegCloseKey(key);
	return (uint32_t)code;
}

uint32_t event_source_remove(const char *name)
{
	wchar_t *path = key_of(name);
	LSTATUS code = path ? RegDeleteKeyW(HKEY_LOCAL_MACHINE, path) : ERROR_NOT_ENOUGH_MEMORY;

	free(path);
	return code == ERROR_FILE_NOT_FOUND ? 0 : (uint32_t)code;
}
