// From one read of a packet socket or a TAP (struct virtio_net_hdr, then a frame) to whole wire
// frames for a port's handler: super-frames are cut and partial checksums completed (proto/offload.h).
// Shared by packet.c and tap.c; inside of src/port only.
#pragma once

#include "port/port.h"
#include "proto/offload.h"

struct sl_frames {
	const struct sl_port_handler *handler;
	struct sl_port_stats *stats; // rx_frames, rx_super, rx_segments, rx_csum are counted here
	uint8_t scratch[SL_OFFLOAD_SCRATCH];
};

void sl_frames_init(struct sl_frames *frames, const struct sl_port_handler *handler,
		    struct sl_port_stats *stats);

// One frame with its decoded header. Gives 1..n frames to `receive`, or the captured bytes to
// `malformed`. `frame` may be written to.
void sl_frames_give(struct sl_frames *frames, const struct sl_vnet *vnet, uint8_t *frame, size_t len);

// One read buffer as it came from the system: SL_VNET_HEADER bytes of header, then the frame.
void sl_frames_input(struct sl_frames *frames, uint8_t *buf, size_t len);
