#include "client/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGES_PER_WAKE 256
#define WATCH_BUFFER (1 << 20)

struct nl_sock *netlink_open(struct sl_error *error)
{
	struct nl_sock *sock = nl_socket_alloc();
	int result;

	if (!sock) {
		sl_fail(error, SL_ERR_NOMEM, "netlink: out of memory");
		return NULL;
	}
	result = nl_connect(sock, NETLINK_ROUTE);
	if (result < 0) {
		sl_fail(error, SL_ERR_SYSTEM, "netlink: cannot open a routing socket (%s)",
			nl_geterror(result));
		nl_socket_free(sock);
		return NULL;
	}
	return sock;
}

struct nl_msg *netlink_request(int type, int flags, const void *header, size_t header_len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)(uintptr_t)header, header_len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

struct answer {
	netlink_fn fn;
	void *arg;
	bool done;
	int result;
};

static int on_message(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	if (answer->fn)
		answer->fn(answer->arg, nlmsg_hdr(msg));
	return NL_OK;
}

static int on_done(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->done = true;
	answer->result = err->error;
	return NL_STOP;
}

int netlink_ask(struct nl_sock *sock, struct nl_msg *request, netlink_fn fn, void *arg)
{
	struct answer answer = {.fn = fn, .arg = arg};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int result;

	if (!cb || !request) {
		answer.result = -ENOMEM;
		goto out;
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, &answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, &answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, &answer);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &answer);
	result = nl_send_auto(sock, request);
	if (result < 0) {
		answer.result = result == -NLE_PERM ? -EPERM : -EIO;
		goto out;
	}
	while (!answer.done) { // the kernel answers before it returns from the request: no waiting here
		result = nl_recvmsgs(sock, cb);
		// An error that the kernel has answered with comes back from here too: on_error has it as it
		// was.
		if (result < 0 && !answer.done && result != -NLE_INTR && result != -NLE_DUMP_INTR) {
			answer.result = -EIO;
			break;
		}
	}
out:
	if (cb)
		nl_cb_put(cb);
	nlmsg_free(request);
	return answer.result;
}

struct netlink_watch {
	struct nl_sock *sock;
	struct sl_io *io;
	netlink_fn fn;
	void (*lost)(void *arg);
	void *arg;
};

static int on_event(struct nl_msg *msg, void *arg)
{
	struct netlink_watch *watch = arg;

	if (nlmsg_get_src(msg)->nl_pid == 0) // from the kernel, not from another program
		watch->fn(watch->arg, nlmsg_hdr(msg));
	return NL_OK;
}

static void watch_ready(void *arg, unsigned ready)
{
	struct netlink_watch *watch = arg;
	bool lost = false;

	(void)ready;
	for (unsigned i = 0; i < MESSAGES_PER_WAKE; i++) {
		int result = nl_recvmsgs_default(watch->sock);
		if (result == -NLE_AGAIN)
			break;
		if (result < 0)
			lost = true; // ENOBUFS: the socket's buffer ran over
	}
	if (lost)
		watch->lost(watch->arg);
}

int netlink_watch_new(struct sl_loop *loop, const int *groups, netlink_fn fn, void (*lost)(void *arg),
		      void *arg, struct netlink_watch **out, struct sl_error *error)
{
	struct netlink_watch *watch = calloc(1, sizeof *watch);
	int buffer = WATCH_BUFFER, result = SL_OK;

	*out = NULL;
	if (!watch)
		return sl_fail(error, SL_ERR_NOMEM, "netlink: out of memory");
	watch->fn = fn;
	watch->lost = lost;
	watch->arg = arg;
	watch->sock = netlink_open(error);
	if (!watch->sock) {
		result = SL_ERR_SYSTEM;
		goto out;
	}
	nl_socket_disable_seq_check(watch->sock);
	nl_socket_modify_cb(watch->sock, NL_CB_VALID, NL_CB_CUSTOM, on_event, watch);
	nl_socket_set_nonblocking(watch->sock);
	(void)setsockopt(nl_socket_get_fd(watch->sock), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
	for (; *groups; groups++) {
		result = nl_socket_add_membership(watch->sock, *groups);
		if (result < 0) {
			result = sl_fail(error, SL_ERR_SYSTEM, "netlink: cannot watch group %d (%s)", *groups,
					 nl_geterror(result));
			goto out;
		}
	}
	watch->io = sl_loop_io(loop, nl_socket_get_fd(watch->sock), watch_ready, watch);
	if (!watch->io || sl_io_want(watch->io, SL_IO_READ) != SL_OK) {
		result = sl_fail(error, SL_ERR_SYSTEM, "netlink: cannot wait for changes");
		goto out;
	}
	*out = watch;
	watch = NULL;
	result = SL_OK;
out:
	netlink_watch_free(watch);
	return result;
}

void netlink_watch_free(struct netlink_watch *watch)
{
	if (!watch)
		return;
	sl_io_free(watch->io);
	nl_socket_free(watch->sock);
	free(watch);
}
