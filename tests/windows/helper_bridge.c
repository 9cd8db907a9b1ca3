// Frames between an adapter's back door and tun_bridge.py: batches of records, each one UDP datagram on
// loopback.
#include "helper.h"
#include <stdlib.h>

#define TAKEN 0xc0000000u

struct bridge {
	HANDLE back;
	SOCKET socket; // connected
};

static DWORD WINAPI up(void *arg)
{
	struct bridge *bridge = arg;
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	char *batch = malloc(FT_BATCH);
	DWORD count;

	while (batch) {
		OVERLAPPED over = {.hEvent = event};

		if (!ReadFile(bridge->back, batch, FT_BATCH, NULL, &over) &&
		    GetLastError() != ERROR_IO_PENDING)
			break;
		if (!GetOverlappedResult(bridge->back, &over, &count, TRUE))
			break;
		send(bridge->socket, batch, (int)count, 0);
	}
	free(batch);
	CloseHandle(event);
	return 0;
}

static DWORD WINAPI down(void *arg)
{
	struct bridge *bridge = arg;
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	char *batch = malloc(FT_BATCH);
	const DWORD taken = TAKEN;

	while (batch) {
		int count = recv(bridge->socket, batch, FT_BATCH, 0);

		// Until the adapter is gone; that nobody listens at the other end is no reason to go.
		if (count > 0 &&
		    write_all(bridge->back, batch, (DWORD)count, event) == ERROR_OPERATION_ABORTED)
			break;
		if (count > 0)
			send(bridge->socket, (const char *)&taken, sizeof(taken), 0);
	}
	free(batch);
	CloseHandle(event);
	return 0;
}

// bridge GUID PORT
DWORD bridge_verb(struct helper *helper, int argc, WCHAR **argv)
{
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	WCHAR guid[FT_GUID] = L"";
	int buffer = 4 << 20;
	DWORD error;

	(void)helper;
	(void)argc;
	if (!bridge)
		return ERROR_OUTOFMEMORY;
	wcsncpy(guid, argv[1], FT_GUID - 1);
	there.sin_port = htons((u_short)wcstoul(argv[2], NULL, 10));
	bridge->socket = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(bridge->socket, SOL_SOCKET, SO_RCVBUF, (char *)&buffer, sizeof(buffer));
	setsockopt(bridge->socket, SOL_SOCKET, SO_SNDBUF, (char *)&buffer, sizeof(buffer));
	if (connect(bridge->socket, (struct sockaddr *)&there, sizeof(there)))
		return WSAGetLastError();
	bridge->back = CreateFileW(L"\\\\.\\" FT_BACK_DOOR, GENERIC_READ | GENERIC_WRITE, 0, NULL,
				   OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
	if (bridge->back == INVALID_HANDLE_VALUE)
		return GetLastError();
	if ((error = control(bridge->back, FT_SELECT, guid, sizeof(guid), NULL, 0, NULL)))
		return error;
	// They live as long as this process does, and the bridge with them.
	CreateThread(NULL, 0, up, bridge, 0, NULL);
	CreateThread(NULL, 0, down, bridge, 0, NULL);
	return 0;
}
