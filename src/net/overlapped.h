// Windows: overlapped I/O on devices and pipes. One thread per loop waits for what is done, and the loop
// hears of it in batches, in the order of completion, without polling.
#pragma once

#include <sys/socket.h> // before windows.h

#include <windows.h>

#include "net/loop.h"

struct sl_device; // a handle whose operations are completed in the loop

// One operation: the caller's memory, which (with the buffer) stays where it is until `done` is called or
// sl_device_close has returned true.
struct sl_overlapped {
	OVERLAPPED system; // first
	struct sl_overlapped *next;
	struct sl_device *device;
	uint32_t error, bytes;
	// From the loop, when the operation has ended: 0 or a Windows error code, and how many bytes went.
	// May start the operation anew, and may close the device.
	void (*done)(struct sl_overlapped *operation, uint32_t error, uint32_t bytes);
	void *arg;
};

// Takes over a handle that was opened with FILE_FLAG_OVERLAPPED, also when it fails. `burst_end` (may be
// NULL) is called after each batch in which operations of this device were done.
int sl_device_new(struct sl_loop *loop, HANDLE handle, void (*burst_end)(void *arg), void *arg,
		  struct sl_device **out, struct sl_error *error);
HANDLE sl_device_handle(const struct sl_device *device);

// Start an operation. 0: `done` will be called, later in every case; else a Windows error code, and it will
// not.
uint32_t sl_device_read(struct sl_device *device, struct sl_overlapped *operation, void *buf, uint32_t len);
uint32_t sl_device_write(struct sl_device *device, struct sl_overlapped *operation, const void *buf,
			 uint32_t len);
uint32_t sl_device_connect(struct sl_device *device, struct sl_overlapped *operation); // ConnectNamedPipe

// Has the system give up what is under way; `done` is called with ERROR_OPERATION_ABORTED.
void sl_device_cancel(struct sl_device *device);

// A control code, answered within two seconds: 0 or a Windows error code (ERROR_TIMEOUT). `got`: bytes in
// `out`.
uint32_t sl_device_ioctl(struct sl_device *device, uint32_t code, const void *in, uint32_t in_len, void *out,
			 uint32_t out_len, uint32_t *got);

// Cancels all, closes the handle, waits until the system has given back every operation; `done` is not
// called. False: it has not within two seconds, and the memory of the operations must never be freed. NULL is
// fine.
bool sl_device_close(struct sl_device *device);
