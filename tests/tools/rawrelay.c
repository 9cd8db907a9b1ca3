// A relay that keeps no rule: what a hostile or broken one could do to a gateway or a client. It welcomes
// whoever comes, and sends exactly the control messages and datagrams that it is given, to the one that came
// last.
//
// stdin, one command a line:
//     frame PEER HEX       this frame, from that peer
//     datagram HEX         this datagram, header and all
//     message JSON         this control message, as it stands
// Its end means to stop.
//
// stdout, one JSON object a line, by "event": `listening`; `message` (each control message, as it came);
// `frame`, `part`; `closed` (an endpoint has gone).
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "proto/overlay.h"
#include "rawio.h"

struct rawrelay {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *tls;
	struct sl_quic *quic;
	struct sl_conn *conn; // the endpoint that came last
	struct raw_input input;
	struct sl_msg_reader reader;
	uint64_t mtu, budget;
	bool input_open, split;
	int status;
};

static void finish(struct rawrelay *relay, int status)
{
	relay->status = status;
	sl_loop_stop(relay->loop);
}

// ---- commands

static void send_datagram(struct rawrelay *relay, const void *head, size_t head_len, const void *body,
			  size_t len)
{
	int result = SL_ERR_CLOSED;

	if (relay->conn != NULL)
		result = sl_conn_datagram_send(relay->conn, 0, head, head_len, body, len);
	if (result != SL_OK)
		raw_print(json_pack("{s:s, s:s}", "event", "refused", "why", sl_strerror(result)));
}

static void send_message(struct rawrelay *relay, const char *json)
{
	uint8_t prefix[SL_CTRL_PREFIX];
	size_t len = strlen(json);

	sl_put32(prefix, (uint32_t)len);
	if (relay->conn == NULL ||
	    sl_conn_stream_write(relay->conn, prefix, sizeof(prefix), false) != SL_OK ||
	    sl_conn_stream_write(relay->conn, json, len, false) != SL_OK)
		raw_print(json_pack("{s:s, s:s}", "event", "refused", "why", "nobody is there"));
}

static void on_line(void *arg, char *line)
{
	struct rawrelay *relay = arg;
	uint8_t bytes[RAW_DATAGRAM_MAX], header[SL_OVERLAY_HEADER];
	unsigned peer = 0;
	int after = 0;
	size_t len;

	if (strncmp(line, "message ", 8) == 0) {
		send_message(relay, line + 8);
	} else if (strncmp(line, "datagram ", 9) == 0 && raw_hex(line + 9, bytes, &len)) {
		send_datagram(relay, NULL, 0, bytes, len);
	} else if (sscanf(line, "frame %u %n", &peer, &after) == 1 && raw_hex(line + after, bytes, &len)) {
		sl_overlay_encode_header(header, (uint16_t)peer);
		send_datagram(relay, header, sizeof(header), bytes, len);
	} else {
		fprintf(stderr, "rawrelay: not understood: %.40s\n", line);
		finish(relay, 2);
	}
	sl_quic_flush(relay->quic);
}

static void on_input_end(void *arg)
{
	finish(arg, 0);
}

// ---- the connection

static void *on_accept(void *arg, struct sl_conn *conn)
{
	struct rawrelay *relay = arg;

	relay->conn = conn;
	sl_msg_reader_fini(&relay->reader);
	sl_msg_reader_init(&relay->reader);
	return relay;
}

static void welcome(struct rawrelay *relay, const struct sl_msg *hello)
{
	struct sl_msg msg = {.type = SL_MSG_WELCOME};

	msg.welcome.protocol = SL_CTRL_PROTOCOL;
	msg.welcome.peer_id = 1;
	msg.welcome.room_id = 1;
	msg.welcome.effective_tap_mtu = relay->mtu;
	msg.welcome.max_datagram_size = relay->budget < hello->hello.max_datagram_size
						? relay->budget
						: hello->hello.max_datagram_size;
	msg.welcome.features = relay->split ? SL_FEATURE_SPLIT : 0;
	(void)raw_send(relay->conn, &msg, false);
}

static void on_message(struct rawrelay *relay, const uint8_t *json, size_t len)
{
	struct sl_msg msg;

	if (sl_msg_decode(json, len, &msg, NULL, NULL) == SL_OK && msg.type == SL_MSG_HELLO)
		welcome(relay, &msg);
	raw_print(json_pack("{s:s, s:o}", "event", "message", "message",
			    json_loadb((const char *)json, len, 0, NULL)));
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	struct rawrelay *relay = arg;
	const uint8_t *json;
	size_t json_len;

	(void)user;
	(void)reset;
	if (conn != relay->conn || sl_msg_reader_push(&relay->reader, data, len) != SL_OK)
		return;
	while (sl_msg_reader_next(&relay->reader, &json, &json_len) == SL_OK)
		on_message(relay, json, json_len);
	if (fin)
		sl_conn_close(conn, SL_CLOSE_DONE, "done");
}

static void on_drained(void *arg, struct sl_conn *conn, void *user)
{
	(void)arg;
	(void)conn;
	(void)user;
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct sl_overlay overlay;

	(void)arg;
	(void)conn;
	(void)user;
	if (sl_overlay_decode(data, len, true, &overlay) == SL_OK)
		raw_print_datagram(&overlay);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	(void)arg;
	(void)conn;
	(void)user;
	raw_print(json_pack("{s:s, s:s, s:I}", "event", "dropped", "reason", sl_drop_name(reason), "count",
			    (json_int_t)count));
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct rawrelay *relay = arg;

	(void)user;
	if (conn == relay->conn)
		relay->conn = NULL;
	raw_print(json_pack("{s:s, s:s}", "event", "closed", "text", why->text));
}

// ---- the program

static int usage(void)
{
	fprintf(stderr, "usage: rawrelay --listen ADDRESS:PORT --state DIRECTORY --der FILE [--mtu BYTES] "
			"[--budget BYTES] [--split]\n");
	return 2;
}

static int listen_on(struct rawrelay *relay, const char *listen, struct sl_error *error)
{
	const struct sl_quic_ops ops = {
		.accept = on_accept,
		.stream = on_stream,
		.stream_drained = on_drained,
		.datagram = on_datagram,
		.dropped = on_dropped,
		.closed = on_closed,
		.arg = relay,
	};
	const struct sl_quic_config config = {
		.tls = relay->tls,
		.offload = true,
		.datagram_size = relay->budget,
		.idle_timeout_ns = 30 * SL_NS_PER_S,
		.keep_alive_ns = 2 * SL_NS_PER_S,
	};
	struct sl_addr addr;
	bool dual_stack;
	int result = sl_listen_parse(listen, &addr, &dual_stack, error);

	if (result != SL_OK)
		return result;
	return sl_quic_server_new(relay->env, &config, &ops, &addr, dual_stack, &relay->quic, error);
}

static void on_term(void *arg)
{
	finish(arg, 0);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'},
		{"state", required_argument, NULL, 's'},
		{"der", required_argument, NULL, 'd'},
		{"mtu", required_argument, NULL, 'm'},
		{"budget", required_argument, NULL, 'b'},
		{"split", no_argument, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	const char *listen = NULL, *state = NULL, *der = NULL;
	struct rawrelay *relay = calloc(1, sizeof(*relay));
	struct sl_signal *term = NULL;
	struct sl_error error = {{0}};
	int option, status = 1;

	if (relay == NULL)
		return 1;
	relay->mtu = 1382;
	relay->budget = 1400;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'l')
			listen = optarg;
		else if (option == 's')
			state = optarg;
		else if (option == 'd')
			der = optarg;
		else if (option == 'm')
			relay->mtu = strtoul(optarg, NULL, 10);
		else if (option == 'b')
			relay->budget = strtoul(optarg, NULL, 10);
		else if (option == 'p')
			relay->split = true;
	}
	if (listen == NULL || state == NULL || der == NULL || optind != argc) {
		free(relay);
		return usage();
	}
	sl_log_init(&relay->log);
	sl_msg_reader_init(&relay->reader);
	relay->input.line = on_line;
	relay->input.end = on_input_end;
	relay->input.arg = relay;
	relay->loop = sl_loop_new(&relay->log, &error);
	if (relay->loop == NULL)
		goto out;
	relay->env = sl_loop_env(relay->loop);
	relay->tls = sl_tls_server_dev(state, "softlan-relay.local", der, &error);
	if (relay->tls == NULL || listen_on(relay, listen, &error) != SL_OK)
		goto out;
	term = sl_loop_signal(relay->loop, SIGTERM, on_term, relay);
	relay->input_open = raw_input_open(&relay->input, relay->loop);
	if (term == NULL || !relay->input_open)
		goto out;
	raw_print(json_pack("{s:s}", "event", "listening"));
	if (sl_loop_run(relay->loop) == SL_OK)
		status = relay->status;
out:
	if (error.text[0] != '\0')
		fprintf(stderr, "rawrelay: %s\n", error.text);
	if (relay->input_open)
		raw_input_close(&relay->input);
	sl_signal_free(term);
	sl_quic_free(relay->quic);
	sl_tls_free(relay->tls);
	sl_msg_reader_fini(&relay->reader);
	sl_loop_free(relay->loop);
	free(relay);
	return status;
}
