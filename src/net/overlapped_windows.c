#include "net/overlapped.h"

#include <stdlib.h>

#include "net/async.h"
#include "net/internal.h"

#define BATCH 64
#define PATIENCE_MS 2000
#define IOCTL_MAX 512 // bytes in and out

// One for a loop, made with its first device and freed with the last.
struct sl_completions {
	HANDLE port, thread;
	struct sl_async *async;
	struct event *soon; // for what was done at once
	struct sl_device *devices;
	struct sl_overlapped *ready, **ready_end; // of the loop: its next batch
	// Of both threads, under the lock.
	SRWLOCK lock;
	CONDITION_VARIABLE arrived;
	struct sl_overlapped *done, **done_end;
};

struct sl_device {
	struct sl_loop *loop;
	struct sl_device *next;
	HANDLE handle;
	size_t under_way; // operations that the loop has not heard of yet
	bool skips;       // what is done at once does not come through the port
	bool touched;     // in the current batch
	bool closed;      // and not freed, as the system kept an operation
	void (*burst_end)(void *arg);
	void *arg;
};

// ---- the thread

static DWORD WINAPI collect(void *arg)
{
	struct sl_completions *completions = arg;
	OVERLAPPED_ENTRY entries[BATCH];
	ULONG count;

	while (GetQueuedCompletionStatusEx(completions->port, entries, BATCH, &count, INFINITE, FALSE)) {
		bool end = false, any = false;

		AcquireSRWLockExclusive(&completions->lock);
		for (ULONG i = 0; i < count; i++) {
			struct sl_overlapped *operation = (struct sl_overlapped *)entries[i].lpOverlapped;

			if (!operation) { // sl_device_close of the last device
				end = true;
				continue;
			}
			operation->bytes = entries[i].dwNumberOfBytesTransferred;
			operation->next = NULL;
			*completions->done_end = operation;
			completions->done_end = &operation->next;
			any = true;
		}
		ReleaseSRWLockExclusive(&completions->lock);
		if (any) {
			WakeConditionVariable(&completions->arrived);
			sl_async_send(completions->async);
		}
		if (end)
			break;
	}
	return 0;
}

// ---- the loop

// Moves what the thread has brought behind what is ready.
static void take(struct sl_completions *completions)
{
	AcquireSRWLockExclusive(&completions->lock);
	if (completions->done) {
		*completions->ready_end = completions->done;
		completions->ready_end = completions->done_end;
		completions->done = NULL;
		completions->done_end = &completions->done;
	}
	ReleaseSRWLockExclusive(&completions->lock);
}

static struct sl_overlapped *pop(struct sl_completions *completions)
{
	struct sl_overlapped *operation = completions->ready;

	if (!operation)
		return NULL;
	completions->ready = operation->next;
	if (!completions->ready)
		completions->ready_end = &completions->ready;
	operation->device->under_way--;
	return operation;
}

// How it ended. The system's own status says it, whatever became of the handle (NTSTATUS, ntstatus.h).
static uint32_t outcome(const struct sl_overlapped *operation)
{
	DWORD bytes;

	if (operation->error)
		return operation->error;
	if (operation->system.Internal == 0)
		return 0;
	return GetOverlappedResult(operation->device->handle, (OVERLAPPED *)&operation->system, &bytes, FALSE)
		       ? 0
		       : GetLastError();
}

// One batch: what was ready at its beginning. A callback that starts what ends at once can't keep us here.
static void dispatch(struct sl_loop *loop)
{
	struct sl_completions *completions = loop->completions;
	struct sl_overlapped *operation;
	size_t left = 0;

	take(completions);
	for (operation = completions->ready; operation; operation = operation->next)
		left++;
	while (left-- > 0 && loop->completions == completions && (operation = pop(completions)) != NULL) {
		if (operation->device->closed)
			continue; // given back too late for sl_device_close
		operation->device->touched = true;
		operation->done(operation, outcome(operation), operation->bytes);
	}
	while (loop->completions == completions) { // a callback may have closed the last device
		struct sl_device *device = completions->devices;

		while (device && !device->touched)
			device = device->next;
		if (!device)
			break;
		device->touched = false;
		if (device->burst_end)
			device->burst_end(device->arg);
	}
	if (loop->completions == completions && completions->ready)
		event_active(completions->soon, EV_TIMEOUT, 1);
}

static void on_async(void *arg)
{
	dispatch(arg);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_loop_wake(arg);
	dispatch(arg);
}

static void completions_free(struct sl_loop *loop)
{
	struct sl_completions *completions = loop->completions;

	loop->completions = NULL;
	if (completions->thread) {
		PostQueuedCompletionStatus(completions->port, 0, 0, NULL);
		WaitForSingleObject(completions->thread, INFINITE);
		CloseHandle(completions->thread);
	}
	if (completions->port)
		CloseHandle(completions->port);
	if (completions->soon)
		event_free(completions->soon);
	sl_async_free(completions->async);
	free(completions);
}

static bool completions_make(struct sl_loop *loop)
{
	struct sl_completions *completions;

	if (loop->completions)
		return true;
	loop->completions = completions = calloc(1, sizeof(*completions));
	if (!completions)
		return false;
	InitializeSRWLock(&completions->lock);
	InitializeConditionVariable(&completions->arrived);
	completions->done_end = &completions->done;
	completions->ready_end = &completions->ready;
	completions->async = sl_loop_async(loop, on_async, loop);
	completions->soon = evtimer_new(loop->base, on_soon, loop);
	completions->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
	if (completions->async && completions->soon && completions->port)
		completions->thread = CreateThread(NULL, 0, collect, completions, 0, NULL);
	if (completions->thread)
		return true;
	completions_free(loop);
	return false;
}

// ---- devices

int sl_device_new(struct sl_loop *loop, HANDLE handle, void (*burst_end)(void *arg), void *arg,
		  struct sl_device **out, struct sl_error *error)
{
	struct sl_device *device = calloc(1, sizeof(*device));
	DWORD code = ERROR_NOT_ENOUGH_MEMORY;

	*out = NULL;
	if (!device || !completions_make(loop))
		goto out;
	if (!CreateIoCompletionPort(handle, loop->completions->port, 0, 0)) {
		code = GetLastError();
		if (!loop->completions->devices)
			completions_free(loop);
		goto out;
	}
	device->skips = SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
									   FILE_SKIP_SET_EVENT_ON_HANDLE);
	device->loop = loop;
	device->handle = handle;
	device->burst_end = burst_end;
	device->arg = arg;
	device->next = loop->completions->devices;
	loop->completions->devices = device;
	*out = device;
	return SL_OK;
out:
	free(device);
	CloseHandle(handle);
	return sl_fail(error, SL_ERR_SYSTEM, "overlapped I/O can't be set up: Windows error %lu", code);
}

HANDLE sl_device_handle(const struct sl_device *device)
{
	return device->handle;
}

static void begin(struct sl_device *device, struct sl_overlapped *operation)
{
	memset(&operation->system, 0, sizeof(operation->system));
	operation->device = device;
	operation->error = operation->bytes = 0;
	device->under_way++;
}

// It was done at once, and the port says nothing of it.
static void done_at_once(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct sl_completions *completions = operation->device->loop->completions;

	operation->error = error;
	operation->bytes = bytes;
	operation->next = NULL;
	operation->system.Internal = 0; // ConnectNamedPipe leaves it at "pending" when somebody was faster
	if (!completions->ready)
		event_active(completions->soon, EV_TIMEOUT, 1);
	*completions->ready_end = operation;
	completions->ready_end = &operation->next;
}

static uint32_t begun(struct sl_overlapped *operation, BOOL ok)
{
	struct sl_device *device = operation->device;
	DWORD code = ok ? 0 : GetLastError();

	if (ok && device->skips)
		done_at_once(operation, 0, (uint32_t)operation->system.InternalHigh);
	else if (!ok && code == ERROR_PIPE_CONNECTED) // ConnectNamedPipe: the client was faster
		done_at_once(operation, 0, 0);
	else if (!ok && code != ERROR_IO_PENDING) {
		device->under_way--;
		return code;
	}
	return 0;
}

uint32_t sl_device_read(struct sl_device *device, struct sl_overlapped *operation, void *buf, uint32_t len)
{
	begin(device, operation);
	return begun(operation, ReadFile(device->handle, buf, len, NULL, &operation->system));
}

uint32_t sl_device_write(struct sl_device *device, struct sl_overlapped *operation, const void *buf,
			 uint32_t len)
{
	begin(device, operation);
	return begun(operation, WriteFile(device->handle, buf, len, NULL, &operation->system));
}

uint32_t sl_device_connect(struct sl_device *device, struct sl_overlapped *operation)
{
	begin(device, operation);
	return begun(operation, ConnectNamedPipe(device->handle, &operation->system));
}

void sl_device_cancel(struct sl_device *device)
{
	CancelIoEx(device->handle, NULL);
}

// What the system may still write to after a time-out: it is not freed then.
struct ioctl {
	OVERLAPPED system;
	uint8_t in[IOCTL_MAX], out[IOCTL_MAX];
};

uint32_t sl_device_ioctl(struct sl_device *device, uint32_t code, const void *in, uint32_t in_len, void *out,
			 uint32_t out_len, uint32_t *got)
{
	struct ioctl *ioctl;
	DWORD bytes = 0, result = 0;
	HANDLE event;

	if (in_len > IOCTL_MAX || out_len > IOCTL_MAX)
		return ERROR_INVALID_PARAMETER;
	ioctl = calloc(1, sizeof(*ioctl));
	event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!ioctl || !event) {
		result = ERROR_NOT_ENOUGH_MEMORY;
		goto out;
	}
	// The lowest bit keeps the completion out of the port (GetQueuedCompletionStatus).
	ioctl->system.hEvent = (HANDLE)((ULONG_PTR)event | 1);
	if (in_len)
		memcpy(ioctl->in, in, in_len);
	if (!DeviceIoControl(device->handle, code, ioctl->in, in_len, ioctl->out, out_len, NULL,
			     &ioctl->system) &&
	    GetLastError() != ERROR_IO_PENDING) {
		result = GetLastError();
		goto out;
	}
	if (WaitForSingleObject(event, PATIENCE_MS) != WAIT_OBJECT_0) {
		CancelIoEx(device->handle, &ioctl->system);
		return ERROR_TIMEOUT;
	}
	if (!GetOverlappedResult(device->handle, &ioctl->system, &bytes, FALSE))
		result = GetLastError();
	else if (out_len)
		memcpy(out, ioctl->out, bytes < out_len ? bytes : out_len);
	if (got)
		*got = bytes;
out:
	if (event)
		CloseHandle(event);
	free(ioctl);
	return result;
}

// Takes the device's operations out of what is ready.
static void forget(struct sl_completions *completions, struct sl_device *device)
{
	struct sl_overlapped **at = &completions->ready;

	while (*at) {
		if ((*at)->device == device) {
			*at = (*at)->next;
			device->under_way--;
		} else {
			at = &(*at)->next;
		}
	}
	completions->ready_end = at;
}

static bool drain(struct sl_device *device)
{
	struct sl_completions *completions = device->loop->completions;
	ULONGLONG end = GetTickCount64() + PATIENCE_MS;

	for (;;) {
		ULONGLONG now = GetTickCount64();

		take(completions);
		forget(completions, device);
		if (device->under_way == 0)
			return true;
		if (now >= end)
			return false;
		AcquireSRWLockExclusive(&completions->lock);
		if (!completions->done)
			SleepConditionVariableSRW(&completions->arrived, &completions->lock,
						  (DWORD)(end - now), 0);
		ReleaseSRWLockExclusive(&completions->lock);
	}
}

bool sl_device_close(struct sl_device *device)
{
	struct sl_loop *loop;
	struct sl_device **at;
	bool drained;

	if (!device)
		return true;
	loop = device->loop;
	CancelIoEx(device->handle, NULL);
	CloseHandle(device->handle);
	drained = drain(device);
	for (at = &loop->completions->devices; *at != device; at = &(*at)->next)
		;
	*at = device->next;
	device->closed = true;
	if (!loop->completions->devices)
		completions_free(loop); // and with it the thread, before the loop goes
	if (drained)                    // else its operations may still come, and they name it
		free(device);
	return drained;
}
