// What can be changed in a daemon that runs, and by whom (OPS-1, OPS-3): reload and log level.
#include "daemon_fixture.h"

static void test_OPS_1_command_line_wins_after_a_reload(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-vv", "-c", f->file, "--room", "MINE", NULL);
	notified(f);
	write_config(f, "room = \"ROOM2\";");
	kill(f->pid, SIGHUP);
	assert_true(says(f, "config: reloaded"));
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"room\":\"MINE\""));
	kill(f->pid, SIGINT);
	assert_int_equal(exit_code(f), 0);
}

// And hears what systemd hears of it.
static void ask_reload(struct fixture *f, char *out, size_t size)
{
	ask_verb(f, "SOFTLAN1 reload\n", out, size);
	assert_memory_equal(notified(f), "RELOADING=1\n", 12);
	assert_string_equal(notified(f), "READY=1");
}

// `reload` answers what HUP only logs; a key that needs a restart is named until it has had one.
static void test_OPS_1_OPS_3_reload_verb(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	ask_reload(f, answer, sizeof(answer));
	assert_string_equal(answer, "OK\n{\"reloaded\":true,\"restart_needed\":[]}\n");
	for (int i = 0; i < 2; i++) {
		write_config(f, "room = \"ROOM2\"; start_mode = \"mute\"; user = \"\";");
		ask_reload(f, answer, sizeof(answer));
		assert_string_equal(answer,
				    "OK\n{\"reloaded\":true,\"restart_needed\":[\"start_mode\",\"user\"]}\n");
	}
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"room\":\"ROOM2\""));

	write_config(f, "room = 5;\nrom = 1;");
	ask_reload(f, answer, sizeof(answer));
	assert_memory_equal(answer, "ERR refused ", 12);
	assert_non_null(strstr(answer, "party.conf:1: room: expected a string"));
	assert_non_null(strstr(answer, "; "));
	// Refused by the daemon itself: again nothing has changed.
	write_config(f, "room = \"UNREADABLE\"; log: { level = \"error\"; };");
	ask_reload(f, answer, sizeof(answer));
	assert_string_equal(answer, "ERR refused cannot read the certificate of UNREADABLE\n");
	assert_true(says(f, "cannot read the certificate of UNREADABLE"));
	ask(f, answer, sizeof(answer));
	assert_non_null(strstr(answer, "\"room\":\"ROOM2\""));
	ask_verb(f, "SOFTLAN1 reload now\n", answer, sizeof(answer));
	assert_string_equal(answer, "ERR usage usage: reload\n");
	write_config(f, "room = \"ROOM3\";");
	ask_reload(f, answer, sizeof(answer));
	assert_string_equal(answer, "OK\n{\"reloaded\":true,\"restart_needed\":[]}\n");
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0);
}

static void test_OPS_3_log_verb(void **state)
{
	struct fixture *f = *state;
	char answer[1024];
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	ask_verb(f, "SOFTLAN1 log error\n", answer, sizeof(answer));
	assert_string_equal(answer, "OK\n{\"level\":\"error\"}\n");
	assert_true(says(f, "log level is now error, until the next reload"));
	const char *bad[] = {"SOFTLAN1 log\n", "SOFTLAN1 log loud\n", "SOFTLAN1 log info info\n"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_verb(f, bad[i], answer, sizeof(answer));
		assert_string_equal(answer, "ERR usage usage: log error|warning|info|debug\n");
	}
	// Back to what the file says; "reloaded" is said at info, so the level is that again.
	ask_verb(f, "SOFTLAN1 reload\n", answer, sizeof(answer));
	assert_true(says(f, "config: reloaded"));
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0);
}

// Who may ask (mode 0660) may not change.
static void test_OPS_3_verbs_that_change_are_for_root_and_the_daemons_user(void **state)
{
	struct fixture *f = *state;
	if (geteuid() != 0)
		skip();
	write_config(f, "room = \"ROOM1\";");
	start(f, "-c", f->file, NULL);
	assert_string_equal(notified(f), "READY=1");
	assert_int_equal(chmod(f->socket, 0666), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char answer[1024];
		if (setuid(65534) != 0)
			_exit(2);
		ask_verb(f, "SOFTLAN1 reload\n", answer, sizeof(answer));
		bool denied =
			strcmp(answer, "ERR denied reload is for root and the daemon's own user only\n") == 0;
		ask(f, answer, sizeof(answer));
		_exit(denied && memcmp(answer, "OK\n", 3) == 0 ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	kill(f->pid, SIGTERM);
	assert_int_equal(exit_code(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_1_command_line_wins_after_a_reload),
		T(test_OPS_1_OPS_3_reload_verb),
		T(test_OPS_3_log_verb),
		T(test_OPS_3_verbs_that_change_are_for_root_and_the_daemons_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
