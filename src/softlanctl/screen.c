#include "softlanctl/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "softlanctl/keys.h"

#define LAST_WORDS_MS 200

// The second screen, no cursor, and no wrapping: a line that is wider than it seems spoils no other.
static const char enter[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
static const char leave[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

struct ctl_screen {
	int fd; // of its own, so that nobody else's is made non-blocking
	struct termios found;
	char *picture, *next; // being written; to follow it, or NULL
	size_t len, sent, next_len;
	unsigned char in[64];
	size_t in_len;
};

static void set_keys(struct ctl_screen *screen)
{
	struct termios raw = screen->found;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &=
		~(tcflag_t)(IXON | ICRNL); // a terminal that is held (Ctrl-S) would show nothing any more
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(screen->fd, TCSANOW, &raw);
}

int ctl_screen_open(struct ctl_screen **out, struct sl_error *error)
{
	struct ctl_screen *screen = calloc(1, sizeof(*screen));
	*out = NULL;
	if (!screen)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	screen->fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (screen->fd < 0 || tcgetattr(screen->fd, &screen->found) != 0) {
		int rc = sl_fail(error, SL_ERR_SYSTEM, "the terminal (/dev/tty): %s", strerror(errno));
		if (screen->fd >= 0)
			close(screen->fd);
		free(screen);
		return rc;
	}
	ctl_screen_enter(screen);
	*out = screen;
	return SL_OK;
}

// All of it, or as much as the terminal takes in time.
static void write_out(const struct ctl_screen *screen, const char *text, size_t len)
{
	struct pollfd poll_fd = {.fd = screen->fd, .events = POLLOUT};
	for (int waits = 0; len > 0 && waits < LAST_WORDS_MS / 20;) {
		ssize_t sent = write(screen->fd, text, len);
		if (sent > 0) {
			text += sent;
			len -= (size_t)sent;
		} else if (sent == 0 || errno == EAGAIN) {
			poll(&poll_fd, 1, 20);
			waits++;
		} else if (errno != EINTR) {
			return;
		}
	}
}

void ctl_screen_enter(struct ctl_screen *screen)
{
	set_keys(screen);
	write_out(screen, enter, sizeof(enter) - 1);
}

void ctl_screen_leave(struct ctl_screen *screen)
{
	free(screen->picture);
	free(screen->next);
	screen->picture = screen->next = NULL;
	// A picture may have broken off within a sequence: CAN ends that.
	write_out(screen, "\x18", 1);
	write_out(screen, leave, sizeof(leave) - 1);
	tcsetattr(screen->fd, TCSANOW, &screen->found);
}

void ctl_screen_close(struct ctl_screen *screen)
{
	if (!screen)
		return;
	ctl_screen_leave(screen);
	close(screen->fd);
	free(screen);
}

int ctl_screen_fd(const struct ctl_screen *screen)
{
	return screen->fd;
}

void ctl_screen_size(const struct ctl_screen *screen, unsigned *columns, unsigned *lines)
{
	struct winsize size = {0};
	ioctl(screen->fd, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : 80; // a serial line does not know
	*lines = size.ws_row ? size.ws_row : 24;
}

void ctl_screen_show(struct ctl_screen *screen, char *picture, size_t len)
{
	if (screen->picture) {
		free(screen->next);
		screen->next = picture;
		screen->next_len = len;
	} else {
		screen->picture = picture;
		screen->len = len;
		screen->sent = 0;
	}
}

bool ctl_screen_busy(const struct ctl_screen *screen)
{
	return screen->picture != NULL;
}

int ctl_screen_write(struct ctl_screen *screen)
{
	while (screen->picture) {
		ssize_t sent = write(screen->fd, screen->picture + screen->sent, screen->len - screen->sent);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? SL_OK : SL_ERR_SYSTEM;
		screen->sent += (size_t)sent;
		if (screen->sent < screen->len)
			continue;
		free(screen->picture);
		screen->picture = screen->next;
		screen->len = screen->next_len;
		screen->sent = 0;
		screen->next = NULL;
	}
	return SL_OK;
}

int ctl_screen_read(struct ctl_screen *screen)
{
	ssize_t got = read(screen->fd, screen->in + screen->in_len, sizeof(screen->in) - screen->in_len);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? SL_OK : SL_ERR_SYSTEM;
	if (got == 0) { // hung up
		errno = EIO;
		return SL_ERR_SYSTEM;
	}
	screen->in_len += (size_t)got;
	return SL_OK;
}

int ctl_screen_key(struct ctl_screen *screen, bool last)
{
	int key = CTL_KEY_NONE;
	while (key == CTL_KEY_NONE && screen->in_len > 0) {
		size_t used;
		key = ctl_key_decode(screen->in, screen->in_len, last, &used);
		if (used == 0)
			break;
		screen->in_len -= used;
		memmove(screen->in, screen->in + used, screen->in_len);
	}
	return key;
}

bool ctl_screen_half_key(const struct ctl_screen *screen)
{
	return screen->in_len > 0;
}
