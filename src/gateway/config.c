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

const struct sl_option sl_gateway_options[] = {
	SL_ENDPOINT_OPTIONS(struct sl_gateway_config, endpoint, "gateway"),
	{
		.name = "interface",
		.type = SL_OPT_STRING,
		.offset = offsetof(struct sl_gateway_config, interface),
		.text = "",
		.check = check_interface,
		.restart = true,
		.cli = true,
		.help = "The wired interface that leads to the LAN; required.",
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
	},
#define X(id, rule, text) SL_POLICY_OPTION(struct sl_gateway_config, policy, rule, text)
	SL_POLICY_RULES(X)
#undef X
		{.name = NULL},
};

void sl_gateway_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct sl_gateway_config *gateway = config;

	sl_endpoint_validate(&gateway->endpoint, file, errors);
	if (gateway->interface[0] == '\0')
		sl_option_errors_add(
			errors, file, 0, "interface",
			"expected the wired interface that leads to the LAN, such as interface = "
			"\"eth0\"; found nothing");
}
