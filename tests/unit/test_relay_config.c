// relay.conf: the option table, the room list, the checks across keys, the rules in the sample (OPS-1). The
// samples as such: test_samples.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_file.h"
#include "relay/config.h"

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

// Loads and validates. Gives the errors' text (the caller frees), or NULL when there are none.
static char *load_file(const char *file, struct relay_config *config)
{
	struct sl_option_errors errors = {.text = NULL};

	memset(config, 0xa5, sizeof(*config)); // every field gets its default, whatever was there
	assert_int_equal(sl_options_defaults(relay_options, config), SL_OK);
	sl_options_load(relay_options, config, file, &errors);
	if (errors.count == 0)
		relay_config_validate(config, file, &errors);
	assert_true((errors.count == 0) == (errors.text == NULL));
	return errors.text;
}

#define DER "/tmp/relay.der"
#define DEV "dev_certificate_out = \"" DER "\";\n"

static void accepted(const char *text, struct relay_config *config)
{
	char *errors;

	write_file(text);
	errors = load_file(path, config);
	if (errors)
		fail_msg("refused: %s", errors);
}

// Refused with a line that has each of the words, `line` after the file's name if not 0.
static void refused(const char *text, unsigned line, const char *word, const char *other)
{
	struct relay_config config;
	char *errors, place[128];

	write_file(text);
	errors = load_file(path, &config);
	if (!errors)
		fail_msg("accepted: %s", text);
	snprintf(place, sizeof(place), "%s:%u: ", path, line);
	if ((line && !strstr(errors, place)) || !strstr(errors, word) || !strstr(errors, other))
		fail_msg("%s gave: %s", text, errors);
	free(errors);
	sl_options_free(relay_options, &config);
}

static void ops1_defaults(void **state)
{
	struct relay_config c;

	(void)state;
	accepted(DEV, &c);
	assert_string_equal(c.listen, "443/udp");
	assert_non_null(strstr(c.certificate, "/relay.crt"));
	assert_non_null(strstr(c.private_key, "/relay.key"));
	assert_string_equal(c.dev_certificate_out, DER);
	assert_string_equal(c.dev_certificate_name, "softlan-relay.local");
	assert_string_equal(c.control_group, "softlan");
	assert_int_equal(c.max_rooms, 256);
	assert_int_equal(c.max_peers_per_room, 64);
	assert_int_equal(c.max_peers, 4096);
	assert_int_equal(c.handshakes_per_second, 200);
	assert_int_equal(c.malformed_datagrams, 32);
	assert_int_equal(c.broadcast_pps, 500);
	assert_int_equal(c.unknown_unicast_pps, 200);
	assert_int_equal(c.bandwidth_kbit, 0);
	assert_int_equal(c.lan_broadcast_pps, 1000);
	assert_int_equal(c.max_size, 1400);
	assert_true(c.split);
	assert_string_equal(c.congestion, "bbr");
	assert_true(c.offload);
	assert_int_equal(c.rooms.count, 0);
	assert_string_equal(c.log_level, "info");
	assert_false(c.log_frames);
	assert_int_equal(c.idle_timeout, 30);
	assert_int_equal(c.keep_alive, 2);
	assert_int_equal(c.stats_interval, 10);
	sl_options_free(relay_options, &c);
}

static void ops1_rooms(void **state)
{
	struct relay_config c;
	struct relay_room_list copy;

	(void)state;
	accepted(DEV "rooms = ( { code = \"ROOM1\"; secret = \"s\"; policy: { }; }, { code = \"b-_9\"; } );",
		 &c);
	assert_int_equal(c.rooms.count, 2);
	assert_string_equal(relay_room_list_find(&c.rooms, "ROOM1")->secret, "s");
	assert_string_equal(relay_room_list_find(&c.rooms, "b-_9")->secret, "");
	assert_int_equal(relay_room_list_find(&c.rooms, "ROOM1")->relaxed, 0);
	assert_int_equal(relay_room_list_find(&c.rooms, "b-_9")->relaxed, 0);
	assert_null(relay_room_list_find(&c.rooms, "room1"));
	assert_int_equal(relay_room_list_copy(&copy, &c.rooms), SL_OK);
	sl_options_free(relay_options, &c);
	assert_string_equal(relay_room_list_find(&copy, "ROOM1")->secret, "s");
	relay_room_list_free(&copy);
	accepted(DEV "rooms = ( );", &c);
	assert_int_equal(c.rooms.count, 0);
	sl_options_free(relay_options, &c);

	refused(DEV "rooms = \"ROOM1\";", 2, "rooms", "list");
	refused(DEV "rooms = ( \"ROOM1\" );", 2, "rooms", "group");
	refused(DEV "rooms = (\n{ secret = \"x\"; } );", 3, "rooms.code", "missing");
	refused(DEV "rooms = ( { code = \"no space\"; } );", 2, "rooms.code", "no space");
	refused(DEV "rooms = ( { code = \"\"; } );", 2, "rooms.code", "1 to 64");
	refused(DEV "rooms = ( { code = 7; } );", 2, "rooms.code", "string");
	refused(DEV "rooms = ( { code = \"A\"; secret = true; } );", 2, "rooms.secret", "string");
	refused(DEV "rooms = ( { code = \"A\"; secret = \"\xe4\"; } );", 2, "rooms.secret", "UTF-8");
	refused(DEV "rooms = ( { code = \"A\"; colour = \"red\"; } );", 2, "rooms", "colour");
	refused(DEV "rooms = ( { code = \"A\"; },\n{ code = \"A\"; } );", 3, "rooms.code", "twice");
	refused(DEV "rooms = ( { code = \"A\"; policy: { dhcp = true; }; } );", 2, "rooms.policy", "dhcp");
	refused(DEV "rooms = ( { code = \"A\"; code = \"B\"; } );", 2, "", "");
	// All errors are told, not only the first.
	refused(DEV "rooms = ( { code = 7; }, { secret = 7; } );", 2, "rooms.code", "rooms.secret");
}

static const struct {
	const char *name, *help;
	uint32_t bit;
} rules[] = {
#define X(id, rule, text) {.name = #rule, .help = text, .bit = SL_POLICY_BIT(SL_DROP_##id)},
	SL_POLICY_RULES(X)
#undef X
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static void relay9_a_room_may_switch_rules_off(void **state)
{
	char text[256], again[4096];
	struct relay_config c;
	size_t len;
	FILE *file;

	(void)state;
	for (size_t i = 0; i < RULES; i++) {
		snprintf(text, sizeof(text),
			 DEV "rooms = ( { code = \"A\"; policy: { %s = false; }; }, { code = \"B\"; } );",
			 rules[i].name);
		accepted(text, &c);
		assert_int_equal(c.rooms.entries[0].relaxed, rules[i].bit);
		assert_int_equal(c.rooms.entries[1].relaxed, 0);
		sl_options_free(relay_options, &c);
		snprintf(text, sizeof(text), DEV "rooms = ( { policy: { %s = true; }; code = \"A\"; } );",
			 rules[i].name);
		accepted(text, &c);
		assert_int_equal(c.rooms.entries[0].relaxed, 0);
		sl_options_free(relay_options, &c);
	}
	// What is off stands in the dump, which can be loaded again; a reload sees the difference.
	accepted(DEV
		 "rooms = ( { code = \"A\"; policy: { loop = false; redirect = false; vlan_tag = true; }; }"
		 " );",
		 &c);
	file = fopen(path, "w");
	assert_non_null(file);
	sl_options_dump(relay_options, &c, file);
	assert_int_equal(fclose(file), 0);
	file = fopen(path, "r");
	len = fread(again, 1, sizeof(again) - 1, file);
	again[len] = '\0';
	fclose(file);
	assert_non_null(strstr(again, "policy: { redirect = false; loop = false; };"));
	sl_options_free(relay_options, &c);
	accepted(again, &c);
	assert_int_equal(c.rooms.entries[0].relaxed,
			 SL_POLICY_BIT(SL_DROP_REDIRECT) | SL_POLICY_BIT(SL_DROP_LOOP));
	sl_options_free(relay_options, &c);

	refused(DEV "rooms = ( { code = \"A\";\npolicy: { arp_gard = false; }; } );", 3,
		"rooms.policy: expected a", "arp_gard");
	for (size_t i = 0; i < RULES; i++) // each is offered
		refused(DEV "rooms = ( { code = \"A\"; policy: { x = false; }; } );", 2, "rooms.policy",
			rules[i].name);
	refused(DEV "rooms = ( { code = \"A\"; policy: { over_mtu = false; }; } );", 2, "rooms.policy",
		"over_mtu");
	refused(DEV "rooms = ( { code = \"A\"; policy: { loop = 0; }; } );", 2, "rooms.policy.loop: expected",
		"false");
	refused(DEV "rooms = ( { code = \"A\"; policy: { loop = \"no\"; }; } );", 2, "rooms.policy.loop",
		"true");
	refused(DEV "rooms = ( { code = \"A\"; policy = false; } );", 2, "rooms.policy", "group");
	refused(DEV "rooms = ( { code = \"A\"; policy = ( \"loop\" ); } );", 2, "rooms.policy", "group");
}

static void ops1_a_long_secret(void **state)
{
	char text[1024], secret[258];
	struct relay_config c;

	(void)state;
	memset(secret, 'x', sizeof(secret));
	secret[257] = '\0';
	snprintf(text, sizeof(text), DEV "rooms = ( { code = \"A\"; secret = \"%s\"; } );", secret);
	refused(text, 2, "rooms.secret", "256");
	secret[256] = '\0';
	snprintf(text, sizeof(text), DEV "rooms = ( { code = \"A\"; secret = \"%s\"; } );", secret);
	accepted(text, &c);
	assert_string_equal(c.rooms.entries[0].secret, secret);
	sl_options_free(relay_options, &c);
}

static void relay14_one_certificate(void **state)
{
	struct relay_config c;

	(void)state;
	refused("certificate = \"\"; private_key = \"\";", 0, "certificate and private_key",
		"dev_certificate_out");
	refused("private_key = \"\";", 0, "private_key", "missing");
	refused("certificate = \"\";", 0, "certificate", "missing");
	refused(DEV "dev_certificate_name = \"\";", 0, "dev_certificate_name", "expected");
	refused(DEV "state_directory = \"\";", 0, "state_directory", "expected");
	accepted("certificate = \"a\"; private_key = \"b\";", &c);
	sl_options_free(relay_options, &c);
	accepted("listen = \"443/udp\";", &c); // the files at their usual places
	sl_options_free(relay_options, &c);
}

static void ops1_ranges(void **state)
{
	struct relay_config c;

	(void)state;
	refused(DEV "datagram: { max_size = 1297; };", 2, "datagram.max_size", "1298");
	refused(DEV "datagram: { max_size = 1519; };", 2, "datagram.max_size", "1518");
	refused(DEV "limits: { rooms = 0; };", 2, "limits.rooms", "1");
	refused(DEV "limits: { peers_per_room = 513; };", 2, "limits.peers_per_room", "512");
	refused(DEV "timing: { keep_alive = 0; };", 2, "timing.keep_alive", "1");
	refused(DEV "timing: { keep_alive = 30; };", 0, "timing.keep_alive", "timing.idle_timeout (30 s)");
	refused(DEV "listen = \"nowhere\";", 2, "listen", "nowhere");
	refused(DEV "congestion = \"reno\";", 2, "congestion", "cubic");
	refused(DEV "colour = \"red\";", 2, "colour", "unknown");
	accepted(DEV "listen = \"[::1]:4433\"; datagram: { max_size = 1298; }; congestion = \"cubic\";", &c);
	sl_options_free(relay_options, &c);
}

static void ops1_dump_can_be_loaded_again(void **state)
{
	struct relay_config c, again;
	FILE *file;
	char *errors;

	(void)state;
	accepted(DEV "rooms = ( { code = \"A\"; secret = \"quote \\\" backslash \\\\ tab \\t\"; }, { code = "
		     "\"B\"; } );"
		     "limits: { peers = 77; };",
		 &c);
	file = fopen(path, "w");
	assert_non_null(file);
	sl_options_dump(relay_options, &c, file);
	assert_int_equal(fclose(file), 0);
	errors = load_file(path, &again);
	if (errors)
		fail_msg("the dump is refused: %s", errors);
	for (const struct sl_option *option = relay_options; option->name; option++)
		if (option->type != SL_OPT_LIST && !sl_option_equal(option, &c, &again))
			fail_msg("%s was lost in the dump", option->name);
	assert_int_equal(again.rooms.count, 2);
	assert_string_equal(again.rooms.entries[0].secret, "quote \" backslash \\ tab \t");
	assert_string_equal(again.rooms.entries[1].code, "B");
	sl_options_free(relay_options, &c);
	sl_options_free(relay_options, &again);
}

// --- the sample file ----------------------------------------------------------------------------

static FILE *open_sample(void)
{
	char name[1024];
	const char *slash = strrchr(__FILE__, '/');
	const char *source = getenv("srcdir");
	FILE *file = NULL;

	if (source) {
		snprintf(name, sizeof(name), "%s/etc/relay.conf", source);
		file = fopen(name, "r");
	}
	if (!file) {
		snprintf(name, sizeof(name), "%.*s../../etc/relay.conf",
			 slash ? (int)(slash - __FILE__ + 1) : 0, __FILE__);
		file = fopen(name, "r");
	}
	if (!file)
		fail_msg("etc/relay.conf is not found from %s", name);
	return file;
}

// Each rule stands in the sample with what it protects, ready to be copied, as it holds by default.
static void relay9_sample_names_every_rule(void **state)
{
	FILE *in = open_sample();
	char sample[16384], text[4096] = DEV "rooms = ( { code = \"A\"; policy: {", wanted[160];
	struct relay_config c;
	size_t len;

	(void)state;
	len = fread(sample, 1, sizeof(sample) - 1, in);
	sample[len] = '\0';
	fclose(in);
	for (size_t i = 0; i < RULES; i++) {
		const char *line;

		snprintf(wanted, sizeof(wanted), "#   %s = true; %s\n", rules[i].name, rules[i].help);
		line = strstr(sample, wanted);
		if (!line)
			fail_msg("the sample has no line %s", wanted);
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "%.*s", (int)(strchr(line, ';') + 1 - line - 1),
			 line + 1);
	}
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, " }; } );");
	accepted(text, &c);
	assert_int_equal(c.rooms.entries[0].relaxed, 0);
	sl_options_free(relay_options, &c);
	// The example that switches one off.
	assert_non_null(strstr(sample, "{ code = \"lab\"; policy: { dhcp_server = false; }; }"));
	accepted(DEV "rooms = ( { code = \"lab\"; policy: { dhcp_server = false; }; } );", &c);
	sl_options_free(relay_options, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ops1_defaults),
		cmocka_unit_test(ops1_rooms),
		cmocka_unit_test(relay9_a_room_may_switch_rules_off),
		cmocka_unit_test(ops1_a_long_secret),
		cmocka_unit_test(relay14_one_certificate),
		cmocka_unit_test(ops1_ranges),
		cmocka_unit_test(ops1_dump_can_be_loaded_again),
		cmocka_unit_test(relay9_sample_names_every_rule),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
