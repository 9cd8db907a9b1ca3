// From the configuration to an adapter's device that is ours, with the right MAC: what sl_tap_open does
// before there are frames.
#pragma once

#include "port/tap.h"
#include "port/tap_device_windows.h"

struct tap_started {
	struct sl_tap_adapter adapter;
	struct tap_version version;
	struct sl_device *device; // its media disconnected
};

// SL_OK, and the device is the caller's, or a code with a sentence.
int tap_start(struct sl_loop *loop, const struct sl_tap_config *config, void (*burst_end)(void *arg),
	      void *arg, struct tap_started *out, struct sl_error *error);
