#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli.h"
#include "daemon/priority.h"
#include "obs/events.h"

#define SCOPE "daemon"
#define END_NS (1500 * SL_NS_PER_MS) // after TERM

struct frame {
	struct sl_runtime runtime;
	const struct sl_daemon *daemon;
	struct sl_log log;
	struct cli cli;
	char *file; // the configuration's path, whether it exists or not
	void *config;
	void *state;
	struct sl_control *control;
	struct sl_events events; // to those who watch at the control socket
	struct sl_signal *term, *interrupt, *hup;
	struct sl_timer *end_timer;
	struct sl_priority priority;
	bool stopping;
};

static const char *config_string(const void *config, size_t offset)
{
	return *(char *const *)((const char *)config + offset);
}

static void config_free(const struct sl_daemon *daemon, void *config)
{
	if (!config)
		return;
	sl_options_free(daemon->options, config);
	free(config);
}

// Without -c the default file may be absent, when the command line has settings.
static bool without_file(const struct frame *frame)
{
	return !frame->cli.config && frame->cli.setting_count > 0 && access(frame->file, F_OK) < 0 &&
	       errno == ENOENT;
}

// Defaults, then the file, then the command line, then the checks across keys; --dump-config shows a
// configuration that is not complete too.
static int config_load(const struct frame *frame, void **out, struct sl_option_errors *errors)
{
	const struct sl_daemon *daemon = frame->daemon;
	bool no_file = without_file(frame);
	void *config = calloc(1, daemon->config_size);
	if (!config || sl_options_defaults(daemon->options, config) != SL_OK)
		goto nomem;
	if (!no_file)
		sl_options_load(daemon->options, config, frame->file, errors);
	if (cli_apply(daemon, &frame->cli, config) != SL_OK)
		goto nomem;
	if (errors->count == 0 && daemon->validate && !frame->cli.dump)
		daemon->validate(config, no_file ? "command line" : frame->file, errors);
	if (errors->count > 0) {
		config_free(daemon, config);
		return SL_ERR_INVALID;
	}
	*out = config;
	return SL_OK;
nomem:
	config_free(daemon, config);
	sl_option_errors_add(errors, frame->file, 0, NULL, "expected memory to read it, found none left");
	return SL_ERR_NOMEM;
}

static void log_apply(struct frame *frame, const void *config)
{
	const struct sl_daemon *daemon = frame->daemon;
	enum sl_log_level level;
	if (sl_log_level_parse(config_string(config, daemon->log_level_offset), &level))
		frame->log.level = level;
	frame->log.frames = *(const bool *)((const char *)config + daemon->log_frames_offset);
	if (frame->cli.verbose >= 1)
		frame->log.level = SL_LOG_DEBUG;
	if (frame->cli.verbose >= 2)
		frame->log.frames = true;
}

void sl_runtime_exit(struct sl_runtime *runtime, int code, const char *sentence)
{
	if (sentence)
		sl_err(runtime->log, runtime->daemon->scope, "%s", sentence);
	if (!runtime->ended) // the first reason counts
		runtime->exit_code = code;
	runtime->ended = true;
	sl_loop_stop(runtime->loop);
}

json_t *sl_runtime_status(const struct sl_runtime *runtime)
{
	uint64_t up_ns = runtime->env->now_ns - runtime->started_ns;
	json_t *status =
		json_pack("{s:s, s:s, s:I, s:I}", "daemon", runtime->daemon->name, "version", SL_VERSION,
			  "pid", (json_int_t)getpid(), "uptime_s", (json_int_t)(up_ns / SL_NS_PER_S));
	// A path that is no UTF-8 cannot be said in JSON.
	json_t *file = runtime->config_file ? json_string(runtime->config_file) : NULL;
	if (json_object_set_new(status, "config", file ? file : json_null()) != 0) {
		json_decref(status);
		status = NULL;
	}
	return status;
}

static void end_in_order(void *arg)
{
	struct frame *frame = arg;
	if (frame->stopping) { // asked a second time: at once
		sl_runtime_exit(&frame->runtime, frame->runtime.exit_code, NULL);
		return;
	}
	frame->stopping = true;
	sl_info(&frame->log, SCOPE, "ending");
	sl_notify_stopping(frame->runtime.notify);
	struct sl_env *env = frame->runtime.env;
	env->ops->timer_set(frame->end_timer, env->now_ns + END_NS);
	if (frame->daemon->stop)
		frame->daemon->stop(frame->state);
	else
		sl_runtime_exit(&frame->runtime, SL_EXIT_OK, NULL);
}

static void end_late(void *arg)
{
	struct frame *frame = arg;
	sl_warn(&frame->log, SCOPE, "not everything was ended in order (it took too long)");
	sl_runtime_exit(&frame->runtime, frame->runtime.exit_code, NULL);
}

// Logs the errors, and returns them, one line each.
static json_t *tell_errors(struct frame *frame, char *text)
{
	json_t *lines = json_array();
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		sl_err(&frame->log, "config", "%s", line);
		json_t *string = json_string(line);
		json_array_append_new(lines, string ? string : json_string("(no UTF-8, see the log)"));
	}
	return lines;
}

static void reload_config(struct frame *frame)
{
	const struct sl_daemon *daemon = frame->daemon;
	struct sl_option_errors errors = {0};
	void *config = NULL, *old = frame->config;
	if (config_load(frame, &config, &errors) != SL_OK) {
		json_t *lines = errors.text ? tell_errors(frame, errors.text) : json_array();
		sl_err(&frame->log, "config", "not reloaded, the old configuration stays (%zu errors)",
		       errors.count);
		sl_event_members(frame->runtime.env, "reloaded",
				 json_pack("{s:b, s:o}", "ok", 0, "errors", lines));
		goto out;
	}
	for (const struct sl_option *option = daemon->options; option->name; option++) {
		if ((option->restart || !daemon->reload) && option->offset != daemon->log_level_offset &&
		    option->offset != daemon->log_frames_offset && !sl_option_equal(option, old, config))
			sl_warn(&frame->log, "config", "%s has changed and takes effect at the next start",
				option->name);
	}
	log_apply(frame, config);
	if (daemon->reload) {
		frame->config = config;
		frame->runtime.config = config;
		daemon->reload(frame->state, config);
		config = old;
	}
	sl_info(&frame->log, "config", "reloaded");
	sl_event(frame->runtime.env, "reloaded", "{s:b}", "ok", 1);
out:
	config_free(daemon, config);
	sl_option_errors_free(&errors);
}

static void reload(void *arg)
{
	struct frame *frame = arg;
	if (frame->stopping)
		return;
	sl_notify_reloading(frame->runtime.notify);
	reload_config(frame);
	sl_notify_reloaded(frame->runtime.notify);
}

static int frame_start(struct frame *frame, struct sl_error *error)
{
	const struct sl_daemon *daemon = frame->daemon;
	struct sl_runtime *runtime = &frame->runtime;

	runtime->loop = sl_loop_new(&frame->log, error);
	if (!runtime->loop)
		return SL_ERR_SYSTEM;
	runtime->env = sl_loop_env(runtime->loop);
	sl_priority_start(&frame->priority, runtime->loop);
	runtime->started_ns = runtime->env->now_ns;
	runtime->notify = sl_notify_new(runtime->env);
	frame->end_timer = runtime->env->ops->timer_new(runtime->env, end_late, frame);
	frame->term = sl_loop_signal(runtime->loop, SIGTERM, end_in_order, frame);
	frame->interrupt = sl_loop_signal(runtime->loop, SIGINT, end_in_order, frame);
	frame->hup = sl_loop_signal(runtime->loop, SIGHUP, reload, frame);
	if (!runtime->notify || !frame->end_timer || !frame->term || !frame->interrupt || !frame->hup)
		return sl_fail(error, SL_ERR_NOMEM, "start failed: out of memory");

	// Before `start`, so that a second daemon is refused before it touches anything. Nobody is
	// answered before the loop runs.
	const char *path = config_string(frame->config, daemon->control_socket_offset);
	if (path[0]) {
		const char *group = config_string(frame->config, daemon->control_group_offset);
		int rc = sl_control_open(runtime->loop, path, group, daemon->verbs, NULL, &frame->control,
					 error);
		if (rc != SL_OK)
			return rc == SL_ERR_INVALID ? rc : SL_ERR_SYSTEM;
		frame->events = (struct sl_events){
			.watched = sl_control_watched, .emit = sl_control_publish, .arg = frame->control};
		runtime->env->events = &frame->events;
	}
	int rc = daemon->start(runtime, &frame->state, error);
	sl_control_set_arg(frame->control, frame->state);
	return rc;
}

static void frame_fini(struct frame *frame)
{
	struct sl_runtime *runtime = &frame->runtime;
	if (runtime->env)
		runtime->env->events = NULL;
	sl_control_close(frame->control);
	frame->daemon->free(frame->state);
	if (runtime->loop) {
		sl_signal_free(frame->term);
		sl_signal_free(frame->interrupt);
		sl_signal_free(frame->hup);
		runtime->env->ops->timer_free(frame->end_timer);
		sl_notify_free(runtime->notify);
		sl_loop_free(runtime->loop);
	}
	config_free(frame->daemon, frame->config);
	free(frame->file);
}

static int frame_run(struct frame *frame)
{
	struct sl_runtime *runtime = &frame->runtime;
	struct sl_error error = {.text = ""};

	signal(SIGPIPE, SIG_IGN);
	log_apply(frame, frame->config);
	runtime->log = &frame->log;
	runtime->config = frame->config;
	runtime->daemon = frame->daemon;
	if (without_file(frame))
		sl_info(&frame->log, "config", "%s does not exist, the command line and the defaults hold",
			frame->file);
	else
		runtime->config_file = frame->file;

	int rc = frame_start(frame, &error);
	if (rc != SL_OK) {
		sl_err(&frame->log, frame->daemon->scope, "%s", error.text[0] ? error.text : sl_strerror(rc));
		return rc == SL_ERR_INVALID ? SL_EXIT_USAGE : SL_EXIT_FAILED;
	}
	if (!runtime->ended && sl_loop_run(runtime->loop) != SL_OK) {
		sl_err(&frame->log, SCOPE, "the event loop failed (%s)", strerror(errno));
		runtime->exit_code = SL_EXIT_FAILED;
	}
	if (!frame->stopping)
		sl_notify_stopping(runtime->notify);
	return runtime->exit_code;
}

int sl_daemon_main(const struct sl_daemon *daemon, int argc, char **argv)
{
	struct frame frame = {.daemon = daemon};
	struct sl_option_errors errors = {0};
	struct sl_error error;
	int code = SL_EXIT_USAGE;

	sl_log_init(&frame.log);
	if (cli_parse(daemon, argc, argv, &frame.cli, &error) != SL_OK) {
		fprintf(stderr, "%s: %s\n", daemon->name, error.text);
		return SL_EXIT_USAGE;
	}
	if (frame.cli.help || frame.cli.version) {
		if (frame.cli.help)
			cli_help(daemon, stdout);
		else
			cli_version(daemon, stdout);
		return fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
	}
	int len = frame.cli.config ? asprintf(&frame.file, "%s", frame.cli.config)
				   : asprintf(&frame.file, SL_CONFDIR "/%s.conf", daemon->scope);
	if (len < 0) {
		fprintf(stderr, "%s: out of memory\n", daemon->name);
		return SL_EXIT_FAILED;
	}
	if (config_load(&frame, &frame.config, &errors) != SL_OK) {
		fputs(errors.text ? errors.text : "out of memory\n", stderr);
	} else if (frame.cli.dump) {
		sl_options_dump(daemon->options, frame.config, stdout);
		code = fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
	} else if (frame.cli.check) {
		printf("%s: the configuration is good\n", without_file(&frame) ? "command line" : frame.file);
		code = fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
	} else {
		code = frame_run(&frame);
	}
	sl_option_errors_free(&errors);
	frame_fini(&frame);
	return code;
}
