// One UDP socket: shared by udp.c (open, receive) and udp_send.c.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/log.h"
#include "net/internal.h"

#define SL_UDP_TX_BATCH 64       // messages in one sendmmsg
#define SL_UDP_MAX_SEGMENTS 64   // UDP_MAX_SEGMENTS of Linux before 6.x
#define SL_UDP_MAX_PAYLOAD 65507 // of one IPv4 packet
#define SL_UDP_RX_CONTROL 192
#define SL_UDP_TX_CONTROL 128

struct sl_udp_tx_slot {
	struct iovec iov;
	struct sl_addr remote;
	size_t entry, end; // which entry of the batch, and where in it this message ends
	size_t datagrams;
	_Alignas(struct cmsghdr) unsigned char control[SL_UDP_TX_CONTROL];
};

struct sl_udp {
	struct sl_loop *loop;
	int fd;
	sa_family_t family;
	bool connected;
	struct sl_addr local;
	struct sl_udp_handler handler;
	struct sl_udp_stats stats;
	bool in_callback, closed; // closed inside of its own callback: freed when that has returned

	struct event *readable;
	struct sl_pace pace;
	size_t rx_slots, rx_size; // messages in one recvmmsg, and bytes for each
	size_t rx_filled;         // by the last one
	uint8_t *rx_data;
	struct mmsghdr *rx_msgs;
	struct iovec *rx_iovs;
	struct sl_udp_rx *rx_batch;
	struct sl_addr *rx_remote, *rx_local;
	unsigned char *rx_control;

	bool blocked, owed;     // owed: udp_send came back short, so handler.writable is to be called
	struct event *writable; // EV_WRITE, or a short time-out when the system is out of buffers
	struct mmsghdr *tx_msgs;
	struct sl_udp_tx_slot *tx_slots;
	// The rest of a train that had to go datagram by datagram and met a full socket half-way. Its
	// entry was taken, so it is ours to send, before anything else.
	uint8_t *pending;
	struct sl_udp_tx pending_tx;
	struct sl_addr pending_local, pending_remote;
	struct sl_log_limit refused;
};

bool sl_udp_tx_init(struct sl_udp *udp); // false: out of memory
void sl_udp_tx_fini(struct sl_udp *udp);
void sl_udp_enter(struct sl_udp *udp);
void sl_udp_leave(struct sl_udp *udp); // frees it, if it was closed meanwhile
