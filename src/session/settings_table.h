// The option rows that gateway and client share, for their option tables only.
//
//   const struct sl_option table[] = {
//           SL_ENDPOINT_ROOM_OPTIONS(struct sl_gateway_config, endpoint),
//           { … the daemon's own … },
//           SL_ENDPOINT_OPTIONS(struct sl_gateway_config, endpoint, "gateway"),
//           { .name = NULL },
//   };
#pragma once

#include <stddef.h>

#include "common/paths.h"
#include "ctrl/msg.h"
#include "daemon/options.h"
#include "proto/mtu.h"
#include "session/settings.h"

#define SL_ENDPOINT_TIME_MAX 3600 // seconds

// `T`: the daemon's configuration struct; `member`: its struct sl_endpoint_settings; `who`:
// "gateway" or "client" (the control socket's folder).
// clang-format off
#define SL_ENDPOINT_FIELD(T, member, field) (offsetof(T, member) + offsetof(struct sl_endpoint_settings, field))

// Where to go: the first rows of a table.
#define SL_ENDPOINT_ROOM_OPTIONS(T, member) \
	{ .name = "relay", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, relay), .text = "", \
	  .check = sl_endpoint_check_relay, .restart = true, .cli = true, \
	  .help = "The relay: a DNS name, an address, or either with a port (default 443); required.", \
	  .section = "Relay and room", .example = "relay.example.org", \
	  .note = "With a port: \"relay.example.org:8443\" or \"[2001:db8::1]:8443\"." }, \
	{ .name = "server_name", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, server_name), .text = "", \
	  .check = sl_endpoint_check_server_name, .restart = true, .cli = true, \
	  .help = "The name in the relay's certificate; empty: the relay's name, or softlan-relay.local for an " \
		  "address.", \
	  .note = "softlan-relay.local is the name in the certificate that a relay makes itself." }, \
	{ .name = "relay_ca", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, relay_ca), \
	  .text = SL_CONFDIR "/relay-ca.der", .path = true, .restart = true, .cli = true, \
	  .help = "PEM or DER file: a CA, or the relay's certificate itself (pinned); empty: the system's trust.", \
	  .note = "A pinned certificate is accepted whatever its dates say, and no other one is. Use the empty " \
		  "string when the relay has a certificate of a public authority." }, \
	{ .name = "room", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, room), .text = "", \
	  .check = sl_endpoint_check_room, .restart = true, .cli = true, \
	  .help = "The room to join: 1 to 64 of A-Z a-z 0-9 - _; required.", .example = "ROOM1", \
	  .note = "Upper and lower case are different. A room has one gateway." }, \
	{ .name = "secret", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, secret), .text = "", \
	  .check = sl_endpoint_check_secret, .restart = true, \
	  .help = "The room's secret, if the relay asks for one.", \
	  .note = "At most 256 bytes. See that only the daemon can read this file." }

// The tunnel and the daemon itself: the last ones.
#define SL_ENDPOINT_OPTIONS(T, member, who) \
	{ .name = "datagram.max_size", .type = SL_OPT_INT, .offset = SL_ENDPOINT_FIELD(T, member, max_size), \
	  .number = SL_BUDGET_DEFAULT, .min = SL_BUDGET_MIN, .max = SL_BUDGET_MAX, .restart = true, \
	  .help = "The largest tunnel datagram to ask for, in bytes.", .section = "Tunnel", \
	  .note = "The relay has the last word." }, \
	{ .name = "datagram.split", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, split), \
	  .number = 1, .restart = true, \
	  .help = "Carry frames of the full 1500-byte MTU in two datagrams, where the relay can.", \
	  .note = "Only what does not fit into one datagram goes in two. Without it the MTU is 18 less than the " \
		  "relay's max_size, and a path too narrow for that is refused." }, \
	{ .name = "datagram.mss_clamp", .type = SL_OPT_BOOL, \
	  .offset = SL_ENDPOINT_FIELD(T, member, mss_clamp), .number = 1, .restart = true, \
	  .help = "Lower the TCP maximum segment size to what the tunnel carries.", \
	  .note = "So the segments of bulk TCP fit into one datagram each, whatever the two hosts believe." }, \
	{ .name = "congestion", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, congestion), \
	  .text = "bbr", .choices = (const char *const[]){ "bbr", "cubic", NULL }, .restart = true, .cli = true, \
	  .help = "Congestion control: bbr or cubic.", \
	  .note = "bbr keeps its rate on a lossy path and its queues short; cubic is the classic one." }, \
	{ .name = "offload", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, offload), .number = 1, \
	  .restart = true, .cli = true, \
	  .help = "Read and send in bulk (segmentation offload); false: every frame and datagram by itself.", \
	  .note = "Off: for fault finding, and for a system where it makes trouble." }, \
	{ .name = "control_socket", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, control_socket), \
	  .text = SL_CONTROL_PATH(who), .restart = true, .cli = true, \
	  .help = "Where softlanctl reaches this daemon.", .section = "Operation" }, \
	{ .name = "control_group", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, control_group), .text = "softlan", .restart = true, \
	  .help = "The group that may use the control socket." }, \
	{ .name = "user", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, user), \
	  .text = "softlan-" who, .restart = true, .cli = true, \
	  .help = "Whom the daemon becomes when it is started as root; empty: it stays root.", \
	  .note = "It keeps the capabilities of its work only. What is read again at a reload must be readable " \
		  "for this user." }, \
	{ .name = "log.level", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, log_level), \
	  .text = "info", .choices = (const char *const[]){ "error", "warning", "info", "debug", NULL }, \
	  .help = "How much to log: error, warning, info or debug." }, \
	{ .name = "log.frames", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, log_frames), \
	  .number = 0, .help = "One log line for each frame.", \
	  .note = "With what was done with it, and why. Loud: for fault finding only." }, \
	{ .name = "timing.idle_timeout", .type = SL_OPT_INT, \
	  .offset = SL_ENDPOINT_FIELD(T, member, idle_timeout), .number = 30, .min = 2, \
	  .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds of silence after which the relay is taken for lost." }, \
	{ .name = "timing.keep_alive", .type = SL_OPT_INT, .offset = SL_ENDPOINT_FIELD(T, member, keep_alive), \
	  .number = 2, .min = 1, .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds between signs of life to the relay.", \
	  .note = "Less than idle_timeout." }, \
	{ .name = "timing.stats_interval", .type = SL_OPT_INT, \
	  .offset = SL_ENDPOINT_FIELD(T, member, stats_interval), .number = 10, .min = 1, \
	  .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds between the reports of counters to the relay." }

// The row of one safety rule (proto/policy.h); `member`: its place in T. `about` is the text above the group.
#define SL_POLICY_OPTION(T, member, rule, text, about) \
	{ .name = "policy." #rule, .type = SL_OPT_BOOL, .offset = offsetof(T, member.rule), .number = 1, \
	  .help = text, .section = "Safety rules", .group = about },
// clang-format on
