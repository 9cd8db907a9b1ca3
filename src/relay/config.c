#include "relay/config.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/paths.h"
#include "net/addr.h"
#include "proto/mtu.h"

// A peer of a full room gets one line about each other peer in one write: that must stay below the
// 64 KiB of control messages that may wait for it.
#define PEERS_PER_ROOM_MAX 512
// Peer ids are 16 bits wide, and those of peers that left are held back for a minute.
#define PEERS_MAX 60000

static const char *const congestion_words[] = {"bbr", "cubic", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};

static int check_listen(const char *value, struct sl_error *error)
{
	struct sl_addr addr;
	bool dual_stack;

	return sl_listen_parse(value, &addr, &dual_stack, error);
}

const struct relay_room_entry *relay_room_list_find(const struct relay_room_list *list, const char *code)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->entries[i].code, code) == 0)
			return &list->entries[i];
	return NULL;
}

void relay_room_list_free(struct relay_room_list *list)
{
	if (list->entries)
		explicit_bzero(list->entries, list->count * sizeof(*list->entries)); // they hold secrets
	free(list->entries);
	*list = (struct relay_room_list){0};
}

int relay_room_list_copy(struct relay_room_list *to, const struct relay_room_list *from)
{
	*to = (struct relay_room_list){0};
	if (from->count == 0)
		return SL_OK;
	to->entries = calloc(from->count, sizeof(*to->entries));
	if (!to->entries)
		return SL_ERR_NOMEM;
	memcpy(to->entries, from->entries, from->count * sizeof(*to->entries));
	to->count = from->count;
	return SL_OK;
}

static unsigned line_of(const config_setting_t *setting)
{
	return (unsigned)config_setting_source_line(setting);
}

// The safety rules by name, in the order in which they are told.
static const struct rule {
	const char *name;
	uint32_t bit;
} rules[] = {
#define X(id, name, help) {#name, SL_POLICY_BIT(SL_DROP_##id)},
	SL_POLICY_RULES(X)
#undef X
};
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

#define X(id, name, help) ", " #name
static const char rule_names[] = SL_POLICY_RULES(X);
#undef X

static const struct rule *find_rule(const char *name)
{
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

static void load_policy(uint32_t *relaxed, config_setting_t *setting, const char *file,
			struct sl_option_errors *errors)
{
	if (!config_setting_is_group(setting)) {
		sl_option_errors_add(errors, file, line_of(setting), "rooms.policy",
				     "expected a group of safety rules: { dhcp_server = false; }");
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++) {
		config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
		const struct rule *rule = find_rule(config_setting_name(member));
		char key[64];

		if (!rule) {
			sl_option_errors_add(errors, file, line_of(member), "rooms.policy",
					     "expected a safety rule, found \"%.60s\". The rules are %s",
					     config_setting_name(member), rule_names + 2);
		} else if (config_setting_type(member) != CONFIG_TYPE_BOOL) {
			snprintf(key, sizeof(key), "rooms.policy.%s", rule->name);
			sl_option_errors_add(errors, file, line_of(member), key,
					     "expected true (the rule holds) or false, without quotes");
		} else if (!config_setting_get_bool(member)) {
			*relaxed |= rule->bit;
		}
	}
}

// Reads one member of a room. A key that is given twice never comes here: libconfig refuses it.
static void load_member(struct relay_room_entry *entry, config_setting_t *member, const char *file,
			struct sl_option_errors *errors)
{
	const char *name = config_setting_name(member);
	const char *value;

	if (strcmp(name, "policy") == 0) {
		load_policy(&entry->relaxed, member, file, errors);
		return;
	}
	if (strcmp(name, "code") != 0 && strcmp(name, "secret") != 0) {
		sl_option_errors_add(errors, file, line_of(member), "rooms",
				     "unknown key \"%s\"; a room has code, secret and policy", name);
		return;
	}
	value = config_setting_get_string(member);
	if (!value) {
		sl_option_errors_add(errors, file, line_of(member),
				     name[0] == 'c' ? "rooms.code" : "rooms.secret",
				     "expected a string in double quotes");
		return;
	}
	if (name[0] == 's') {
		if (strlen(value) > SL_SECRET_MAX) {
			sl_option_errors_add(errors, file, line_of(member), "rooms.secret",
					     "expected at most %d bytes", SL_SECRET_MAX);
			return;
		}
		if (!sl_secret_sendable(value)) {
			sl_option_errors_add(errors, file, line_of(member), "rooms.secret",
					     "expected UTF-8 text: save the file in that encoding");
			return;
		}
		memcpy(entry->secret, value, strlen(value));
		return;
	}
	if (!sl_room_valid(value)) {
		sl_option_errors_add(errors, file, line_of(member), "rooms.code",
				     "expected 1 to %d of A-Z a-z 0-9 - _, not \"%.80s\"", SL_ROOM_MAX,
				     value);
		return;
	}
	memcpy(entry->code, value, strlen(value) + 1);
}

static void load_rooms(config_setting_t *setting, void *field, const char *file,
		       struct sl_option_errors *errors)
{
	struct relay_room_list *list = field;
	int count;

	*list = (struct relay_room_list){0}; // whoever held one freed it
	if (!setting)
		return;
	if (!config_setting_is_list(setting)) {
		sl_option_errors_add(errors, file, line_of(setting), "rooms",
				     "expected a list of groups: ( { code = \"ROOM1\"; secret = \"\"; } )");
		return;
	}
	count = config_setting_length(setting);
	if (count <= 0)
		return;
	list->entries = calloc((size_t)count, sizeof(*list->entries));
	if (!list->entries) {
		sl_option_errors_add(errors, file, line_of(setting), "rooms", "out of memory");
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *group = config_setting_get_elem(setting, (unsigned)i);
		struct relay_room_entry entry = {.code = ""};
		size_t before = errors->count;

		if (!config_setting_is_group(group)) {
			sl_option_errors_add(errors, file, line_of(group), "rooms",
					     "expected a group: { code = \"ROOM1\"; secret = \"\"; }");
			continue;
		}
		for (int j = 0; j < config_setting_length(group); j++)
			load_member(&entry, config_setting_get_elem(group, (unsigned)j), file, errors);
		if (errors->count == before) {
			if (entry.code[0] == '\0')
				sl_option_errors_add(errors, file, line_of(group), "rooms.code",
						     "missing: each room needs a code");
			else if (relay_room_list_find(list, entry.code))
				sl_option_errors_add(errors, file, line_of(group), "rooms.code",
						     "room \"%s\" is listed twice; remove one", entry.code);
			else
				list->entries[list->count++] = entry;
		}
		explicit_bzero(&entry, sizeof(entry));
	}
}

static void free_rooms(void *field)
{
	relay_room_list_free(field);
}

static void dump_string(struct sl_text *out, const char *text)
{
	sl_text_add(out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			sl_text_add(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			sl_text_add(out, "\\x%02x", c);
		else
			sl_text_add(out, "%c", c);
	}
	sl_text_add(out, "\"");
}

// Only what is switched off: the rest holds by default.
static void dump_policy(struct sl_text *out, uint32_t relaxed)
{
	if (!relaxed)
		return;
	sl_text_add(out, "; policy: {");
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (relaxed & rules[i].bit)
			sl_text_add(out, " %s = false;", rules[i].name);
	sl_text_add(out, " }");
}

static void dump_rooms(struct sl_text *out, const void *field)
{
	const struct relay_room_list *list = field;

	sl_text_add(out, "(");
	for (size_t i = 0; i < list->count; i++) {
		sl_text_add(out, "%s\n\t{ code = ", i ? "," : "");
		dump_string(out, list->entries[i].code);
		sl_text_add(out, "; secret = ");
		dump_string(out, list->entries[i].secret);
		dump_policy(out, list->entries[i].relaxed);
		sl_text_add(out, "; }");
	}
	sl_text_add(out, list->count ? "\n)" : " )");
}

#define STRING(key, field, value, ...)                                                                       \
	{                                                                                                    \
		.name = key, .type = SL_OPT_STRING, .offset = offsetof(struct relay_config, field),          \
		.text = value, __VA_ARGS__                                                                   \
	}
#define INT(key, field, value, low, high, ...)                                                               \
	{                                                                                                    \
		.name = key, .type = SL_OPT_INT, .offset = offsetof(struct relay_config, field),             \
		.number = value, .min = low, .max = high, __VA_ARGS__                                        \
	}
#define BOOL(key, field, value, ...)                                                                         \
	{                                                                                                    \
		.name = key, .type = SL_OPT_BOOL, .offset = offsetof(struct relay_config, field),            \
		.number = value, __VA_ARGS__                                                                 \
	}

const char relay_conf_intro[] =
	"softlan-relay: the meeting point of gateways and clients.\n"
	"A relay needs one thing from you: a certificate (way 1 or way 2 below). Everything else may stay as "
	"it is. Lines that begin with // are settings at their default; remove the // to change one.\n"
	"\tsoftlan-relay --check           tells every error in this file\n"
	"\tsoftlan-relay --dump-config     prints what is in force\n"
	"\tsystemctl reload softlan-relay  takes over changed limits, rates, rooms, log settings, a renewed "
	"certificate\n"
	"Syntax: key = value; strings in \"quotes\"; groups in { }; lists in ( ). All of it is in "
	"softlan.conf(5). If you put secrets into rooms, see that only the daemon can read this file.";

#define X(id, name, help) "\t" #name " = true; " help "\n"
#define RULE_LINES SL_POLICY_RULES(X)
static const char rooms_note[] =
	"With entries, only these codes exist. A room with a secret lets in only those who give the same "
	"secret. For example:\n"
	"\trooms = (\n"
	"\t\t{ code = \"ROOM1\"; secret = \"a long sentence that friends know\"; },\n"
	"\t\t{ code = \"attic\"; secret = \"\"; }\n"
	"\t);\n"
	"Safety rules: what the relay drops of each room's frames, whoever sent them. All hold, unless a "
	"room's policy here switches single ones off. For example, for a lab that tests a DHCP server from "
	"afar:\n"
	"\trooms = ( { code = \"lab\"; policy: { dhcp_server = false; }; } );\n"
	"Switch a rule off only for a room in which you know and trust every player, and only if something "
	"that you need is dropped by it: `softlanctl peers` and the log name the rule. Gateway and clients "
	"judge on their own account: a frame crosses only where its rule is off in their files, too. The "
	"rules are\n" RULE_LINES
	"Reasons there are: invalid_source and forged_source never have one. switch_control, vlan_tag: a lab "
	"that tests switches. dhcp_server, dhcpv6_server, router_advertisement, redirect, multicast_query: "
	"the router is a player's machine. ipv6_fragment, header_chain: a game or VPN that fragments IPv6, "
	"or speaks a protocol of its own. arp_guard: players who take over each other's addresses on purpose "
	"(a failover pair). loop: no probes are to be seen, and somebody else watches for loops.";
#undef RULE_LINES
#undef X

const struct sl_option relay_options[] = {
	STRING("certificate", certificate, SL_CONFDIR "/relay.crt",
	       .help = "The server certificate with its chain, PEM; goes with private_key.",
	       .section = "Certificate",
	       .note = "Way 1, for a real server: the files of an ACME client, or a pair that "
		       "scripts/make-cert has made. Both must be readable for the daemon's user."),
	STRING("private_key", private_key, SL_CONFDIR "/relay.key",
	       .help = "The certificate's private key, PEM."),
	STRING("dev_certificate_out", dev_certificate_out, "",
	       .help = "Set: use a self-signed certificate instead, and write its DER to this file, for "
		       "pinning.",
	       .note = "Way 2, for a party or a test. The certificate is made at the first start and kept in "
		       "state_directory; its public part is written to this file. Copy that to the gateway "
		       "and the clients as /etc/softlan/relay-ca.der: they trust exactly this relay then. "
		       "For example:\n"
		       "\tdev_certificate_out = \"/var/lib/softlan/relay/relay-ca.der\";"),
	STRING("dev_certificate_name", dev_certificate_name, "softlan-relay.local",
	       .help = "The server name in the self-signed certificate.",
	       .note = "Gateways and clients that reach the relay by its address expect the default; where "
		       "they are given its DNS name, put that name here."),
	STRING("state_directory", state_directory, SL_STATEDIR "/relay",
	       .help = "Where the self-signed certificate and its key are kept.",
	       .note = "Must be writable for the daemon."),
	STRING("listen", listen, "443/udp", .restart = true, .check = check_listen,
	       .help = "The UDP address to listen on: a port (443/udp, IPv4 and IPv6), or an address and "
		       "port.",
	       .section = "Network",
	       .note = "With an address: \"203.0.113.10:443\" or \"[2001:db8::1]:443\". The firewall must "
		       "let this UDP port in."),
	STRING("congestion", congestion, "bbr", .restart = true, .choices = congestion_words,
	       .help = "Congestion control towards the peers: bbr or cubic.",
	       .note = "bbr keeps its rate on a lossy path and its queues short; cubic is the classic one."),
	BOOL("offload", offload, true, .restart = true,
	     .help = "Use UDP segmentation and receive offload where the system has them.",
	     .note = "Off: for fault finding."),
	INT("datagram.max_size", max_size, SL_BUDGET_DEFAULT, SL_BUDGET_MIN, SL_MTU_MAX + 18, .restart = true,
	    .help = "The largest tunnel datagram in bytes; the MTU of peers without split is 18 less.",
	    .note = "From 1298 to 1518: 1400 gives an MTU of 1382. A peer without split whose path cannot "
		    "carry this is refused, so more is not better."),
	BOOL("datagram.split", split, true, .restart = true,
	     .help = "Let peers that can do it send frames of the full 1500-byte MTU in two datagrams.",
	     .note = "Only what does not fit into one goes in two. Peers without it do not get such frames "
		     "(datagram_budget)."),
	{
		.name = "rooms",
		.type = SL_OPT_LIST,
		.offset = offsetof(struct relay_config, rooms),
		.help = "The rooms that may be opened, with their secrets and safety rules; empty: any room "
			"code.",
		.section = "Who may come",
		.note = rooms_note,
		.load_list = load_rooms,
		.free_list = free_rooms,
		.dump_list = dump_rooms,
	},
	INT("limits.rooms", max_rooms, 256, 1, 65535, .help = "How many rooms may be open at once."),
	INT("limits.peers_per_room", max_peers_per_room, 64, 1, PEERS_PER_ROOM_MAX,
	    .help = "How many peers a room may have, its gateway included.", .note = "At most 512."),
	INT("limits.peers", max_peers, 4096, 1, PEERS_MAX,
	    .help = "How many peers the relay may have in all its rooms."),
	INT("limits.handshakes_per_second", handshakes_per_second, 200, 0, 1000000,
	    .help = "How many new connections a second are taken; 0: no limit.",
	    .note = "Beyond half of it, newcomers have to prove their address first (QUIC Retry)."),
	INT("limits.malformed_datagrams", malformed_datagrams, 32, 1, 1000000,
	    .help = "A peer with so many malformed datagrams in 60 s is disconnected."),
	INT("client_rate.broadcast_pps", broadcast_pps, 500, 0, 100000000,
	    .help = "Broadcast and multicast frames a second of each client; 0: no limit.",
	    .group = "For each client. A game may be loud for a moment, a storm is loud for good: what a "
		     "second allows may come at once, and so a burst of service discovery passes."),
	INT("client_rate.unknown_unicast_pps", unknown_unicast_pps, 200, 0, 100000000,
	    .help = "Frames a second of each client to unknown destinations; 0: no limit."),
	INT("client_rate.bandwidth_kbit", bandwidth_kbit, 0, 0, 100000000,
	    .help = "Kilobits a second that leave for each client's frames, every copy counted; 0: no "
		    "limit."),
	INT("lan_rate.broadcast_pps", lan_broadcast_pps, 1000, 0, 100000000,
	    .help = "Broadcast and multicast frames a second from the LAN into a room; 0: no limit.",
	    .group = "From the gateway's LAN into its room. It saves the players' lines from a loud LAN."),
	STRING("control_socket", control_socket, SL_CONTROL_PATH("relay"), .restart = true,
	       .help = "The UNIX socket for softlanctl.", .section = "Operation"),
	STRING("control_group", control_group, "softlan", .restart = true,
	       .help = "The group that may use the control socket."),
	STRING("user", user, "softlan-relay", .restart = true,
	       .help = "Whom the daemon becomes when it is started as root; empty: it stays root.",
	       .note = "It keeps the capabilities of its work only. What is read again at a reload must be "
		       "readable for this user."),
	STRING("log.level", log_level, "info", .choices = level_words,
	       .help = "How much is logged: error, warning, info or debug."),
	BOOL("log.frames", log_frames, false, .help = "Write one log line for each frame.",
	     .note = "With what was done with it, and why. Loud: for fault finding only."),
	INT("timing.idle_timeout", idle_timeout, 30, 1, 3600, .restart = true,
	    .help = "Seconds of silence after which a peer is taken for lost."),
	INT("timing.keep_alive", keep_alive, 2, 1, 3600, .restart = true,
	    .help = "Seconds between signs of life on a quiet connection.",
	    .note = "Less than idle_timeout. A peer silent for 1.5 times this gives its place to a newcomer "
		    "with the same MAC, or to a new gateway."),
	INT("timing.stats_interval", stats_interval, 10, 1, 86400,
	    .help = "Seconds between the log lines with the relay's totals (log.level debug)."),
	{.name = NULL},
};

void relay_config_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct relay_config *c = config;
	bool development = c->dev_certificate_out[0] != '\0';

	if (!development && !c->certificate[0] && !c->private_key[0])
		sl_option_errors_add(
			errors, file, 0, "certificate",
			"no certificate is chosen: set certificate and private_key to PEM files, or "
			"dev_certificate_out to a file for the DER of a self-signed certificate");
	else if (!development && !c->private_key[0])
		sl_option_errors_add(errors, file, 0, "private_key",
				     "missing: certificate needs its private key in a PEM file");
	else if (!development && !c->certificate[0])
		sl_option_errors_add(errors, file, 0, "certificate",
				     "missing: private_key needs its certificate in a PEM file");
	if (development && !c->dev_certificate_name[0])
		sl_option_errors_add(errors, file, 0, "dev_certificate_name", "expected a server name");
	if (development && !c->state_directory[0])
		sl_option_errors_add(errors, file, 0, "state_directory",
				     "expected a directory that keeps the self-signed certificate");
	if (c->keep_alive >= c->idle_timeout)
		sl_option_errors_add(errors, file, 0, "timing.keep_alive",
				     "expected less than timing.idle_timeout (%lld s), not %lld",
				     c->idle_timeout, c->keep_alive);
}
