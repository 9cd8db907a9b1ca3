// A peer that speaks the protocol and checks nothing: what a hostile one could run instead of a client or a
// gateway. It joins a room and sends exactly the frames that it is given.
//
// stdin, one command a line:
//     HEX                  this frame, behind the header that the protocol asks for
//     datagram HEX         this datagram, header and all
//     flood PPS SECONDS [MAC]   frames, each with a serial number of its own, by broadcast or to this MAC
// Its end means to leave.
//
// stdout, one JSON object a line, by "event": `joined`; `message` (each control message, as it came); `frame`
// and `part` (unless --quiet); `flood` (at the flood's end: sent; queue_full: not taken by our own queue;
// dropped: given up there for its age); `closed`.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mac.h"
#include "proto/overlay.h"
#include "rawio.h"

#define FLOOD_STEP SL_NS_PER_MS
#define FLOOD_CATCH_UP 500 // frames in one step, after a late wake-up
#define FLOOD_LEN 60
#define BROADCAST "ff:ff:ff:ff:ff:ff"
#define FLOOD_DRAIN (300 * SL_NS_PER_MS)
#define PMTU_STEP (10 * SL_NS_PER_MS)
#define PMTU_WAIT SL_NS_PER_S
#define LEAVE_WAIT (500 * SL_NS_PER_MS)

struct rawpeer {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_tls *tls;
	struct sl_quic *quic;
	struct sl_conn *conn;
	struct sl_timer *timer, *flood_timer;
	struct raw_input input;
	struct sl_msg_reader reader;
	struct sl_msg hello;
	bool quiet, hello_sent, input_open, leaving;
	uint64_t since_ns;
	uint16_t peer_id; // 0: not joined
	uint64_t path_drops;
	int status;
	struct {
		uint64_t start_ns, pps, total;
		uint64_t done, sent, queue_full, drops_before;
		struct sl_mac to;
		bool draining;
	} flood;
};

static void finish(struct rawpeer *peer, int status)
{
	peer->status = status;
	sl_loop_stop(peer->loop);
}

static void send_datagram(struct rawpeer *peer, const void *head, size_t head_len, const void *body,
			  size_t len)
{
	int result = SL_ERR_CLOSED;

	if (peer->conn != NULL)
		result = sl_conn_datagram_send(peer->conn, 0, head, head_len, body, len);
	if (result != SL_OK)
		raw_print(json_pack("{s:s, s:s}", "event", "refused", "why", sl_strerror(result)));
}

// ---- the flood

static void flood_report(struct rawpeer *peer)
{
	raw_print(json_pack("{s:s, s:I, s:I, s:I, s:f}", "event", "flood", "sent",
			    (json_int_t)peer->flood.sent, "queue_full", (json_int_t)peer->flood.queue_full,
			    "dropped", (json_int_t)(peer->path_drops - peer->flood.drops_before), "seconds",
			    (double)(peer->env->now_ns - peer->flood.start_ns) / (double)SL_NS_PER_S));
	peer->flood.pps = 0;
}

static void flood_frame(struct rawpeer *peer)
{
	uint8_t frame[SL_OVERLAY_HEADER + FLOOD_LEN] = {0};
	uint8_t *eth = frame + SL_OVERLAY_HEADER;

	sl_overlay_encode_header(frame, peer->peer_id);
	memcpy(eth, peer->flood.to.b, SL_MAC_LEN);
	memcpy(eth + SL_MAC_LEN, peer->hello.hello.mac.b, SL_MAC_LEN);
	sl_put16(eth + 12, 0x88b6);
	memcpy(eth + 14, "flood", 5);
	sl_put32(eth + 20, (uint32_t)peer->flood.done++);
	if (sl_conn_datagram_send(peer->conn, 0, frame, SL_OVERLAY_HEADER, eth, FLOOD_LEN) == SL_OK)
		peer->flood.sent++;
	else
		peer->flood.queue_full++;
}

static void flood_step(void *arg)
{
	struct rawpeer *peer = arg;
	uint64_t now_ns = peer->env->now_ns;
	uint64_t due = (now_ns - peer->flood.start_ns) / SL_NS_PER_US * peer->flood.pps / 1000000;
	uint64_t burst = FLOOD_CATCH_UP;

	if (peer->conn == NULL)
		return;
	if (peer->flood.draining) {
		flood_report(peer);
		return;
	}
	if (due > peer->flood.total)
		due = peer->flood.total;
	while (peer->flood.done < due && burst-- > 0)
		flood_frame(peer);
	sl_quic_flush(peer->quic);
	peer->flood.draining = peer->flood.done == peer->flood.total;
	peer->env->ops->timer_set(peer->flood_timer,
				  now_ns + (peer->flood.draining ? FLOOD_DRAIN : FLOOD_STEP));
}

static void flood_start(struct rawpeer *peer, uint64_t pps, uint64_t seconds, const char *to)
{
	struct sl_mac mac;

	if (pps == 0 || pps > 10000000 || seconds == 0 || seconds > 3600 || peer->flood.pps != 0 ||
	    !sl_mac_parse(to, &mac)) {
		fprintf(stderr, "rawpeer: no flood of that size, or one is under way\n");
		return;
	}
	memset(&peer->flood, 0, sizeof(peer->flood));
	peer->flood.to = mac;
	peer->flood.pps = pps;
	peer->flood.total = pps * seconds;
	peer->flood.start_ns = peer->env->now_ns;
	peer->flood.drops_before = peer->path_drops;
	peer->env->ops->timer_set(peer->flood_timer, peer->env->now_ns);
}

// ---- commands

static void on_line(void *arg, char *line)
{
	struct rawpeer *peer = arg;
	uint8_t bytes[RAW_DATAGRAM_MAX], header[SL_OVERLAY_HEADER];
	unsigned long long pps, seconds;
	char to[SL_MAC_TEXT] = BROADCAST;
	size_t len;

	if (sscanf(line, "flood %llu %llu %17s", &pps, &seconds, to) >= 2) {
		flood_start(peer, pps, seconds, to);
	} else if (strncmp(line, "datagram ", 9) == 0 && raw_hex(line + 9, bytes, &len)) {
		send_datagram(peer, NULL, 0, bytes, len);
	} else if (raw_hex(line, bytes, &len)) {
		sl_overlay_encode_header(header, peer->peer_id);
		send_datagram(peer, header, sizeof(header), bytes, len);
	} else {
		fprintf(stderr, "rawpeer: not understood: %.40s\n", line);
		finish(peer, 2);
	}
	sl_quic_flush(peer->quic);
}

static void on_input_end(void *arg)
{
	struct rawpeer *peer = arg;
	struct sl_msg msg = {.type = SL_MSG_DISCONNECT, .disconnect.reason = "leaving"};

	peer->leaving = true;
	if (peer->conn == NULL || !raw_send(peer->conn, &msg, true))
		finish(peer, 0);
	peer->env->ops->timer_set(peer->timer, peer->env->now_ns + LEAVE_WAIT);
}

// ---- the connection

static void send_hello(struct rawpeer *peer)
{
	size_t path = sl_conn_max_datagram(peer->conn);

	if (path < peer->hello.hello.max_datagram_size && peer->hello.hello.features == 0)
		peer->hello.hello.max_datagram_size = path;
	peer->hello_sent = true;
	if (!raw_send(peer->conn, &peer->hello, false))
		finish(peer, 1);
}

// Before hello: for path-MTU discovery; after the end of the input: for the relay.
static void on_timer(void *arg)
{
	struct rawpeer *peer = arg;

	if (peer->leaving) {
		finish(peer, 0);
		return;
	}
	if (peer->conn == NULL || peer->hello_sent)
		return;
	if (sl_conn_pmtu_settled(peer->conn) || peer->env->now_ns - peer->since_ns > PMTU_WAIT ||
	    sl_conn_max_datagram(peer->conn) >= peer->hello.hello.max_datagram_size)
		send_hello(peer);
	else
		peer->env->ops->timer_set(peer->timer, peer->env->now_ns + PMTU_STEP);
}

static void on_established(void *arg, struct sl_conn *conn, void *user)
{
	struct rawpeer *peer = arg;

	(void)conn;
	(void)user;
	peer->since_ns = peer->env->now_ns;
	peer->env->ops->timer_set(peer->timer, peer->env->now_ns);
}

static void on_message(struct rawpeer *peer, const uint8_t *json, size_t len)
{
	struct sl_msg msg;

	raw_print(json_pack("{s:s, s:o}", "event", "message", "message",
			    json_loadb((const char *)json, len, 0, NULL)));
	if (sl_msg_decode(json, len, &msg, NULL, NULL) != SL_OK || msg.type != SL_MSG_WELCOME ||
	    peer->peer_id != 0)
		return;
	peer->peer_id = msg.welcome.peer_id;
	raw_print(json_pack("{s:s, s:i, s:I, s:I, s:I}", "event", "joined", "peer", msg.welcome.peer_id,
			    "room_id", (json_int_t)msg.welcome.room_id, "mtu",
			    (json_int_t)msg.welcome.effective_tap_mtu, "budget",
			    (json_int_t)msg.welcome.max_datagram_size));
	peer->input_open = raw_input_open(&peer->input, peer->loop);
	if (!peer->input_open)
		finish(peer, 1);
	else if (peer->flood.pps != 0) {
		uint64_t pps = peer->flood.pps, seconds = peer->flood.total;
		peer->flood.pps = 0;
		flood_start(peer, pps, seconds, BROADCAST);
	}
}

static void on_stream(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len, bool fin,
		      bool reset)
{
	struct rawpeer *peer = arg;
	const uint8_t *json;
	size_t json_len;

	(void)conn;
	(void)user;
	(void)fin;
	(void)reset;
	if (sl_msg_reader_push(&peer->reader, data, len) != SL_OK)
		return;
	while (sl_msg_reader_next(&peer->reader, &json, &json_len) == SL_OK)
		on_message(peer, json, json_len);
}

static void on_drained(void *arg, struct sl_conn *conn, void *user)
{
	struct rawpeer *peer = arg;

	(void)user;
	if (peer->leaving)
		sl_conn_close(conn, SL_CLOSE_DONE, "done");
}

static void on_datagram(void *arg, struct sl_conn *conn, void *user, const uint8_t *data, size_t len)
{
	struct rawpeer *peer = arg;
	struct sl_overlay overlay;

	(void)conn;
	(void)user;
	if (!peer->quiet && sl_overlay_decode(data, len, true, &overlay) == SL_OK)
		raw_print_datagram(&overlay);
}

static void on_dropped(void *arg, struct sl_conn *conn, void *user, enum sl_drop reason, uint64_t count)
{
	struct rawpeer *peer = arg;

	(void)conn;
	(void)user;
	(void)reason;
	peer->path_drops += count;
}

static void on_closed(void *arg, struct sl_conn *conn, void *user, const struct sl_closed *why)
{
	struct rawpeer *peer = arg;

	(void)conn;
	(void)user;
	peer->conn = NULL;
	raw_print(json_pack("{s:s, s:o, s:s}", "event", "closed", "code",
			    why->application ? json_integer((json_int_t)why->code) : json_null(), "text",
			    why->text));
	finish(peer, peer->leaving ? 0 : 1);
}

// ---- the program

static int usage(void)
{
	fprintf(stderr,
		"usage: rawpeer --relay HOST[:PORT] --ca FILE --room ROOM --mac MAC\n"
		"               [--role client|gateway] [--server-name NAME] [--secret TEXT]\n"
		"               [--budget BYTES] [--split] [--quiet] [--flood PPS --seconds SECONDS]\n");
	return 2;
}

struct options {
	const char *relay, *ca, *server_name, *mac;
};

static bool parse(struct rawpeer *peer, struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"relay", required_argument, NULL, 'r'},
		{"ca", required_argument, NULL, 'c'},
		{"server-name", required_argument, NULL, 'n'},
		{"room", required_argument, NULL, 'o'},
		{"secret", required_argument, NULL, 's'},
		{"mac", required_argument, NULL, 'm'},
		{"role", required_argument, NULL, 'l'},
		{"budget", required_argument, NULL, 'b'},
		{"split", no_argument, NULL, 'p'},
		{"quiet", no_argument, NULL, 'q'},
		{"flood", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct sl_msg *hello = &peer->hello;
	int option;

	*options = (struct options){.server_name = "softlan-relay.local"};
	*hello = (struct sl_msg){.type = SL_MSG_HELLO};
	hello->hello.protocol = SL_CTRL_PROTOCOL;
	hello->hello.max_datagram_size = 1400;
	snprintf(hello->hello.agent, sizeof(hello->hello.agent), "rawpeer");
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'r':
			options->relay = optarg;
			break;
		case 'c':
			options->ca = optarg;
			break;
		case 'n':
			options->server_name = optarg;
			break;
		case 'o':
			snprintf(hello->hello.room, sizeof(hello->hello.room), "%s", optarg);
			break;
		case 's':
			hello->hello.has_secret = true;
			snprintf(hello->hello.secret, sizeof(hello->hello.secret), "%s", optarg);
			break;
		case 'm':
			options->mac = optarg;
			break;
		case 'l':
			hello->hello.role = strcmp(optarg, "gateway") == 0 ? SL_ROLE_GATEWAY : SL_ROLE_CLIENT;
			break;
		case 'b':
			hello->hello.max_datagram_size = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			hello->hello.features = SL_FEATURE_SPLIT;
			break;
		case 'q':
			peer->quiet = true;
			break;
		case 'f':
			peer->flood.pps = strtoul(optarg, NULL, 10);
			break;
		case 't':
			peer->flood.total = strtoul(optarg, NULL, 10); // seconds, until it starts
			break;
		default:
			return false;
		}
	}
	hello->hello.has_mac = hello->hello.role == SL_ROLE_CLIENT;
	// The MAC of a gateway is not announced; the flood's frames have it.
	return options->relay != NULL && options->ca != NULL && options->mac != NULL && optind == argc &&
	       sl_mac_parse(options->mac, &hello->hello.mac);
}

static int connect_relay(struct rawpeer *peer, const struct options *options, struct sl_error *error)
{
	const struct sl_quic_ops ops = {
		.established = on_established,
		.stream = on_stream,
		.stream_drained = on_drained,
		.datagram = on_datagram,
		.dropped = on_dropped,
		.closed = on_closed,
		.arg = peer,
	};
	struct sl_quic_config config = {
		.offload = true,
		.datagram_size = peer->hello.hello.max_datagram_size,
		.idle_timeout_ns = 30 * SL_NS_PER_S,
		.keep_alive_ns = 2 * SL_NS_PER_S,
	};
	struct sl_host host;
	struct sl_addr addr;
	int result = sl_host_parse(options->relay, &host, error);

	if (result != SL_OK)
		return result;
	if (!sl_addr_literal(host.name, host.port, &addr))
		return sl_fail(error, SL_ERR_INVALID, "%s is no address", host.name);
	config.tls = peer->tls = sl_tls_client_new(options->ca, error);
	if (peer->tls == NULL)
		return SL_ERR_TLS;
	return sl_quic_client_new(peer->env, &config, &ops, &addr, options->server_name, peer, &peer->quic,
				  &peer->conn, error);
}

int main(int argc, char **argv)
{
	struct rawpeer *peer = calloc(1, sizeof(*peer));
	struct sl_error error = {{0}};
	struct options options;
	int status = 1;

	if (peer == NULL)
		return 1;
	if (!parse(peer, &options, argc, argv)) {
		free(peer);
		return usage();
	}
	sl_log_init(&peer->log);
	sl_msg_reader_init(&peer->reader);
	peer->input.line = on_line;
	peer->input.end = on_input_end;
	peer->input.arg = peer;
	peer->loop = sl_loop_new(&peer->log, &error);
	if (peer->loop == NULL)
		goto out;
	peer->env = sl_loop_env(peer->loop);
	peer->timer = peer->env->ops->timer_new(peer->env, on_timer, peer);
	peer->flood_timer = peer->env->ops->timer_new(peer->env, flood_step, peer);
	if (peer->timer == NULL || peer->flood_timer == NULL ||
	    connect_relay(peer, &options, &error) != SL_OK)
		goto out;
	if (sl_loop_run(peer->loop) == SL_OK)
		status = peer->status;
out:
	if (error.text[0] != '\0')
		fprintf(stderr, "rawpeer: %s\n", error.text);
	if (peer->input_open)
		raw_input_close(&peer->input);
	sl_quic_free(peer->quic);
	sl_tls_free(peer->tls);
	sl_msg_reader_fini(&peer->reader);
	if (peer->env != NULL) {
		peer->env->ops->timer_free(peer->timer);
		peer->env->ops->timer_free(peer->flood_timer);
	}
	sl_loop_free(peer->loop);
	free(peer);
	return status;
}
