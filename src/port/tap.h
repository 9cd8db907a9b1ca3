// The client's port on Linux: a TAP device with IFF_VNET_HDR (LIN-1).
#pragma once

#include <stdbool.h>

#include "common/mac.h"
#include "net/loop.h"
#include "port/port.h"

struct sl_tap_config {
	const char *name; // see sl_tap_name_valid
	struct sl_mac mac;
	bool offload; // super-frames and partial checksums from the kernel (TSO, USO); false: plain frames
};

// May this be a network device's name: 1 to 15 bytes, none of them '/', ':', '%', a blank or a control byte?
bool sl_tap_name_valid(const char *name);

// Creates the device with this MAC, link down (standby). It disappears with the process. A device of
// this name that exists already is never taken over. SL_OK or a code with a sentence.
int sl_tap_open(struct sl_loop *loop, const struct sl_tap_config *config,
		const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error);
int sl_tap_ifindex(const struct sl_port *port);
// "TSO and USO", "TSO", "none": what the kernel granted.
const char *sl_tap_offload(const struct sl_port *port);
// Tells the machine whether the cable is plugged: the device, its addresses and routes stay.
int sl_tap_set_carrier(struct sl_port *port, bool on);
