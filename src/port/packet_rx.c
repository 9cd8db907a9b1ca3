// Receiving: frames are read where the kernel has put them, in the ring, with no system call for each.
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "common/bytes.h"
#include "port/packet_priv.h"
#include "proto/eth.h"

#define TAG_LEN 4
// In a slot the sender's address comes after the header (packet_mmap.rst; TPACKET_ALIGN mixes signs).
#define FROM_AT                                                                                              \
	((sizeof(struct tpacket2_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT)

// The kernel keeps the outer tag beside the frame; the wire had it after the two addresses. It takes the
// last bytes of the vnet header, which has been read. Returns the frame's new start.
static uint8_t *insert_tag(uint8_t *frame, const struct tpacket2_hdr *slot)
{
	uint16_t tpid = SL_ETHERTYPE_VLAN;
	uint8_t *start = frame - TAG_LEN;

	if ((slot->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 && slot->tp_vlan_tpid != 0)
		tpid = slot->tp_vlan_tpid;
	memmove(start, frame, 2 * SL_MAC_LEN);
	sl_put16(start + 12, tpid);
	sl_put16(start + 14, slot->tp_vlan_tci);
	return start;
}

static void give_malformed(struct packet *packet, const uint8_t *frame, size_t len)
{
	packet->handler.malformed(packet->handler.arg, frame, len);
}

// Only before Linux 4.20, which knows PACKET_IGNORE_OUTGOING.
static bool is_own(const struct tpacket2_hdr *slot)
{
	const struct sockaddr_ll *from = (const void *)((const uint8_t *)slot + FROM_AT);

	return from->sll_pkttype == PACKET_OUTGOING;
}

// `frame`: the captured bytes, its vnet header right before them.
static void give(struct packet *packet, const struct tpacket2_hdr *slot, uint8_t *frame, size_t len)
{
	struct sl_vnet vnet = {0};
	bool readable = sl_vnet_decode(frame - SL_VNET_HEADER, SL_VNET_HEADER, &vnet) == SL_OK;

	if (is_own(slot))
		return;
	if ((slot->tp_status & TP_STATUS_VLAN_VALID) != 0 && len >= 2 * SL_MAC_LEN) {
		frame = insert_tag(frame, slot);
		len += TAG_LEN;
		vnet.csum_start = (uint16_t)(vnet.csum_start + TAG_LEN); // it counts from the frame's start
	}
	if (readable)
		sl_frames_give(&packet->frames, &vnet, frame, len);
	else
		give_malformed(packet, frame, len);
}

// Only more than 64 KiB in one frame (BIG TCP) can do this.
static void warn_cut(struct packet *packet, size_t len)
{
	uint64_t suppressed = 0;

	if (sl_log_every(&packet->warn_cut, packet->env->now_ns, &suppressed))
		sl_warn(packet->env->log, SCOPE,
			"frame dropped, interface %s, len %zu, more %llu (too long to capture; run: "
			"ip link set %s gro_max_size 65536 gso_max_size 65536)",
			packet->interface, len, (unsigned long long)suppressed, packet->interface);
}

static void warn_unread(struct packet *packet, int why)
{
	uint64_t suppressed = 0;

	if (sl_log_every(&packet->warn_read, packet->env->now_ns, &suppressed))
		sl_warn(packet->env->log, SCOPE, "a frame could not be read, interface %s, more %llu (%s)",
			packet->interface, (unsigned long long)suppressed, strerror(why));
}

// The slot's frame is longer than a slot and waits, whole, at the head of the socket's queue.
static void take_long(struct packet *packet, const struct tpacket2_hdr *slot)
{
	uint8_t *frame = packet->rx_long + SL_VNET_HEADER;
	const size_t room = sizeof(packet->rx_long);
	ssize_t got;

	do
		// MSG_TRUNC: the result is the true length, even if it did not fit.
		got = recv(packet->fd, packet->rx_long, room, MSG_DONTWAIT | MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	if (got < (ssize_t)SL_VNET_HEADER) {
		// EINVAL: the kernel can't describe the frame in a vnet header, and threw it away.
		if (got < 0)
			warn_unread(packet, errno);
		give_malformed(packet, frame, 0);
	} else if ((size_t)got > room) {
		warn_cut(packet, (size_t)got - SL_VNET_HEADER);
		give_malformed(packet, frame, room - SL_VNET_HEADER);
	} else {
		give(packet, slot, frame, (size_t)got - SL_VNET_HEADER);
	}
}

static void take(struct packet *packet, struct tpacket2_hdr *slot)
{
	if ((slot->tp_status & TP_STATUS_COPY) != 0)
		take_long(packet, slot);
	else if (slot->tp_snaplen < slot->tp_len)
		packet->stats.rx_kernel_drops++; // too long for a slot, and the queue was full
	else
		give(packet, slot, (uint8_t *)slot + slot->tp_mac, slot->tp_snaplen);
}

// What the kernel says of the interface; forgotten once it is read.
static void socket_error(struct packet *packet)
{
	int why = 0;
	socklen_t len = sizeof(why);

	if (getsockopt(packet->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
		why = errno;
	if (why == ENETDOWN)
		packet_down(packet);
	else if (why == ENXIO || why == ENODEV)
		packet_gone(packet);
	else if (why != 0)
		warn_unread(packet, why);
}

void packet_rx_ready(void *arg, unsigned ready)
{
	struct packet *packet = arg;
	size_t bytes = 0;
	unsigned frames = 0;

	(void)ready;
	while (bytes < PACKET_RX_BYTES && frames < PACKET_RX_FRAMES) {
		struct tpacket2_hdr *slot = packet_ring_head(packet);

		if (slot == NULL)
			break;
		bytes += slot->tp_len;
		frames++;
		take(packet, slot);
		packet_ring_pop(packet, slot);
	}
	if (frames > 0)
		packet->handler.batch_end(packet->handler.arg);
	else
		socket_error(packet);
}
