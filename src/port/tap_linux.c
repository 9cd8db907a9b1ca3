#include "port/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "port/frames.h"
#include "port/supers.h"
#include "proto/eth.h"

// USO came with Linux 6.2; older headers do not name it.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif
#ifndef TUN_F_USO6
#define TUN_F_USO6 0x40
#endif

#define TUN_PATH "/dev/net/tun"
// The largest super-frame is a 64 KiB IP packet behind an Ethernet header with tags.
#define READ_MAX (SL_VNET_HEADER + 64 + 65536)
// One wake-up ends after this many reads or frames, so that the relay's datagrams get their turn.
#define READS_PER_WAKE 64
#define FRAMES_PER_WAKE 64
// Entries of the device's queue. Each may be a super-frame, and what waits here is delay.
#define QUEUE_LEN 256

struct tap {
	struct sl_port port;
	struct sl_port_handler handler;
	struct sl_io *io;
	int fd;
	int ifindex;
	bool gone; // `failed` has been called
	const char *offload;
	struct sl_port_stats stats;
	struct sl_frames frames;
	uint8_t buf[READ_MAX];
	struct sl_log *log;
	char name[IFNAMSIZ];
	struct sl_coalesce coalesce;
};

static struct tap *tap_of(struct sl_port *port)
{
	return (struct tap *)(void *)port; // `port` is the first member
}

static void tap_failed(struct tap *tap, const char *why)
{
	if (tap->gone)
		return;
	tap->gone = true;
	sl_io_want(tap->io, 0);
	if (tap->handler.failed)
		tap->handler.failed(tap->handler.arg, why);
}

static void tap_ready(void *arg, unsigned ready)
{
	struct tap *tap = arg;
	uint64_t frames_end = tap->stats.rx_frames + FRAMES_PER_WAKE;
	unsigned reads = 0;
	int err = 0;

	(void)ready;
	while (!tap->gone && reads < READS_PER_WAKE && tap->stats.rx_frames < frames_end) {
		ssize_t n = read(tap->fd, tap->buf, sizeof tap->buf);
		if (n < 0) {
			err = errno;
			break;
		}
		reads++;
		sl_frames_input(&tap->frames, tap->buf, (size_t)n);
	}
	if (reads > 0 && tap->handler.batch_end)
		tap->handler.batch_end(tap->handler.arg);
	// EIO: the link is down, which is standby and no fault. EBADFD: the device was deleted.
	if (err == EBADFD)
		tap_failed(
			tap,
			"the TAP device was deleted by somebody else; restart softlan-client to get it back");
	else if (err != 0 && err != EAGAIN && err != EINTR && err != EIO)
		tap_failed(tap, strerror(err));
}

// One frame or super-frame. 0 or the errno of the refusal.
static int put(struct tap *tap, const struct iovec *iov, int count, unsigned segments)
{
	ssize_t n;

	do {
		n = writev(tap->fd, iov, count);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	sl_supers_sent(&tap->stats, segments);
	return 0;
}

static int put_plain(struct tap *tap, const uint8_t *frame, size_t len)
{
	uint8_t header[SL_VNET_HEADER];
	const struct iovec iov[2] = {
		{.iov_base = header, .iov_len = sizeof header},
		{.iov_base = (void *)(uintptr_t)frame, .iov_len = len},
	};
	int why;

	sl_vnet_encode_plain(header);
	why = put(tap, iov, 2, 1);
	tap->stats.tx_drops += why != 0;
	return why;
}

static void put_segment(void *arg, const uint8_t *frame, size_t len)
{
	(void)put_plain(arg, frame, len);
}

static void put_super(void *arg, const struct sl_super *super)
{
	struct tap *tap = arg;
	const struct iovec iov = {
		.iov_base = super->frame - SL_VNET_HEADER,
		.iov_len = SL_VNET_HEADER + super->len,
	};
	int why = put(tap, &iov, 1, super->segments);

	if (why == 0)
		return;
	if (super->segments > 1 && sl_supers_refused(why))
		sl_supers_cut(&tap->coalesce, tap->log, tap->name, why, super, put_segment, tap);
	else
		tap->stats.tx_drops += super->segments;
}

static void tap_flush(struct sl_port *port)
{
	struct tap *tap = tap_of(port);

	sl_coalesce_flush(&tap->coalesce, put_super, tap);
}

static int tap_send(struct sl_port *port, const uint8_t *frame, size_t len)
{
	struct tap *tap = tap_of(port);
	enum sl_coalesced coalesced;

	if (tap->gone)
		return SL_ERR_CLOSED;
	coalesced = sl_coalesce_add(&tap->coalesce, frame, len);
	if (coalesced == SL_COALESCE_FULL) {
		tap_flush(port);
		coalesced = sl_coalesce_add(&tap->coalesce, frame, len);
	}
	if (coalesced == SL_COALESCE_TAKEN)
		return SL_OK;
	switch (put_plain(tap, frame, len)) {
	case 0:
		return SL_OK;
	case EBADFD:
		return SL_ERR_CLOSED; // the next wake-up reports it
	case EINVAL:
		return SL_ERR_INVALID;
	default:
		return SL_ERR_AGAIN;
	}
}

static void tap_stats(struct sl_port *port, struct sl_port_stats *out)
{
	*out = tap_of(port)->stats;
}

static void tap_close(struct sl_port *port)
{
	struct tap *tap;

	if (!port)
		return;
	tap = tap_of(port);
	sl_io_free(tap->io);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap);
}

static const struct sl_port_ops tap_ops = {
	.send = tap_send,
	.flush = tap_flush,
	.stats = tap_stats,
	.close = tap_close,
};

static int open_device(struct sl_error *error)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return sl_fail(
			error, SL_ERR_SYSTEM,
			TUN_PATH
			": there is no such device; load the kernel module \"tun\" (modprobe tun) or, in a "
			"container, give it this device");
	case EACCES:
	case EPERM:
		return sl_fail(
			error, SL_ERR_PERMISSION,
			TUN_PATH
			": permission denied; run softlan-client as root or with CAP_NET_ADMIN, and in a "
			"container allow it this device");
	default:
		return sl_fail(error, SL_ERR_SYSTEM, TUN_PATH ": %s", strerror(errno));
	}
}

static int attach(int fd, const char *name, struct sl_error *error)
{
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, name, strlen(name));
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return SL_OK;
	switch (errno) {
	case EPERM:
	case EACCES:
		return sl_fail(
			error, SL_ERR_PERMISSION,
			"TAP device %s: not permitted; run softlan-client as root or with CAP_NET_ADMIN",
			name);
	case EBUSY:
	case EEXIST:
		return sl_fail(
			error, SL_ERR_EXISTS,
			"TAP device %s: a network device of this name exists already (another "
			"softlan-client?); "
			"end that program, delete the device (ip link delete %s) or set another tap.name",
			name, name);
	default:
		return sl_fail(error, SL_ERR_SYSTEM, "TAP device %s: cannot create it (%s)", name,
			       strerror(errno));
	}
}

// What the kernel may leave to us, the best first; an old kernel refuses the newer part as a whole.
static int set_offload(struct tap *tap, bool wanted)
{
	static const struct {
		unsigned long flags;
		unsigned supers;
		const char *text;
	} steps[] = {
		{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
		 SL_COALESCE_TCP | SL_COALESCE_UDP, "TSO and USO"},
		{TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, SL_COALESCE_TCP, "TSO"},
		{0, 0, "none"},
	};

	for (size_t i = wanted ? 0 : 2; i < sizeof steps / sizeof steps[0]; i++) {
		tap->offload = steps[i].text;
		if (ioctl(tap->fd, TUNSETOFFLOAD, steps[i].flags) == 0) {
			// What the kernel makes, it takes. No one on the wire reads these frames' ids.
			sl_coalesce_init(&tap->coalesce, steps[i].supers, true);
			return SL_OK;
		}
	}
	return SL_ERR_SYSTEM;
}

static int configure(struct tap *tap, const struct sl_tap_config *config, struct sl_error *error)
{
	struct ifreq ifr = {0};
	int header = SL_VNET_HEADER, result = SL_OK;
	int sock = -1;

	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &header) != 0 || set_offload(tap, config->offload) != SL_OK) {
		result = sl_fail(error, SL_ERR_SYSTEM,
				 "TAP device %s: cannot set its header and offloads (%s)", config->name,
				 strerror(errno));
		goto out;
	}
	memcpy(ifr.ifr_name, config->name, strlen(config->name));
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0) // a kernel without IPv4 still has this family
		sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || ioctl(sock, SIOCGIFINDEX, &ifr) != 0) {
		result = sl_fail(error, SL_ERR_SYSTEM, "TAP device %s: cannot find it (%s)", config->name,
				 strerror(errno));
		goto out;
	}
	tap->ifindex = ifr.ifr_ifindex;

	memset(&ifr.ifr_hwaddr, 0, sizeof ifr.ifr_hwaddr);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, config->mac.b, SL_MAC_LEN);
	if (ioctl(sock, SIOCSIFHWADDR, &ifr) != 0) {
		char text[SL_MAC_TEXT];
		result = sl_fail(error, SL_ERR_SYSTEM, "TAP device %s: cannot set its MAC %s (%s)",
				 config->name, sl_mac_format(&config->mac, text), strerror(errno));
		goto out;
	}
	ifr.ifr_qlen = QUEUE_LEN;
	(void)ioctl(sock, SIOCSIFTXQLEN, &ifr); // the kernel's default serves too
out:
	if (sock >= 0)
		close(sock);
	return result;
}

int sl_tap_open(struct sl_loop *loop, const struct sl_tap_config *config,
		const struct sl_port_handler *handler, struct sl_port **out, struct sl_error *error)
{
	struct tap *tap;
	int result;

	*out = NULL;
	if (!sl_tap_name_valid(config->name))
		return sl_fail(error, SL_ERR_INVALID,
			       "tap.name \"%s\" cannot be a network device's name: 1 to 15 bytes without "
			       "blanks, '/', ':' "
			       "and '%%' are expected",
			       config->name);
	tap = calloc(1, sizeof *tap);
	if (!tap)
		return sl_fail(error, SL_ERR_NOMEM, "TAP device %s: out of memory", config->name);
	tap->port.ops = &tap_ops;
	tap->handler = *handler;
	tap->fd = -1;
	tap->log = sl_loop_env(loop)->log;
	memcpy(tap->name, config->name, strlen(config->name));
	sl_frames_init(&tap->frames, &tap->handler, &tap->stats);

	result = open_device(error);
	if (result < 0)
		goto out;
	tap->fd = result;
	result = attach(tap->fd, config->name, error);
	if (result != SL_OK)
		goto out;
	result = configure(tap, config, error);
	if (result != SL_OK)
		goto out;
	tap->io = sl_loop_io(loop, tap->fd, tap_ready, tap);
	if (!tap->io || sl_io_want(tap->io, SL_IO_READ) != SL_OK) {
		result = sl_fail(error, SL_ERR_SYSTEM, "TAP device %s: cannot wait for its frames",
				 config->name);
		goto out;
	}
	sl_io_frames(tap->io);
	*out = &tap->port;
	tap = NULL;
out:
	if (tap)
		tap_close(&tap->port);
	return result;
}

int sl_tap_ifindex(const struct sl_port *port)
{
	return ((const struct tap *)(const void *)port)->ifindex;
}

const char *sl_tap_name(const struct sl_port *port)
{
	return ((const struct tap *)(const void *)port)->name;
}

const char *sl_tap_driver(const struct sl_port *port)
{
	(void)port;
	return "Linux TUN/TAP";
}

const char *sl_tap_offload(const struct sl_port *port)
{
	return ((const struct tap *)(const void *)port)->offload;
}

int sl_tap_set_carrier(struct sl_port *port, bool on)
{
	int value = on;

	return ioctl(tap_of(port)->fd, TUNSETCARRIER, &value) == 0 ? SL_OK : SL_ERR_SYSTEM;
}
