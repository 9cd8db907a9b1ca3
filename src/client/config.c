#include "client/config.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/identity.h"
#include "port/tap.h"
#include "port/tap_choice.h"
#include "session/settings_table.h"

static int check_mac(const char *value, struct sl_error *error)
{
	return value[0] == '\0' ? SL_OK : identity_check_mac(value, error);
}

static int check_tap_name(const char *value, struct sl_error *error)
{
	if (sl_tap_name_valid(value))
		return SL_OK;
	return sl_fail(
		error, SL_ERR_INVALID,
		"expected the name of a network device: 1 to 15 bytes without blanks, '/', ':' and '%%'");
}

static int check_instance_id(const char *value, struct sl_error *error)
{
	char id[SL_TAP_ID];

	if (value[0] == '\0' || sl_tap_id_parse(value, id))
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID,
		       "expected an adapter's id, such as \"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}\" "
		       "(softlan-client --list-tap-adapters)");
}

static int check_address(const char *value, struct sl_error *error)
{
	struct prefix prefix;

	if (value[0] == '\0')
		return SL_OK;
	if (!prefix_parse(value, &prefix))
		return sl_fail(
			error, SL_ERR_INVALID,
			"expected an address with its prefix length, such as 192.168.1.50/24 or fd00::50/64");
	if (prefix_is_default(&prefix))
		return sl_fail(error, SL_ERR_INVALID,
			       "expected the prefix length of the party's network, not /%u", prefix.len);
	if ((prefix.family == AF_INET &&
	     (prefix.addr[0] == 0 || prefix.addr[0] == 127 || prefix.addr[0] >= 224)) ||
	    (prefix.family == AF_INET6 && (prefix.addr[0] == 0 || prefix.addr[0] == 0xff)))
		return sl_fail(error, SL_ERR_INVALID, "expected an address that a host can have");
	return SL_OK;
}

static const char *check_route(const char *text, struct prefix *out)
{
	if (!text || !prefix_parse(text, out))
		return "expected a string such as \"192.168.1.0/24\" or \"fd00::/64\"";
	if (prefix_is_default(out))
		return "expected a part of the network: the client never puts a default route on the TAP";
	if (prefix_has_host_bits(out))
		return "expected a network, with no bits set behind its prefix length";
	return NULL;
}

static void load_routes(struct config_setting_t *setting, void *field, const char *file,
			struct sl_option_errors *errors)
{
	struct sl_client_routes *routes = field;
	int count = setting ? config_setting_length(setting) : 0;

	*routes = (struct sl_client_routes){0}; // whoever held some freed them
	if (!setting)
		return;
	if (!config_setting_is_array(setting) && !config_setting_is_list(setting)) {
		sl_option_errors_add(errors, file, (unsigned)config_setting_source_line(setting),
				     "tap.routes",
				     "expected an array of networks, such as [\"10.7.0.0/16\"]");
		return;
	}
	if (count == 0)
		return;
	if (count > SL_CLIENT_ROUTES_MAX) {
		sl_option_errors_add(errors, file, (unsigned)config_setting_source_line(setting),
				     "tap.routes", "expected at most %d routes", SL_CLIENT_ROUTES_MAX);
		return;
	}
	routes->list = calloc((size_t)count, sizeof *routes->list);
	if (!routes->list) {
		sl_option_errors_add(errors, file, (unsigned)config_setting_source_line(setting),
				     "tap.routes", "out of memory");
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(setting, (unsigned)i);
		const char *wrong =
			check_route(config_setting_get_string(entry), &routes->list[routes->count]);
		if (wrong)
			sl_option_errors_add(errors, file, (unsigned)config_setting_source_line(entry),
					     "tap.routes", "%s", wrong);
		else
			routes->count++;
	}
}

static void free_routes(void *field)
{
	struct sl_client_routes *routes = field;

	free(routes->list);
	routes->list = NULL;
	routes->count = 0;
}

static void dump_routes(struct sl_text *out, const void *field)
{
	const struct sl_client_routes *routes = field;
	char text[PREFIX_TEXT];

	sl_text_add(out, "[");
	for (size_t i = 0; i < routes->count; i++)
		sl_text_add(out, "%s\"%s\"", i ? ", " : "", prefix_format(&routes->list[i], text));
	sl_text_add(out, "]");
}

#define FIELD(field) offsetof(struct sl_client_config, field)

const char sl_client_conf_intro[] =
	"softlan-client: makes this computer a host on the LAN of a room at the relay.\n"
	"A client needs two things from you: relay and room. Everything else may stay as it is. Lines that "
	"begin with // are settings at their default (relay and room have none and show an example); remove "
	"the // to change one.\n"
	"\tsoftlan-client --check           tells every error in this file\n"
	"\tsoftlan-client --dump-config     prints what is in force\n"
	"\tsystemctl reload softlan-client  takes over changed safety rules and log settings\n"
	"Syntax: key = value; strings in \"quotes\"; groups in { }; arrays in [ ]. All of it is in "
	"softlan.conf(5).";

#define POLICY_ABOUT                                                                                         \
	"What this computer may not send into the room, and what it does not take from other players and, "  \
	"where it makes sense, from the LAN. Each rule is on by default, and false switches it off. The "    \
	"client judges on its own account: relay and gateway have the same rules in their own files, and "   \
	"what they drop does not arrive whatever is said here."

const struct sl_option sl_client_options[] = {
	SL_ENDPOINT_ROOM_OPTIONS(struct sl_client_config, endpoint),
	{
		.name = "identity_file",
		.type = SL_OPT_STRING,
		.offset = FIELD(identity_file),
		.text = SL_STATE_PATH("client", "identity.json"),
		.path = true,
		.restart = true,
		.cli = true,
		.help = "Where this client's MAC is kept; it is made at the first start.",
		.section = "This computer on the LAN",
		.note = "It stays the same from then on, so that the LAN's DHCP server knows the computer "
			"again. Do not copy the file to another computer: each needs a MAC of its own.",
	},
	{
		.name = "virtual_mac",
		.type = SL_OPT_STRING,
		.offset = FIELD(virtual_mac),
		.text = "",
		.check = check_mac,
		.restart = true,
		.cli = true,
		.help = "Use this MAC instead of the identity file's (unicast, locally administered).",
		.note = "For example \"02:00:00:00:00:2a\": its second digit is 2, 6, a or e.",
	},
	{
		.name = "tap.name",
		.type = SL_OPT_STRING,
		.offset = FIELD(tap_name),
		.text = "softlan0",
		.check = check_tap_name,
		.restart = true,
		.cli = true,
		.help = "The name of the TAP device.",
		.group = "The network device that the LAN appears on.",
		.note = "1 to 15 bytes. A device of this name must not exist yet. No meaning on Windows, "
			"where "
			"the adapter keeps the name that it has.",
	},
	{
		.name = "tap.instance_id",
		.type = SL_OPT_STRING,
		.offset = FIELD(tap_instance_id),
		.text = "",
		.check = check_instance_id,
		.restart = true,
		.help = "Windows: which TAP adapter to use when there are several; no meaning on Linux.",
		.note = "Its id, as softlan-client --list-tap-adapters prints it, such as "
			"\"{9C1F7A20-52D1-4F7B-8A36-0C3E5D1B2A47}\". The adapter gets this client's MAC and "
			"keeps it.",
	},
	{
		.name = "tap.metric",
		.type = SL_OPT_INT,
		.offset = FIELD(tap_metric),
		.number = 9000,
		.min = 1,
		.max = 2147483647,
		.restart = true,
		.help = "The metric of the routes in tap.routes: high, so that a local network comes first.",
		.note = "On Windows it is the metric of the whole adapter. A game that looks for others with "
			"packets to 255.255.255.255 finds the party there only with the best metric of all: "
			"1. Names are then looked up at the party's DNS servers first.",
	},
	{
		.name = "tap.address",
		.type = SL_OPT_STRING,
		.offset = FIELD(tap_address),
		.text = "",
		.check = check_address,
		.restart = true,
		.cli = true,
		.help = "An address with prefix length for a LAN without DHCP, such as 192.168.1.50/24; "
			"empty: none.",
		.note = "Without one, a DHCP client (udhcpc -i softlan0, dhclient softlan0, "
			"systemd-networkd) or IPv6 router advertisements give the computer its address on "
			"the LAN.",
	},
	{
		.name = "tap.routes",
		.type = SL_OPT_LIST,
		.offset = FIELD(tap_routes),
		.restart = true,
		.help = "Further networks that are on the LAN itself, such as [\"10.7.0.0/16\"].",
		.note = "A default route is refused here, and one that anything else puts on the device is "
			"removed at once: the internet stays where it was.",
		.load_list = load_routes,
		.free_list = free_routes,
		.dump_list = dump_routes,
	},
#define X(id, rule, text) SL_POLICY_OPTION(struct sl_client_config, policy, rule, text, POLICY_ABOUT)
	SL_FILTER_RULES(X)
#undef X
		SL_ENDPOINT_OPTIONS(struct sl_client_config, endpoint, "client"),
	{.name = NULL},
};

uint32_t sl_client_relaxed(const struct sl_client_config *config)
{
#define X(id, rule, text) | SL_POLICY_BIT(SL_DROP_##id)
	const uint32_t known = 0 SL_FILTER_RULES(X);
#undef X

	return sl_policy_relaxed(&config->policy) & known;
}

void sl_client_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct sl_client_config *client = config;

	sl_endpoint_validate(&client->endpoint, file, errors);
	if (client->virtual_mac[0] == '\0' && client->identity_file[0] == '\0')
		sl_option_errors_add(errors, file, 0, "identity_file",
				     "expected the path of a file, as virtual_mac is not set");
}
