// One reader of the control socket: takes a request line, answers it, goes away; or stays and watches.
#pragma once

#include "daemon/control.h"
#include "daemon/control_stream.h"

struct control_conn;

// What a connection needs of its server.
struct control_conn_owner {
	struct sl_loop *loop;
	const struct sl_control_verb *verbs; // may be NULL
	void *arg;
	const struct sl_control_verb *common; // those that every daemon has; may be NULL
	void *common_arg;
	// The connection has ended; called from the loop, the owner frees it.
	void (*ended)(struct control_conn_owner *owner, struct control_conn *conn);
};

// Takes the stream over, also when it fails. NULL: out of memory.
struct control_conn *control_conn_new(struct control_conn_owner *owner, struct control_stream *stream);
void control_conn_free(struct control_conn *conn); // NULL is fine

// Does it watch?
bool control_conn_watches(const struct control_conn *conn);
// A line for one that watches; NULL: an event that could not be made, which is lost to it. Only takes note.
void control_conn_event(struct control_conn *conn, const char *line, size_t len);
// Sends what can be sent at once, before an end. May call `ended`.
void control_conn_flush(struct control_conn *conn);
