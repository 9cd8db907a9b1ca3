// The order in which the client changes the system's tables on Windows, and the undoing of every change after
// every failure and after a crash at every call (WIN-5, WIN-6, WIN-7, WIN-10). The tables are in memory: the
// logic is the one that runs over IP Helper.
#include "fake_tables.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/relay_pin.h"
#include "client/tap_overrides.h"

struct protect {
	struct fake *fake; // in shared memory
	struct os_tables tables;
	struct sl_log log;
	char lines[16384];
	char dir[64], pin_file[96], tap_file[96];
	struct undo *pin_undo, *tap_undo;
	struct relay_pin pin;
	struct tap_overrides tap;
	struct prefix routes[2];
	struct fake_state before;
};

static void on_line(void *arg, enum sl_log_level level, const char *line)
{
	struct protect *p = arg;
	size_t len = strlen(p->lines);

	if (level <= SL_LOG_INFO)
		snprintf(p->lines + len, sizeof p->lines - len, "%s\n", line);
}

static int setup(void **state)
{
	struct protect *p = calloc(1, sizeof *p);

	assert_non_null(p);
	sl_log_init(&p->log);
	p->log.sink = on_line;
	p->log.sink_arg = p;
	strcpy(p->dir, "/tmp/sl_protect.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->pin_file, sizeof p->pin_file, "%s/state/route.undo", p->dir);
	snprintf(p->tap_file, sizeof p->tap_file, "%s/state/tap.undo", p->dir);
	p->fake = mmap(NULL, sizeof *p->fake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p->fake, MAP_FAILED);
	fake_init(p->fake, &p->tables);
	p->before = p->fake->state;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct protect *p = *state;
	char command[128];

	undo_free(p->pin_undo);
	undo_free(p->tap_undo);
	munmap(p->fake, sizeof *p->fake);
	snprintf(command, sizeof command, "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static int start(struct protect *p, struct sl_error *error)
{
	int result;

	undo_free(p->pin_undo);
	undo_free(p->tap_undo);
	p->pin_undo = p->tap_undo = NULL;
	result = undo_new(&p->tables, &p->log, p->tap_file, TAP, &p->tap_undo, error);
	if (result == SL_OK)
		result = undo_new(&p->tables, &p->log, p->pin_file, TAP, &p->pin_undo, error);
	p->routes[0] = fake_prefix("10.7.0.0/16");
	p->routes[1] = fake_prefix("fd00:7::/64");
	p->pin = (struct relay_pin){.tables = &p->tables, .log = &p->log, .undo = p->pin_undo, .tap = TAP};
	p->tap = (struct tap_overrides){
		.tables = &p->tables,
		.log = &p->log,
		.undo = p->tap_undo,
		.luid = TAP,
		.metric = 9000,
		.address = fake_prefix("10.6.0.50/24"),
		.routes = p->routes,
		.route_count = 2,
	};
	return result;
}

static struct sl_addr addr(const char *text)
{
	struct sl_addr out;

	assert_true(sl_addr_literal(text, 443, &out));
	return out;
}

static int pin(struct protect *p, const char *relay, struct sl_error *error)
{
	struct sl_addr to = addr(relay);

	return relay_pin_set(&p->pin, &to, error);
}

// As the client does it: the pin, the TAP's settings, its address and routes, the look whether the way holds.
static int run(struct protect *p, struct sl_error *error)
{
	int result = start(p, error);

	if (result == SL_OK)
		result = pin(p, "203.0.113.5", error);
	if (result == SL_OK)
		result = tap_overrides_set(&p->tap, 1382, error);
	if (result == SL_OK)
		result = tap_overrides_address(&p->tap, error);
	if (result == SL_OK)
		result = relay_pin_check(&p->pin, error);
	return result;
}

static void end(struct protect *p)
{
	tap_overrides_undo(&p->tap);
	relay_pin_clear(&p->pin);
}

static void assert_as_before(struct protect *p)
{
	struct stat st;

	if (memcmp(&p->before, &p->fake->state, sizeof p->before) != 0)
		fail_msg("the tables are not as before:\n%s%s", p->fake->log, p->lines);
	assert_int_equal(stat(p->pin_file, &st), -1);
	assert_int_equal(stat(p->tap_file, &st), -1);
}

static void put_file(const char *file, const char *text, size_t len)
{
	char dir[96];
	FILE *out;

	snprintf(dir, sizeof dir, "%s", file);
	*strrchr(dir, '/') = '\0';
	mkdir(dir, 0755);
	out = fopen(file, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	fclose(out);
}

// ---- order ----

static void test_win5_win7_win10_order_and_end(void **state)
{
	static const char made[] = "route+ 203.0.113.5/32 1001\n"
				   "set4 default_routes 0\nset4 metric 9000\nset4 mtu 1382\n"
				   "set6 default_routes 0\nset6 metric 9000\nset6 mtu 1382\n"
				   "address+ 10.6.0.50/24\n"
				   "route+ 10.7.0.0/16 1002\nroute+ fd00:7::/64 1002\n";
	static const char undone[] = "route- fd00:7::/64 1002\nroute- 10.7.0.0/16 1002\n"
				     "address- 10.6.0.50/24\n"
				     "set6 mtu 1500\nset6 metric 4294967295\nset6 default_routes 1\n"
				     "set4 mtu 1500\nset4 metric 4294967295\nset4 default_routes 1\n"
				     "route- 203.0.113.5/32 1001\n";
	struct protect *p = *state;
	struct sl_error error = {0};
	struct stat st;

	if (run(p, &error) != SL_OK)
		fail_msg("%s", error.text);
	assert_string_equal(p->fake->log, made);
	assert_int_equal(p->pin.pin, ROUTE_PIN_OWN);
	assert_string_equal(p->tap.warning, "");
	assert_non_null(strstr(p->lines, "default routes were enabled on softlan"));
	assert_int_equal(stat(p->tap_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	p->fake->log[0] = '\0';
	end(p);
	assert_string_equal(p->fake->log, undone);
	assert_as_before(p);
}

static void test_win10_what_exists_is_left_alone(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	fake_address(p->fake, "10.6.0.50/16", TAP);
	fake_route(p->fake, "10.7.0.0/16", NULL, TAP, 5);
	fake_route(p->fake, "203.0.113.5/32", "192.0.2.7/32", ETH, 3);
	p->fake->state.interfaces[1].settings[0][OS_MTU] = 1382;
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(p->pin.pin, ROUTE_PIN_EXISTING); // WIN-6
	assert_null(strstr(p->fake->log, "address+"));
	assert_null(strstr(p->fake->log, "route+ 203"));
	assert_null(strstr(p->fake->log, "set4 mtu"));
	end(p);
	assert_as_before(p);
}

static void test_win7_another_mtu_later(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1300, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1400, &error), SL_OK);
	assert_int_equal(tap_overrides_address(&p->tap, &error), SL_OK);
	assert_int_equal(p->fake->state.interfaces[1].settings[0][OS_MTU], 1400);
	assert_int_equal(undo_count(p->tap_undo), 9); // not more than there are changes
	end(p);
	assert_as_before(p);
}

static void test_win7_what_reverts_is_set_again(void **state)
{
	struct protect *p = *state;
	struct fake_interface *tap = &p->fake->state.interfaces[1];
	struct sl_error error = {0};
	struct prefix address = fake_prefix("10.6.0.50/24");

	assert_int_equal(run(p, &error), SL_OK);
	tap->settings[0][OS_METRIC] = OS_METRIC_AUTOMATIC;
	tap->settings[1][OS_DEFAULT_ROUTES] = 1;
	assert_int_equal(fake_address_delete(p->fake, TAP, &address, NULL), SL_OK);
	tap_overrides_check(&p->tap);
	assert_int_equal(tap->settings[0][OS_METRIC], 9000);
	assert_int_equal(tap->settings[1][OS_DEFAULT_ROUTES], 0);
	assert_int_equal(p->fake->state.address_count, 3);
	assert_non_null(strstr(p->lines, "the TAP's metric (IPv4) had been changed"));
	assert_non_null(strstr(p->lines, "10.6.0.50/24 had been removed from the TAP, it is back"));
	end(p);
	assert_as_before(p);
}

static void test_win7_a_change_of_the_users_stays(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 77; // and no check comes before the end
	end(p);
	assert_int_equal(p->fake->state.interfaces[1].settings[0][OS_METRIC], 77);
	p->before.interfaces[1].settings[0][OS_METRIC] = 77;
	assert_as_before(p);
}

// ---- failures ----

// Each call in turn: what fails is named, and all is as before.
static void fail_each(struct protect *p, int code)
{
	unsigned total, failed = 0, named = 0;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	total = p->fake->calls;
	end(p);
	assert_as_before(p);
	for (unsigned at = 1; at <= total; at++) {
		p->fake->calls = 0;
		p->fake->fail_at = at;
		p->fake->fail_code = code;
		p->fake->failed[0] = p->fake->log[0] = p->lines[0] = '\0';
		memset(&error, 0, sizeof error);
		int result = run(p, &error);
		p->fake->fail_at = 0;
		assert_string_not_equal(p->fake->failed, "");
		// IPv6 warns and goes on; a look that is repeated at once may succeed.
		if (result != SL_OK) {
			failed++;
			if (strchr(p->fake->failed, '6'))
				fail_msg("%s is no failure: %s", p->fake->failed, error.text);
			if (strstr(error.text, p->fake->failed) &&
			    (strstr(error.text, "softlan") || strstr(error.text, "Ethernet") ||
			     strstr(error.text, "on ?")))
				named++;
			else if (code != SL_ERR_NOT_FOUND || strcmp(p->fake->failed, "best_way") != 0)
				fail_msg("%s failed, but the error is \"%s\"", p->fake->failed, error.text);
		} else if (strchr(p->fake->failed, '6') && p->tap.warning[0] == '\0') {
			fail_msg("%s failed without a warning", p->fake->failed);
		}
		end(p);
		if (memcmp(&p->before, &p->fake->state, sizeof p->before) != 0)
			fail_msg("%s failed (call %u), and the tables are not as before:\n%s",
				 p->fake->failed, at, p->fake->log);
		assert_as_before(p);
	}
	assert_in_range(failed, 12, total - 4);
	assert_true(named + 3 >= failed);
}

static void test_win_each_call_denied(void **state)
{
	fail_each(*state, SL_ERR_PERMISSION);
}

static void test_win_each_call_not_found(void **state)
{
	fail_each(*state, SL_ERR_NOT_FOUND);
}

// Everything is undone at once, not only when the caller gives up.
static void test_win7_failure_undoes_by_itself(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	p->fake->fail_at = 4; // set4 metric
	p->fake->fail_code = SL_ERR_PERMISSION;
	assert_int_equal(tap_overrides_set(&p->tap, 1382, &error), SL_ERR_PERMISSION);
	assert_string_equal(p->fake->failed, "set4 mtu");
	assert_string_equal(
		p->fake->log,
		"set4 default_routes 0\nset4 metric 9000\nset4 metric 4294967295\nset4 default_routes 1\n");
	assert_as_before(p);
}

static void test_win7_ipv6_warns(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	p->fake->fail_ipv6 = true;
	assert_int_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "IPv6 is not as it should be"));
	assert_non_null(strstr(p->tap.warning, "set6 default_routes on softlan"));
	end(p);
	assert_as_before(p);
	p->fake->fail_ipv6 = false;
	p->fake->state.interfaces[1].absent[1] = p->before.interfaces[1].absent[1] = true;
	assert_int_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "IPv6 is switched off"));
	end(p);
	assert_as_before(p);
}

static void test_lin2_mtu_below_ipv6(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1200, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "below IPv6's minimum of 1280"));
	assert_int_equal(p->fake->state.interfaces[1].settings[1][OS_MTU], 1500);
	end(p);
	assert_as_before(p);
}

// What cannot be undone now is undone by the next start.
static void test_undo_fails_and_is_done_later(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	struct stat st;

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->fail_at = p->fake->calls + 1; // the newest route's
	p->fake->fail_code = SL_ERR_PERMISSION;
	end(p);
	assert_string_equal(p->fake->failed, "route_delete");
	assert_int_equal(p->fake->state.route_count, p->before.route_count + 1);
	assert_int_equal(stat(p->tap_file, &st), 0);
	assert_non_null(strstr(p->lines, "the next start tries again: route_delete on softlan"));
	assert_int_equal(start(p, &error), SL_OK);
	assert_as_before(p);
	assert_non_null(strstr(p->lines, "1 of its 1 changes undone"));
}

static void test_nothing_is_changed_without_the_file(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	put_file(p->tap_file, "", 0); // makes the directory
	assert_int_equal(unlink(p->tap_file), 0);
	*strrchr(p->tap_file, '/') = '\0';
	assert_int_equal(rmdir(p->tap_file), 0);
	put_file(p->tap_file, "", 0); // a file is where the directory should be
	assert_int_not_equal(pin(p, "203.0.113.5", &error), SL_OK);
	assert_non_null(strstr(error.text, "cannot write down what is to be undone"));
	assert_int_not_equal(tap_overrides_set(&p->tap, 1382, &error), SL_OK);
	assert_memory_equal(&p->before, &p->fake->state, sizeof p->before);
	assert_int_equal(unlink(p->tap_file), 0);
}

// ---- crashes ----

static void test_crash_at_every_call(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	unsigned total, changed = 0;

	assert_int_equal(run(p, &error), SL_OK);
	end(p);
	total = p->fake->calls;
	for (unsigned at = 1; at <= 2 * total; at++) {
		int status;
		pid_t pid;
		p->fake->calls = 0;
		p->fake->die_at = (at + 1) / 2;
		p->fake->die_after = at % 2 == 0;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (run(p, &error) == SL_OK)
				end(p);
			_exit(3); // it should have ended before
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		// With die_after a call that fails does not end it; none does here.
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		changed += memcmp(&p->before, &p->fake->state, sizeof p->before) != 0;
		p->fake->die_at = 0;
		p->fake->log[0] = p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		if (memcmp(&p->before, &p->fake->state, sizeof p->before) != 0)
			fail_msg("died at call %u: the tables are not as before:\n%s%s", at, p->fake->log,
				 p->lines);
		assert_as_before(p);
	}
	assert_true(changed > total); // most of them left something behind
}

// After a power cut: of what is listed nothing is there any more, and the last line is half.
static void test_crash_entries_gone_and_cut_line(void **state)
{
	static const char text[] =
		"{\"softlan_undo\":1}\n"
		"{\"kind\":\"setting\",\"setting\":\"metric\",\"family\":4,\"luid\":1002,\"old\":30,\"set\":"
		"9000}\n"
		"{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002}\n"
		"{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n"
		"{\"kind\":\"route\",\"dst\":\"203.0.113.5/32\",\"via\":\"192.0.2.1/"
		"32\",\"luid\":1001,\"metric\":0}\n"
		"{\"kind\":\"address\",\"addr";
	struct protect *p = *state;
	struct sl_error error = {0};

	put_file(p->tap_file, text, strlen(text));
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "4 of its 4 changes undone"));
	assert_as_before(p);
	// The adapter has been removed in the meantime.
	put_file(p->tap_file, text, strlen(text));
	p->fake->state.interfaces[1].luid = p->before.interfaces[1].luid = 7;
	assert_int_equal(start(p, &error), SL_OK);
	assert_as_before(p);
}

static void test_hostile_files(void **state)
{
#define HEAD "{\"softlan_undo\":1}\n"
	static const char *const bad[] = {
		"hello",
		"\n",
		"{}\n",
		"{\"softlan_undo\":2}\n",
		HEAD "\n",
		HEAD "[]\n",
		HEAD "{\"kind\":\"route\"}\n",
		HEAD "{\"kind\":\"format\",\"luid\":1002}\n",
		// The machine's own default route, and its halves.
		HEAD "{\"kind\":\"route\",\"dst\":\"0.0.0.0/0\",\"via\":\"192.0.2.1/"
		     "32\",\"luid\":1001,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"0.0.0.0/0\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"128.0.0.0/1\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD
		"{\"kind\":\"route\",\"dst\":\"192.0.2.0/24\",\"via\":\"\",\"luid\":1001,\"metric\":256}\n",
		HEAD
		"{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":1002,\"metric\":-1}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"fe80::1/"
		     "128\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.1/16\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.0/"
		     "16\",\"via\":\"\",\"luid\":1002,\"metric\":0,\"x\":1}\n",
		// Another interface's.
		HEAD "{\"kind\":\"address\",\"address\":\"192.0.2.10/24\",\"luid\":1001}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"metric\",\"family\":4,\"luid\":1001,\"old\":1,"
		     "\"set\":4294967295}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"mtu\",\"family\":5,\"luid\":1002,\"old\":1,\"set\":"
		     "1500}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"mtu\",\"family\":4,\"luid\":1002,\"old\":1,\"set\":"
		     "4294967296}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"color\",\"family\":4,\"luid\":1002,\"old\":1,"
		     "\"set\":1}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/33\",\"luid\":1002}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1e3}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002,\"luid\":1002}\n",
	};
	struct protect *p = *state;
	struct stat st;

	fake_address(p->fake, "10.6.0.50/24", TAP);
	fake_route(p->fake, "10.7.0.0/16", NULL, TAP, 0);
	p->before = p->fake->state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sl_error error = {0};
		char aside[128];
		put_file(p->tap_file, bad[i], strlen(bad[i]));
		p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		if (!strstr(p->lines, "is no list of what is to be undone"))
			fail_msg("followed: %s", bad[i]);
		snprintf(aside, sizeof aside, "%s.bad", p->tap_file);
		assert_int_equal(stat(aside, &st), 0);
		assert_as_before(p);
	}
}

static void test_hostile_size_and_noise(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	char *text = malloc(100000);
	size_t len = 0;
	unsigned seed = 1;

	assert_non_null(text);
	len = (size_t)sprintf(text, HEAD);
	while (len < 60000)
		len += (size_t)sprintf(text + len,
				       "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002}\n");
	put_file(p->tap_file, text, len);
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "too many entries"));
	memset(text, ' ', 100000);
	put_file(p->tap_file, text, 100000);
	p->lines[0] = '\0';
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "too long"));
	for (unsigned round = 0; round < 2000; round++) { // one good file with a few bytes changed
		len = (size_t)sprintf(text, HEAD
				      "{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":"
				      "1002,\"metric\":0}\n{\"kind\":\"setting\",\"setting\":\"mtu\","
				      "\"family\":4,\"luid\":1002,\"old\":1400,\"set\":1382}\n");
		for (int n = rand_r(&seed) % 4; n > 0; n--)
			text[(unsigned)rand_r(&seed) % len] = (char)rand_r(&seed);
		put_file(p->tap_file, text, (unsigned)rand_r(&seed) % (len + 1));
		p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		assert_as_before(p);
	}
	free(text);
}

// ---- the pin ----

static void test_win5_local_relays(void **state)
{
	static const char *const local[] = {"127.0.0.1", "::1", "192.0.2.10", "2001:db8:1::10", "fe80::1"};
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
		assert_int_equal(pin(p, local[i], &error), SL_OK);
		assert_int_equal(p->pin.pin, ROUTE_PIN_LOCAL);
		assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	}
	assert_as_before(p);
}

static void test_win5_on_link_and_ipv6(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	assert_int_equal(pin(p, "192.0.2.99", &error), SL_OK);
	assert_int_equal(p->pin.pin, ROUTE_PIN_OWN);
	assert_int_equal(p->pin.way.via.family, 0);
	assert_int_equal(pin(p, "2001:db8:9::5", &error), SL_OK); // in the place of the first
	assert_string_equal(
		p->fake->log,
		"route+ 192.0.2.99/32 1001\nroute- 192.0.2.99/32 1001\nroute+ 2001:db8:9::5/128 1001\n");
	end(p);
	assert_as_before(p);
}

static void test_win5_never_by_the_tap(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	// A default route of the TAP's that is better than the machine's.
	p->fake->state.interfaces[1].automatic = 5;
	fake_route(p->fake, "0.0.0.0/0", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(p->pin.way.luid, ETH);
	end(p);
	assert_as_before(p);
	// A host route by the TAP, better than any pin.
	fake_route(p->fake, "203.0.113.5/32", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_not_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(error.text, "203.0.113.5/32 by Ethernet via 192.0.2.1"));
	assert_non_null(strstr(error.text, "203.0.113.5/32 by softlan via 10.6.0.1 metric 5"));
	assert_as_before(p);
	// No way but the TAP.
	memset(&p->fake->state.routes, 0, sizeof p->fake->state.routes);
	p->fake->state.route_count = 0;
	fake_route(p->fake, "0.0.0.0/0", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_ERR_NOT_FOUND);
	assert_non_null(strstr(error.text, "no route to the relay at 203.0.113.5"));
	assert_as_before(p);
}

static void test_win5_check(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	struct os_route host;

	assert_int_equal(run(p, &error), SL_OK);
	// Somebody deletes the pin.
	host = p->pin.way;
	assert_int_equal(fake_route_delete(p->fake, &host, NULL), SL_OK);
	assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(p->lines, "the relay's host route had been removed, it is back"));
	assert_int_equal(fake_route_at(p->fake, &host), p->fake->state.route_count - 1);
	// Another VPN takes it: both are named.
	fake_route(p->fake, "203.0.113.5/32", NULL, TAP, 0);
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 1;
	assert_int_not_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(error.text, "pinned is 203.0.113.5/32 by Ethernet via 192.0.2.1"));
	assert_non_null(strstr(error.text, "takes 203.0.113.5/32 by softlan metric 1"));
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 9000;
	assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	// The pin has gone, and the machine's way is another one now.
	p->fake->state.route_count--;
	memset(&p->fake->state.routes[p->fake->state.route_count], 0, sizeof host);
	assert_int_equal(fake_route_delete(p->fake, &host, NULL), SL_OK);
	p->fake->state.routes[0].via = fake_prefix("192.0.2.2/32");
	assert_int_not_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(error.text, "takes 0.0.0.0/0 by Ethernet via 192.0.2.2 metric 25"));
	end(p);
	p->before.routes[0].via = fake_prefix("192.0.2.2/32");
	assert_as_before(p);
}

static void test_lin4_halves_of_a_default_route(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->log[0] = '\0';
	fake_route(p->fake, "0.0.0.0/1", "10.6.0.1/32", TAP, 0);
	fake_route(p->fake, "128.0.0.0/1", "10.6.0.1/32", TAP, 0);
	fake_route(p->fake, "10.8.0.0/16", "10.6.0.1/32", TAP, 0);
	relay_pin_clear_tap(&p->pin, 1);
	assert_string_equal(p->fake->log, "route- 0.0.0.0/1 1002\nroute- 128.0.0.0/1 1002\n");
	assert_int_equal(p->pin.defaults_removed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_win5_win7_win10_order_and_end),
		TEST(test_win10_what_exists_is_left_alone),
		TEST(test_win7_another_mtu_later),
		TEST(test_win7_what_reverts_is_set_again),
		TEST(test_win7_a_change_of_the_users_stays),
		TEST(test_win_each_call_denied),
		TEST(test_win_each_call_not_found),
		TEST(test_win7_failure_undoes_by_itself),
		TEST(test_win7_ipv6_warns),
		TEST(test_lin2_mtu_below_ipv6),
		TEST(test_undo_fails_and_is_done_later),
		TEST(test_nothing_is_changed_without_the_file),
		TEST(test_crash_at_every_call),
		TEST(test_crash_entries_gone_and_cut_line),
		TEST(test_hostile_files),
		TEST(test_hostile_size_and_noise),
		TEST(test_win5_local_relays),
		TEST(test_win5_on_link_and_ipv6),
		TEST(test_win5_never_by_the_tap),
		TEST(test_win5_check),
		TEST(test_lin4_halves_of_a_default_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
