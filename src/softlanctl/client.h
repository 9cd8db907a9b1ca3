// One request to a daemon's control socket.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"

#define CTL_ANSWER_MAX ((size_t)16 << 20)
#define CTL_REQUEST_MAX 4096
#define CTL_EVENT_MAX ((size_t)1 << 20)

// Asks and waits for the whole answer, `timeout_s` in all. SL_OK: *out is the document (the caller
// releases it). SL_ERR_NOT_FOUND: no daemon is there. SL_ERR_CLOSED: it did not answer in time or not
// to the end. SL_ERR_INVALID: the request cannot be written in the protocol. SL_ERR_PROTO: an answer
// that is none. SL_ERR_UNSUPPORTED: the daemon said no. SL_ERR_PERMISSION, SL_ERR_SYSTEM.
int ctl_ask(const char *path, unsigned timeout_s, int argc, char *const *argv, json_t **out,
	    struct sl_error *error);
// The same without waiting: for who has a keyboard to look after. ctl_query_new connects and sends; its
// errors are those of ctl_ask (SL_ERR_CLOSED: the daemon is too busy). `path` must outlive the query.
struct ctl_query;
struct ctl_link;
int ctl_query_new(const char *path, int argc, char *const *argv, struct ctl_query **out,
		  struct sl_error *error);
struct ctl_link *ctl_query_link(const struct ctl_query *query); // connect.h; the query's
// Reads what has come. SL_OK: *out is the document (the caller releases it). SL_ERR_AGAIN: there is more to
// come. Else as ctl_ask.
int ctl_query_read(struct ctl_query *query, json_t **out, struct sl_error *error);
void ctl_query_free(struct ctl_query *query); // NULL is fine

// Asks for events: `fn` gets each until it returns false or the daemon ends the stream. `timeout_s` is for
// the daemon to take up the request. SL_OK: it ended between two events. SL_ERR_PROTO: something in the
// stream was no event, it broke off within one, or `fn` had enough (then `error` is left alone). All else as
// ctl_ask, and before the first event only.
int ctl_watch(const char *path, unsigned timeout_s, int argc, char *const *argv,
	      bool (*fn)(void *arg, const json_t *event), void *arg, struct sl_error *error);
