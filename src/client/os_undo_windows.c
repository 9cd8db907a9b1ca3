#include <sys/socket.h> // before windows.h

#include "client/os_tables_windows.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"
#include "daemon/path.h"

#define SUFFIX ".undo"
#define PATH_SIZE 1024

static int path_of(char out[static PATH_SIZE], const char *folder, const char *what, const char *name,
		   struct sl_error *error)
{
	int len = snprintf(out, PATH_SIZE, "%s\\%s-%s" SUFFIX, folder, what, name);

	if (len > 0 && len < PATH_SIZE)
		return SL_OK;
	return sl_fail(error, SL_ERR_TOO_LARGE, "client: the path of ProgramData is too long");
}

// What a run with another adapter has left: that adapter may never be used again, and a stale route to the
// relay would be taken for one that somebody wants.
static void undo_others(struct sl_log *log, const char *folder, const char *what, uint64_t tap)
{
	char pattern[PATH_SIZE], path[PATH_SIZE];
	WIN32_FIND_DATAW found;
	wchar_t *wide = NULL;
	HANDLE search;

	if (path_of(pattern, folder, what, "*", NULL) != SL_OK || !(wide = sl_wide(pattern)))
		return;
	search = FindFirstFileW(wide, &found);
	free(wide);
	if (search == INVALID_HANDLE_VALUE)
		return;
	do {
		char *name = sl_narrow(found.cFileName), *end = NULL;
		struct undo *undo = NULL;
		struct sl_error error = {0};
		uint64_t other = name ? strtoull(name + strlen(what) + 1, &end, 16) : 0;
		if (other != 0 && other != tap && strcmp(end, SUFFIX) == 0) {
			snprintf(path, sizeof path, "%s\\%s", folder, name);
			if (undo_new(&os_tables_windows, log, path, other, &undo, &error) != SL_OK)
				sl_warn(log, "undo", "cannot undo what an earlier run has left: %s",
					error.text);
			undo_free(undo);
		}
		free(name);
	} while (FindNextFileW(search, &found));
	FindClose(search);
}

int os_undo_new(struct sl_log *log, const char *what, uint64_t tap, struct undo **out, struct sl_error *error)
{
	char *folder = sl_path(SL_STATEDIR), name[24], path[PATH_SIZE];
	int result;

	*out = NULL;
	if (!folder)
		return sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
	snprintf(name, sizeof name, "%llx", (unsigned long long)tap);
	result = path_of(path, folder, what, name, error);
	if (result == SL_OK) {
		undo_others(log, folder, what, tap);
		result = undo_new(&os_tables_windows, log, path, tap, out, error);
	}
	free(folder);
	return result;
}
