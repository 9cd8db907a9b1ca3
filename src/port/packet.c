#include "port/packet.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "port/packet_priv.h"

#define SOCKET_BUFFER (8 * 1024 * 1024) // the kernel accounts a small frame with some 700 bytes
#define WATCH_NS (500 * SL_NS_PER_MS)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 // Linux 4.20
#endif

// --- the interface's state ------------------------------------------------------------------

static bool interface_flags(struct packet *packet, int *flags)
{
	struct ifreq request = {0};

	// By its index: it may have been given another name meanwhile.
	request.ifr_ifindex = packet->ifindex;
	if (ioctl(packet->fd, SIOCGIFNAME, &request) != 0 || ioctl(packet->fd, SIOCGIFFLAGS, &request) != 0)
		return false;
	*flags = request.ifr_flags;
	return true;
}

// The kernel forgets a socket's interface when it is removed, also when a new one has its name.
static bool still_bound(const struct packet *packet)
{
	struct sockaddr_ll local = {0};
	socklen_t len = sizeof(local);

	return getsockname(packet->fd, (struct sockaddr *)&local, &len) == 0 &&
	       local.sll_ifindex == packet->ifindex;
}

void packet_gone(struct packet *packet)
{
	if (packet->gone)
		return;
	packet->gone = true;
	sl_io_want(packet->io, 0);
	// Said from the loop: we may be inside of a call by the handler.
	packet->env->ops->timer_set(packet->watch, packet->env->now_ns);
}

void packet_down(struct packet *packet)
{
	if (packet->down || packet->gone)
		return;
	packet->down = true;
	sl_warn(packet->env->log, SCOPE, "interface is down, interface %s (frames flow again when it is up)",
		packet->interface);
	packet->env->ops->timer_set(packet->watch, packet->env->now_ns);
}

static void watch(void *arg)
{
	struct packet *packet = arg;
	char why[128];
	int flags = 0;

	if (!packet->gone && !still_bound(packet))
		packet_gone(packet);
	if (packet->gone) {
		if (packet->reported)
			return;
		packet->reported = true;
		snprintf(why, sizeof(why), "interface %s: it has been removed", packet->interface);
		packet->handler.failed(packet->handler.arg, why);
		return;
	}
	if (interface_flags(packet, &flags) && (flags & IFF_UP) != 0) {
		packet->down = false;
		sl_info(packet->env->log, SCOPE, "interface is up again, interface %s", packet->interface);
		return;
	}
	packet->env->ops->timer_set(packet->watch, packet->env->now_ns + WATCH_NS);
}

// --- the port -------------------------------------------------------------------------------

static void packet_stats(struct sl_port *port, struct sl_port_stats *out)
{
	struct packet *packet = (struct packet *)port;
	struct tpacket_stats kernel = {0};
	socklen_t len = sizeof(kernel);

	// Reading sets the kernel's counters back to zero (packet(7)).
	if (getsockopt(packet->fd, SOL_PACKET, PACKET_STATISTICS, &kernel, &len) == 0)
		packet->stats.rx_kernel_drops += kernel.tp_drops;
	*out = packet->stats;
}

static void packet_close(struct sl_port *port)
{
	struct packet *packet = (struct packet *)port;

	if (packet == NULL)
		return;
	sl_io_free(packet->io);
	if (packet->watch != NULL)
		packet->env->ops->timer_free(packet->watch);
	packet_ring_close(packet);
	if (packet->fd >= 0)
		close(packet->fd); // ends the promiscuous mode too
	free(packet);
}

static const struct sl_port_ops ops = {
	.send = packet_send,
	.flush = packet_flush,
	.stats = packet_stats,
	.close = packet_close,
};

static int fail(const struct packet *packet, struct sl_error *error, const char *what)
{
	int why = errno;

	if (why == EPERM || why == EACCES)
		return sl_fail(error, SL_ERR_PERMISSION,
			       "interface %s: %s is not permitted; run as root or with CAP_NET_RAW",
			       packet->interface, what);
	return sl_fail(error, SL_ERR_SYSTEM, "interface %s: %s failed (%s)", packet->interface, what,
		       strerror(why));
}

static void big_buffers(int fd)
{
	const int size = SOCKET_BUFFER;

	// FORCE needs CAP_NET_ADMIN; without it the system's limit applies, and that is good enough.
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

// Everything is set before the socket is bound to a protocol: until then it receives nothing.
static int socket_open(struct packet *packet, struct sl_error *error)
{
	struct sockaddr_ll local = {.sll_family = AF_PACKET};
	struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
	const int on = 1;

	packet->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (packet->fd < 0)
		return fail(packet, error, "opening a packet socket");
	packet->ifindex = (int)if_nametoindex(packet->interface);
	if (packet->ifindex == 0)
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "interface %s: there is no such interface; `ip link` shows those there are",
			       packet->interface);
	// Not a matter of speed alone: without it super-frames and unfinished checksums could not be
	// repaired.
	if (setsockopt(packet->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0)
		return fail(packet, error, "PACKET_VNET_HDR");
	if (packet_ring_open(packet) != 0)
		return fail(packet, error, "setting up a receive ring");
	// Older kernels: packet_rx.c looks at each frame's sll_pkttype as well.
	(void)setsockopt(packet->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	big_buffers(packet->fd);
	promiscuous.mr_ifindex = packet->ifindex;
	if (setsockopt(packet->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0)
		return fail(packet, error, "promiscuous mode");

	local.sll_protocol = htons(ETH_P_ALL);
	local.sll_ifindex = packet->ifindex;
	if (bind(packet->fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		return fail(packet, error, "binding the packet socket");
	return SL_OK;
}

int sl_packet_open(struct sl_loop *loop, const char *interface, bool offload,
		   const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error)
{
	struct packet *packet;
	int rc;

	*out = NULL;
	if (strlen(interface) >= IFNAMSIZ)
		return sl_fail(error, SL_ERR_INVALID, "interface: a name has at most %d characters",
			       IFNAMSIZ - 1);
	packet = calloc(1, sizeof(*packet));
	if (packet == NULL)
		return sl_fail(error, SL_ERR_NOMEM, "interface %s: out of memory", interface);
	packet->port.ops = &ops;
	packet->env = sl_loop_env(loop);
	packet->handler = *handler;
	packet->fd = -1;
	memcpy(packet->interface, interface, strlen(interface));
	sl_frames_init(&packet->frames, &packet->handler, &packet->stats);
	packet_tx_init(packet, offload);

	rc = socket_open(packet, error);
	if (rc != SL_OK)
		goto out;
	packet->watch = packet->env->ops->timer_new(packet->env, watch, packet);
	packet->io = sl_loop_io(loop, packet->fd, packet_rx_ready, packet);
	if (packet->watch == NULL || packet->io == NULL || sl_io_want(packet->io, SL_IO_READ) != SL_OK) {
		rc = sl_fail(error, SL_ERR_NOMEM, "interface %s: out of memory", interface);
		goto out;
	}
	sl_io_frames(packet->io);
	*out = &packet->port;
	packet = NULL;
out:
	packet_close(packet != NULL ? &packet->port : NULL);
	return rc;
}
