#include "gateway/config.h"

#include <net/if.h>
#include <string.h>

#include "gateway/lan_guard.h"
#include "session/settings_table.h"

static int check_interface(const char *value, struct sl_error *error)
{
	if (strlen(value) < IFNAMSIZ && strchr(value, '/') == NULL)
		return SL_OK;
	return sl_fail(error, SL_ERR_INVALID,
		       "expected the name of an interface, at most %d characters and no slash", IFNAMSIZ - 1);
}

const char sl_gateway_conf_intro[] =
	"softlan-gateway: the bridge between a wired LAN and a room at the relay.\n"
	"A gateway needs three things from you: relay, room and interface. Everything else may stay as it "
	"is. Lines that begin with // are settings at their default (relay, room and interface have none and "
	"show an example); remove the // to change one.\n"
	"\tsoftlan-gateway --check           tells every error in this file\n"
	"\tsoftlan-gateway --dump-config     prints what is in force\n"
	"\tsystemctl reload softlan-gateway  takes over changed rates, safety rules and log settings\n"
	"Syntax: key = value; strings in \"quotes\"; groups in { }. All of it is in softlan.conf(5).";

#define POLICY_ABOUT                                                                                         \
	"What players may not send to this LAN and, where it makes sense, the LAN not to them. Each rule "   \
	"is on by default, and false switches it off. The gateway judges on its own account: what is false " \
	"in the relay's file only is still dropped here, and what is false here only is dropped by the "     \
	"relay. Switch a rule off only for players you trust as you trust this LAN, and only if something "  \
	"that you need is dropped by it: `softlanctl -d gateway watch` and the log name the rule."

const struct sl_option sl_gateway_options[] = {
	SL_ENDPOINT_ROOM_OPTIONS(struct sl_gateway_config, endpoint),
	{
		.name = "interface",
		.type = SL_OPT_STRING,
		.offset = offsetof(struct sl_gateway_config, interface),
		.text = "",
		.check = check_interface,
		.restart = true,
		.cli = true,
		.help = "The wired interface that leads to the LAN; required.",
		.section = "The LAN",
		.example = "eth0",
		.note = "Wi-Fi can't be used: an access point takes frames only from the addresses that have "
			"joined it. The programs of this computer itself are not reached through the "
			"gateway: run a game's server on another host of the LAN.",
	},
	{
		.name = "cam_refresh_interval",
		.type = SL_OPT_INT,
		.offset = offsetof(struct sl_gateway_config, cam_refresh_interval),
		.number = 30,
		.min = 0,
		.max = 3600,
		.restart = true,
		.cli = true,
		.help = "Seconds between the small frames that keep the players' MAC addresses known to the "
			"LAN's switches; 0: none.",
		.note = "Less than a switch's ageing time, which is often 300.",
	},
	{
		.name = "lan_rate.broadcast_pps",
		.type = SL_OPT_INT,
		.offset = offsetof(struct sl_gateway_config, broadcast_pps),
		.number = LAN_GUARD_BROADCAST_PPS,
		.min = 0,
		.max = 100000000,
		.help = "Broadcast and multicast frames a second that the LAN may send into the room; 0: no "
			"limit.",
		.note = "What is more is dropped. It keeps a storm on the LAN from filling the players' "
			"lines.",
	},
#define X(id, rule, text) SL_POLICY_OPTION(struct sl_gateway_config, policy, rule, text, POLICY_ABOUT)
	SL_POLICY_RULES(X)
#undef X
		SL_ENDPOINT_OPTIONS(struct sl_gateway_config, endpoint, "gateway"),
	{.name = NULL},
};

void sl_gateway_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct sl_gateway_config *gateway = config;

	sl_endpoint_validate(&gateway->endpoint, file, errors);
	if (gateway->interface[0] == '\0')
		sl_option_errors_add(
			errors, file, 0, "interface",
			"expected the wired interface that leads to the LAN, such as interface = \"eth0\"; "
			"found nothing");
}
