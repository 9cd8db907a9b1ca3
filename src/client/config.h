// client.conf.
#pragma once

#include <stdint.h>

#include "client/prefix.h"
#include "daemon/options.h"
#include "proto/policy.h"
#include "session/settings.h"

#define SL_CLIENT_ROUTES_MAX 64

struct sl_client_routes {
	struct prefix *list;
	size_t count;
};

struct sl_client_config {
	struct sl_endpoint_settings endpoint;
	char *identity_file, *virtual_mac;
	char *tap_name, *tap_instance_id, *tap_address;
	long long tap_metric;
	struct sl_client_routes tap_routes;
	struct sl_policy policy; // the filter's rules; a client has no others
};

extern const struct sl_option sl_client_options[];
extern const char sl_client_conf_intro[]; // of the sample (daemon/options_text.h)

// The rules that are switched off.
uint32_t sl_client_relaxed(const struct sl_client_config *config);

void sl_client_validate(const void *config, const char *file, struct sl_option_errors *errors);
