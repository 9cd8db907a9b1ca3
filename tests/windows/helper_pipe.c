// Readers of a named pipe that keep no rule: many at once, silent, slow, garbled.
#include "helper.h"
#include <aclapi.h>
#include <sddl.h>
#include <stdlib.h>

#define PATIENCE_MS 2000
#define CHUNK 65536

static HANDLE *slot(struct helper *helper, const WCHAR *text)
{
	unsigned long index = wcstoul(text, NULL, 10);

	return index < HELPER_PIPES ? &helper->pipes[index] : NULL;
}

// pipe-open PATH ACCESS: as softlanctl.exe does it, within two seconds; ACCESS in hexadecimal. {"slot": N}
static DWORD open_verb(struct helper *helper, int argc, WCHAR **argv)
{
	DWORD access = wcstoul(argv[2], NULL, 16);
	ULONGLONG end = GetTickCount64() + PATIENCE_MS;
	HANDLE pipe;
	int free_slot = 0;

	(void)argc;
	while (free_slot < HELPER_PIPES && helper->pipes[free_slot])
		free_slot++;
	if (free_slot == HELPER_PIPES)
		return ERROR_TOO_MANY_OPEN_FILES;
	while ((pipe = CreateFileW(argv[1], access, 0, NULL, OPEN_EXISTING,
				   FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
				   NULL)) == INVALID_HANDLE_VALUE) {
		if (GetLastError() != ERROR_PIPE_BUSY || GetTickCount64() >= end)
			return GetLastError();
		WaitNamedPipeW(argv[1], 50);
	}
	helper->pipes[free_slot] = pipe;
	answer_number(&helper->answer, "slot", free_slot);
	return 0;
}

// Waits for an operation, or gives it up: WAIT_TIMEOUT.
static DWORD finish(HANDLE pipe, BOOL done, OVERLAPPED *over, DWORD wait_ms, DWORD *got)
{
	DWORD error = done ? 0 : GetLastError();
	bool late = false;

	*got = 0;
	if (error && error != ERROR_IO_PENDING)
		return error;
	if (WaitForSingleObject(over->hEvent, wait_ms) != WAIT_OBJECT_0) {
		CancelIoEx(pipe, over);
		late = true;
	}
	error = GetOverlappedResult(pipe, over, got, TRUE) ? 0 : GetLastError();
	return late && error == ERROR_OPERATION_ABORTED ? WAIT_TIMEOUT : error;
}

// pipe-write SLOT HEX [TIMES]: {"written": N}, also when it ends before all is written
static DWORD write_verb(struct helper *helper, int argc, WCHAR **argv)
{
	static BYTE bytes[CHUNK];
	HANDLE *pipe = slot(helper, argv[1]);
	size_t length = hex_bytes(argv[2], bytes, sizeof(bytes));
	unsigned long times = argc > 3 ? wcstoul(argv[3], NULL, 10) : 1;
	OVERLAPPED over = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
	DWORD error = pipe && *pipe ? 0 : ERROR_INVALID_HANDLE, got;
	int64_t written = 0;

	for (; times > 0 && !error; times--) {
		error = finish(*pipe, WriteFile(*pipe, bytes, (DWORD)length, NULL, &over), &over, PATIENCE_MS,
			       &got);
		written += got;
	}
	CloseHandle(over.hEvent);
	answer_number(&helper->answer, "written", written);
	return error;
}

// pipe-read SLOT MS [MOST]: one read. {"hex": …, "length": N}; ERROR_BROKEN_PIPE (109) at the end,
// WAIT_TIMEOUT (258)
static DWORD read_verb(struct helper *helper, int argc, WCHAR **argv)
{
	static BYTE bytes[CHUNK];
	HANDLE *pipe = slot(helper, argv[1]);
	DWORD most = argc > 3 ? wcstoul(argv[3], NULL, 10) : CHUNK, got, error;
	OVERLAPPED over = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};

	if (!pipe || !*pipe) {
		CloseHandle(over.hEvent);
		return ERROR_INVALID_HANDLE;
	}
	error = finish(*pipe, ReadFile(*pipe, bytes, most < CHUNK ? most : CHUNK, NULL, &over), &over,
		       wcstoul(argv[2], NULL, 10), &got);
	CloseHandle(over.hEvent);
	answer_number(&helper->answer, "length", got);
	answer_hex(&helper->answer, "hex", bytes, got);
	return error;
}

// pipe-close SLOT
static DWORD close_verb(struct helper *helper, int argc, WCHAR **argv)
{
	HANDLE *pipe = slot(helper, argv[1]);

	(void)argc;
	if (!pipe || !*pipe)
		return ERROR_INVALID_HANDLE;
	CloseHandle(*pipe);
	*pipe = NULL;
	return 0;
}

// pipe-security SLOT: {"dacl": "D:…"}
static DWORD security_verb(struct helper *helper, int argc, WCHAR **argv)
{
	HANDLE *pipe = slot(helper, argv[1]);
	PSECURITY_DESCRIPTOR descriptor = NULL;
	WCHAR *text = NULL;
	DWORD error;

	(void)argc;
	if (!pipe || !*pipe)
		return ERROR_INVALID_HANDLE;
	error = GetSecurityInfo(*pipe, SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL, NULL, NULL,
				&descriptor);
	if (!error && !ConvertSecurityDescriptorToStringSecurityDescriptorW(
			      descriptor, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text, NULL))
		error = GetLastError();
	if (!error)
		answer_text(&helper->answer, "dacl", text);
	LocalFree(text);
	LocalFree(descriptor);
	return error;
}

const struct verb *pipe_verbs(void)
{
	static const struct verb verbs[] = {
		{L"pipe-open", 3, open_verb},         {L"pipe-write", 3, write_verb},
		{L"pipe-read", 3, read_verb},         {L"pipe-close", 2, close_verb},
		{L"pipe-security", 2, security_verb}, {0},
	};
	return verbs;
}
