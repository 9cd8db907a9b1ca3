// The client's port: a TAP device with IFF_VNET_HDR on Linux (LIN-1), an adapter of the TAP-Windows6 driver
// on Windows (WIN-1 to WIN-4).
#pragma once

#include <stdbool.h>

#include "common/mac.h"
#include "net/loop.h"
#include "port/port.h"

#define SL_TAP_NAME 256 // bytes of sl_tap_name's text, terminator included

struct sl_tap_config {
	const char *name;        // Linux: see sl_tap_name_valid. Windows: no meaning
	const char *instance_id; // Windows: see sl_tap_id_parse in port/tap_choice.h; "": the only one.
				 // Linux: no meaning
	struct sl_mac mac;
	bool offload; // Linux: super-frames and partial checksums from the kernel (TSO, USO); false: plain
		      // frames
};

// May this be a network device's name: 1 to 15 bytes, none of them '/', ':', '%', a blank or a control byte?
bool sl_tap_name_valid(const char *name);

// Makes the device ready, in standby. SL_OK or a code with a sentence.
//
// Linux: creates it with this MAC, link down. It disappears with the process. A device of this name that
// exists already is never taken over.
//
// Windows: chooses an adapter, opens it for us alone, marks its media as disconnected and writes the MAC into
// its NetworkAddress. That one stays written: the adapter is softlan's from then on, and its driver reads it
// at its start only. When the driver has another one, it is restarted, if we may. This can take some 10 s.
// All of it is done when the call returns.
int sl_tap_open(struct sl_loop *loop, const struct sl_tap_config *config,
		const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error);
// 0: the system does not have it (any more).
int sl_tap_ifindex(const struct sl_port *port);
// The device's name; on Windows the connection's as people see it, which they may change: UTF-8, without
// control bytes, shorter than SL_TAP_NAME. Valid as long as the port.
const char *sl_tap_name(const struct sl_port *port);
// Of the driver, with its version where it has one: "TAP-Windows 9.27".
const char *sl_tap_driver(const struct sl_port *port);
// "TSO and USO", "TSO", "none": what the system granted.
const char *sl_tap_offload(const struct sl_port *port);
// Tells the machine whether the cable is plugged: the device, its addresses and routes stay. On Windows
// nothing is read or written before it is, and closing the port unplugs it first.
int sl_tap_set_carrier(struct sl_port *port, bool on);
