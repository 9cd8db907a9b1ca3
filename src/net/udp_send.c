// Sending: many messages with one sendmmsg, and with UDP_SEGMENT a train of equal datagrams as one
// message, which the kernel or the network card cuts.
#include "net/udp_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

// How long to wait when the system, not the socket, is out of buffers: then the socket counts as
// writable, and waiting for that would spin.
#define NO_BUFFERS_US 1000

// Where in the caller's batch the sending stands.
struct cursor {
	const struct sl_udp_tx *batch;
	size_t count;
	size_t entry, offset; // the next byte to send
	size_t single;        // this entry goes datagram by datagram; SIZE_MAX: none
	bool suspect;         // and if that works, UDP_SEGMENT was to blame
	bool again;           // the next message is tried for the second time
};

static void add_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c =
		(struct cmsghdr *)(void *)((unsigned char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

// The source address, so that an answer leaves from the address that was written to; the interface
// stays the routing table's choice, but a link-local address is nothing without its own.
static void add_source(struct msghdr *msg, const struct sl_addr *local)
{
	struct sl_addr plain;

	sl_addr_unmap(local, &plain);
	if (plain.sa.sa_family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = plain.in.sin_addr};

		if (plain.in.sin_addr.s_addr != htonl(INADDR_ANY))
			add_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (!IN6_IS_ADDR_UNSPECIFIED(&plain.in6.sin6_addr)) {
		struct in6_pktinfo info = {.ipi6_addr = plain.in6.sin6_addr};

		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = plain.in6.sin6_scope_id;
		add_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void fill(struct sl_udp *udp, size_t slot_index, const struct sl_udp_tx *tx, size_t offset, size_t len)
{
	struct sl_udp_tx_slot *slot = &udp->tx_slots[slot_index];
	struct msghdr *msg = &udp->tx_msgs[slot_index].msg_hdr;
	bool v4 = udp->family == AF_INET;

	slot->iov.iov_base = (void *)(uintptr_t)(tx->data + offset);
	slot->iov.iov_len = len;
	slot->end = offset + len;
	slot->datagrams = 1;
	memset(msg, 0, sizeof(*msg));
	msg->msg_iov = &slot->iov;
	msg->msg_iovlen = 1;
	msg->msg_control = slot->control;
	if (!udp->connected) {
		if (v4)
			sl_addr_unmap(tx->remote, &slot->remote);
		else
			sl_addr_map(tx->remote, &slot->remote);
		msg->msg_name = &slot->remote.sa;
		msg->msg_namelen = slot->remote.len;
		if (tx->local && tx->local->len)
			add_source(msg, tx->local);
		v4 = v4 || sl_addr_is_ipv4(tx->remote);
	}
	if (tx->ecn) {
		int tos = tx->ecn & 3;

		if (v4)
			add_control(msg, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
		else
			add_control(msg, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	}
	// Never for a single segment: some kernels and cards answer that with EIO or EINVAL.
	if (tx->segment && len > tx->segment) {
		uint16_t segment = tx->segment;

		add_control(msg, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
		slot->datagrams = (len + segment - 1) / segment;
	}
	if (msg->msg_controllen == 0)
		msg->msg_control = NULL;
}

// Fills messages from the cursor on, without moving it. Returns how many.
static size_t build(struct sl_udp *udp, const struct cursor *at)
{
	size_t n = 0, entry = at->entry, offset = at->offset;

	while (n < SL_UDP_TX_BATCH && entry < at->count) {
		const struct sl_udp_tx *tx = &at->batch[entry];
		size_t left = tx->len - offset, len = left;

		if (tx->segment && left > tx->segment &&
		    (!udp->stats.gso || entry == at->single || left > SL_UDP_MAX_PAYLOAD ||
		     left > (size_t)tx->segment * SL_UDP_MAX_SEGMENTS))
			len = tx->segment;
		udp->tx_slots[n].entry = entry;
		fill(udp, n, tx, offset, len);
		n++;
		offset += len;
		if (offset == tx->len) {
			entry++;
			offset = 0;
		}
	}
	return n;
}

static void step(struct cursor *at, const struct sl_udp_tx_slot *slot)
{
	at->entry = slot->entry;
	at->offset = slot->end;
	if (at->offset >= at->batch[at->entry].len) {
		at->entry++;
		at->offset = 0;
	}
}

static void gso_off(struct sl_udp *udp, int code)
{
	if (!udp->stats.gso)
		return;
	udp->stats.gso = false;
	sl_warn(udp->loop->env.log, "net",
		"UDP segmentation offload is off from now on, datagrams are sent one by one (%s)",
		strerror(code));
}

// Was the message refused because it is a train? Then the cursor is told to cut it.
static bool try_single(struct sl_udp *udp, struct cursor *at, int code)
{
	if (udp->tx_slots[0].datagrams == 1)
		return false;
	switch (code) {
	case EIO: // no checksum offload on the device, or an IPsec route
	case EOPNOTSUPP:
		gso_off(udp, code);
		break;
	case EINVAL: // not able to, or (before Linux 6.13) a segment longer than the device's MTU
		at->suspect = true;
		break;
	case EMSGSIZE: // the train's last datagram may still be short enough
		break;
	default:
		return false;
	}
	at->single = at->entry;
	return true;
}

static void refused(struct sl_udp *udp, const struct sl_udp_tx *tx, size_t datagrams, int code)
{
	char to[SL_ADDR_TEXT];
	uint64_t held_back;

	udp->stats.tx_errors += datagrams;
	// Not news: EMSGSIZE is how path-MTU discovery learns the device's MTU, and an ICMP message that
	// made ECONNREFUSED may be forged; the idle timeout tells whether the peer is there.
	if (code == EMSGSIZE || code == ECONNREFUSED)
		return;
	if (sl_log_every(&udp->refused, udp->loop->env.now_ns, &held_back))
		sl_warn(udp->loop->env.log, "net", "the system does not send, to %s, also before %llu (%s)",
			sl_addr_format(tx->remote, to), (unsigned long long)held_back, strerror(code));
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

static void block(struct sl_udp *udp, int code)
{
	struct timeval wait = {.tv_usec = NO_BUFFERS_US};

	udp->stats.tx_blocked++;
	udp->blocked = true;
	event_del(udp->writable);
	if (code != ENOBUFS && code != ENOMEM) {
		event_assign(udp->writable, udp->loop->base, udp->fd, EV_WRITE, on_writable, udp);
		if (event_add(udp->writable, NULL) == 0)
			return;
	}
	evtimer_assign(udp->writable, udp->loop->base, on_writable, udp);
	event_add(udp->writable, &wait);
}

// Sends from the cursor to the end. False: the socket is full.
static bool send_all(struct sl_udp *udp, struct cursor *at)
{
	while (at->entry < at->count) {
		size_t n = build(udp, at);
		int sent = sendmmsg(udp->fd, udp->tx_msgs, (unsigned)n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0) {
			int code = errno;

			if (code == EINTR)
				continue;
			if (code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS || code == ENOMEM) {
				block(udp, code);
				return false;
			}
			// A connected socket tells here what ICMP said of an earlier datagram, once. What is
			// wrong with this one is told again.
			at->again = udp->connected && !at->again;
			if (at->again || try_single(udp, at, code))
				continue;
			at->suspect = false;
			refused(udp, &at->batch[at->entry], udp->tx_slots[0].datagrams, code);
			step(at, &udp->tx_slots[0]);
			continue;
		}
		udp->stats.tx_calls++;
		for (size_t i = 0; i < (size_t)sent; i++) {
			udp->stats.tx_datagrams += udp->tx_slots[i].datagrams;
			udp->stats.tx_bytes += udp->tx_slots[i].iov.iov_len;
		}
		at->again = false;
		if (at->suspect && sent > 0) {
			gso_off(udp, EINVAL);
			at->suspect = false;
		}
		if (sent > 0)
			step(at, &udp->tx_slots[sent - 1]);
	}
	return true;
}

// Keeps the rest of a half-sent train.
static void keep_rest(struct sl_udp *udp, const struct cursor *at)
{
	const struct sl_udp_tx *tx = &at->batch[at->entry];
	size_t rest = tx->len - at->offset;

	if (!udp->pending)
		udp->pending = malloc(SL_UDP_MAX_PAYLOAD);
	if (!udp->pending || rest > SL_UDP_MAX_PAYLOAD) {
		udp->stats.tx_errors += (rest + tx->segment - 1u) / tx->segment;
		return;
	}
	memmove(udp->pending, tx->data + at->offset, rest);
	udp->pending_tx = *tx;
	udp->pending_tx.data = udp->pending;
	udp->pending_tx.len = rest;
	udp->pending_remote = *tx->remote;
	udp->pending_tx.remote = &udp->pending_remote;
	if (tx->local) {
		udp->pending_local = *tx->local;
		udp->pending_tx.local = &udp->pending_local;
	}
}

size_t sl_udp_send(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count)
{
	struct cursor at = {.batch = batch, .count = count, .single = SIZE_MAX};

	if (udp->closed)
		return count;
	if (udp->blocked) {
		udp->owed = udp->owed || count > 0;
		return 0;
	}
	if (send_all(udp, &at))
		return count;
	if (at.offset > 0) {
		keep_rest(udp, &at);
		at.entry++;
	}
	udp->owed = at.entry < count;
	return at.entry;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_udp *udp = arg;

	(void)fd;
	(void)what;
	sl_loop_wake(udp->loop);
	udp->blocked = false;
	if (udp->pending_tx.len > 0) {
		struct sl_udp_tx tx = udp->pending_tx;
		struct cursor at = {.batch = &tx, .count = 1, .single = SIZE_MAX};

		udp->pending_tx.len = 0;
		if (!send_all(udp, &at)) {
			keep_rest(udp, &at);
			return;
		}
	}
	if (!udp->owed)
		return;
	udp->owed = false;
	sl_udp_enter(udp);
	if (udp->handler.writable)
		udp->handler.writable(udp->handler.arg);
	sl_udp_leave(udp);
}

bool sl_udp_tx_init(struct sl_udp *udp)
{
	udp->tx_msgs = calloc(SL_UDP_TX_BATCH, sizeof(*udp->tx_msgs));
	udp->tx_slots = calloc(SL_UDP_TX_BATCH, sizeof(*udp->tx_slots));
	udp->writable = event_new(udp->loop->base, udp->fd, EV_WRITE, on_writable, udp);
	return udp->tx_msgs && udp->tx_slots && udp->writable;
}

void sl_udp_tx_fini(struct sl_udp *udp)
{
	free(udp->tx_msgs);
	free(udp->tx_slots);
	free(udp->pending);
}
