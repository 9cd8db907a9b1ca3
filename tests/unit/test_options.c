// Configuration files (OPS-1): every kind of mistake is found, with its file and line, and all of
// them in one go.
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libconfig.h>

struct names {
	char **items;
	size_t count;
};

struct config {
	char *listen, *congestion, *secret, *level;
	long long rooms, big;
	bool offload, frames;
	struct names routes;
};

static int check_listen(const char *value, struct sl_error *error)
{
	return strchr(value, '/') || strchr(value, ':')
		       ? SL_OK
		       : sl_fail(error, SL_ERR_INVALID, "expected an address to listen on");
}

static void names_free(void *field)
{
	struct names *names = field;
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){0};
}

static void names_load(struct config_setting_t *setting, void *field, const char *file,
		       struct sl_option_errors *errors)
{
	struct names *names = field;
	*names = (struct names){0};
	if (!setting)
		return;
	int count = config_setting_length(setting);
	names->items = calloc((size_t)count + 1, sizeof(*names->items));
	assert_non_null(names->items);
	for (int i = 0; i < count; i++) {
		config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
		if (config_setting_type(item) != CONFIG_TYPE_STRING) {
			sl_option_errors_add(errors, file, (unsigned)config_setting_source_line(item),
					     "tap.routes", "expected a string");
			continue;
		}
		names->items[names->count++] = strdup(config_setting_get_string(item));
	}
}

static void names_dump(struct sl_text *out, const void *field)
{
	const struct names *names = field;
	sl_text_add(out, "(");
	for (size_t i = 0; i < names->count; i++)
		sl_text_add(out, "%s\"%s\"", i ? ", " : "", names->items[i]);
	sl_text_add(out, ")");
}

static const char *const congestions[] = {"bbr", "cubic", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};

static const struct sl_option table[] = {
	{.name = "listen",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, listen),
	 .text = "443/udp",
	 .cli = true,
	 .check = check_listen,
	 .restart = true,
	 .help = "Where to listen."},
	{.name = "limits.rooms",
	 .type = SL_OPT_INT,
	 .offset = offsetof(struct config, rooms),
	 .number = 256,
	 .min = 1,
	 .max = 65535,
	 .cli = true,
	 .help = "Most rooms."},
	{.name = "log.level",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, level),
	 .text = "info",
	 .choices = levels},
	{.name = "limits.big_one",
	 .type = SL_OPT_INT,
	 .offset = offsetof(struct config, big),
	 .number = 5000000000,
	 .min = -6000000000,
	 .max = 6000000000,
	 .cli = true},
	{.name = "log.frames", .type = SL_OPT_BOOL, .offset = offsetof(struct config, frames)},
	{.name = "congestion",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, congestion),
	 .text = "bbr",
	 .choices = congestions,
	 .cli = true},
	{.name = "offload",
	 .type = SL_OPT_BOOL,
	 .offset = offsetof(struct config, offload),
	 .number = 1,
	 .cli = true},
	{.name = "secret",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, secret),
	 .choices = congestions,
	 .text = "bbr"},
	{.name = "tap.routes",
	 .type = SL_OPT_LIST,
	 .offset = offsetof(struct config, routes),
	 .load_list = names_load,
	 .free_list = names_free,
	 .dump_list = names_dump},
	{.name = NULL},
};

struct fixture {
	char dir[64], file[96];
	struct config config;
	struct sl_option_errors errors;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	strcpy(f->dir, "/tmp/softlan-options-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/a.conf", f->dir);
	assert_int_equal(sl_options_defaults(table, &f->config), SL_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	sl_options_free(table, &f->config);
	sl_option_errors_free(&f->errors);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void write_bytes(const struct fixture *f, const char *name, const char *text, size_t len)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
	write_bytes(f, name, text, strlen(text));
}

// Reads a.conf; what was wrong with the one before is forgotten.
static int load_file(struct fixture *f)
{
	sl_option_errors_free(&f->errors);
	return sl_options_load(table, &f->config, f->file, &f->errors);
}

static int load(struct fixture *f, const char *text)
{
	write_file(f, "a.conf", text);
	return load_file(f);
}

// Is there an error line for `place` ("a.conf:3: key: ") that holds `words`?
static void assert_error(const struct fixture *f, const char *place, const char *words)
{
	char start[192];
	snprintf(start, sizeof(start), "%s/%s", f->dir, place);
	const char *line = f->errors.text ? f->errors.text : "";
	while (*line) {
		const char *end = strchr(line, '\n');
		assert_non_null(end);
		const char *found = strstr(line, words);
		if (strncmp(line, start, strlen(start)) == 0 && found && found < end)
			return;
		line = end + 1;
	}
	fail_msg("no error \"%s … %s\" in:\n%s", start, words, f->errors.text ? f->errors.text : "(none)");
}

static void test_OPS_1_good_file(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(
		load(f, "listen = \"[::]:443\"; # comment\nlimits: { rooms = 7; big_one = -5999999999; };\n"
			"/* @include \"absent\" \n@include \"absent\"\n*/\noffload = false\n"
			"log = { level = \"debug\"; frames = TRUE; };\nsecret = \"cubic\";\n"
			"tap: { routes = ( \"10.0.0.0/8\", \"fd00::/8\" ); };\n"),
		SL_OK);
	assert_null(f->errors.text);
	assert_string_equal(f->config.listen, "[::]:443");
	assert_string_equal(f->config.congestion, "bbr");
	assert_string_equal(f->config.level, "debug");
	assert_int_equal(f->config.rooms, 7);
	assert_true(f->config.big == -5999999999);
	assert_false(f->config.offload);
	assert_true(f->config.frames);
	assert_int_equal(f->config.routes.count, 2);
	assert_string_equal(f->config.routes.items[1], "fd00::/8");
}

static void test_OPS_1_all_errors_in_one_go(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load(f, "listen = 443;\n"                         // 1: wrong type
				 "limits: { rooms = 0;\n"                  // 2: below
				 "  big_one = 99999999999; };\n"           // 3: above
				 "congestion = \"reno\";\n"                // 4: none of the words
				 "offload = 1;\n"                          // 5: integer for a bool
				 "lissten = \"x:1\";\n"                    // 6: unknown
				 "log: { level = 4.5; colour = true; };\n" // 7: float, unknown below a group
				 "tap: { routes = ( 5 ); };\n"             // 8: in a list
				 "nothing: { at = { all = 1; }; };\n"),    // 9: unknown group
			 SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 10);
	assert_error(f, "a.conf:1: listen: expected a string, found the integer 443.",
		     "listen = \"…\", in quotes");
	assert_error(f, "a.conf:2: limits.rooms: expected an integer from 1 to 65535, found 0.",
		     "default is 256");
	assert_error(f, "a.conf:3: limits.big_one: expected an integer from ", "found 99999999999");
	assert_error(f, "a.conf:4: congestion: expected one of \"bbr\", \"cubic\", found \"reno\"",
		     "Use one");
	assert_error(f, "a.conf:5: offload: expected true or false, found the integer 1", "without quotes");
	assert_error(f, "a.conf:6: lissten: expected a known key", "Did you mean listen?");
	assert_error(f, "a.conf:7: log.level: expected one of", "found the fraction 4.5");
	assert_error(f, "a.conf:7: log.colour: expected a known key", "--dump-config");
	assert_error(f, "a.conf:8: tap.routes: expected a string", "");
	assert_error(f, "a.conf:9: nothing: expected a known key", "");
}

static void test_OPS_1_wrong_types(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load(f, "listen = ( 1 );\nlimits = 5;\nlog: { frames = \"true\"; level = true; };\n"
				 "congestion = [ 1 ];\noffload: { };\nlimits2: { };\n"),
			 SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 7);
	assert_error(f, "a.conf:1: listen:", "found a list");
	assert_error(f, "a.conf:2: limits: expected a group, found the integer 5", "limits: { … };");
	assert_error(f, "a.conf:3: log.frames: expected true or false, found the string \"true\"", "");
	assert_error(f, "a.conf:3: log.level:", "found the word true");
	assert_error(f, "a.conf:4: congestion:", "found an array");
	assert_error(f, "a.conf:5: offload:", "found a group");
	assert_error(f, "a.conf:6: limits2:", "unknown");
}

static void test_OPS_1_integers_are_not_cut(void **state)
{
	struct fixture *f = *state;
	// libconfig 1.5 reads the first as 1 and the third as -1.
	assert_int_equal(load(f, "limits: { rooms = 4294967297;\nbig_one = 99999999999999999999999; };\n"),
			 SL_ERR_INVALID);
	assert_error(f, "a.conf:1: limits.rooms:", "found 4294967297");
	assert_error(f, "a.conf:2: limits.big_one:", "found 9223372036854775807");
	assert_int_equal(load(f, "limits: { rooms = 0xffffffff; };\n"), SL_ERR_INVALID);
	assert_error(f, "a.conf:1: limits.rooms:", "found 4294967295");
	assert_int_equal(
		load(f, "limits: { rooms = 0x10; big_one = 2147483648; }; # 99999999999\nsecret=\"bbr\";"),
		SL_OK);
	assert_int_equal(f->config.rooms, 16);
	assert_true(f->config.big == 2147483648);
}

static void test_OPS_1_duplicate(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load(f, "offload = 3;\nlisten = \"a:1\";\n\nlisten = \"b:1\";\nmore = 1;\n"),
			 SL_ERR_INVALID);
	assert_error(f, "a.conf:1: offload:", "true or false"); // what stands before it is checked too
	assert_error(f, "a.conf:4: listen: expected each key once", "Remove one");
	assert_int_equal(
		load(f, "listen = \"rooms = 1\"; /*\n*/ limits: { rooms = 1; big_one = 2; rooms = 3; };\n"),
		SL_ERR_INVALID);
	assert_error(f, "a.conf:2: rooms: expected each key once", "");
	assert_int_equal(load(f, "limits: { rooms = 1; };\nlimits: { big_one = 1; };\n"), SL_ERR_INVALID);
	assert_error(f, "a.conf:2: limits: expected each key once", "");
}

static void test_OPS_1_syntax(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load(f, "limits: { rooms = 70000; };\nlisten = ;\n"), SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 2);
	assert_error(f, "a.conf:1: limits.rooms:", "70000");
	assert_error(f, "a.conf:2: expected key = value", "syntax error");
	assert_int_equal(load(f, "listen = \"a:1\n\n"), SL_ERR_INVALID); // the quote is never closed
	assert_int_equal(f->errors.count, 1);
	assert_int_equal(load(f, "limits: {\n"), SL_ERR_INVALID);
	assert_error(f, "a.conf:1: expected key", "");
	assert_int_equal(load(f, ""), SL_OK);
}

static void test_OPS_1_include(void **state)
{
	struct fixture *f = *state;
	write_file(f, "b.conf", "\xef\xbb\xbf// one\nlimits: { rooms = 0; };\r\n");
	assert_int_equal(
		load(f,
		     "offload = false;\n  @include \"b.conf\" # here\ncongestion = 5;\n@include \"c.conf\"\n"
		     "tap: { routes = (\n 5); };\n"),
		SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 4);
	assert_error(f, "b.conf:2: limits.rooms:", "found 0");
	assert_error(f, "a.conf:3: congestion:", "");
	assert_error(f, "a.conf:4: @include: expected a readable file, found \"", "c.conf\": No such file");
	assert_error(f, "a.conf:6: tap.routes:", ""); // a table's own loader gets its lines right too

	write_file(f, "b.conf", "\nlisten = \"b:2\";\n");
	assert_int_equal(load(f, "listen = \"a:1\";\n@include \"b.conf\"\n"), SL_ERR_INVALID);
	assert_error(f, "b.conf:2: listen: expected each key once", "");

	assert_int_equal(load(f, "@include \"a.conf\"\n"), SL_ERR_INVALID); // itself
	assert_error(f, "a.conf:1: @include: expected files at most", "include itself?");

	assert_int_equal(load(f, "@include \".\"\n"), SL_ERR_INVALID); // a directory
	assert_error(f, "a.conf:1: @include:", "Is a directory");

	// Two on one line: libconfig would read the second itself, from below the working directory, and end
	// the process over a directory.
	write_file(f, "c.conf", "congestion = \"cubic\";\n");
	assert_int_equal(load(f, "@include \"b.conf\" @include \"c.conf\" offload = false;\n"), SL_OK);
	assert_string_equal(f->config.congestion, "cubic");
	assert_false(f->config.offload);
	assert_int_equal(load(f, "@include \"b.conf\" @include \"/\"\n"), SL_ERR_INVALID);
	assert_error(f, "a.conf:1: @include:", "Is a directory");
	assert_int_equal(load(f, "@include \"/\n\"\n"), SL_ERR_INVALID);
	assert_error(f, "a.conf:1: @include: expected a file in quotes on the same line",
		     "@include \"FILE\"");
	assert_int_equal(load(f, "@include b.conf\n@include\nlimits: { rooms = 0; };\n"), SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 3);
	assert_error(f, "a.conf:1: @include: expected a file in quotes", "");
	assert_error(f, "a.conf:2: @include: expected a file in quotes", "");
	assert_error(f, "a.conf:3: limits.rooms:", "");

	char text[128];
	snprintf(text, sizeof(text), "@include \"%s/b.conf\"\n", f->dir); // absolute
	assert_int_equal(load(f, text), SL_OK);
	assert_string_equal(f->config.listen, "b:2");
}

static void test_OPS_1_no_file(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load_file(f), SL_ERR_INVALID);
	assert_error(f, "a.conf: expected a readable configuration file",
		     "No such file or directory. Create it");
	assert_int_equal(sl_options_load(table, &f->config, f->dir, &f->errors), SL_ERR_INVALID);
	assert_non_null(strstr(f->errors.text, "Is a directory"));
	write_file(f, "a.conf", "");
	chmod(f->file, 0);
	if (geteuid() != 0) { // root reads everything
		assert_int_equal(load_file(f), SL_ERR_INVALID);
		assert_error(f, "a.conf:", "Permission denied");
	}
}

static void test_OPS_1_hostile_files(void **state)
{
	struct fixture *f = *state;
	write_bytes(f, "a.conf", "listen = \"a:1\";\n\0x", 18);
	assert_int_equal(load_file(f), SL_ERR_INVALID);
	assert_error(f, "a.conf:2: expected text, found a NUL byte", "");

	size_t size = (1u << 20) + 10;
	char *large = malloc(size + 1);
	assert_non_null(large);
	memset(large, '\n', size);
	write_bytes(f, "a.conf", large, size);
	assert_int_equal(load_file(f), SL_ERR_INVALID);
	assert_error(f, "a.conf: expected a readable configuration file", "at most 1 MiB");

	// Integers that take more room than in their file do not let an include pass the limit.
	size_t len = (size_t)sprintf(large, "listen = (\n");
	while (len < (1u << 20) - 100)
		len += (size_t)sprintf(large + len, "2147483648,");
	sprintf(large + len, "\n@include \"b.conf\"\n");
	write_file(f, "b.conf", "listen = \"b:1\";\n");
	assert_int_equal(load(f, large), SL_ERR_INVALID);
	assert_error(f, "a.conf:3: @include:", "at most 1 MiB");

	// Many mistakes: the list of them is bounded, their number is not hidden.
	len = 0;
	for (unsigned i = 0; i < 1000; i++)
		len += (size_t)sprintf(large + len, "key%u = 1;\n", i);
	assert_int_equal(load(f, large), SL_ERR_INVALID);
	assert_int_equal(f->errors.count, 1000);
	assert_error(f, "a.conf:200: key199:", "further errors are not listed");
	assert_null(strstr(f->errors.text, "key200"));

	// Brackets without end, and an include of many includes.
	memset(large, '(', 100000);
	memcpy(large, "listen =", 8);
	large[100000] = '\0';
	assert_int_equal(load(f, large), SL_ERR_INVALID);
	write_file(f, "b.conf", "");
	len = 0;
	for (unsigned i = 0; i < 100; i++)
		len += (size_t)sprintf(large + len, "@include \"b.conf\"\n");
	assert_int_equal(load(f, large), SL_ERR_INVALID);
	assert_error(f, "a.conf:64: @include: expected at most 64 files", "");
	free(large);
}

static void test_OPS_1_no_secret_and_no_control_byte_in_errors(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(load(f, "secret = \"hunter2\";\ncongestion = \"a\\x1b[31m\";\n"), SL_ERR_INVALID);
	assert_null(strstr(f->errors.text, "hunter2"));
	assert_null(strchr(f->errors.text, 0x1b));
	assert_error(f, "a.conf:2: congestion:", "\\x1b[31m");
}

static void test_OPS_1_dump_is_loadable(void **state)
{
	struct fixture *f = *state;
	struct config again;
	char *text = NULL;
	size_t len;
	assert_int_equal(load(f, "listen = \"a\\\"b\\\\:1\\n\\t\\x01\"; offload = false; limits: { big_one = "
				 "-5000000000; rooms=3; };"
				 "tap: { routes = (\"x\"); };"),
			 SL_OK);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	sl_options_dump(table, &f->config, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(sl_options_defaults(table, &again), SL_OK);
	write_file(f, "a.conf", text);
	if (sl_options_load(table, &again, f->file, &f->errors) != SL_OK)
		fail_msg("%s\n%s", text, f->errors.text);
	for (const struct sl_option *option = table; option->name; option++) {
		if (!sl_option_equal(option, &f->config, &again))
			fail_msg("%s differs", option->name);
	}
	again.rooms++;
	assert_false(sl_option_equal(&table[1], &f->config, &again));
	names_free(&again.routes);
	assert_false(sl_option_equal(&table[8], &f->config, &again));
	sl_options_free(table, &again);
	free(text);
}

static void test_OPS_1_command_line_values(void **state)
{
	struct fixture *f = *state;
	struct sl_error error;
	assert_int_equal(sl_options_set(table, &f->config, "rooms", "12", &error), SL_OK);
	assert_int_equal(f->config.rooms, 12);
	assert_int_equal(sl_options_set(table, &f->config, "big-one", "-5", &error), SL_OK);
	assert_int_equal(f->config.big, -5);
	assert_int_equal(sl_options_set(table, &f->config, "offload", "false", &error), SL_OK);
	assert_false(f->config.offload);
	assert_int_equal(sl_options_set(table, &f->config, "listen", "x:1", &error), SL_OK);
	assert_string_equal(f->config.listen, "x:1");
	assert_int_equal(sl_options_set(table, &f->config, "rooms", "0", &error), SL_ERR_INVALID);
	assert_int_equal(sl_options_set(table, &f->config, "rooms", "1x", &error), SL_ERR_INVALID);
	assert_non_null(strstr(error.text, "expected an integer from 1 to 65535, found \"1x\""));
	assert_int_equal(sl_options_set(table, &f->config, "rooms", "99999999999999999999", &error),
			 SL_ERR_INVALID);
	assert_int_equal(sl_options_set(table, &f->config, "offload", "1", &error), SL_ERR_INVALID);
	assert_int_equal(sl_options_set(table, &f->config, "listen", "x", &error), SL_ERR_INVALID);
	assert_int_equal(sl_options_set(table, &f->config, "level", "debug", &error),
			 SL_ERR_NOT_FOUND); // not for it
	assert_int_equal(sl_options_set(table, &f->config, "room", "1", &error), SL_ERR_NOT_FOUND);
	assert_int_equal(f->config.rooms, 12);
	assert_string_equal(f->config.listen, "x:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_1_good_file),        T(test_OPS_1_all_errors_in_one_go),
		T(test_OPS_1_wrong_types),      T(test_OPS_1_integers_are_not_cut),
		T(test_OPS_1_duplicate),        T(test_OPS_1_syntax),
		T(test_OPS_1_include),          T(test_OPS_1_no_file),
		T(test_OPS_1_hostile_files),    T(test_OPS_1_no_secret_and_no_control_byte_in_errors),
		T(test_OPS_1_dump_is_loadable), T(test_OPS_1_command_line_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
