// UDP sockets: opening and receiving. Datagrams come in batches (recvmmsg), with UDP_GRO as trains of
// equal datagrams in one buffer; each batch costs one clock reading and one call upwards.
#include "net/udp_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

// With UDP_GRO one message is up to 64 KiB; without, one datagram, and no path carries 2 KiB of QUIC
// here (path-MTU discovery ends at 1472).
#define GRO_SLOTS 64
// And 23 cache lines, so that the datagrams of a batch, at the slots' beginnings, don't compete for the same
// sets of the caches.
#define GRO_SIZE (65536 + 23 * 64)
#define PLAIN_SLOTS 64
#define PLAIN_SIZE 2048
// Batches taken in one wake-up, so that timers and other descriptors have their turn.
#define ROUNDS 4
#define SOCKET_BUFFER (4 * 1024 * 1024)

static void set_int(int fd, int level, int name, int value)
{
	// For options that are wishes: what the system does not know, it goes without.
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_buffers(int fd)
{
	// A burst of some milliseconds has to fit. The FORCE forms need CAP_NET_ADMIN.
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, size);
}

static void set_options(struct sl_udp *udp, bool offload)
{
	int fd = udp->fd, on = 1, off = 0;

	set_buffers(fd);
	// Don't Fragment, and the kernel's own path-MTU cache not asked: QUIC does its own discovery
	// (RFC 9000 section 14). An IPv6 socket may carry IPv4 too, so both levels are set on it.
	set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (!udp->connected)
		set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (udp->family == AF_INET6) {
		set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
		set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		if (!udp->connected)
			set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	}
	if (!offload)
		return;
	udp->stats.gro = setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
	// Setting 0 changes nothing and tells whether the option exists.
	udp->stats.gso = setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &off, sizeof(off)) == 0;
}

// `remote`: whom the socket is connected to, or with len 0; then each message says where it is from.
static bool rx_init(struct sl_udp *udp, const struct sl_addr *remote)
{
	udp->rx_slots = udp->stats.gro ? GRO_SLOTS : PLAIN_SLOTS;
	udp->rx_size = udp->stats.gro ? GRO_SIZE : PLAIN_SIZE;
	udp->rx_data = malloc(udp->rx_slots * udp->rx_size);
	udp->rx_msgs = calloc(udp->rx_slots, sizeof(*udp->rx_msgs));
	udp->rx_iovs = calloc(udp->rx_slots, sizeof(*udp->rx_iovs));
	udp->rx_batch = calloc(udp->rx_slots, sizeof(*udp->rx_batch));
	udp->rx_remote = calloc(udp->rx_slots, sizeof(*udp->rx_remote));
	udp->rx_local = calloc(udp->rx_slots, sizeof(*udp->rx_local));
	udp->rx_control = calloc(udp->rx_slots, SL_UDP_RX_CONTROL);
	if (!udp->rx_data || !udp->rx_msgs || !udp->rx_iovs || !udp->rx_batch || !udp->rx_remote ||
	    !udp->rx_local || !udp->rx_control)
		return false;
	udp->rx_filled = udp->rx_slots;
	for (size_t i = 0; i < udp->rx_slots; i++) {
		udp->rx_iovs[i].iov_base = udp->rx_data + i * udp->rx_size;
		udp->rx_iovs[i].iov_len = udp->rx_size;
		udp->rx_msgs[i].msg_hdr.msg_iov = &udp->rx_iovs[i];
		udp->rx_msgs[i].msg_hdr.msg_iovlen = 1;
		udp->rx_remote[i] = *remote;
		if (!udp->connected)
			udp->rx_msgs[i].msg_hdr.msg_name = &udp->rx_remote[i].sa;
		udp->rx_msgs[i].msg_hdr.msg_control = udp->rx_control + i * SL_UDP_RX_CONTROL;
	}
	return true;
}

static void rx_fini(struct sl_udp *udp)
{
	free(udp->rx_data);
	free(udp->rx_msgs);
	free(udp->rx_iovs);
	free(udp->rx_batch);
	free(udp->rx_remote);
	free(udp->rx_local);
	free(udp->rx_control);
}

static void set_local_v4(struct sl_udp *udp, struct sl_addr *local, struct in_addr addr)
{
	struct sl_addr v4 = {.len = sizeof(struct sockaddr_in)};

	v4.in.sin_family = AF_INET;
	v4.in.sin_addr = addr;
	v4.in.sin_port = htons(sl_addr_port(&udp->local));
	if (udp->family == AF_INET6)
		sl_addr_map(&v4, local);
	else
		*local = v4;
}

// Reads one message's control data: local address, ECN bits, segment size.
static void read_control(struct sl_udp *udp, struct msghdr *msg, struct sl_addr *local, struct sl_udp_rx *rx)
{
	*local = udp->local;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			set_local_v4(udp, local, info.ipi_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local->in6.sin6_addr = info.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				local->in6.sin6_scope_id = info.ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			rx->ecn = *(const uint8_t *)CMSG_DATA(c) & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;

			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
			rx->ecn = (uint8_t)(tclass & 3);
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			if (segment > 0 && (size_t)segment < rx->len)
				rx->segment = (uint16_t)segment;
		}
	}
}

// Takes one batch from the kernel. Returns the entries made in rx_batch; *more tells whether the
// kernel may hold more.
static size_t receive(struct sl_udp *udp, bool *more)
{
	size_t count = 0;
	int got;

	// Only those that the last call has filled: most wake-ups bring one or two.
	for (size_t i = 0; i < udp->rx_filled; i++) {
		udp->rx_msgs[i].msg_hdr.msg_namelen = udp->connected ? 0 : sizeof(struct sockaddr_in6);
		udp->rx_msgs[i].msg_hdr.msg_controllen = SL_UDP_RX_CONTROL;
		udp->rx_msgs[i].msg_hdr.msg_flags = 0;
	}
	udp->rx_filled = 0;
	got = recvmmsg(udp->fd, udp->rx_msgs, (unsigned)udp->rx_slots, MSG_DONTWAIT, NULL);
	if (got < 0) {
		*more = errno != EAGAIN && errno != EWOULDBLOCK;
		// What an ICMP message left on a connected socket (ECONNREFUSED …): anybody on the path
		// can forge it, so it changes nothing.
		if (*more && errno != EINTR)
			udp->stats.rx_errors++;
		return 0;
	}
	udp->rx_filled = (size_t)got;
	*more = (size_t)got == udp->rx_slots;
	udp->stats.rx_calls++;
	for (size_t i = 0; i < (size_t)got; i++) {
		struct msghdr *msg = &udp->rx_msgs[i].msg_hdr;
		struct sl_udp_rx *rx = &udp->rx_batch[count];

		if (msg->msg_flags & MSG_TRUNC) {
			udp->stats.rx_errors++;
			continue;
		}
		memset(rx, 0, sizeof(*rx));
		if (!udp->connected)
			udp->rx_remote[i].len = msg->msg_namelen;
		rx->remote = &udp->rx_remote[i];
		rx->local = &udp->rx_local[i];
		rx->data = udp->rx_iovs[i].iov_base;
		rx->len = udp->rx_msgs[i].msg_len;
		read_control(udp, msg, &udp->rx_local[i], rx);
		udp->stats.rx_bytes += rx->len;
		udp->stats.rx_datagrams += rx->segment ? (rx->len + rx->segment - 1u) / rx->segment : 1;
		count++;
	}
	return count;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_udp *udp = arg;
	bool more = true;

	(void)fd;
	(void)what;
	sl_pace(&udp->pace);
	sl_udp_enter(udp);
	for (int round = 0; round < ROUNDS && more && !udp->closed; round++) {
		size_t count = receive(udp, &more);

		if (count == 0)
			continue;
		sl_loop_wake(udp->loop);
		udp->handler.recv(udp->handler.arg, udp->rx_batch, count);
	}
	sl_udp_leave(udp);
}

void sl_udp_enter(struct sl_udp *udp)
{
	udp->in_callback = true;
}

void sl_udp_leave(struct sl_udp *udp)
{
	udp->in_callback = false;
	if (!udp->closed)
		return;
	rx_fini(udp);
	sl_udp_tx_fini(udp);
	free(udp);
}

static int open_failed(const struct sl_addr *addr, const char *what, struct sl_error *error)
{
	char text[SL_ADDR_TEXT];
	int code = errno;

	sl_addr_format(addr, text);
	switch (code) {
	case EADDRINUSE:
		return sl_fail(
			error, SL_ERR_EXISTS,
			"UDP port %u is already in use on %s; stop the program that holds it (\"ss -ulnp\" "
			"names it) or choose another port",
			sl_addr_port(addr), text);
	case EADDRNOTAVAIL:
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "this machine has no address for %s; \"ip address\" lists those it has", text);
	case EACCES:
	case EPERM:
		if (sl_addr_port(addr) < 1024)
			return sl_fail(error, SL_ERR_PERMISSION,
				       "no permission for UDP port %u (%s); ports below 1024 need root or "
				       "CAP_NET_BIND_SERVICE",
				       sl_addr_port(addr), text);
		return sl_fail(error, SL_ERR_PERMISSION, "no permission to %s %s", what, text);
	case ENETUNREACH:
	case EHOSTUNREACH:
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "there is no route to %s; check this machine's network connection", text);
	case EAFNOSUPPORT:
		return sl_fail(error, SL_ERR_UNSUPPORTED,
			       "this system has no IPv%c, which %s needs; use an address of the other family",
			       sl_addr_is_ipv4(addr) ? '4' : '6', text);
	default:
		return sl_fail(error, SL_ERR_SYSTEM, "can't %s UDP socket %s: %s", what, text,
			       strerror(code));
	}
}

// Makes udp->fd, bound and connected as asked. On failure there is no fd.
static int open_socket(struct sl_udp *udp, const struct sl_udp_options *options, struct sl_error *error)
{
	const struct sl_addr *any = options->bind.len ? &options->bind : &options->remote;
	int rc, v6only = !options->dual_stack;

	udp->family = any->sa.sa_family;
	udp->fd = socket(udp->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (udp->fd < 0)
		return open_failed(any, "open", error);
	if (udp->family == AF_INET6 &&
	    setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) != 0) {
		rc = open_failed(any, "set up", error);
		goto out;
	}
	if (options->bind.len && bind(udp->fd, &options->bind.sa, options->bind.len) != 0) {
		rc = open_failed(&options->bind, "bind", error);
		goto out;
	}
	if (options->remote.len && connect(udp->fd, &options->remote.sa, options->remote.len) != 0) {
		rc = open_failed(&options->remote, "connect", error);
		goto out;
	}
	udp->local.len = sizeof(udp->local.in6);
	if (getsockname(udp->fd, &udp->local.sa, &udp->local.len) != 0) {
		rc = open_failed(any, "set up", error);
		goto out;
	}
	return SL_OK;
out:
	close(udp->fd);
	udp->fd = -1;
	return rc;
}

static int open_with_fallback(struct sl_udp *udp, const struct sl_udp_options *options,
			      struct sl_error *error)
{
	struct sl_udp_options v4 = *options;
	int rc = open_socket(udp, options, error);

	// A machine without IPv6 (not compiled in, or disable_ipv6 set): [::] means every IPv4 address then.
	if (!options->dual_stack || (rc != SL_ERR_UNSUPPORTED && rc != SL_ERR_NOT_FOUND))
		return rc;
	v4.dual_stack = false;
	memset(&v4.bind, 0, sizeof(v4.bind));
	v4.bind.len = sizeof(v4.bind.in);
	v4.bind.in.sin_family = AF_INET;
	v4.bind.in.sin_port = htons(sl_addr_port(&options->bind));
	return open_socket(udp, &v4, error);
}

int sl_udp_open(struct sl_env *env, const struct sl_udp_options *options,
		const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error)
{
	struct sl_loop *loop = sl_loop_of(env);
	struct sl_udp *udp;
	int rc = SL_ERR_NOMEM;

	if (!options->bind.len && !options->remote.len)
		return sl_fail(error, SL_ERR_INVALID,
			       "a UDP socket needs an address to bind or to connect to");
	udp = calloc(1, sizeof(*udp));
	if (!udp)
		goto out;
	loop->sockets++;
	udp->loop = loop;
	udp->fd = -1;
	udp->handler = *handler;
	udp->connected = options->remote.len != 0;
	rc = open_with_fallback(udp, options, error);
	if (rc < 0)
		goto out;
	set_options(udp, options->offload);
	rc = SL_ERR_NOMEM;
	if (!rx_init(udp, &options->remote) || !sl_udp_tx_init(udp))
		goto out;
	udp->readable = event_new(loop->base, udp->fd, EV_READ | EV_PERSIST, on_readable, udp);
	if (!udp->readable)
		goto out;
	if (event_add(udp->readable, NULL) != 0) {
		rc = sl_fail(error, SL_ERR_SYSTEM, "the event loop does not take a UDP socket: %s",
			     strerror(errno));
		goto out;
	}
	*out = udp;
	return SL_OK;
out:
	if (rc == SL_ERR_NOMEM)
		sl_fail(error, rc, "out of memory for a UDP socket");
	sl_udp_close(udp);
	return rc;
}

void sl_udp_local(const struct sl_udp *udp, struct sl_addr *out)
{
	*out = udp->local;
}

void sl_udp_stats(const struct sl_udp *udp, struct sl_udp_stats *out)
{
	*out = udp->stats;
}

void sl_udp_close(struct sl_udp *udp)
{
	if (!udp || udp->closed)
		return;
	if (udp->readable)
		event_free(udp->readable);
	if (udp->writable)
		event_free(udp->writable);
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
	udp->closed = true;
	udp->loop->sockets--;
	// The batch that is being handed out stays readable until its callback returns.
	if (!udp->in_callback)
		sl_udp_leave(udp);
}
