#include "softlanctl/prometheus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "softlanctl/members.h"
#include "softlanctl/text.h"

enum kind { COUNTER, GAUGE };

struct metric {
	const char *object, *member; // where it stands in `stats`; object NULL: at the top
	const char *name;            // after "softlan_"
	enum kind kind;
	const char *label; // the member is an object of counters: the label that tells them apart
	const char *help;
};

static const struct metric metrics[] = {
	{"counters", "rx_frames", "rx_frames_total", COUNTER, NULL, "Frames that came in over the tunnel."},
	{"counters", "tx_frames", "tx_frames_total", COUNTER, NULL, "Frames that went out over the tunnel."},
	{"counters", "rx_bytes", "rx_bytes_total", COUNTER, NULL, "Bytes of frames that came in."},
	{"counters", "tx_bytes", "tx_bytes_total", COUNTER, NULL, "Bytes of frames that went out."},
	{"counters", "rx_datagrams", "rx_datagrams_total", COUNTER, NULL,
	 "Overlay datagrams received, good and bad."},
	{"counters", "tx_datagrams", "tx_datagrams_total", COUNTER, NULL, "Overlay datagrams sent."},
	{"counters", "split_tx", "split_tx_total", COUNTER, NULL, "Frames sent in two datagrams."},
	{"counters", "split_rx", "split_rx_total", COUNTER, NULL, "Frames received in two datagrams."},
	{"counters", "drops", "drops_total", COUNTER, "reason", "Frames dropped, by reason."},
	{"udp", "rx_calls", "udp_rx_calls_total", COUNTER, NULL, "System calls that read the UDP socket."},
	{"udp", "rx_datagrams", "udp_rx_datagrams_total", COUNTER, NULL, "UDP datagrams received."},
	{"udp", "rx_bytes", "udp_rx_bytes_total", COUNTER, NULL, "Bytes of UDP payload received."},
	{"udp", "rx_errors", "udp_rx_errors_total", COUNTER, NULL, "Errors when reading the UDP socket."},
	{"udp", "tx_calls", "udp_tx_calls_total", COUNTER, NULL, "System calls that wrote the UDP socket."},
	{"udp", "tx_datagrams", "udp_tx_datagrams_total", COUNTER, NULL, "UDP datagrams sent."},
	{"udp", "tx_bytes", "udp_tx_bytes_total", COUNTER, NULL, "Bytes of UDP payload sent."},
	{"udp", "tx_errors", "udp_tx_errors_total", COUNTER, NULL, "Errors when writing the UDP socket."},
	{"udp", "tx_blocked", "udp_tx_blocked_total", COUNTER, NULL, "Times that the UDP socket was full."},
	{"udp", "gro", "udp_gro", GAUGE, NULL, "1 when received datagrams come in trains (UDP_GRO)."},
	{"udp", "gso", "udp_gso", GAUGE, NULL, "1 when datagrams are sent in trains (UDP_SEGMENT)."},
	{NULL, "rooms", "rooms", GAUGE, NULL, "Rooms with peers in them."},
	{NULL, "peers", "peers", GAUGE, NULL, "Peers in all rooms."},
	{"admission", "joins", "joins_total", COUNTER, NULL, "Peers that have joined."},
	{"admission", "leaves", "leaves_total", COUNTER, NULL, "Peers that have left."},
	{"admission", "protocol_errors", "protocol_errors_total", COUNTER, NULL,
	 "Connections closed for a protocol error."},
	{"admission", "unknown_messages", "unknown_messages_total", COUNTER, NULL,
	 "Control messages of unknown types, ignored."},
	{NULL, "unknown_messages", "unknown_messages_total", COUNTER, NULL,
	 "Control messages of unknown types, ignored."},
	{"admission", "rejects", "rejects_total", COUNTER, "reason",
	 "Peers that were not let in, by reason."},
	{"quic", "connections", "quic_connections", GAUGE, NULL, "QUIC connections, joined or not."},
	{"quic", "handshakes", "quic_handshakes_total", COUNTER, NULL, "Handshakes that were completed."},
	{"quic", "handshakes_failed", "quic_handshakes_failed_total", COUNTER, NULL,
	 "Handshakes that failed."},
	{"quic", "handshakes_refused", "quic_handshakes_refused_total", COUNTER, NULL,
	 "Handshakes refused, for their rate or the number of connections."},
	{"quic", "rx_packets_bad", "quic_rx_packets_bad_total", COUNTER, NULL,
	 "Packets that belong to no connection."},
	{"quic", "resets_sent", "quic_resets_sent_total", COUNTER, NULL, "Stateless resets sent."},
	{"quic", "retries_sent", "quic_retries_sent_total", COUNTER, NULL, "Retry packets sent."},
	{"quic", "version_negotiations_sent", "quic_version_negotiations_sent_total", COUNTER, NULL,
	 "Version negotiation packets sent."},
	{"port", "rx_frames", "port_rx_frames_total", COUNTER, NULL,
	 "Frames read from the LAN interface or the TAP."},
	{"port", "tx_frames", "port_tx_frames_total", COUNTER, NULL,
	 "Frames written to the LAN interface or the TAP."},
	{"port", "rx_super", "port_rx_super_total", COUNTER, NULL, "Super-frames read."},
	{"port", "rx_segments", "port_rx_segments_total", COUNTER, NULL, "Frames that were cut out of them."},
	{"port", "rx_csum", "port_rx_csum_total", COUNTER, NULL, "Checksums that were finished here."},
	{"port", "rx_oversize", "port_rx_oversize_total", COUNTER, NULL,
	 "Frames longer than Ethernet's that the TAP driver on Windows brought, dropped."},
	{"port", "rx_kernel_drops", "port_rx_kernel_drops_total", COUNTER, NULL,
	 "Frames that the kernel dropped before they were read."},
	{"port", "tx_super", "port_tx_super_total", COUNTER, NULL, "Super-frames written."},
	{"port", "tx_segments", "port_tx_segments_total", COUNTER, NULL, "Frames that are in them."},
	{"port", "tx_drops", "port_tx_drops_total", COUNTER, NULL, "Frames that could not be written."},
	{"bridge", "lan_unrelated", "bridge_lan_unrelated_total", COUNTER, NULL,
	 "Frames of the LAN that are for nobody in the room."},
	{"bridge", "lan_offline", "bridge_lan_offline_total", COUNTER, NULL,
	 "Frames of the LAN while not joined."},
	{"bridge", "cam_frames", "bridge_cam_frames_total", COUNTER, NULL,
	 "Frames that keep the switch's table fresh."},
	{"bridge", "own_probes", "bridge_own_probes_total", COUNTER, NULL,
	 "Loop probes of its own room seen on the LAN."},
	{"bridge", "foreign_probes", "bridge_foreign_probes_total", COUNTER, NULL,
	 "Loop probes of other rooms seen on the LAN."},
	{"bridge", "group_out", "bridge_group_out_total", COUNTER, NULL,
	 "Broadcast and multicast frames sent into the tunnel."},
	{"bridge", "group_in", "bridge_group_in_total", COUNTER, NULL,
	 "Broadcast and multicast frames from the tunnel."},
	{"bridge", "offline", "bridge_offline_total", COUNTER, NULL,
	 "Frames of this computer while not joined."},
	{"bridge", "probes", "bridge_probes_total", COUNTER, NULL, "Loop probes of the relay that came."},
	{"bridge", "dropped_out", "bridge_drops_total", COUNTER, "reason",
	 "Frames of this computer that did not leave, by reason."},
};

// A label's value: nothing that a terminal would obey, then the format's own escapes.
static void put_label(FILE *out, const char *name, const char *value)
{
	char *escaped = ctl_escape(value);
	fprintf(out, "%s=\"", name);
	for (const char *p = escaped ? escaped : ""; *p; p++) {
		if (*p == '\\' || *p == '"')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
	free(escaped);
}

static bool value_of(const json_t *json, uint64_t *out)
{
	if (json_is_boolean(json))
		*out = json_is_true(json);
	else if (json_is_integer(json) && json_integer_value(json) >= 0)
		*out = (uint64_t)json_integer_value(json);
	else
		return false;
	return true;
}

static void put_sample(FILE *out, const struct metric *metric, const char *daemon, const char *label,
		       uint64_t value)
{
	fprintf(out, "softlan_%s{", metric->name);
	put_label(out, "daemon", daemon);
	if (label) {
		fputc(',', out);
		put_label(out, metric->label, label);
	}
	fprintf(out, "} %" PRIu64 "\n", value);
}

static void put_metric(FILE *out, const struct metric *metric, const char *daemon, const json_t *stats)
{
	const json_t *object = metric->object ? json_object_get(stats, metric->object) : stats, *item;
	json_t *member = json_object_get(object, metric->member);
	const char *label;
	uint64_t value;

	if (metric->label ? !json_is_object(member) : !value_of(member, &value))
		return;
	fprintf(out, "# HELP softlan_%s %s\n# TYPE softlan_%s %s\n", metric->name, metric->help, metric->name,
		metric->kind == COUNTER ? "counter" : "gauge");
	if (!metric->label) {
		put_sample(out, metric, daemon, NULL, value);
		return;
	}
	json_object_foreach(member, label, item)
	{
		if (value_of(item, &value))
			put_sample(out, metric, daemon, label, value);
	}
}

int ctl_print_prometheus(FILE *out, const json_t *status, const json_t *stats)
{
	static const char prefix[] = "softlan-";
	const char *daemon = ctl_member_text(status, "daemon");

	if (!daemon || !json_is_object(json_object_get(stats, "counters")))
		return -1;
	if (strncmp(daemon, prefix, sizeof(prefix) - 1) == 0)
		daemon += sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		put_metric(out, &metrics[i], daemon, stats);
	return 0;
}
