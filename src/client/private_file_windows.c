#include "client/private_file.h"

#include <windows.h>

#include <sddl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"

// The system and administrators; for a folder, also in what is made in there.
#define FILE_ACCESS L"D:P(A;;FA;;;SY)(A;;FA;;;BA)"
#define FOLDER_ACCESS L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

static int fail(struct sl_error *why, DWORD code)
{
	char text[SL_WINDOWS_ERROR];

	return sl_fail(why,
		       code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ? SL_ERR_NOT_FOUND
		       : code == ERROR_ACCESS_DENIED                                ? SL_ERR_PERMISSION
		       : code == ERROR_NOT_ENOUGH_MEMORY                            ? SL_ERR_NOMEM
										    : SL_ERR_SYSTEM,
		       "%s", sl_windows_error(code, text));
}

// `suffix` is put behind the path. A new string; NULL: out of memory, or the path is no text.
static wchar_t *wide_path(const char *file, const char *suffix)
{
	size_t len = strlen(file) + strlen(suffix) + 1;
	char *path = malloc(len);
	wchar_t *wide = NULL;

	if (path) {
		snprintf(path, len, "%s%s", file, suffix);
		wide = sl_wide(path);
	}
	free(path);
	return wide;
}

int private_file_read(const char *file, void *buf, size_t size, size_t *len, struct sl_error *why)
{
	wchar_t *path = wide_path(file, "");
	HANDLE handle;
	DWORD n = 0;
	char more;
	int result = SL_OK;

	*len = 0;
	if (!path)
		return fail(why, ERROR_NOT_ENOUGH_MEMORY);
	handle = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
			     FILE_ATTRIBUTE_NORMAL, NULL);
	free(path);
	if (handle == INVALID_HANDLE_VALUE)
		return fail(why, GetLastError());
	while (*len < size) {
		DWORD part = size - *len > 65536 ? 65536 : (DWORD)(size - *len);
		if (!ReadFile(handle, (char *)buf + *len, part, &n, NULL)) {
			result = fail(why, GetLastError());
			goto out;
		}
		if (n == 0)
			goto out;
		*len += n;
	}
	if (!ReadFile(handle, &more, 1, &n, NULL))
		result = fail(why, GetLastError());
	else if (n > 0)
		result = sl_fail(why, SL_ERR_TOO_LARGE, "it is too long");
out:
	CloseHandle(handle);
	return result;
}

// Makes the folders above `path`; those that exist are left as they are. What fails shows when the file is
// made.
static void make_folders(wchar_t *path, SECURITY_ATTRIBUTES *attributes)
{
	wchar_t *at = path;

	while ((at = wcspbrk(at, L"\\/")) != NULL) {
		wchar_t separator = *at;
		*at = L'\0';
		if (at > path && at[-1] != L':')
			CreateDirectoryW(path, attributes);
		*at++ = separator;
	}
}

static bool security(const wchar_t *text, SECURITY_ATTRIBUTES *out)
{
	*out = (SECURITY_ATTRIBUTES){.nLength = sizeof *out};
	return ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1,
								    &out->lpSecurityDescriptor, NULL);
}

static DWORD write_new(const wchar_t *path, SECURITY_ATTRIBUTES *attributes, const void *data, size_t len)
{
	HANDLE handle;
	DWORD n = 0, code = NO_ERROR;

	// An old one may have other rights.
	if (!DeleteFileW(path) && GetLastError() != ERROR_FILE_NOT_FOUND)
		return GetLastError();
	handle = CreateFileW(path, GENERIC_WRITE, 0, attributes, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
	if (handle == INVALID_HANDLE_VALUE)
		return GetLastError();
	if (!WriteFile(handle, data, (DWORD)len, &n, NULL) || !FlushFileBuffers(handle))
		code = GetLastError();
	else if (n != len)
		code = ERROR_DISK_FULL;
	CloseHandle(handle);
	return code;
}

// Written beside and renamed.
int private_file_write(const char *file, const void *data, size_t len, struct sl_error *why)
{
	wchar_t *path = wide_path(file, ""), *beside = wide_path(file, ".new");
	SECURITY_ATTRIBUTES file_access = {0}, folder_access = {0};
	DWORD code = ERROR_NOT_ENOUGH_MEMORY;

	if (!path || !beside || !security(FILE_ACCESS, &file_access) ||
	    !security(FOLDER_ACCESS, &folder_access))
		goto out;
	make_folders(path, &folder_access);
	code = write_new(beside, &file_access, data, len);
	if (code == NO_ERROR &&
	    !MoveFileExW(beside, path, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
		code = GetLastError();
	if (code != NO_ERROR)
		DeleteFileW(beside);
out:
	LocalFree(file_access.lpSecurityDescriptor);
	LocalFree(folder_access.lpSecurityDescriptor);
	free(path);
	free(beside);
	return code == NO_ERROR ? SL_OK : fail(why, code);
}

int private_file_remove(const char *file, struct sl_error *why)
{
	wchar_t *path = wide_path(file, "");
	DWORD code = ERROR_NOT_ENOUGH_MEMORY;

	if (path)
		code = DeleteFileW(path) ? NO_ERROR : GetLastError();
	free(path);
	if (code == NO_ERROR || code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
		return SL_OK;
	return fail(why, code);
}

int private_file_set_aside(const char *file, struct sl_error *why)
{
	wchar_t *path = wide_path(file, ""), *aside = wide_path(file, ".bad");
	DWORD code = ERROR_NOT_ENOUGH_MEMORY;

	if (path && aside)
		code = MoveFileExW(path, aside, MOVEFILE_REPLACE_EXISTING) ? NO_ERROR : GetLastError();
	free(path);
	free(aside);
	return code == NO_ERROR ? SL_OK : fail(why, code);
}
