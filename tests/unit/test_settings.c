// The settings of gateway and client: defaults, checks, and the session they make (OPS-1, NET-1).
#include "gateway/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/config.h"
#include "session/settings_table.h"

struct fixture {
	struct sl_gateway_config config;
	struct sl_option_errors errors;
	struct sl_session_config session;
	struct sl_tls *tls;
	struct sl_error error;
	char path[64];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/softlan-settings-XXXXXX");
	close(mkstemp(f->path));
	*state = f;
	return sl_options_defaults(sl_gateway_options, &f->config);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	sl_options_free(sl_gateway_options, &f->config);
	sl_option_errors_free(&f->errors);
	sl_tls_free(f->tls);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void load(struct fixture *f, const char *text)
{
	write_file(f, text);
	if (sl_options_load(sl_gateway_options, &f->config, f->path, &f->errors) == SL_OK)
		sl_gateway_validate(&f->config, f->path, &f->errors);
}

static void says(const struct fixture *f, const char *part)
{
	if (f->errors.text == NULL || strstr(f->errors.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->errors.text != NULL ? f->errors.text : "", part);
}

static char *dump(const struct sl_option *table, const void *config)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	sl_options_dump(table, config, out);
	fclose(out);
	return text;
}

// OPS-1: what --dump-config prints can be loaded, and says the same again.
static void ops_1_a_dump_can_be_loaded_again(void **state)
{
	struct fixture *f = *state;
	struct sl_client_config client, again;
	struct sl_gateway_config gateway;
	char *text, *other;

	load(f, "relay = \"[2001:db8::1]:444\"; room = \"R\"; secret = \"a \\\"b\\\" \\\\\"; interface = "
		"\"e\";");
	assert_int_equal(f->errors.count, 0);
	text = dump(sl_gateway_options, &f->config);
	memset(&gateway, 0, sizeof(gateway));
	assert_int_equal(sl_options_defaults(sl_gateway_options, &gateway), SL_OK);
	write_file(f, text);
	assert_int_equal(sl_options_load(sl_gateway_options, &gateway, f->path, &f->errors), SL_OK);
	other = dump(sl_gateway_options, &gateway);
	assert_string_equal(text, other);
	assert_string_equal(gateway.endpoint.secret, "a \"b\" \\");
	free(text);
	free(other);
	sl_options_free(sl_gateway_options, &gateway);

	write_file(f, "relay = \"r\"; room = \"R\"; tap: { routes = [ \"10.7.0.0/16\", \"fd00::/64\" ]; "
		      "metric = 7; };");
	memset(&client, 0, sizeof(client));
	memset(&again, 0, sizeof(again));
	assert_int_equal(sl_options_defaults(sl_client_options, &client), SL_OK);
	assert_int_equal(sl_options_defaults(sl_client_options, &again), SL_OK);
	assert_int_equal(sl_options_load(sl_client_options, &client, f->path, &f->errors), SL_OK);
	text = dump(sl_client_options, &client);
	write_file(f, text);
	assert_int_equal(sl_options_load(sl_client_options, &again, f->path, &f->errors), SL_OK);
	other = dump(sl_client_options, &again);
	assert_string_equal(text, other);
	assert_int_equal(again.tap_routes.count, 2);
	free(text);
	free(other);
	sl_options_free(sl_client_options, &client);
	sl_options_free(sl_client_options, &again);
}

// OPS-1: the keys and the defaults that a script may count on.
static void ops_1_the_defaults(void **state)
{
	struct fixture *f = *state;
	const struct sl_endpoint_settings *e = &f->config.endpoint;
	struct sl_client_config client;

	assert_string_equal(e->server_name, "");
	assert_string_equal(e->relay_ca, SL_CONFDIR "/relay-ca.der");
	assert_string_equal(e->secret, "");
	assert_string_equal(e->control_socket, SL_RUNDIR "/gateway/control.sock");
	assert_string_equal(e->control_group, "softlan");
	assert_int_equal(f->config.cam_refresh_interval, 30);
	assert_int_equal(e->max_size, 1400);
	assert_true(e->split && e->mss_clamp && e->offload && !e->log_frames);
	assert_string_equal(e->congestion, "bbr");
	assert_string_equal(e->log_level, "info");
	assert_int_equal(e->idle_timeout, 30);
	assert_int_equal(e->keep_alive, 2);
	assert_int_equal(e->stats_interval, 10);

	memset(&client, 0xa5, sizeof(client)); // every field gets its default, whatever was there
	assert_int_equal(sl_options_defaults(sl_client_options, &client), SL_OK);
	assert_string_equal(client.endpoint.control_socket, SL_RUNDIR "/client/control.sock");
	assert_string_equal(client.identity_file, SL_STATEDIR "/client/identity.json");
	assert_string_equal(client.virtual_mac, "");
	assert_string_equal(client.tap_name, "softlan0");
	assert_string_equal(client.tap_instance_id, "");
	assert_int_equal(client.tap_metric, 9000);
	assert_string_equal(client.tap_address, "");
	assert_int_equal(client.tap_routes.count, 0);
	sl_options_free(sl_client_options, &client);
}

// FILTER: every rule holds unless it is switched off, each by its own name; a client has the filter's alone.
static void filter_policy(void **state)
{
	struct fixture *f = *state;
	struct sl_client_config client;

	assert_int_equal(f->config.broadcast_pps, 1000);
	assert_int_equal(sl_policy_relaxed(&f->config.policy), 0);
	memset(&client, 0, sizeof(client));
	assert_int_equal(sl_options_defaults(sl_client_options, &client), SL_OK);
	assert_int_equal(sl_client_relaxed(&client), 0);
#define X(id, name, help)                                                                                    \
	load(f, "relay = \"r\"; room = \"R\"; interface = \"e\"; policy: { " #name " = false; };");          \
	assert_int_equal(f->errors.count, 0);                                                                \
	assert_int_equal(sl_policy_relaxed(&f->config.policy), SL_POLICY_BIT(SL_DROP_##id));                 \
	load(f, "policy: { " #name " = true; };");                                                           \
	assert_int_equal(sl_policy_relaxed(&f->config.policy), 0);
	SL_POLICY_RULES(X)
#undef X
#define X(id, name, help)                                                                                    \
	write_file(f, "policy: { " #name " = false; };");                                                    \
	assert_int_equal(sl_options_load(sl_client_options, &client, f->path, &f->errors), SL_OK);           \
	assert_int_equal(sl_client_relaxed(&client), SL_POLICY_BIT(SL_DROP_##id));                           \
	write_file(f, "policy: { " #name " = true; };");                                                     \
	assert_int_equal(sl_options_load(sl_client_options, &client, f->path, &f->errors), SL_OK);           \
	assert_int_equal(sl_client_relaxed(&client), 0);
	SL_FILTER_RULES(X)
#undef X
	write_file(f, "policy: { arp_guard = false; };");
	assert_int_equal(sl_options_load(sl_client_options, &client, f->path, &f->errors), SL_ERR_INVALID);
	says(f, "policy.arp_guard: expected a known key");
	sl_options_free(sl_client_options, &client);

	load(f, "lan_rate: { broadcast_pps = -1; };\npolicy: { over_mtu = false;\n dhcp_server = 0; };");
	says(f, ":1: lan_rate.broadcast_pps: expected");
	says(f, ":2: policy.over_mtu: expected a known key");
	says(f, ":3: policy.dhcp_server: expected");
}

static void keep_line(void *arg, enum sl_log_level level, const char *line)
{
	assert_int_equal(level, SL_LOG_WARNING);
	assert_string_equal(arg, ""); // one line at most
	snprintf(arg, 1024, "%s", line);
}

// FILTER: whoever reads the log sees what is switched off.
static void filter_rules_switched_off_are_named(void **state)
{
	char line[1024] = "";
	struct sl_log log;

	(void)state;
	sl_log_init(&log);
	log.sink = keep_line;
	log.sink_arg = line;
	sl_endpoint_warn_relaxed(&log, "client", 0);
	assert_string_equal(line, "");
	sl_endpoint_warn_relaxed(&log, "client",
				 SL_POLICY_BIT(SL_DROP_DHCP_SERVER) | SL_POLICY_BIT(SL_DROP_LOOP));
	assert_string_equal(
		line,
		"client: safety rules are switched off, such frames may cross: dhcp_server, loop (policy)");
	line[0] = '\0';
	sl_endpoint_warn_relaxed(&log, "client", UINT32_MAX);
	assert_non_null(strstr(line, "invalid_source, "));
	assert_non_null(strstr(line, ", egress_age (policy)"));
}

static void ops_1_a_good_file_is_taken(void **state)
{
	struct fixture *f = *state;

	load(f, "relay = \"relay.example.org\"; room = \"ROOM1\"; interface = \"eth0\";\n"
		"timing: { keep_alive = 5; idle_timeout = 20; }; cam_refresh_interval = 0;\n");
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(f->config.cam_refresh_interval, 0);
	assert_int_equal(f->config.endpoint.keep_alive, 5);
	assert_true(f->config.endpoint.offload);
}

static void ops_1_what_is_required_is_asked_for(void **state)
{
	struct fixture *f = *state;

	load(f, "");
	assert_int_equal(f->errors.count, 3);
	says(f, "relay: expected");
	says(f, "room: expected");
	says(f, "interface: expected");
}

static void ops_1_wrong_values_are_named_with_their_line(void **state)
{
	struct fixture *f = *state;

	load(f,
	     "relay = \"re lay\";\nroom = \"no blanks\";\nserver_name = \"a/b\";\ninterface = \"../eth0\";\n"
	     "datagram: {\n max_size = 1297;\n};\ncam_refresh_interval = -1;\ncongestion = \"reno\";\n");
	assert_int_equal(f->errors.count, 7);
	says(f, ":1: relay: expected");
	says(f, ":2: room: expected");
	says(f, ":3: server_name: expected");
	says(f, ":4: interface: expected");
	says(f, ":6: datagram.max_size: expected");
	says(f, ":8: cam_refresh_interval: expected");
	says(f, ":9: congestion: expected");
}

static void ops_1_a_long_secret_is_refused_and_not_shown(void **state)
{
	struct fixture *f = *state;
	char text[400];

	snprintf(text, sizeof(text), "secret = \"%0257d\";", 7);
	load(f, text);
	says(f, "secret: expected at most 256 bytes");
	assert_null(strstr(f->errors.text, "0000"));
	load(f, "secret = \"sch\xf6n\";"); // Latin-1: it could not be sent
	says(f, "secret: expected UTF-8");
	assert_null(strstr(f->errors.text, "sch"));
}

static void ops_1_keep_alive_is_shorter_than_the_idle_timeout(void **state)
{
	struct fixture *f = *state;

	load(f, "relay = \"r\"; room = \"R\"; interface = \"eth0\"; timing: { keep_alive = 30; };");
	assert_int_equal(f->errors.count, 1);
	says(f, "timing.keep_alive: expected less than timing.idle_timeout, which is 30, found 30");
}

static int to_session(struct fixture *f)
{
	return sl_endpoint_session_config(&f->config.endpoint, SL_ROLE_GATEWAY, &f->session, &f->tls,
					  &f->error);
}

static void core_1_the_settings_become_a_session(void **state)
{
	struct fixture *f = *state;

	load(f,
	     "relay = \"relay.example.org:8443\"; room = \"ROOM1\"; secret = \"s\"; interface = \"eth0\";\n"
	     "relay_ca = \"\"; congestion = \"cubic\"; offload = false; timing: { stats_interval = 3; };\n");
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(to_session(f), SL_OK);
	assert_string_equal(f->session.server_name, "relay.example.org");
	assert_int_equal(f->session.relay.port, 8443);
	assert_string_equal(f->session.room, "ROOM1");
	assert_string_equal(f->session.secret, "s");
	assert_string_equal(f->session.scope, "gateway");
	assert_int_equal(f->session.congestion, SL_CC_CUBIC);
	assert_false(f->session.offload);
	assert_int_equal(f->session.max_datagram_size, 1400);
	assert_true(f->session.split);
	assert_true(f->session.keep_alive_ns == 2 * SL_NS_PER_S);
	assert_true(f->session.idle_timeout_ns == 30 * SL_NS_PER_S);
	assert_true(f->session.stats_interval_ns == 3 * SL_NS_PER_S);
	assert_ptr_equal(f->session.tls, f->tls);
}

// NET-1: the name that the certificate must have.
static void net_1_an_address_means_the_development_name(void **state)
{
	struct fixture *f = *state;
	static const char *const relays[] = {"192.0.2.7", "2001:db8::7", "[2001:db8::7]:444"};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(
			sl_options_set(sl_gateway_options, &f->config, "relay", relays[i], &f->error), SL_OK);
		load(f, "room = \"R\"; relay_ca = \"\"; interface = \"e\";");
		assert_int_equal(to_session(f), SL_OK);
		assert_string_equal(f->session.server_name, "softlan-relay.local");
		sl_tls_free(f->tls);
		f->tls = NULL;
	}
	load(f, "server_name = \"lan.example.org\";");
	assert_int_equal(to_session(f), SL_OK);
	assert_string_equal(f->session.server_name, "lan.example.org");
}

static void core_1_a_certificate_that_can_not_be_used_is_an_error(void **state)
{
	struct fixture *f = *state;

	load(f, "relay = \"r\"; room = \"R\"; interface = \"e\"; relay_ca = \"/nonexistent/relay-ca.der\";");
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(to_session(f), SL_ERR_INVALID); // exit code 2
	assert_null(f->tls);
	assert_non_null(strstr(f->error.text, "/nonexistent/relay-ca.der"));
	assert_non_null(strstr(f->error.text, "relay_ca"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ops_1_the_defaults),
		T(ops_1_a_dump_can_be_loaded_again),
		T(filter_policy),
		T(filter_rules_switched_off_are_named),
		T(ops_1_a_good_file_is_taken),
		T(ops_1_what_is_required_is_asked_for),
		T(ops_1_wrong_values_are_named_with_their_line),
		T(ops_1_a_long_secret_is_refused_and_not_shown),
		T(ops_1_keep_alive_is_shorter_than_the_idle_timeout),
		T(core_1_the_settings_become_a_session),
		T(net_1_an_address_means_the_development_name),
		T(core_1_a_certificate_that_can_not_be_used_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
