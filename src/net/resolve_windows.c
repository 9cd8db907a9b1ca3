// Names are asked for by Windows itself: its cache, its hosts file, the name servers of each network, DNS
// over HTTPS.
#include <sys/socket.h> // before windows.h

#include <stdlib.h>
#include <windows.h>

#include "net/async.h"
#include "net/lookup.h"

#define PATIENCE_MS 2000

// Newer than mingw's headers, though not than its libraries.
INT WSAAPI GetAddrInfoExOverlappedResult(OVERLAPPED *overlapped);
INT WSAAPI GetAddrInfoExCancel(HANDLE *handle);

struct request {
	OVERLAPPED system; // with an event that says when it has ended
	struct sl_resolve *resolve;
	ADDRINFOEXW *result;
	HANDLE cancel, wait;
	struct sl_async *async;
};

static const char *why_not(int code)
{
	switch (code) {
	case 0:
	case WSAHOST_NOT_FOUND:
	case WSANO_DATA:
	case WSATYPE_NOT_FOUND:
		return "no address is known for this name; check its spelling";
	case WSATRY_AGAIN:
	case WSANO_RECOVERY:
		return "the name servers do not answer; check the network connection";
	case WSA_NOT_ENOUGH_MEMORY:
		return "out of memory";
	default:
		return "Windows could not ask for it; check the network connection";
	}
}

// In a thread of the system's.
static void CALLBACK on_event(void *arg, BOOLEAN timed_out)
{
	struct request *request = arg;

	(void)timed_out;
	sl_async_send(request->async);
}

static void request_free(struct request *request)
{
	if (request->result)
		FreeAddrInfoExW(request->result);
	if (request->system.hEvent)
		CloseHandle(request->system.hEvent);
	sl_async_free(request->async);
	free(request);
}

static void take(const struct request *request)
{
	const ADDRINFOEXW *ai = request->result;

	for (; ai; ai = (const ADDRINFOEXW *)(const void *)ai->ai_next) // mingw misspells its type
		sl_lookup_found(request->resolve, ai->ai_addr, ai->ai_addrlen);
}

static void on_answer(void *arg)
{
	struct request *request = arg;
	struct sl_resolve *resolve = request->resolve;
	int code;

	UnregisterWaitEx(request->wait, INVALID_HANDLE_VALUE); // waits until on_event has returned
	code = GetAddrInfoExOverlappedResult(&request->system);
	if (code == 0)
		take(request);
	request_free(request);
	resolve->loop->lookups--;
	sl_lookup_answered(resolve, why_not(code)); // may free it
}

// What GetAddrInfoExW answered at once, or that it has begun (WSA_IO_PENDING).
static int begin(struct request *request)
{
	const ADDRINFOEXW hints = {.ai_family = AF_UNSPEC,
				   .ai_socktype = SOCK_DGRAM,
				   .ai_protocol = IPPROTO_UDP,
				   .ai_flags = AI_ADDRCONFIG};
	wchar_t name[SL_HOST_MAX + 1];

	request->async = sl_loop_async(request->resolve->loop, on_answer, request);
	request->system.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!request->async || !request->system.hEvent)
		return WSA_NOT_ENOUGH_MEMORY;
	if (MultiByteToWideChar(CP_UTF8, 0, request->resolve->host.name, -1, name, SL_HOST_MAX + 1) == 0)
		return WSAHOST_NOT_FOUND;
	return GetAddrInfoExW(name, NULL, NS_DNS, NULL, &hints, &request->result, NULL, &request->system,
			      NULL, &request->cancel);
}

void sl_lookup_start(struct sl_resolve *resolve)
{
	struct request *request = calloc(1, sizeof(*request));
	int code = WSA_NOT_ENOUGH_MEMORY;

	if (request) {
		request->resolve = resolve;
		code = begin(request);
	}
	if (code == WSA_IO_PENDING) {
		resolve->request = request;
		resolve->loop->lookups++;
		if (RegisterWaitForSingleObject(&request->wait, request->system.hEvent, on_event, request,
						INFINITE, WT_EXECUTEONLYONCE))
			return;
		// Without a thread to wait in this one does.
		WaitForSingleObject(request->system.hEvent, INFINITE);
		sl_async_send(request->async);
		return;
	}
	if (code == 0)
		take(request);
	if (request)
		request_free(request);
	sl_lookup_answered(resolve, why_not(code));
}

void sl_lookup_cancel(struct sl_resolve *resolve)
{
	struct request *request = resolve->request;

	GetAddrInfoExCancel(&request->cancel); // the event is set soon then, and on_answer called
}

void sl_lookup_fini(struct sl_loop *loop)
{
	for (struct sl_resolve *resolve = loop->resolves; resolve; resolve = resolve->next) {
		struct request *request = resolve->request;

		if (!request)
			continue;
		resolve->request = NULL;
		GetAddrInfoExCancel(&request->cancel);
		UnregisterWaitEx(request->wait, INVALID_HANDLE_VALUE);
		if (WaitForSingleObject(request->system.hEvent, PATIENCE_MS) == WAIT_OBJECT_0) {
			request_free(request);
		} else { // the system still writes there
			sl_async_free(request->async);
		}
	}
}

bool sl_lookup_reachable(const struct sl_addr *addr)
{
	SOCKET fd = socket(addr->sa.sa_family, SOCK_DGRAM, IPPROTO_UDP);
	bool ok;

	if (fd == INVALID_SOCKET)
		return false;
	ok = connect(fd, &addr->sa, addr->len) == 0;
	closesocket(fd);
	return ok;
}
