// What the three daemons do alike (OPS-1, OPS-2, OPS-3), with a whole small daemon as a child process:
// command line, exit codes, readiness, signals, reload, control socket.
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "obs/events.h"

// ---- the daemon

struct config {
	char *level, *socket, *group, *room, *mode, *user;
	bool frames;
};

struct state {
	struct sl_runtime *runtime;
	char room[32]; // in use
	bool mute;     // never ends by itself
};

static const char *const modes[] = {"good", "invalid", "failed", "mute", "quit", NULL};

static const struct sl_option table[] = {
	{.name = "room",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, room),
	 .text = "",
	 .cli = true,
	 .help = "The room."},
	{.name = "start_mode",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, mode),
	 .text = "good",
	 .choices = modes,
	 .cli = true,
	 .restart = true,
	 .help = "How it starts."},
	{.name = "control_socket",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, socket),
	 .text = "",
	 .cli = true,
	 .restart = true},
	{.name = "control_group",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, group),
	 .text = ""},
	{.name = "user",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, user),
	 .text = "softlan-party",
	 .restart = true},
	{.name = "log.level",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, level),
	 .text = "info"},
	{.name = "log.frames", .type = SL_OPT_BOOL, .offset = offsetof(struct config, frames)},
	{.name = NULL},
};

static void party_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct config *c = config;
	if (!c->room[0])
		sl_option_errors_add(errors, file, 0, "room", "expected a room code, found none. Set room");
}

static void party_apply(struct state *state, const struct config *config)
{
	snprintf(state->room, sizeof(state->room), "%s", config->room);
}

static int party_start(struct sl_runtime *runtime, void **out, struct sl_error *error)
{
	const struct config *config = runtime->config;
	if (strcmp(config->mode, "invalid") == 0)
		return sl_fail(error, SL_ERR_INVALID, "certificate party.crt: not PEM");
	if (strcmp(config->mode, "failed") == 0)
		return sl_fail(error, SL_ERR_SYSTEM, "UDP port 443 is in use");
	struct state *state = calloc(1, sizeof(*state));
	state->runtime = runtime;
	state->mute = strcmp(config->mode, "mute") == 0;
	party_apply(state, config);
	*out = state;
	if (strcmp(config->mode, "quit") == 0)
		sl_runtime_exit(runtime, SL_EXIT_FAILED, "rejected: room is full");
	else
		sl_notify_ready(runtime->notify);
	return SL_OK;
}

static void party_stop(void *arg)
{
	struct state *state = arg;
	sl_event(state->runtime->env, "peer_left", "{s:i}", "peer", 1);
	if (!state->mute)
		sl_runtime_exit(state->runtime, SL_EXIT_OK, NULL);
}

static int party_reload(void *arg, const void *config, struct sl_error *error)
{
	const struct config *c = config;
	if (strcmp(c->room, "UNREADABLE") == 0)
		return sl_fail(error, SL_ERR_INVALID, "cannot read the certificate of %s", c->room);
	party_apply(arg, config);
	return SL_OK;
}

static void run_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct state *state = arg;
	(void)argc, (void)argv;
	reply->json = sl_runtime_status(state->runtime);
	json_object_set_new(reply->json, "room", json_string(state->room));
}

static const struct sl_control_verb verbs[] = {
	{.name = "status", .changes = false, .run = run_status},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = NULL},
};

static const char *versions(void)
{
	return "libparty 1.2";
}

static const struct sl_daemon party = {
	.name = "softlan-party",
	.scope = "no-such-party", // so that the default file does not exist
	.summary = "A daemon for tests.",
	.options = table,
	.versions = versions,
	.config_size = sizeof(struct config),
	.log_level_offset = offsetof(struct config, level),
	.log_frames_offset = offsetof(struct config, frames),
	.control_socket_offset = offsetof(struct config, socket),
	.control_group_offset = offsetof(struct config, group),
	.user_offset = offsetof(struct config, user),
	.capabilities = SL_CAPABILITY(CAP_NET_RAW),
	.validate = party_validate,
	.start = party_start,
	.stop = party_stop,
	.reload = party_reload,
	.free = free,
	.verbs = verbs,
};

// ---- the tests

struct fixture {
	char dir[64], file[90], socket[90], notify[90];
	int notify_fd, output_fd; // what systemd would hear; stdout and stderr
	pid_t pid;
	char output[16384], message[512];
	size_t output_len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	assert_non_null(f);
	strcpy(f->dir, "/tmp/softlan-daemon-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/party.conf", f->dir);
	snprintf(f->socket, sizeof(f->socket), "%s/control.sock", f->dir);
	snprintf(f->notify, sizeof(f->notify), "%s/notify.sock", f->dir);
	strcpy(addr.sun_path, f->notify);
	f->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->notify_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	f->output_fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	if (f->output_fd >= 0)
		close(f->output_fd);
	close(f->notify_fd);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void write_config(const struct fixture *f, const char *text)
{
	FILE *out = fopen(f->file, "w");
	assert_non_null(out);
	fputs(text, out);
	fprintf(out, "\ncontrol_socket = \"%s\";\n", f->socket);
	assert_int_equal(fclose(out), 0);
}

// Starts it with these arguments (NULL ends them).
static void start(struct fixture *f, ...)
{
	char *argv[16] = {(char *)"softlan-party"};
	int argc = 1, fds[2];
	va_list args;
	va_start(args, f);
	while ((argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	if (f->output_fd >= 0)
		close(f->output_fd);
	f->output_len = 0;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fflush(NULL);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		setenv("NOTIFY_SOCKET", f->notify, 1);
		int code = sl_daemon_main(&party, argc, argv);
		fflush(NULL);
		_exit(code);
	}
	close(fds[1]);
	f->output_fd = fds[0];
}

// Waits for `words` on its stdout or stderr.
static bool says(struct fixture *f, const char *words)
{
	struct pollfd poll_fd = {.fd = f->output_fd, .events = POLLIN};
	for (;;) {
		f->output[f->output_len] = '\0';
		if (strstr(f->output, words))
			return true;
		ssize_t got = 0;
		if (poll(&poll_fd, 1, 3000) > 0)
			got = read(f->output_fd, f->output + f->output_len,
				   sizeof(f->output) - 1 - f->output_len);
		if (got <= 0) {
			print_message("not said: %s; said was:\n%s\n", words, f->output);
			return false;
		}
		f->output_len += (size_t)got;
	}
}

static const char *notified(struct fixture *f)
{
	struct pollfd poll_fd = {.fd = f->notify_fd, .events = POLLIN};
	ssize_t got = 0;
	if (poll(&poll_fd, 1, 3000) > 0)
		got = recv(f->notify_fd, f->message, sizeof(f->message) - 1, 0);
	f->message[got > 0 ? got : 0] = '\0';
	return f->message;
}

static int exit_code(struct fixture *f)
{
	int status;
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int dial(struct fixture *f, const char *request)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, f->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	return fd;
}

static void ask_verb(struct fixture *f, const char *request, char *out, size_t size)
{
	int fd = dial(f, request);
	size_t len = 0;
	ssize_t got;
	while ((got = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(fd);
}

static void ask(struct fixture *f, char *out, size_t size)
{
	ask_verb(f, "SOFTLAN1 status\n", out, size);
}

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
		T(test_OPS_1_command_line_wins_after_a_reload),
		T(test_OPS_1_OPS_3_reload_verb),
		T(test_OPS_3_log_verb),
		T(test_OPS_3_verbs_that_change_are_for_root_and_the_daemons_user),
		T(test_OPS_3_second_daemon_is_refused),
		T(test_OPS_2_an_end_that_takes_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
