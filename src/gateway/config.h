// gateway.conf.
#pragma once

#include "daemon/options.h"
#include "proto/policy.h"
#include "session/settings.h"

struct sl_gateway_config {
	struct sl_endpoint_settings endpoint;
	char *interface;
	long long cam_refresh_interval; // seconds; 0: never
	long long broadcast_pps;        // lan_rate: of the LAN, into the room; 0: no limit
	struct sl_policy policy;
};

extern const struct sl_option sl_gateway_options[];
extern const char sl_gateway_conf_intro[]; // of the sample (daemon/options_text.h)

void sl_gateway_validate(const void *config, const char *file, struct sl_option_errors *errors);
