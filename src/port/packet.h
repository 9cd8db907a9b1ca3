// The gateway's port: AF_PACKET on a wired interface, promiscuous, with PACKET_VNET_HDR and a receive ring,
// own outgoing frames ignored, the VLAN tag taken from the ring's header (packet(7)).
#pragma once

#include <stdbool.h>

#include "net/loop.h"
#include "port/port.h"

// Checks the interface (GW-1): it exists, is Ethernet, is not Wi-Fi, is up and has carrier.
// `sysfs` is "/sys" (another root in tests). SL_OK, or a code with a sentence.
int sl_packet_check(const char *sysfs, const char *interface, struct sl_error *error);

// Opens the interface; frames arrive through `handler` from the loop. `offload`: frames of one flow leave as
// super-frames. SL_OK or a code with a sentence.
int sl_packet_open(struct sl_loop *loop, const char *interface, bool offload,
		   const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error);
