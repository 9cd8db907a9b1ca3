// What the test tools share: command lines on stdin, JSON lines on stdout, control messages.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctrl/msg.h"
#include "net/loop.h"
#include "proto/overlay.h"
#include "quic/quic.h"

#define RAW_DATAGRAM_MAX 2048

// Lines from stdin, a pipe. `line` may write into what it gets.
struct raw_input {
	struct sl_io *io;
	void (*line)(void *arg, char *line);
	void (*end)(void *arg);
	void *arg;
	size_t len;
	char bytes[65536];
};

// Set line, end and arg before. False: said why on stderr.
bool raw_input_open(struct raw_input *input, struct sl_loop *loop);
void raw_input_close(struct raw_input *input);

// Hexadecimal digits to bytes. False: not that, or more than RAW_DATAGRAM_MAX.
bool raw_hex(const char *text, uint8_t out[static RAW_DATAGRAM_MAX], size_t *len);

// One JSON object a line; takes it over.
void raw_print(json_t *event);
// `frame` with "peer" and "frame", or `part` with "peer", "type", "id" and "part".
void raw_print_datagram(const struct sl_overlay *overlay);

// Sends a control message. False: the connection is gone.
bool raw_send(struct sl_conn *conn, const struct sl_msg *msg, bool fin);
