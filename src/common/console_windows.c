#include "common/console.h"

#include <windows.h>

#include <io.h>
#include <shellapi.h>
#include <stdlib.h>

#include "common/wide.h"

// As the console was found. It is not ours but the window's, and stays after us; the handler of Ctrl-C, which
// Windows gives no argument, puts it back too.
static UINT found_code_page;
static DWORD found_mode;
static bool mode_changed;

static void put_back(void)
{
	if (found_code_page)
		SetConsoleOutputCP(found_code_page);
	if (mode_changed)
		SetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), found_mode);
}

static BOOL WINAPI on_console(DWORD event)
{
	(void)event;
	put_back();
	return FALSE; // and then what Windows does: it ends the process
}

// The arguments as they were given. They live as long as the process does.
static bool take_arguments(int *argc, char ***argv)
{
	int count = 0;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
	char **narrow = wide ? calloc((size_t)count + 1, sizeof(*narrow)) : NULL;
	bool good = narrow != NULL;

	for (int i = 0; good && i < count; i++) {
		narrow[i] = sl_narrow(wide[i]);
		good = narrow[i] != NULL;
	}
	LocalFree(wide);
	if (good) {
		*argc = count;
		*argv = narrow;
	}
	return good;
}

bool sl_console_start(int *argc, char ***argv)
{
	HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
	UINT code_page = GetConsoleOutputCP(); // 0: there is no console

	if (code_page && code_page != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
		found_code_page = code_page;
	if (GetConsoleMode(out, &found_mode) && !(found_mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING))
		mode_changed = SetConsoleMode(out, found_mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING |
							   ENABLE_PROCESSED_OUTPUT);
	SetConsoleCtrlHandler(on_console, TRUE);
	// Without a buffer every byte is written by itself, and the console shows no character that comes in
	// parts. It is emptied at the end, or by who writes.
	setvbuf(stderr, NULL, _IOFBF, BUFSIZ);
	return take_arguments(argc, argv);
}

void sl_console_end(void)
{
	fflush(stdout);
	fflush(stderr);
	// The handler stays: while a console closes, SetConsoleCtrlHandler waits for a thread that waits for
	// our end.
	put_back();
}

bool sl_console_obeys(FILE *out)
{
	DWORD mode;

	return GetConsoleMode((HANDLE)_get_osfhandle(_fileno(out)), &mode) &&
	       (mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}
