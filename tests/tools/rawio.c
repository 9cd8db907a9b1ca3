#include "rawio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void give_lines(struct raw_input *input)
{
	char *start = input->bytes, *end;

	while ((end = memchr(start, '\n', input->len - (size_t)(start - input->bytes))) != NULL) {
		*end = '\0';
		input->line(input->arg, start);
		start = end + 1;
	}
	input->len -= (size_t)(start - input->bytes);
	memmove(input->bytes, start, input->len);
}

static void readable(void *arg, unsigned ready)
{
	struct raw_input *input = arg;
	ssize_t got;

	(void)ready;
	got = read(STDIN_FILENO, input->bytes + input->len, sizeof(input->bytes) - input->len);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		input->len += (size_t)got;
	give_lines(input);
	if (got <= 0 || input->len == sizeof(input->bytes)) {
		raw_input_close(input);
		input->end(input->arg);
	}
}

bool raw_input_open(struct raw_input *input, struct sl_loop *loop)
{
	int flags = fcntl(STDIN_FILENO, F_GETFL);

	if (flags >= 0 && fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK) == 0)
		input->io = sl_loop_io(loop, STDIN_FILENO, readable, input);
	if (input->io != NULL && sl_io_want(input->io, SL_IO_READ) == SL_OK)
		return true;
	fprintf(stderr, "commands cannot be read from stdin: give a pipe\n");
	return false;
}

void raw_input_close(struct raw_input *input)
{
	sl_io_free(input->io);
	input->io = NULL;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool raw_hex(const char *text, uint8_t out[static RAW_DATAGRAM_MAX], size_t *len)
{
	size_t digits = strlen(text);

	if (digits % 2 != 0 || digits / 2 > RAW_DATAGRAM_MAX)
		return false;
	for (size_t i = 0; i < digits; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*len = digits / 2;
	return true;
}

void raw_print(json_t *event)
{
	if (event != NULL && json_dumpf(event, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	fflush(stdout);
	json_decref(event);
}

void raw_print_datagram(const struct sl_overlay *overlay)
{
	if (overlay->type == SL_OVERLAY_ETHERNET)
		printf("{\"event\":\"frame\",\"peer\":%u,\"frame\":\"", overlay->peer_id);
	else
		printf("{\"event\":\"part\",\"peer\":%u,\"type\":%u,\"id\":%u,\"part\":\"", overlay->peer_id,
		       (unsigned)overlay->type, overlay->frame_id);
	for (size_t i = 0; i < overlay->frame_len; i++)
		printf("%02x", overlay->frame[i]);
	printf("\"}\n");
	fflush(stdout);
}

bool raw_send(struct sl_conn *conn, const struct sl_msg *msg, bool fin)
{
	uint8_t *bytes;
	size_t len;

	if (sl_msg_encode(msg, &bytes, &len) != SL_OK)
		return false;
	int result = sl_conn_stream_write(conn, bytes, len, fin);
	free(bytes);
	return result == SL_OK;
}
