#include "port/packet_priv.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

#include "common/bytes.h"
#include "proto/eth.h"

#define TAG_LEN 4

void packet_rx_init(struct packet *packet)
{
	for (unsigned i = 0; i < PACKET_RX_BATCH; i++) {
		struct packet_rx_slot *slot = &packet->rx[i];
		struct msghdr *msg = &packet->rx_msgs[i].msg_hdr;

		slot->iov.iov_base = slot->bytes + PACKET_HEADROOM;
		slot->iov.iov_len = sizeof(slot->bytes) - PACKET_HEADROOM;
		msg->msg_iov = &slot->iov;
		msg->msg_iovlen = 1;
		msg->msg_name = &slot->from;
		msg->msg_control = slot->control;
	}
}

static bool read_auxdata(struct msghdr *msg, struct tpacket_auxdata *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
		    c->cmsg_len >= CMSG_LEN(sizeof(*out))) {
			memcpy(out, CMSG_DATA(c), sizeof(*out));
			return true;
		}
	}
	return false;
}

// The kernel keeps the outer tag beside the frame; the wire had it after the two addresses. The
// caller left TAG_LEN bytes before the frame. Returns the frame's new start.
static uint8_t *insert_tag(uint8_t *frame, const struct tpacket_auxdata *aux)
{
	uint16_t tpid = SL_ETHERTYPE_VLAN;
	uint8_t *start = frame - TAG_LEN;

	if ((aux->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 && aux->tp_vlan_tpid != 0)
		tpid = aux->tp_vlan_tpid;
	memmove(start, frame, 2 * SL_MAC_LEN);
	sl_put16(start + 12, tpid);
	sl_put16(start + 14, aux->tp_vlan_tci);
	return start;
}

static void give_malformed(struct packet *packet, const uint8_t *frame, size_t len)
{
	packet->handler.malformed(packet->handler.arg, frame, len);
}

static void take(struct packet *packet, struct packet_rx_slot *slot, struct mmsghdr *got)
{
	uint8_t *frame = slot->bytes + PACKET_HEADROOM;
	size_t room = slot->iov.iov_len;
	size_t len = got->msg_len < room ? got->msg_len : room;
	struct tpacket_auxdata aux = {0};
	struct sl_vnet vnet = {0};
	bool have_aux = read_auxdata(&got->msg_hdr, &aux);
	bool readable = true;
	uint64_t suppressed = 0;

	if (slot->from.sll_pkttype == PACKET_OUTGOING)
		return;
	if (len < SL_VNET_HEADER) {
		give_malformed(packet, frame, 0);
		return;
	}
	readable = sl_vnet_decode(frame, len, &vnet) == SL_OK;
	frame += SL_VNET_HEADER;
	len -= SL_VNET_HEADER;
	// Cut off: only more than 64 KiB in one frame (BIG TCP) can do this. The true length is named.
	if ((got->msg_hdr.msg_flags & MSG_TRUNC) != 0 || got->msg_len > room) {
		if (sl_log_every(&packet->warn_cut, packet->env->now_ns, &suppressed))
			sl_warn(packet->env->log, SCOPE,
				"frame dropped, interface %s, len %zu, more %llu (too long to capture; run: "
				"ip link "
				"set %s gro_max_size 65536 gso_max_size 65536)",
				packet->interface, (size_t)got->msg_len - SL_VNET_HEADER,
				(unsigned long long)suppressed, packet->interface);
		give_malformed(packet, frame, len);
		return;
	}
	if (have_aux && (aux.tp_status & TP_STATUS_VLAN_VALID) != 0 && len >= 2 * SL_MAC_LEN) {
		frame = insert_tag(frame, &aux);
		len += TAG_LEN;
		vnet.csum_start = (uint16_t)(vnet.csum_start + TAG_LEN); // it counts from the frame's start
	}
	if (readable)
		sl_frames_give(&packet->frames, &vnet, frame, len);
	else
		give_malformed(packet, frame, len);
}

// Returns whether reading may go on.
static bool read_failed(struct packet *packet)
{
	uint64_t suppressed = 0;
	int why = errno;

	switch (why) {
	case EAGAIN:
		return false;
	case EINTR:
		return true;
	case ENETDOWN:
		packet_down(packet);
		return false;
	case ENXIO:
	case ENODEV:
		packet_gone(packet);
		return false;
	case EINVAL:
		// The kernel took a frame that it can't describe in a vnet header (an SCTP or, before
		// Linux 6.2, a UDP super-frame) and threw it away.
		give_malformed(packet, packet->rx[0].bytes, 0);
		break;
	default:
		break;
	}
	if (sl_log_every(&packet->warn_read, packet->env->now_ns, &suppressed))
		sl_warn(packet->env->log, SCOPE, "a frame could not be read, interface %s, more %llu (%s)",
			packet->interface, (unsigned long long)suppressed, strerror(why));
	return why == EINVAL;
}

void packet_rx_ready(void *arg, unsigned ready)
{
	struct packet *packet = arg;
	unsigned batch = PACKET_RX_FEW;
	size_t bytes = 0;
	bool any = false;

	(void)ready;
	for (unsigned round = 0; round < PACKET_RX_ROUNDS && bytes < PACKET_RX_BYTES; round++) {
		bool single = true;
		int count;

		for (unsigned i = 0; i < batch; i++) {
			struct msghdr *msg = &packet->rx_msgs[i].msg_hdr;

			msg->msg_namelen = sizeof(packet->rx[i].from);
			msg->msg_controllen = sizeof(packet->rx[i].control);
			msg->msg_flags = 0;
		}
		// MSG_TRUNC: msg_len is the frame's true length, even if it did not fit.
		count = recvmmsg(packet->fd, packet->rx_msgs, batch, MSG_DONTWAIT | MSG_TRUNC, NULL);
		if (count < 0) {
			if (read_failed(packet))
				continue;
			break;
		}
		for (int i = 0; i < count; i++) {
			bytes += packet->rx_msgs[i].msg_len;
			single = single && packet->rx_msgs[i].msg_len <= PACKET_RX_SINGLE;
			take(packet, &packet->rx[i], &packet->rx_msgs[i]);
		}
		any = any || count > 0;
		if (count < (int)batch)
			break;
		batch = single ? PACKET_RX_BATCH : PACKET_RX_FEW;
	}
	if (any)
		packet->handler.batch_end(packet->handler.arg);
}
