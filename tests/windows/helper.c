#include "helper.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void put(struct answer *answer, const char *format, ...)
{
	size_t room = sizeof(answer->text) - answer->length;
	va_list list;
	int count;

	va_start(list, format);
	count = vsnprintf(answer->text + answer->length, room, format, list);
	va_end(list);
	if (count > 0)
		answer->length += (size_t)count < room ? (size_t)count : room - 1;
}

static void put_string(struct answer *answer, const WCHAR *text)
{
	put(answer, "\"");
	for (; *text; text++) {
		if (*text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\')
			put(answer, "%c", (char)*text);
		else
			put(answer, "\\u%04x", *text);
	}
	put(answer, "\"");
}

static void begin(struct answer *answer, const char *name)
{
	char last = answer->text[answer->length - 1];

	if (last != '{' && last != '[')
		put(answer, ",");
	if (name)
		put(answer, "\"%s\":", name);
}

void answer_number(struct answer *answer, const char *name, int64_t value)
{
	begin(answer, name);
	put(answer, "%I64d", (long long)value);
}

void answer_text(struct answer *answer, const char *name, const WCHAR *value)
{
	begin(answer, name);
	put_string(answer, value);
}

void answer_hex(struct answer *answer, const char *name, const BYTE *bytes, size_t length)
{
	begin(answer, name);
	put(answer, "\"");
	for (size_t i = 0; i < length; i++)
		put(answer, "%02x", bytes[i]);
	put(answer, "\"");
}

void answer_bracket(struct answer *answer, const char *name, char bracket)
{
	if (bracket == '[' || bracket == '{')
		begin(answer, name);
	put(answer, "%c", bracket);
}

size_t hex_bytes(const WCHAR *text, BYTE *bytes, size_t room)
{
	size_t count = 0;

	for (; text[0] && text[1] && count < room; text += 2) {
		WCHAR pair[3] = {text[0], text[1], 0}, *end;

		bytes[count++] = (BYTE)wcstoul(pair, &end, 16);
		if (*end)
			return 0;
	}
	return *text ? 0 : count;
}

static DWORD outcome(HANDLE handle, BOOL done, OVERLAPPED *over, DWORD *got)
{
	if (!done && GetLastError() != ERROR_IO_PENDING)
		return GetLastError();
	return GetOverlappedResult(handle, over, got, TRUE) ? 0 : GetLastError();
}

DWORD control(HANDLE handle, DWORD code, const void *in, DWORD in_length, void *out, DWORD room, DWORD *got)
{
	OVERLAPPED over = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
	DWORD count = 0, error;
	HANDLE event = over.hEvent;

	// The low bit keeps it out of the completion port that the handle may belong to.
	over.hEvent = (HANDLE)((ULONG_PTR)event | 1);
	error = outcome(handle, DeviceIoControl(handle, code, (void *)in, in_length, out, room, NULL, &over),
			&over, &count);
	CloseHandle(event);
	if (got)
		*got = count;
	return error;
}

DWORD write_all(HANDLE handle, const void *bytes, DWORD length, HANDLE event)
{
	OVERLAPPED over = {.hEvent = (HANDLE)((ULONG_PTR)event | 1)};
	DWORD count;

	return outcome(handle, WriteFile(handle, bytes, length, NULL, &over), &over, &count);
}

static const struct verb *find(const struct verb *verbs, const WCHAR *name)
{
	while (verbs->name && wcscmp(verbs->name, name))
		verbs++;
	return verbs->name ? verbs : NULL;
}

static void run(struct helper *helper, int argc, WCHAR **argv)
{
	const struct verb *tables[] = {driver_verbs(), registry_verbs(), service_verbs(), probe_verbs(),
				       pipe_verbs()};
	struct answer *answer = &helper->answer;
	const struct verb *verb = NULL;
	DWORD error = ERROR_INVALID_FUNCTION;

	answer->length = 0;
	put(answer, "{");
	for (size_t i = 0; !verb && i < ARRAYSIZE(tables); i++)
		verb = find(tables[i], argv[0]);
	if (verb)
		error = argc < verb->words ? ERROR_BAD_ARGUMENTS : verb->function(helper, argc, argv);
	answer_number(answer, "error", error);
	printf("%s}\n", answer->text);
	fflush(stdout);
}

static void run_line(struct helper *helper, const char *line)
{
	WCHAR wide[8192] = L"", *argv[64], *next = wide;
	int argc = 0;

	if (!MultiByteToWideChar(CP_UTF8, 0, line, -1, wide, ARRAYSIZE(wide) - 1))
		wide[0] = 0;
	// Zeros up to the end of the line, so that its last word may be taken for a list of one.
	for (WCHAR *end = wide + wcscspn(wide, L"\r\n"); *end; end++)
		*end = 0;
	while (next && argc < (int)ARRAYSIZE(argv)) {
		argv[argc++] = next;
		if ((next = wcschr(next, '\t')))
			*next++ = 0;
	}
	run(helper, argc, argv);
}

int wmain(int argc, WCHAR **argv)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	char line[8192];
	WSADATA data;

	if (!helper || WSAStartup(0x202, &data))
		return 1;
	if (argc > 1)
		run(helper, argc - 1, argv + 1);
	else
		while (fgets(line, sizeof(line), stdin))
			run_line(helper, line);
	free(helper);
	return 0;
}
