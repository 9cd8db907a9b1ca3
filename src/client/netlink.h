// Netlink over libnl: requests that are answered at once, and a watch on what changes. Linux only.
#pragma once

#include <stdbool.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "common/err.h"
#include "net/loop.h"

typedef void (*netlink_fn)(void *arg, struct nlmsghdr *message);

// A routing socket for requests. NULL with a sentence. nl_socket_free() ends it.
struct nl_sock *netlink_open(struct sl_error *error);

// Sends the request, which it frees, and hands every message of the answer to `fn` (may be NULL).
// 0, or a negative errno as the kernel gave it.
int netlink_ask(struct nl_sock *sock, struct nl_msg *request, netlink_fn fn, void *arg);

// A new request with its family header, for netlink_ask. NULL: out of memory.
struct nl_msg *netlink_request(int type, int flags, const void *header, size_t header_len);

struct netlink_watch;
// Hands every message of these groups (ended by 0) to `fn`, from the loop. `lost`: some were missed, look
// again.
int netlink_watch_new(struct sl_loop *loop, const int *groups, netlink_fn fn, void (*lost)(void *arg),
		      void *arg, struct netlink_watch **out, struct sl_error *error);
void netlink_watch_free(struct netlink_watch *watch);
