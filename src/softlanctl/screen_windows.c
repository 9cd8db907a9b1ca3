// The screen in a console of Windows 10, which obeys the same sequences as a terminal. Keys come as events.
#include "softlanctl/screen_windows.h"

#include <stdlib.h>
#include <string.h>

#include "common/wide.h"
#include "softlanctl/keys.h"

#define KEYS_MAX 64 // that were typed ahead
#define RECORDS 32

// The second screen, no cursor, and no wrapping: a line that is wider than it seems spoils no other.
static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
static const char leave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

struct ctl_screen {
	HANDLE in, out;
	DWORD found_in, found_out;
	int keys[KEYS_MAX];
	size_t count;
};

static HANDLE open_console(const wchar_t *name)
{
	return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			   OPEN_EXISTING, 0, NULL);
}

static void close_console(HANDLE handle)
{
	if (handle != INVALID_HANDLE_VALUE)
		CloseHandle(handle);
}

int ctl_screen_open(struct ctl_screen **out, struct sl_error *error)
{
	struct ctl_screen *screen = calloc(1, sizeof(*screen));
	char text[SL_WINDOWS_ERROR];

	*out = NULL;
	if (!screen)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	screen->in = open_console(L"CONIN$");
	screen->out = open_console(L"CONOUT$");
	if (screen->in == INVALID_HANDLE_VALUE || screen->out == INVALID_HANDLE_VALUE ||
	    !GetConsoleMode(screen->in, &screen->found_in) ||
	    !GetConsoleMode(screen->out, &screen->found_out)) {
		int rc = sl_fail(error, SL_ERR_SYSTEM, "the console: %s",
				 sl_windows_error(GetLastError(), text));
		close_console(screen->in);
		close_console(screen->out);
		free(screen);
		return rc;
	}
	ctl_screen_enter(screen);
	*out = screen;
	return SL_OK;
}

static void write_out(const struct ctl_screen *screen, const char *text, size_t len)
{
	DWORD written;

	while (len > 0 && WriteFile(screen->out, text, len > 8192 ? 8192 : (DWORD)len, &written, NULL) &&
	       written > 0) {
		text += written;
		len -= written;
	}
}

void ctl_screen_enter(struct ctl_screen *screen)
{
	// Neither lines nor echo, and Ctrl-C is a key. With the mouse's quick edit a click would stop us.
	SetConsoleMode(screen->in, ENABLE_WINDOW_INPUT | ENABLE_EXTENDED_FLAGS);
	SetConsoleMode(screen->out,
		       screen->found_out | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
	write_out(screen, enter, sizeof(enter) - 1);
}

void ctl_screen_leave(struct ctl_screen *screen)
{
	write_out(screen, leave, sizeof(leave) - 1);
	SetConsoleMode(screen->out, screen->found_out);
	SetConsoleMode(screen->in, screen->found_in);
}

void ctl_screen_close(struct ctl_screen *screen)
{
	if (!screen)
		return;
	ctl_screen_leave(screen);
	CloseHandle(screen->in);
	CloseHandle(screen->out);
	free(screen);
}

HANDLE ctl_screen_event(const struct ctl_screen *screen)
{
	return screen->in;
}

void ctl_screen_size(const struct ctl_screen *screen, unsigned *columns, unsigned *lines)
{
	CONSOLE_SCREEN_BUFFER_INFO info;

	*columns = 80;
	*lines = 24;
	if (GetConsoleScreenBufferInfo(screen->out, &info)) {
		*columns = (unsigned)(info.srWindow.Right - info.srWindow.Left + 1);
		*lines = (unsigned)(info.srWindow.Bottom - info.srWindow.Top + 1);
	}
}

// The console takes all of it at once.
void ctl_screen_show(struct ctl_screen *screen, char *picture, size_t len)
{
	write_out(screen, picture, len);
	free(picture);
}

bool ctl_screen_busy(const struct ctl_screen *screen)
{
	(void)screen;
	return false;
}

int ctl_screen_write(struct ctl_screen *screen)
{
	(void)screen;
	return SL_OK;
}

static int key_of(const KEY_EVENT_RECORD *event)
{
	wchar_t c = event->uChar.UnicodeChar;

	switch (event->wVirtualKeyCode) {
	case VK_UP:
		return CTL_KEY_UP;
	case VK_DOWN:
		return CTL_KEY_DOWN;
	case VK_PRIOR:
		return CTL_KEY_PAGE_UP;
	case VK_NEXT:
		return CTL_KEY_PAGE_DOWN;
	case VK_HOME:
		return CTL_KEY_HOME;
	case VK_END:
		return CTL_KEY_END;
	case VK_RETURN:
	case VK_RIGHT:
		return CTL_KEY_OPEN;
	case VK_ESCAPE:
	case VK_BACK:
	case VK_LEFT:
		return CTL_KEY_BACK;
	default:
		break;
	}
	if (c == 0x03) // Ctrl-C: how people leave such programs
		return 'q';
	return c >= 0x20 && c < 0x7f ? c : CTL_KEY_NONE;
}

int ctl_screen_read(struct ctl_screen *screen)
{
	INPUT_RECORD records[RECORDS];
	DWORD count = 0;

	if (!GetNumberOfConsoleInputEvents(screen->in, &count))
		return SL_ERR_SYSTEM;
	if (count == 0)
		return SL_OK;
	if (!ReadConsoleInputW(screen->in, records, RECORDS, &count))
		return SL_ERR_SYSTEM;
	for (DWORD i = 0; i < count; i++) {
		const KEY_EVENT_RECORD *event = &records[i].Event.KeyEvent;
		int key = records[i].EventType == KEY_EVENT && event->bKeyDown ? key_of(event) : CTL_KEY_NONE;
		if (key != CTL_KEY_NONE && screen->count < KEYS_MAX)
			screen->keys[screen->count++] = key;
	}
	return SL_OK;
}

int ctl_screen_key(struct ctl_screen *screen, bool last)
{
	int key;

	(void)last;
	if (screen->count == 0)
		return CTL_KEY_NONE;
	key = screen->keys[0];
	memmove(screen->keys, screen->keys + 1, --screen->count * sizeof(screen->keys[0]));
	return key;
}

bool ctl_screen_half_key(const struct ctl_screen *screen)
{
	(void)screen;
	return false;
}
