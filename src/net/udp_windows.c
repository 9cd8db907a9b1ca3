// UDP sockets on Windows: those of a client, connected to its relay. Datagrams are read in batches; there is
// a call for each, which is not what limits a TAP-Windows6 adapter.
#include <sys/socket.h> // before windows.h

#include <mstcpip.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "net/internal.h"

#ifndef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET _WSAIOW(IOC_VENDOR, 12)
#endif
#ifndef IPV6_DONTFRAG
#define IPV6_DONTFRAG 14
#endif

// No path carries 2 KiB of QUIC here (path-MTU discovery ends at 1472).
#define SLOTS 64
#define SLOT_SIZE 2048
#define ROUNDS 4 // batches in one wake-up, so that timers and other sockets have their turn
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define TRAIN_MAX 65507

struct sl_udp {
	struct sl_loop *loop;
	SOCKET fd;
	struct sl_addr local, remote;
	struct sl_udp_handler handler;
	struct sl_udp_stats stats;
	bool in_callback, closed; // closed inside of its own callback: freed when that has returned
	struct event *readable, *writable;
	bool blocked, owed; // owed: udp_send came back short, so handler.writable is to be called
	uint8_t *data;
	struct sl_udp_rx batch[SLOTS];
	// The rest of a train that met a full socket half-way. Its entry was taken, so it is ours to send.
	uint8_t *pending;
	size_t pending_len;
	uint16_t pending_segment;
	struct sl_log_limit refused;
};

static void leave(struct sl_udp *udp)
{
	udp->in_callback = false;
	if (!udp->closed)
		return;
	free(udp->data);
	free(udp->pending);
	free(udp);
}

// ---- receiving

// What ICMP told of an earlier datagram, which anybody on the path can forge: it changes nothing.
static bool is_report(int code)
{
	return code == WSAECONNRESET || code == WSAENETRESET || code == WSAECONNREFUSED ||
	       code == WSAEHOSTUNREACH || code == WSAENETUNREACH;
}

// Returns the entries made in `batch`; *more tells whether the system may hold more.
static size_t receive(struct sl_udp *udp, bool *more)
{
	size_t count = 0;

	for (size_t tries = 0; tries < SLOTS && count < SLOTS; tries++) {
		uint8_t *slot = udp->data + count * SLOT_SIZE;
		int got = recv(udp->fd, (char *)slot, SLOT_SIZE, 0);

		if (got < 0) {
			int code = WSAGetLastError();

			if (code != WSAEWOULDBLOCK)
				udp->stats.rx_errors++;
			if (is_report(code) || code == WSAEMSGSIZE) // the latter: longer than the buffer
				continue;
			*more = false;
			break;
		}
		udp->batch[count++] = (struct sl_udp_rx){
			.local = &udp->local, .remote = &udp->remote, .data = slot, .len = (size_t)got};
		udp->stats.rx_bytes += (uint64_t)got;
	}
	udp->stats.rx_calls += count > 0;
	udp->stats.rx_datagrams += count;
	return count;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_udp *udp = arg;
	bool more = true;

	(void)fd;
	(void)what;
	udp->in_callback = true;
	for (int round = 0; round < ROUNDS && more && !udp->closed; round++) {
		size_t count = receive(udp, &more);

		if (count == 0)
			continue;
		sl_loop_wake(udp->loop);
		udp->handler.recv(udp->handler.arg, udp->batch, count);
	}
	leave(udp);
}

// ---- sending

static void refused(struct sl_udp *udp, int code)
{
	char to[SL_ADDR_TEXT];
	uint64_t held_back;

	udp->stats.tx_errors++;
	// Not news: WSAEMSGSIZE is how path-MTU discovery learns the device's MTU, and the idle timeout tells
	// whether the peer is there.
	if (code == WSAEMSGSIZE || is_report(code))
		return;
	if (sl_log_every(&udp->refused, udp->loop->env.now_ns, &held_back))
		sl_warn(udp->loop->env.log, "net",
			"the system does not send, to %s, also before %llu (Windows error %d)",
			sl_addr_format(&udp->remote, to), (unsigned long long)held_back, code);
}

// Sends a datagram or a train. Returns how many bytes were taken; less than `len`: the socket is full.
static size_t send_train(struct sl_udp *udp, const uint8_t *data, size_t len, uint16_t segment)
{
	size_t at = 0;
	bool again = false;

	while (at < len) {
		size_t part = segment && len - at > segment ? segment : len - at;

		if (send(udp->fd, (const char *)data + at, (int)part, 0) >= 0) {
			udp->stats.tx_calls++;
			udp->stats.tx_datagrams++;
			udp->stats.tx_bytes += part;
		} else {
			int code = WSAGetLastError();

			if (code == WSAEWOULDBLOCK || code == WSAENOBUFS)
				return at;
			// A connected socket may tell here what became of an earlier datagram, once.
			if (is_report(code) && !again) {
				again = true;
				continue;
			}
			refused(udp, code);
		}
		again = false;
		at += part;
	}
	return at;
}

static void block(struct sl_udp *udp)
{
	udp->stats.tx_blocked++;
	udp->blocked = true;
	event_add(udp->writable, NULL);
}

static void keep_rest(struct sl_udp *udp, const uint8_t *data, size_t len, uint16_t segment)
{
	memmove(udp->pending, data, len);
	udp->pending_len = len;
	udp->pending_segment = segment;
}

size_t sl_udp_send(struct sl_udp *udp, const struct sl_udp_tx *batch, size_t count)
{
	if (udp->closed)
		return count;
	for (size_t i = 0; i < count && !udp->blocked; i++) {
		const struct sl_udp_tx *tx = &batch[i];
		size_t sent = send_train(udp, tx->data, tx->len, tx->segment);

		if (sent == tx->len)
			continue;
		block(udp);
		if (sent > 0 && tx->len - sent <= TRAIN_MAX) {
			keep_rest(udp, tx->data + sent, tx->len - sent, tx->segment);
			i++;
		}
		udp->owed = i < count;
		return i;
	}
	if (udp->blocked && count > 0) {
		udp->owed = true;
		return 0;
	}
	return count;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_udp *udp = arg;
	size_t len = udp->pending_len;

	(void)fd;
	(void)what;
	sl_loop_wake(udp->loop);
	udp->blocked = false;
	udp->pending_len = 0;
	if (len > 0) {
		size_t sent = send_train(udp, udp->pending, len, udp->pending_segment);

		if (sent < len) {
			keep_rest(udp, udp->pending + sent, len - sent, udp->pending_segment);
			block(udp);
			return;
		}
	}
	if (!udp->owed)
		return;
	udp->owed = false;
	udp->in_callback = true;
	if (udp->handler.writable)
		udp->handler.writable(udp->handler.arg);
	leave(udp);
}

// ---- opening

static void set_int(SOCKET fd, int level, int name, DWORD value)
{
	// Options that are wishes: what the system does not know, it goes without.
	(void)setsockopt(fd, level, name, (const char *)&value, sizeof(value));
}

static void set_options(struct sl_udp *udp)
{
	BOOL off = FALSE;
	DWORD bytes;

	evutil_make_socket_nonblocking((evutil_socket_t)udp->fd);
	set_int(udp->fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	set_int(udp->fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	// Don't Fragment: QUIC does its own path-MTU discovery (RFC 9000 section 14).
	if (udp->remote.sa.sa_family == AF_INET)
		set_int(udp->fd, IPPROTO_IP, IP_DONTFRAGMENT, TRUE);
	else
		set_int(udp->fd, IPPROTO_IPV6, IPV6_DONTFRAG, TRUE);
	// Else a port-unreachable makes the next read fail.
	(void)WSAIoctl(udp->fd, SIO_UDP_CONNRESET, &off, sizeof(off), NULL, 0, &bytes, NULL, NULL);
}

static int open_failed(const struct sl_addr *addr, const char *what, struct sl_error *error)
{
	char text[SL_ADDR_TEXT];
	int code = WSAGetLastError();

	sl_addr_format(addr, text);
	switch (code) {
	case WSAENETUNREACH:
	case WSAEHOSTUNREACH:
	case WSAEADDRNOTAVAIL:
		return sl_fail(error, SL_ERR_NOT_FOUND,
			       "there is no route to %s; check this machine's network connection", text);
	case WSAEAFNOSUPPORT:
		return sl_fail(error, SL_ERR_UNSUPPORTED,
			       "this system has no IPv%c, which %s needs; use an address of the other family",
			       sl_addr_is_ipv4(addr) ? '4' : '6', text);
	case WSAEACCES:
		return sl_fail(error, SL_ERR_PERMISSION,
			       "no permission to %s %s; does a firewall or virus scanner forbid it?", what,
			       text);
	default:
		return sl_fail(error, SL_ERR_SYSTEM, "can't %s UDP socket %s: Windows error %d", what, text,
			       code);
	}
}

static int open_socket(struct sl_udp *udp, const struct sl_udp_options *options, struct sl_error *error)
{
	const struct sl_addr *remote = &options->remote;

	udp->fd = socket(remote->sa.sa_family, SOCK_DGRAM, IPPROTO_UDP);
	if (udp->fd == INVALID_SOCKET)
		return open_failed(remote, "open", error);
	set_options(udp);
	if (options->bind.len && bind(udp->fd, &options->bind.sa, options->bind.len) != 0)
		return open_failed(&options->bind, "bind", error);
	if (connect(udp->fd, &remote->sa, remote->len) != 0)
		return open_failed(remote, "connect", error);
	udp->local.len = sizeof(udp->local.in6);
	if (getsockname(udp->fd, &udp->local.sa, &udp->local.len) != 0)
		return open_failed(remote, "set up", error);
	return SL_OK;
}

int sl_udp_open(struct sl_env *env, const struct sl_udp_options *options,
		const struct sl_udp_handler *handler, struct sl_udp **out, struct sl_error *error)
{
	struct sl_loop *loop = sl_loop_of(env);
	struct sl_udp *udp;
	int rc;

	if (!options->remote.len)
		return sl_fail(error, SL_ERR_UNSUPPORTED,
			       "on Windows a UDP socket needs an address to connect to");
	udp = calloc(1, sizeof(*udp));
	if (!udp)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory for a UDP socket");
	loop->sockets++;
	udp->loop = loop;
	udp->fd = INVALID_SOCKET;
	udp->handler = *handler;
	udp->remote = options->remote;
	rc = open_socket(udp, options, error);
	if (rc != SL_OK)
		goto out;
	rc = SL_ERR_NOMEM;
	udp->data = malloc(SLOTS * SLOT_SIZE);
	udp->pending = malloc(TRAIN_MAX);
	udp->readable =
		event_new(loop->base, (evutil_socket_t)udp->fd, EV_READ | EV_PERSIST, on_readable, udp);
	udp->writable = event_new(loop->base, (evutil_socket_t)udp->fd, EV_WRITE, on_writable, udp);
	if (!udp->data || !udp->pending || !udp->readable || !udp->writable ||
	    event_add(udp->readable, NULL) != 0) {
		sl_fail(error, rc, "out of memory for a UDP socket");
		goto out;
	}
	*out = udp;
	return SL_OK;
out:
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
	if (udp->fd != INVALID_SOCKET)
		closesocket(udp->fd);
	udp->closed = true;
	udp->loop->sockets--;
	// The batch that is being handed out stays readable until its callback returns.
	if (!udp->in_callback)
		leave(udp);
}
