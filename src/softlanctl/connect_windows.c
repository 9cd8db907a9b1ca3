// The way to a daemon over a named pipe.
#include "softlanctl/connect_windows.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"

#define BUFFER 65536
#define PAUSE_MS 20
static const char prefix[] = "\\\\.\\pipe\\";

struct ctl_link {
	HANDLE pipe;
	OVERLAPPED reading;
	bool under_way; // a read is
	bool ended;
	size_t start, len; // of what is in `in`
	char problem[SL_WINDOWS_ERROR];
	char in[BUFFER];
};

int64_t ctl_now_ms(void)
{
	return (int64_t)GetTickCount64();
}

// For WaitForSingleObject.
static DWORD time_left(int64_t deadline_ms)
{
	int64_t left = deadline_ms - ctl_now_ms();
	return left <= 0 ? 0 : left > 60000 ? 60000 : (DWORD)left;
}

static int fail(struct ctl_link *link, DWORD code)
{
	sl_windows_error(code, link->problem);
	return SL_ERR_SYSTEM;
}

// The daemon has closed, or closes.
static bool is_end(DWORD code)
{
	return code == ERROR_BROKEN_PIPE || code == ERROR_NO_DATA || code == ERROR_PIPE_NOT_CONNECTED;
}

// Without FILE_APPEND_DATA, which on a pipe is the right to make another instance of it; a member of the
// group has no such right. Whoever is behind the pipe learns who we are, but can't act for us.
static HANDLE open_pipe(const wchar_t *path)
{
	return CreateFileW(path, GENERIC_READ | FILE_WRITE_DATA, 0, NULL, OPEN_EXISTING,
			   FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
}

static int connect_pipe(const char *path, const wchar_t *wide, int64_t deadline_ms, HANDLE *out,
			struct sl_error *error)
{
	char text[SL_WINDOWS_ERROR];
	DWORD code;

	// All instances are taken for as long as the daemon needs to make the next one.
	while ((*out = open_pipe(wide)) == INVALID_HANDLE_VALUE) {
		code = GetLastError();
		if (code == ERROR_PIPE_BUSY && ctl_now_ms() < deadline_ms) {
			DWORD left = time_left(deadline_ms);
			// 0 would be the pipe's own default. It waits for nothing while there is no pipe.
			if (!WaitNamedPipeW(wide, left > PAUSE_MS ? PAUSE_MS : left ? left : 1))
				Sleep(1);
			continue;
		}
		switch (code) {
		case ERROR_FILE_NOT_FOUND:
			return sl_fail(
				error, SL_ERR_NOT_FOUND,
				"no daemon answers at %s; is it running? softlan-client --service status "
				"tells",
				path);
		case ERROR_ACCESS_DENIED:
			return sl_fail(
				error, SL_ERR_PERMISSION,
				"%s: access is denied; run this as administrator, or be a member of the "
				"local group softlan (then log in anew)",
				path);
		case ERROR_PIPE_BUSY:
			return sl_fail(error, SL_ERR_CLOSED, "the daemon at %s is too busy to answer", path);
		default:
			return sl_fail(error, SL_ERR_SYSTEM, "%s: %s", path, sl_windows_error(code, text));
		}
	}
	return SL_OK;
}

int ctl_link_open(const char *path, int64_t deadline_ms, struct ctl_link **out, struct sl_error *error)
{
	wchar_t *wide = NULL;
	struct ctl_link *link = NULL;
	int rc;

	*out = NULL;
	// Not any file: what is behind it would be asked for a status.
	if (_strnicmp(path, prefix, sizeof(prefix) - 1) != 0 || !path[sizeof(prefix) - 1])
		return sl_fail(error, SL_ERR_INVALID, "socket path \"%.40s\": expected %sNAME", path, prefix);
	wide = sl_wide(path);
	link = calloc(1, sizeof(*link));
	if (link)
		link->reading.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!wide || !link || !link->reading.hEvent) {
		rc = sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", path);
		goto out;
	}
	rc = connect_pipe(path, wide, deadline_ms, &link->pipe, error);
	if (rc == SL_OK) {
		*out = link;
		link = NULL;
	}
out:
	if (link && link->reading.hEvent)
		CloseHandle(link->reading.hEvent);
	free(link);
	free(wide);
	return rc;
}

int ctl_link_write(struct ctl_link *link, const char *data, size_t len, int64_t deadline_ms)
{
	OVERLAPPED writing = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
	int rc = SL_OK;

	if (!writing.hEvent)
		return fail(link, GetLastError());
	while (len > 0 && rc == SL_OK) {
		DWORD sent = 0, code = 0;
		if (!WriteFile(link->pipe, data, (DWORD)len, NULL, &writing))
			code = GetLastError();
		if (code == ERROR_IO_PENDING &&
		    WaitForSingleObject(writing.hEvent, time_left(deadline_ms)) != WAIT_OBJECT_0) {
			CancelIoEx(link->pipe, &writing);
			rc = SL_ERR_CLOSED;
		}
		// Also after it was given up: until then the buffer is the system's.
		if ((code == 0 || code == ERROR_IO_PENDING) &&
		    !GetOverlappedResult(link->pipe, &writing, &sent, TRUE))
			code = GetLastError();
		else if (code == ERROR_IO_PENDING)
			code = 0;
		if (rc == SL_OK && is_end(code))
			break; // refused early: the reason is there to be read
		if (rc == SL_OK && code)
			rc = fail(link, code);
		data += sent;
		len -= sent;
	}
	CloseHandle(writing.hEvent);
	return rc;
}

// Takes note of a read that has ended. Is there anything to be read now, or the end?
static int read_ended(struct ctl_link *link, DWORD code)
{
	DWORD got = 0;

	if (code == 0 && !GetOverlappedResult(link->pipe, &link->reading, &got, FALSE))
		code = GetLastError();
	if (code == ERROR_IO_INCOMPLETE)
		return SL_ERR_AGAIN;
	link->under_way = false;
	if (code && !is_end(code))
		return fail(link, code);
	link->ended = code != 0;
	link->start = 0;
	link->len = got;
	return SL_OK;
}

int ctl_link_read(struct ctl_link *link, char *out, size_t size, size_t *got)
{
	int rc = SL_OK;

	*got = 0;
	if (link->len == 0 && !link->ended && !link->under_way) {
		link->under_way = true;
		DWORD code =
			ReadFile(link->pipe, link->in, BUFFER, NULL, &link->reading) ? 0 : GetLastError();
		rc = code == ERROR_IO_PENDING ? SL_ERR_AGAIN : read_ended(link, code);
	}
	if (link->under_way)
		rc = read_ended(link, 0);
	if (rc != SL_OK)
		return rc;
	if (link->len == 0 && !link->ended) // an empty message
		return SL_ERR_AGAIN;
	*got = link->len < size ? link->len : size;
	memcpy(out, link->in + link->start, *got);
	link->start += *got;
	link->len -= *got;
	return SL_OK;
}

int ctl_link_wait(struct ctl_link *link, int64_t deadline_ms)
{
	while (link->under_way) {
		if (WaitForSingleObject(link->reading.hEvent, time_left(deadline_ms)) == WAIT_OBJECT_0)
			break;
		if (ctl_now_ms() >= deadline_ms)
			return SL_ERR_CLOSED;
	}
	return SL_OK;
}

HANDLE ctl_link_event(const struct ctl_link *link)
{
	return link->reading.hEvent;
}

const char *ctl_link_problem(const struct ctl_link *link)
{
	return link->problem;
}

void ctl_link_close(struct ctl_link *link)
{
	DWORD got;

	if (!link)
		return;
	if (link->under_way) {
		CancelIoEx(link->pipe, &link->reading);
		GetOverlappedResult(link->pipe, &link->reading, &got, TRUE);
	}
	CloseHandle(link->pipe);
	CloseHandle(link->reading.hEvent);
	free(link);
}
