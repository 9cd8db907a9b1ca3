// The device that the TAP-Windows6 driver makes for an adapter, and its control codes.
#pragma once

#include "net/overlapped.h"
#include "port/tap_choice.h"

enum tap_state {
	TAP_READY,
	TAP_BUSY,   // another program has it open
	TAP_ABSENT, // the driver has not made it: the adapter is disabled, or its driver does not run
	TAP_DENIED,
	TAP_BROKEN, // anything else
};

struct tap_version {
	uint32_t major, minor;
};

// Opens the device for us alone and asks for its version. `*code`: the Windows error of all but TAP_READY.
// The device has its media disconnected from then on.
enum tap_state tap_device_open(struct sl_loop *loop, const struct sl_tap_adapter *adapter,
			       void (*burst_end)(void *arg), void *arg, struct sl_device **out,
			       struct tap_version *version, uint32_t *code);

// What a Windows error code says of it.
enum tap_state tap_device_state(uint32_t code);

// A code with the sentence that says why it can't be had.
int tap_device_refused(enum tap_state state, const struct sl_tap_adapter *adapter, uint32_t code,
		       struct sl_error *error);

// 0 or a Windows error code.
uint32_t tap_device_media(struct sl_device *device, bool connected);
uint32_t tap_device_mac(struct sl_device *device, struct sl_mac *out);
uint32_t tap_device_mtu(struct sl_device *device, uint32_t *out);
