#include "port/packet_priv.h"

#include <errno.h>
#include <string.h>

#include "proto/eth.h"

int packet_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct packet *packet = (struct packet *)port;
	uint8_t *at;

	if (packet->gone) {
		packet->stats.tx_drops++;
		return SL_ERR_CLOSED;
	}
	if (len < SL_ETH_HEADER || len > PACKET_FRAME_MAX) {
		packet->stats.tx_drops++;
		return SL_ERR_INVALID;
	}
	if (packet->tx_count == PACKET_TX_BATCH ||
	    sizeof(packet->arena) - packet->arena_used < SL_VNET_HEADER + len)
		packet_flush(port);

	at = packet->arena + packet->arena_used;
	sl_vnet_encode_plain(at);
	memcpy(at + SL_VNET_HEADER, frame, len);
	packet->tx_iov[packet->tx_count].iov_base = at;
	packet->tx_iov[packet->tx_count].iov_len = SL_VNET_HEADER + len;
	packet->tx_msgs[packet->tx_count].msg_hdr.msg_iov = &packet->tx_iov[packet->tx_count];
	packet->tx_msgs[packet->tx_count].msg_hdr.msg_iovlen = 1;
	packet->tx_count++;
	packet->arena_used += SL_VNET_HEADER + len;
	return SL_OK;
}

// What the system said of the first message left. Returns how many of `left` are given up.
static unsigned refused(struct packet *packet, int why, unsigned left)
{
	uint64_t suppressed = 0;

	switch (why) {
	case EINTR:
		return 0;
	case EAGAIN: // the socket's buffer is full: the rest would meet the same
		return left;
	case ENETDOWN:
		packet_down(packet);
		return left;
	case ENXIO:
	case ENODEV:
		packet_gone(packet);
		return left;
	case ENOBUFS: // the interface's queue was full for this one
		return 1;
	default: // EMSGSIZE, EINVAL …: this frame's own fault
		if (sl_log_every(&packet->warn_refused, packet->env->now_ns, &suppressed))
			sl_warn(packet->env->log, SCOPE, "a frame was refused, interface %s, more %llu (%s)",
				packet->interface, (unsigned long long)suppressed, strerror(why));
		return 1;
	}
}

void packet_flush(struct sl_port *port)
{
	struct packet *packet = (struct packet *)port;
	unsigned at = 0;

	while (at < packet->tx_count) {
		unsigned left = packet->tx_count - at;
		int sent = sendmmsg(packet->fd, packet->tx_msgs + at, left, MSG_DONTWAIT);

		if (sent > 0) {
			packet->stats.tx_frames += (unsigned)sent;
			at += (unsigned)sent;
		} else {
			unsigned lost = refused(packet, sent < 0 ? errno : EAGAIN, left);

			packet->stats.tx_drops += lost;
			at += lost;
		}
	}
	packet->tx_count = 0;
	packet->arena_used = 0;
}
