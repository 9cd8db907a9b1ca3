#include "port/packet_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "proto/eth.h"

#define MTU_NS SL_NS_PER_S // so old may our knowledge of it be

void packet_tx_init(struct packet *packet, bool offload)
{
	sl_coalesce_init(&packet->coalesce, offload ? SL_COALESCE_TCP | SL_COALESCE_UDP : 0, false);
	for (unsigned i = 0; i < PACKET_TX_BATCH; i++) {
		packet->tx_msgs[i].msg_hdr.msg_iov = &packet->tx_iov[i];
		packet->tx_msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

// The system refuses frames that are too long for the interface, but in a super-frame it would let them pass.
static void look_at_mtu(struct packet *packet)
{
	struct ifreq request = {0};

	if (packet->env->now_ns < packet->mtu_ns)
		return;
	packet->mtu_ns = packet->env->now_ns + MTU_NS;
	request.ifr_ifindex = packet->ifindex;
	if (ioctl(packet->fd, SIOCGIFNAME, &request) == 0 && ioctl(packet->fd, SIOCGIFMTU, &request) == 0 &&
	    request.ifr_mtu > 0 && request.ifr_mtu <= SL_COALESCE_MAX - SL_ETH_HEADER)
		packet->coalesce.frame_max = (size_t)request.ifr_mtu + SL_ETH_HEADER;
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

// One of a refused super-frame's wire frames.
static void send_alone(void *arg, const uint8_t *frame, size_t len)
{
	struct packet *packet = arg;
	uint8_t header[SL_VNET_HEADER];
	struct iovec iov[2] = {
		{.iov_base = header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)frame, .iov_len = len},
	};
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	unsigned lost = 0;

	sl_vnet_encode_plain(header);
	while (lost == 0) {
		if (sendmsg(packet->fd, &msg, MSG_DONTWAIT) >= 0) {
			packet->stats.tx_frames++;
			return;
		}
		lost = refused(packet, errno, 1);
	}
	packet->stats.tx_drops += lost;
}

// Gives what is in the batch to the system.
static void transmit(struct packet *packet)
{
	unsigned at = 0;

	while (at < packet->tx_count) {
		unsigned left = packet->tx_count - at, lost;
		int sent = sendmmsg(packet->fd, packet->tx_msgs + at, left, MSG_DONTWAIT);
		int why = sent < 0 ? errno : EAGAIN;

		if (sent > 0) {
			for (unsigned end = at + (unsigned)sent; at < end; at++)
				sl_supers_sent(&packet->stats, packet->tx_supers[at].segments);
			continue;
		}
		if (packet->tx_supers[at].segments > 1 && sl_supers_refused(why)) {
			sl_supers_cut(&packet->coalesce, packet->env->log, packet->interface, why,
				      &packet->tx_supers[at], send_alone, packet);
			at++;
			continue;
		}
		lost = refused(packet, why, left);
		for (unsigned end = at + lost; at < end; at++)
			packet->stats.tx_drops += packet->tx_supers[at].segments;
	}
	packet->tx_count = 0;
	packet->arena_used = 0;
}

static void put(void *arg, const struct sl_super *super)
{
	struct packet *packet = arg;
	struct iovec *iov;

	if (packet->tx_count == PACKET_TX_BATCH)
		transmit(packet);
	iov = &packet->tx_iov[packet->tx_count];
	iov->iov_base = super->frame - SL_VNET_HEADER;
	iov->iov_len = SL_VNET_HEADER + super->len;
	packet->tx_supers[packet->tx_count++] = *super;
}

// A frame that is not merged with others: by way of the arena, because its bytes are the caller's.
static void put_copy(struct packet *packet, const uint8_t *frame, size_t len)
{
	struct sl_super plain = {.len = len, .segments = 1};

	if (packet->tx_count == PACKET_TX_BATCH ||
	    sizeof(packet->arena) - packet->arena_used < SL_VNET_HEADER + len)
		packet_flush(&packet->port);
	plain.frame = packet->arena + packet->arena_used + SL_VNET_HEADER;
	sl_vnet_encode_plain(plain.frame - SL_VNET_HEADER);
	memcpy(plain.frame, frame, len);
	packet->arena_used += SL_VNET_HEADER + len;
	put(packet, &plain);
}

int packet_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct packet *packet = (struct packet *)port;
	enum sl_coalesced coalesced;

	if (packet->gone) {
		packet->stats.tx_drops++;
		return SL_ERR_CLOSED;
	}
	if (len < SL_ETH_HEADER || len > PACKET_FRAME_MAX) {
		packet->stats.tx_drops++;
		return SL_ERR_INVALID;
	}
	if (packet->coalesce.kinds != 0)
		look_at_mtu(packet);
	coalesced = sl_coalesce_add(&packet->coalesce, frame, len);
	if (coalesced == SL_COALESCE_FULL) {
		packet_flush(port);
		coalesced = sl_coalesce_add(&packet->coalesce, frame, len);
	}
	if (coalesced == SL_COALESCE_PASS)
		put_copy(packet, frame, len);
	return SL_OK;
}

void packet_flush(struct sl_port *port)
{
	struct packet *packet = (struct packet *)port;

	sl_coalesce_flush(&packet->coalesce, put, packet);
	transmit(packet);
}
