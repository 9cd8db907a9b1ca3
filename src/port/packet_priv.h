// What packet.c (opening, watching), packet_rx.c and packet_tx.c share.
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

// One read takes a whole super-frame: 64 KiB of IP packet, an Ethernet header, two tags.
#define PACKET_FRAME_MAX (65536 + 14 + 8)
// Before the bytes of a read: room to move the MAC addresses back when a VLAN tag is put in.
#define PACKET_HEADROOM 16
// A wake-up begins with few slots, each of which may bring a super-frame of 45 frames. Where only single
// frames come, it goes on with all of them. (Slots are long, but what is not used costs no memory.)
#define PACKET_RX_FEW 8
#define PACKET_RX_BATCH 64
#define PACKET_RX_SINGLE 2048 // bytes: longer is a super-frame
#define PACKET_RX_ROUNDS 5
// Bytes read in one wake-up: more would only overflow the tunnel's egress queue.
#define PACKET_RX_BYTES (96 * 1024)
#define PACKET_TX_BATCH 64
#define PACKET_TX_ARENA (256 * 1024)

struct packet_rx_slot {
	uint8_t bytes[PACKET_HEADROOM + SL_VNET_HEADER + PACKET_FRAME_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + 64];
	struct sockaddr_ll from;
	struct iovec iov;
};

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
	struct packet_rx_slot rx[PACKET_RX_BATCH];
	struct mmsghdr rx_msgs[PACKET_RX_BATCH];

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

void packet_rx_init(struct packet *packet);
void packet_rx_ready(void *arg, unsigned ready); // sl_io_fn

void packet_tx_init(struct packet *packet, bool offload);
int packet_send(struct sl_port *port, const uint8_t *frame, size_t len);
void packet_flush(struct sl_port *port);
