// For test_client_protect and test_client_undo: a machine's tables in memory, and what changes them, as the
// client has it.
#pragma once

#include "fake_tables.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

__attribute__((unused)) static void put_file(const char *file, const char *text, size_t len)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
