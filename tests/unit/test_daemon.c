// What the three daemons do alike (OPS-1, OPS-2, OPS-3): command line, exit codes, readiness, signals,
// watching, the end. Reload and log level: test_daemon_reload.c.
#include "daemon_fixture.h"

static void test_OPS_1_check_dump_help_version(void **state)
{
	struct fixture *f = *state;
	write_config(f, "room = \"ROOM1\";");
	start(f, "--check", "-c", f->file, NULL);
	assert_true(says(f, "party.conf: the configuration is good"));
	assert_int_equal(exit_code(f), 0);

	start(f, "--dump-config", "--config", f->file, "--room=R2", NULL); // the command line wins
	assert_true(says(f, "room = \"R2\";"));
	assert_int_equal(exit_code(f), 0);

	write_config(f, "rome = \"ROOM1\";\nlog: { frames = 1; };\n");
	start(f, "--check", "-c", f->file, NULL);
	assert_true(says(f, "party.conf:1: rome: expected a known key"));
	assert_true(says(f, "party.conf:2: log.frames: expected true or false"));
	assert_int_equal(exit_code(f), 2);

	write_config(f, "");
	start(f, "--check", "-c", f->file, NULL); // the check across keys
	assert_true(says(f, "party.conf: room: expected a room code"));
	assert_int_equal(exit_code(f), 2);
	// Shows all keys even so: somebody may want to know which there are.
	start(f, "--dump-config", "-c", "/dev/null", NULL);
	assert_true(says(f, "room = \"\";"));
	assert_int_equal(exit_code(f), 0);

	start(f, "-V", NULL);
	assert_true(says(f, "libparty 1.2, libconfig "));
	assert_int_equal(exit_code(f), 0);
	start(f, "-h", NULL);
	assert_true(says(f, "--start-mode VALUE"));
	assert_int_equal(exit_code(f), 0);
}

static void test_OPS_1_usage_errors(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *first, *second, *words;
	} cases[] = {
		{"--nonsense", NULL, "softlan-party: unknown option --nonsense"},
		{"--room", NULL, "--room needs a value"},
		{"-c", NULL, "-c needs a file"},
		{"-x", NULL, "unknown option -x"},
		{"--check=1", NULL, "--check takes no value"},
		{"extra", NULL, "unexpected argument \"extra\""},
		{"--", NULL, "unexpected argument"},
		{"--start-mode", "odd", "--start-mode: expected one of \"good\""},
		{"--level", "debug", "unknown option --level"}, // not for the command line
		{"-c", "/nonexistent/x.conf", "/nonexistent/x.conf: expected a readable configuration file"},
		{"--check", NULL,
		 "no-such-party.conf: expected a readable"}, // no default file and no settings
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(f, cases[i].first, cases[i].second, NULL);
		assert_true(says(f, cases[i].words));
		assert_int_equal(exit_code(f), 2);
	}
	start(f, "-c", "/nonexistent/x.conf", "--room", "R", NULL); // a file that was asked for must be there
	assert_int_equal(exit_code(f), 2);
	start(f, "--room", "R", "--check", NULL);
	assert_int_equal(exit_code(f), 0);
}

static void test_OPS_1_exit_codes_of_start(void **state)
{
	struct fixture *f = *state;
	start(f, "--room", "R", "--start-mode", "invalid", NULL);
	assert_true(says(f, "certificate party.crt: not PEM"));
	assert_int_equal(exit_code(f), 2);
	start(f, "--room", "R", "--start-mode", "failed", NULL);
	assert_true(says(f, "UDP port 443 is in use"));
	assert_int_equal(exit_code(f), 1);
	start(f, "--room", "R", "--start-mode", "quit", NULL);
	assert_true(says(f, "rejected: room is full"));
	assert_int_equal(exit_code(f), 1);
	assert_string_equal(notified(f), "STOPPING=1"); // and never READY
}

static void test_OPS_2_OPS_3_life(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "OK\n{\"daemon\":\"softlan-party\",\"version\":\""));
	assert_non_null(strstr(answer, "\"uptime_s\":0,"));
	assert_non_null(strstr(answer, "party.conf\""));
	assert_non_null(strstr(answer, "\"room\":\"ROOM1\""));

	write_config(f, "room = \"ROOM2\"; log: { level = \"debug\"; };\nstart_mode = \"mute\";");
	kill(f->pid, SIGHUP);
	assert_memory_equal(notified(f), "RELOADING=1\nMONOTONIC_USEC=", 27);
	assert_string_equal(notified(f), "READY=1");
	assert_true(says(f, "start_mode has changed and takes effect at the next start"));
	assert_true(says(f, "config: reloaded"));
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"room\":\"ROOM2\""));

	write_config(f, "room = 5;\nrom = 1;"); // a bad one changes nothing
	kill(f->pid, SIGHUP);
	assert_memory_equal(notified(f), "RELOADING=1\n", 12);
	assert_string_equal(notified(f), "READY=1");
	assert_true(says(f, "party.conf:1: room: expected a string"));
	assert_true(says(f, "party.conf:2: rom: expected a known key"));
	assert_true(says(f, "not reloaded, the old configuration stays (2 errors)"));
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"room\":\"ROOM2\""));

	kill(f->pid, SIGTERM);
	assert_string_equal(notified(f), "STOPPING=1");
	assert_int_equal(exit_code(f), 0);
	assert_int_equal(access(f->socket, F_OK), -1);
}

// Reads the next line of a stream; "": it has ended.
static const char *next_line(FILE *stream, char out[static 1024])
{
	struct pollfd poll_fd = {.fd = fileno(stream), .events = POLLIN};
	out[0] = '\0';
	assert_int_equal(poll(&poll_fd, 1, 3000), 1);
	if (!fgets(out, 1024, stream))
		return "";
	out[strcspn(out, "\n")] = '\0';
	return out;
}

// A line {"time":…, and then this.
static void assert_event(FILE *stream, const char *rest)
{
	char line[1024];
	next_line(stream, line);
	assert_memory_equal(line, "{\"time\":\"20", 11);
	assert_string_equal(strstr(line, "Z\",") ? strstr(line, "Z\",") + 3 : line, rest);
}

// Those who watch hear of reloads, and up to the last event; then the stream ends.
static void test_OPS_2_OPS_3_watch(void **state)
{
	struct fixture *f = *state;
	char line[1024], expected[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	int fd = dial(f, "SOFTLAN1 watch\n");
	FILE *stream = fdopen(fd, "r");
	assert_non_null(stream);
	setvbuf(stream, NULL, _IONBF, 0); // poll must know all
	assert_string_equal(next_line(stream, line), "OK");
	kill(f->pid, SIGHUP);
	assert_event(stream, "\"event\":\"reloaded\",\"ok\":true,\"restart_needed\":[]}");
	write_config(f, "room = 5;\nrom = 1;");
	kill(f->pid, SIGHUP);
	snprintf(expected, sizeof(expected),
		 "\"event\":\"reloaded\",\"ok\":false,\"errors\":[\"%s:1: room: expected a string", f->file);
	next_line(stream, line);
	char *event = strstr(line, "\"event\"");
	assert_non_null(event);
	assert_memory_equal(event, expected, strlen(expected));
	assert_non_null(strstr(event, ":2: rom: expected a known key"));
	assert_string_equal(event + strlen(event) - 3, "\"]}"); // one string for each line
	kill(f->pid, SIGTERM);
	assert_event(stream, "\"event\":\"peer_left\",\"peer\":1}");
	assert_string_equal(next_line(stream, line), "");
	assert_int_equal(exit_code(f), 0);
	fclose(stream);
}

static void test_OPS_3_status_with_a_path_that_is_no_text(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	snprintf(f->file, sizeof(f->file), "%s/latin1-\xe4.conf", f->dir);
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "OK\n{\"daemon\":\"softlan-party\""));
	assert_non_null(strstr(answer, "\"config\":null"));
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0);
}

static void test_OPS_3_second_daemon_is_refused(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	pid_t first = f->pid;
	start(f, "-c", f->file, NULL);
	assert_true(says(f, "another softlan daemon is running and answers at"));
	assert_int_equal(exit_code(f), 1);
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "OK\n"));
	f->pid = first;
	kill(first, SIGKILL); // leaves its socket behind
	waitpid(first, NULL, 0);
	assert_int_equal(access(f->socket, F_OK), 0);
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0);
}

static void test_OPS_2_an_end_that_takes_too_long(void **state)
{
	struct fixture *f = *state;
	start(f, "--room", "R", "--start-mode", "mute", NULL);
	assert_string_equal(notified(f), "READY=1");
	uint64_t before = sl_clock_ns(CLOCK_MONOTONIC);
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0); // after 1.5 s
	assert_in_range((sl_clock_ns(CLOCK_MONOTONIC) - before) / SL_NS_PER_MS, 1400, 2500);
	assert_string_equal(notified(f), "STOPPING=1");

	start(f, "--room", "R", "--start-mode", "mute", NULL);
	assert_string_equal(notified(f), "READY=1");
	before = sl_clock_ns(CLOCK_MONOTONIC);
	kill(f->pid, SIGTERM);
	assert_string_equal(notified(f), "STOPPING=1");
	kill(f->pid, SIGTERM); // again: at once
	assert_int_equal(exit_code(f), 0);
	assert_in_range((sl_clock_ns(CLOCK_MONOTONIC) - before) / SL_NS_PER_MS, 0, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_1_check_dump_help_version),
		T(test_OPS_1_usage_errors),
		T(test_OPS_1_exit_codes_of_start),
		T(test_OPS_2_OPS_3_life),
		T(test_OPS_2_OPS_3_watch),
		T(test_OPS_3_status_with_a_path_that_is_no_text),
		T(test_OPS_3_second_daemon_is_refused),
		T(test_OPS_2_an_end_that_takes_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
