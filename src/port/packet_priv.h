// What packet.c (opening, watching), packet_ring.c, packet_rx.c and packet_tx.c share.
#pragma once

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/log.h"
#include "net/loop.h"
#include "port/frames.h"
#include "port/port.h"
#include "port/supers.h"

#define SCOPE "port" // in the log

// The ring that the kernel writes frames into: slots for frames of the usual size. Longer ones wait in the
// socket's queue, and take one call each.
#define PACKET_SLOT 2048
#define PACKET_SLOTS 2048
#define PACKET_BLOCK 65536 // slots are allocated in pieces of this size
// A frame from the queue: 64 KiB of IP packet, an Ethernet header, two tags.
#define PACKET_FRAME_MAX (65536 + 14 + 8)
// Read in one wake-up: more bytes would only overflow the tunnel's egress queue.
#define PACKET_RX_BYTES (96 * 1024)
#define PACKET_RX_FRAMES 320
#define PACKET_TX_BATCH 64
#define PACKET_TX_ARENA (256 * 1024)

struct packet {
	struct sl_port port; // first
	struct sl_env *env;
	struct sl_port_handler handler;
	struct sl_port_stats stats;
	struct sl_io *io;
	struct sl_timer *watch; // runs while the interface is down, and to report that it is gone
	int fd;
	int ifindex;
	char interface[IFNAMSIZ];
	bool down, gone, reported;
	struct sl_log_limit warn_cut, warn_refused, warn_read;

	struct sl_frames frames;
	uint8_t *ring;      // PACKET_SLOTS slots, shared with the kernel
	unsigned ring_next; // the slot that the kernel fills next, as far as we have read
	uint8_t rx_long[SL_VNET_HEADER + PACKET_FRAME_MAX]; // a frame from the queue

	uint8_t arena[PACKET_TX_ARENA];
	size_t arena_used;
	unsigned tx_count;
	struct iovec tx_iov[PACKET_TX_BATCH];
	struct mmsghdr tx_msgs[PACKET_TX_BATCH];
	struct sl_super tx_supers[PACKET_TX_BATCH]; // what each message is
	uint64_t mtu_ns;                            // when the interface's MTU is to be read again
	struct sl_coalesce coalesce;
};

// The interface went down (ENETDOWN) or is gone (ENXIO); said once, then watched.
void packet_down(struct packet *packet);
void packet_gone(struct packet *packet);

// Before the socket is bound. 0, or -1 with errno set.
int packet_ring_open(struct packet *packet);
void packet_ring_close(struct packet *packet);
// The next slot with a frame, ours until it is popped; NULL: none yet.
struct tpacket2_hdr *packet_ring_head(const struct packet *packet);
void packet_ring_pop(struct packet *packet, struct tpacket2_hdr *slot);

void packet_rx_ready(void *arg, unsigned ready); // sl_io_fn

void packet_tx_init(struct packet *packet, bool offload);
int packet_send(struct sl_port *port, const uint8_t *frame, size_t len);
void packet_flush(struct sl_port *port);
