// A daemon that does what all daemons do and nothing else: its log, its service, its control pipe and its
// reload are those of softlan-client.exe. For test_windows_service.py.
#include "daemon/daemon.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/console.h"
#include "common/paths.h"
#include "obs/events.h"

#define BIG 400000 // numbers in the long answer, 3 MB
#define EVENT_MS 5

struct config {
	char *level, *socket, *group, *user, *mode, *file;
	long long number;
	bool frames;
};

struct state {
	struct sl_runtime *runtime;
	struct sl_timer *timer; // of the events
	unsigned events;
	long long number;
};

static const char *const modes[] = {"good", "invalid", "failed", "quit", NULL};

static const struct sl_option table[] = {
	{.name = "number",
	 .type = SL_OPT_INT,
	 .offset = offsetof(struct config, number),
	 .max = 1000,
	 .cli = true},
	{.name = "mode",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, mode),
	 .text = "good",
	 .choices = modes,
	 .restart = true},
	{.name = "file",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, file),
	 .text = SL_STATE_PATH("small", "file"),
	 .path = true},
	{.name = "control_socket",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, socket),
	 .text = SL_CONTROL_PATH("small"),
	 .restart = true},
	{.name = "control_group",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, group),
	 .text = "softlan"},
	{.name = "user", .type = SL_OPT_STRING, .offset = offsetof(struct config, user), .text = ""},
	{.name = "log.level",
	 .type = SL_OPT_STRING,
	 .offset = offsetof(struct config, level),
	 .text = "info"},
	{.name = "log.frames", .type = SL_OPT_BOOL, .offset = offsetof(struct config, frames)},
	{.name = NULL},
};

static void on_event(void *arg)
{
	struct state *state = arg;
	struct sl_env *env = state->runtime->env;

	// Long ones, so that who does not read loses some.
	sl_event_members(env, "tick",
			 json_pack("{s:i, s:s}", "n", (int)state->events++, "padding",
				   "0123456789012345678901234567890123456789012345678901234567890123"));
	env->ops->timer_set(state->timer, env->now_ns + EVENT_MS * SL_NS_PER_MS);
}

static void small_free(void *arg)
{
	struct state *state = arg;

	if (!state)
		return;
	state->runtime->env->ops->timer_free(state->timer);
	free(state);
}

static int small_start(struct sl_runtime *runtime, void **out, struct sl_error *error)
{
	const struct config *config = runtime->config;
	struct state *state;

	*out = NULL;
	if (strcmp(config->mode, "invalid") == 0)
		return sl_fail(error, SL_ERR_INVALID, "mode: it was to be invalid");
	if (strcmp(config->mode, "failed") == 0)
		return sl_fail(error, SL_ERR_SYSTEM, "mode: it was to fail");
	state = calloc(1, sizeof(*state));
	if (!state)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	state->runtime = runtime;
	state->number = config->number;
	state->timer = runtime->env->ops->timer_new(runtime->env, on_event, state);
	runtime->env->ops->timer_set(state->timer, 0);
	sl_info(runtime->log, "small", "ready, number %lld, file %s", state->number, config->file);
	if (strcmp(config->mode, "quit") == 0)
		sl_runtime_exit(runtime, SL_EXIT_FAILED, "it was to quit");
	*out = state;
	return SL_OK;
}

static void small_stop(void *arg)
{
	struct state *state = arg;

	sl_info(state->runtime->log, "small", "stopped in order");
	sl_runtime_exit(state->runtime, SL_EXIT_OK, NULL);
}

static int small_reload(void *arg, const void *config, struct sl_error *error)
{
	struct state *state = arg;

	(void)error;
	state->number = ((const struct config *)config)->number;
	return SL_OK;
}

static void run_status(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	const struct state *state = arg;
	json_t *status = sl_runtime_status(state->runtime);

	(void)argc;
	(void)argv;
	json_object_set_new(status, "number", json_integer(state->number));
	sl_control_answer(reply, status);
}

static void run_big(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	json_t *numbers = json_array();

	(void)arg;
	(void)argc;
	(void)argv;
	for (int i = 0; i < BIG; i++)
		json_array_append_new(numbers, json_integer(1000000 + i));
	sl_control_answer(reply, numbers);
}

static const struct sl_control_verb verbs[] = {
	{.name = "status", .run = run_status},
	{.name = "big", .run = run_big},
	{.name = "watch", .run = sl_control_watch, .streams = true},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	static const struct sl_daemon daemon = {
		.name = "softlan-small",
		.scope = "small",
		.summary = "a small daemon of softlan's tests",
		.options = table,
		.config_size = sizeof(struct config),
		.log_level_offset = offsetof(struct config, level),
		.log_frames_offset = offsetof(struct config, frames),
		.control_socket_offset = offsetof(struct config, socket),
		.control_group_offset = offsetof(struct config, group),
		.user_offset = offsetof(struct config, user),
		.start = small_start,
		.stop = small_stop,
		.reload = small_reload,
		.free = small_free,
		.verbs = verbs,
	};

	if (!sl_console_start(&argc, &argv))
		return SL_EXIT_FAILED;
	int code = sl_daemon_main(&daemon, argc, argv);
	sl_console_end();
	return code;
}
