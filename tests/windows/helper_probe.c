// A client's handle of a TAP adapter, for the tests of the driver: what it answers, and to join two adapters.
#include "helper.h"
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

static struct probe *slot(struct helper *helper, const WCHAR *word)
{
	return &helper->probes[wcstoul(word, NULL, 10) % HELPER_SLOTS];
}

// tap-open SLOT GUID
static DWORD open_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct probe *probe = slot(helper, argv[1]);
	WCHAR path[128];

	(void)argc;
	_snwprintf(path, ARRAYSIZE(path), L"\\\\.\\Global\\%.40ls.tap", argv[2]);
	probe->handle = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
				    FILE_ATTRIBUTE_SYSTEM | FILE_FLAG_OVERLAPPED, NULL);
	if (probe->handle == INVALID_HANDLE_VALUE) {
		probe->handle = NULL;
		return GetLastError();
	}
	probe->port = CreateIoCompletionPort(probe->handle, NULL, 0, 0);
	return probe->port ? 0 : GetLastError();
}

// tap-close SLOT
static DWORD close_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct probe *probe = slot(helper, argv[1]);

	(void)argc;
	if (!CloseHandle(probe->handle))
		return GetLastError();
	probe->handle = NULL;
	return 0;
}

// tap-control SLOT FUNCTION IN-HEX|- ROOM
static DWORD control_verb(struct helper *helper, int argc, WCHAR **argv)
{
	BYTE in[64], out[256];
	DWORD got, room = wcstoul(argv[4], NULL, 10), error;
	size_t length = hex_bytes(argv[3], in, sizeof(in));

	(void)argc;
	error = control(slot(helper, argv[1])->handle, FT_CODE(wcstoul(argv[2], NULL, 10)), in, (DWORD)length,
			out, room < sizeof(out) ? room : sizeof(out), &got);
	if (!error)
		answer_hex(&helper->answer, "bytes", out, got);
	return error;
}

static DWORD start_read(struct probe *probe, struct probe_read *read)
{
	memset(&read->over, 0, sizeof(read->over));
	if (ReadFile(probe->handle, read->bytes, read->room, NULL, &read->over) ||
	    GetLastError() == ERROR_IO_PENDING)
		return 0;
	return GetLastError();
}

// tap-read SLOT ROOM: starts one read
static DWORD read_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct probe *probe = slot(helper, argv[1]);
	struct probe_read *read = calloc(1, sizeof(*read));
	DWORD error;

	(void)argc;
	if (!read)
		return ERROR_OUTOFMEMORY;
	read->room = wcstoul(argv[2], NULL, 10);
	if ((error = start_read(probe, read)))
		free(read);
	return error;
}

// tap-take SLOT TIMEOUT_MS: the next read that is over; WAIT_TIMEOUT (258) when there is none
static DWORD take_verb(struct helper *helper, int argc, WCHAR **argv)
{
	OVERLAPPED *over = NULL;
	ULONG_PTR key;
	DWORD got = 0, error = 0;

	(void)argc;
	if (!GetQueuedCompletionStatus(slot(helper, argv[1])->port, &got, &key, &over,
				       wcstoul(argv[2], NULL, 10)))
		error = GetLastError();
	if (over && !error)
		answer_hex(&helper->answer, "bytes", ((struct probe_read *)over)->bytes, got);
	free(over);
	return error;
}

// tap-write SLOT HEX
static DWORD write_verb(struct helper *helper, int argc, WCHAR **argv)
{
	BYTE frame[4096];
	size_t length = hex_bytes(argv[2], frame, sizeof(frame));
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	DWORD error = write_all(slot(helper, argv[1])->handle, frame, (DWORD)length, event);

	(void)argc;
	CloseHandle(event);
	return error;
}

// tap-cancel SLOT: all its reads
static DWORD cancel_verb(struct helper *helper, int argc, WCHAR **argv)
{
	(void)argc;
	return CancelIoEx(slot(helper, argv[1])->handle, NULL) ? 0 : GetLastError();
}

struct joint {
	struct probe *from, *to;
};

// As a client does it: many reads in flight, each started anew once its frame is written to the other side.
static DWORD WINAPI carry(void *arg)
{
	struct joint *joint = arg;
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	struct probe_read *reads = calloc(HELPER_READS, sizeof(*reads));
	OVERLAPPED *over;
	ULONG_PTR key;
	DWORD got;

	for (int i = 0; reads && i < HELPER_READS; i++) {
		reads[i].room = 2048;
		start_read(joint->from, &reads[i]);
	}
	while (GetQueuedCompletionStatus(joint->from->port, &got, &key, &over, INFINITE)) {
		struct probe_read *read = (struct probe_read *)over;

		write_all(joint->to->handle, read->bytes, got, event);
		if (start_read(joint->from, read))
			break;
	}
	// The memory of reads that are still on their way stays; this process ends soon.
	CloseHandle(event);
	free(joint);
	return 0;
}

// tap-join SLOT SLOT: frames go from each to the other, until one is closed
static DWORD join_verb(struct helper *helper, int argc, WCHAR **argv)
{
	(void)argc;
	for (int i = 0; i < 2; i++) {
		struct joint *joint = malloc(sizeof(*joint));

		if (!joint)
			return ERROR_OUTOFMEMORY;
		*joint = (struct joint){slot(helper, argv[1 + i]), slot(helper, argv[2 - i])};
		CreateThread(NULL, 0, carry, joint, 0, NULL);
	}
	return 0;
}

const struct verb *probe_verbs(void)
{
	static const struct verb verbs[] = {
		{L"tap-open", 3, open_verb},
		{L"tap-close", 2, close_verb},
		{L"tap-control", 5, control_verb},
		{L"tap-read", 3, read_verb},
		{L"tap-take", 3, take_verb},
		{L"tap-write", 3, write_verb},
		{L"tap-cancel", 2, cancel_verb},
		{L"tap-join", 3, join_verb},
		{0},
	};
	return verbs;
}
