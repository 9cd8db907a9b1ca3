// The option rows that gateway and client share, for their option tables only.
//
//   const struct sl_option table[] = {
//           SL_ENDPOINT_OPTIONS(struct sl_gateway_config, endpoint, "gateway"),
//           { … the daemon's own … },
//           { .name = NULL },
//   };
#pragma once

#include <stddef.h>

#include "ctrl/msg.h"
#include "daemon/options.h"
#include "proto/mtu.h"
#include "session/settings.h"

#ifndef SL_CONFDIR
#define SL_CONFDIR "/etc/softlan"
#endif
#ifndef SL_RUNDIR
#define SL_RUNDIR "/run/softlan"
#endif

#define SL_ENDPOINT_TIME_MAX 3600 // seconds

// `T`: the daemon's configuration struct; `member`: its struct sl_endpoint_settings; `who`:
// "gateway" or "client" (the control socket's folder).
// clang-format off
#define SL_ENDPOINT_FIELD(T, member, field) (offsetof(T, member) + offsetof(struct sl_endpoint_settings, field))
#define SL_ENDPOINT_OPTIONS(T, member, who) \
	{ .name = "relay", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, relay), .text = "", \
	  .check = sl_endpoint_check_relay, .restart = true, .cli = true, \
	  .help = "The relay: a DNS name, an address, or either with a port (default 443); required." }, \
	{ .name = "server_name", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, server_name), .text = "", \
	  .check = sl_endpoint_check_server_name, .restart = true, .cli = true, \
	  .help = "The name in the relay's certificate; empty: the relay's name, or softlan-relay.local for an " \
		  "address." }, \
	{ .name = "relay_ca", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, relay_ca), \
	  .text = SL_CONFDIR "/relay-ca.der", .restart = true, .cli = true, \
	  .help = "PEM or DER file: a CA, or the relay's certificate itself (pinned); empty: the system's trust." }, \
	{ .name = "room", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, room), .text = "", \
	  .check = sl_endpoint_check_room, .restart = true, .cli = true, \
	  .help = "The room to join: 1 to 64 of A-Z a-z 0-9 - _; required." }, \
	{ .name = "secret", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, secret), .text = "", \
	  .check = sl_endpoint_check_secret, .restart = true, \
	  .help = "The room's secret, if the relay asks for one." }, \
	{ .name = "control_socket", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, control_socket), \
	  .text = SL_RUNDIR "/" who "/control.sock", .restart = true, .cli = true, \
	  .help = "Where softlanctl reaches this daemon." }, \
	{ .name = "control_group", .type = SL_OPT_STRING, \
	  .offset = SL_ENDPOINT_FIELD(T, member, control_group), .text = "softlan", .restart = true, \
	  .help = "The group that may use the control socket." }, \
	{ .name = "user", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, user), \
	  .text = "softlan-" who, .restart = true, .cli = true, \
	  .help = "Whom the daemon becomes when it is started as root; empty: it stays root." }, \
	{ .name = "datagram.max_size", .type = SL_OPT_INT, .offset = SL_ENDPOINT_FIELD(T, member, max_size), \
	  .number = SL_BUDGET_DEFAULT, .min = SL_BUDGET_MIN, .max = SL_BUDGET_MAX, .restart = true, \
	  .help = "The largest tunnel datagram to ask for, in bytes." }, \
	{ .name = "datagram.split", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, split), \
	  .number = 1, .restart = true, \
	  .help = "Carry frames of the full 1500-byte MTU in two datagrams, where the relay can." }, \
	{ .name = "datagram.mss_clamp", .type = SL_OPT_BOOL, \
	  .offset = SL_ENDPOINT_FIELD(T, member, mss_clamp), .number = 1, .restart = true, \
	  .help = "Lower the TCP maximum segment size to what the tunnel carries." }, \
	{ .name = "congestion", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, congestion), \
	  .text = "bbr", .choices = (const char *const[]){ "bbr", "cubic", NULL }, .restart = true, .cli = true, \
	  .help = "Congestion control: bbr or cubic." }, \
	{ .name = "offload", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, offload), .number = 1, \
	  .restart = true, .cli = true, \
	  .help = "Read and send in bulk (segmentation offload); false: every frame and datagram by itself." }, \
	{ .name = "log.level", .type = SL_OPT_STRING, .offset = SL_ENDPOINT_FIELD(T, member, log_level), \
	  .text = "info", .choices = (const char *const[]){ "error", "warning", "info", "debug", NULL }, \
	  .help = "How much to log: error, warning, info or debug." }, \
	{ .name = "log.frames", .type = SL_OPT_BOOL, .offset = SL_ENDPOINT_FIELD(T, member, log_frames), \
	  .number = 0, .help = "One log line for each frame." }, \
	{ .name = "timing.idle_timeout", .type = SL_OPT_INT, \
	  .offset = SL_ENDPOINT_FIELD(T, member, idle_timeout), .number = 30, .min = 2, \
	  .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds of silence after which the relay is taken for lost." }, \
	{ .name = "timing.keep_alive", .type = SL_OPT_INT, .offset = SL_ENDPOINT_FIELD(T, member, keep_alive), \
	  .number = 2, .min = 1, .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds between signs of life to the relay." }, \
	{ .name = "timing.stats_interval", .type = SL_OPT_INT, \
	  .offset = SL_ENDPOINT_FIELD(T, member, stats_interval), .number = 10, .min = 1, \
	  .max = SL_ENDPOINT_TIME_MAX, .restart = true, \
	  .help = "Seconds between the reports of counters to the relay." }

// The row of one safety rule (proto/policy.h); `member`: its place in T.
#define SL_POLICY_OPTION(T, member, rule, text) \
	{ .name = "policy." #rule, .type = SL_OPT_BOOL, .offset = offsetof(T, member.rule), .number = 1, \
	  .help = text },
// clang-format on
