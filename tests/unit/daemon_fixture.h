// What test_daemon.c and test_daemon_reload.c stand on: a whole small daemon as a child process, and what
// systemd, softlanctl and its terminal would hear of it.
#pragma once

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

static inline void party_validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct config *c = config;
	if (!c->room[0])
		sl_option_errors_add(errors, file, 0, "room", "expected a room code, found none. Set room");
}

static inline void party_apply(struct state *state, const struct config *config)
{
	snprintf(state->room, sizeof(state->room), "%s", config->room);
}

static inline int party_start(struct sl_runtime *runtime, void **out, struct sl_error *error)
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

static inline void party_stop(void *arg)
{
	struct state *state = arg;
	sl_event(state->runtime->env, "peer_left", "{s:i}", "peer", 1);
	if (!state->mute)
		sl_runtime_exit(state->runtime, SL_EXIT_OK, NULL);
}

static inline int party_reload(void *arg, const void *config, struct sl_error *error)
{
	const struct config *c = config;
	if (strcmp(c->room, "UNREADABLE") == 0)
		return sl_fail(error, SL_ERR_INVALID, "cannot read the certificate of %s", c->room);
	party_apply(arg, config);
	return SL_OK;
}

static inline void run_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
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

static inline const char *versions(void)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void write_config(const struct fixture *f, const char *text)
{
	FILE *out = fopen(f->file, "w");
	assert_non_null(out);
	fputs(text, out);
	fprintf(out, "\ncontrol_socket = \"%s\";\n", f->socket);
	assert_int_equal(fclose(out), 0);
}

// Starts it with these arguments (NULL ends them).
static inline void start(struct fixture *f, ...)
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
static inline bool says(struct fixture *f, const char *words)
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

static inline const char *notified(struct fixture *f)
{
	struct pollfd poll_fd = {.fd = f->notify_fd, .events = POLLIN};
	ssize_t got = 0;
	if (poll(&poll_fd, 1, 3000) > 0)
		got = recv(f->notify_fd, f->message, sizeof(f->message) - 1, 0);
	f->message[got > 0 ? got : 0] = '\0';
	return f->message;
}

static inline int exit_code(struct fixture *f)
{
	int status;
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline int dial(struct fixture *f, const char *request)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	strcpy(addr.sun_path, f->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	return fd;
}

static inline void ask_verb(struct fixture *f, const char *request, char *out, size_t size)
{
	int fd = dial(f, request);
	size_t len = 0;
	ssize_t got;
	while ((got = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(fd);
}

static inline void ask(struct fixture *f, char *out, size_t size)
{
	ask_verb(f, "SOFTLAN1 status\n", out, size);
}
