#include "daemon/path.h"

#include <windows.h>

#include <knownfolders.h>
#include <shlobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"

static const char variable[] = "%ProgramData%";
#define LEN (sizeof(variable) - 1)

char *sl_path(const char *text)
{
	wchar_t *wide = NULL;
	char *folder, *path = NULL;

	if (_strnicmp(text, variable, LEN) != 0 || (text[LEN] && text[LEN] != '/' && text[LEN] != '\\'))
		return strdup(text);
	if (SHGetKnownFolderPath(&FOLDERID_ProgramData, 0, NULL, &wide) != S_OK) {
		CoTaskMemFree(wide);
		return strdup(text); // no file is there, and the error names it
	}
	folder = sl_narrow(wide);
	CoTaskMemFree(wide);
	if (folder && asprintf(&path, "%s%s", folder, text + LEN) < 0)
		path = NULL;
	free(folder);
	for (char *p = path; p && *p; p++) {
		if (*p == '/')
			*p = '\\';
	}
	return path;
}
