// An L2 port: where frames enter and leave the machine. One small interface over the packet
// socket, the Linux TAP and (later) the Windows TAP; a test gives one in memory.
//
// Frames given to `receive` are whole, single wire frames: super-frames are cut, checksums
// complete, VLAN tags back in place. Bytes are valid during the call only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct sl_port;

struct sl_port_handler {
	// May be NULL. Asked before the work of cutting a super-frame or completing a checksum: false
	// lets the port throw the frame away, which was then the handler's to count. Only the Ethernet
	// header may be looked at.
	bool (*wanted)(void *arg, const uint8_t *frame, size_t len);
	void (*receive)(void *arg, const uint8_t *frame, size_t len);
	// A captured frame that could not be made whole (bad offload header, cut off): its captured bytes.
	void (*malformed)(void *arg, const uint8_t *frame, size_t len);
	void (*batch_end)(void *arg);               // after each burst of receive calls
	void (*failed)(void *arg, const char *why); // the port is gone (interface removed …); called once
	void *arg;
};

struct sl_port_stats {
	uint64_t rx_frames, tx_frames;
	uint64_t rx_super, rx_segments; // super-frames read, and the frames they were cut into
	uint64_t rx_csum;               // partial checksums completed
	uint64_t rx_oversize;           // longer than any Ethernet frame may be: dropped (TAP on Windows)
	uint64_t rx_kernel_drops;       // lost before we could read them (packet socket statistics)
	uint64_t tx_super, tx_segments; // super-frames given to the system, and the frames in them
	uint64_t tx_drops;              // frames the system refused
};

struct sl_port_ops {
	// Gives a frame to the port. SL_OK, SL_ERR_AGAIN (the system's queue is full: dropped and
	// counted in tx_drops), SL_ERR_INVALID, SL_ERR_CLOSED. A frame that was taken may wait for the
	// burst's end, and what the system says then is in tx_drops alone.
	int (*send)(struct sl_port *port, const uint8_t *frame, size_t len);
	void (*flush)(struct sl_port *port); // ends a burst of send calls: everything leaves now
	void (*stats)(struct sl_port *port, struct sl_port_stats *out);
	void (*close)(struct sl_port *port);
};

struct sl_port {
	const struct sl_port_ops *ops;
};

static inline int sl_port_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	return port->ops->send(port, frame, len);
}
static inline void sl_port_flush(struct sl_port *port)
{
	port->ops->flush(port);
}
