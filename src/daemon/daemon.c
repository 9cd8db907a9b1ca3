#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/frame.h"
#include "daemon/journal.h"
#include "daemon/path.h"
#include "daemon/service.h"

#define SCOPE "daemon"
#define END_NS (1500 * SL_NS_PER_MS) // after TERM

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

// The directories are those that systemd would make; files elsewhere are the operator's.
static int drop_privileges(struct frame *frame, struct sl_error *error)
{
	const struct sl_daemon *daemon = frame->daemon;
	const char *user = frame_string(frame->config, daemon->user_offset);
	char run[sizeof(SL_RUNDIR) + 16], state[sizeof(SL_STATEDIR) + 16];
	const struct sl_privileges wanted = {
		.user = user,
		// That of the units, which `make install` alone does not make; one that somebody chose has to
		// be there.
		.may_lack = strcmp(user, daemon->name) == 0,
		.group = frame_string(frame->config, daemon->control_group_offset),
		.capabilities = daemon->capabilities,
		.directory = {run, state},
	};
	int rc;

	snprintf(run, sizeof(run), "%s/%s", SL_RUNDIR, daemon->scope);
	snprintf(state, sizeof(state), "%s/%s", SL_STATEDIR, daemon->scope);
	rc = sl_privileges_drop(&wanted, &frame->log, error);
	if (rc == SL_OK && frame->runtime.config_file && access(frame->file, R_OK) != 0)
		sl_warn(&frame->log, "config",
			"%s cannot be read by the user that the daemon runs as (%s): a reload will be "
			"refused; "
			"chgrp it to that user's group and chmod it 640",
			frame->file, strerror(errno));
	return rc;
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
	int rc = drop_privileges(frame, error);
	if (rc != SL_OK)
		return rc;
	runtime->started_ns = runtime->env->now_ns;
	runtime->notify = sl_notify_new(runtime->env);
	frame->end_timer = runtime->env->ops->timer_new(runtime->env, end_late, frame);
	frame->term = sl_loop_signal(runtime->loop, SIGTERM, end_in_order, frame);
	frame->interrupt = sl_loop_signal(runtime->loop, SIGINT, end_in_order, frame);
	frame->hup = sl_loop_signal(runtime->loop, SIGHUP, frame_reload, frame);
	if (!runtime->notify || !frame->end_timer || !frame->term || !frame->interrupt || !frame->hup)
		return sl_fail(error, SL_ERR_NOMEM, "start failed: out of memory");

	// Before `start`, so that a second daemon is refused before it touches anything. Nobody is
	// answered before the loop runs.
	const char *path = frame_string(frame->config, daemon->control_socket_offset);
	if (path[0]) {
		const char *group = frame_string(frame->config, daemon->control_group_offset);
		rc = sl_control_open(runtime->loop, path, group, daemon->verbs, NULL, &frame->control, error);
		if (rc != SL_OK)
			return rc == SL_ERR_INVALID ? rc : SL_ERR_SYSTEM;
		sl_control_set_common(frame->control, frame_verbs, frame);
		frame->events = (struct sl_events){
			.watched = sl_control_watched, .emit = sl_control_publish, .arg = frame->control};
		runtime->env->events = &frame->events;
	}
	rc = daemon->start(runtime, &frame->state, error);
	sl_control_set_arg(frame->control, frame->state);
	return rc;
}

static void frame_fini(struct frame *frame)
{
	struct sl_runtime *runtime = &frame->runtime;
	sl_service_attach(NULL);
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
	if (frame->config != frame->started)
		frame_config_free(frame->daemon, frame->config);
	frame_config_free(frame->daemon, frame->started);
}

static int frame_run(struct frame *frame)
{
	struct sl_runtime *runtime = &frame->runtime;
	struct sl_error error = {.text = ""};

	signal(SIGPIPE, SIG_IGN);
	frame_apply_log(frame, frame->config);
	runtime->log = &frame->log;
	frame->started = frame->config;
	runtime->config = frame->config;
	runtime->daemon = frame->daemon;
	if (frame_without_file(frame))
		sl_info(&frame->log, "config", "%s does not exist, the command line and the defaults hold",
			frame->file);
	else
		runtime->config_file = frame->file;

	int rc = frame_start(frame, &error);
	if (rc != SL_OK) {
		sl_err(&frame->log, frame->daemon->scope, "%s", error.text[0] ? error.text : sl_strerror(rc));
		return rc == SL_ERR_INVALID ? SL_EXIT_USAGE : SL_EXIT_FAILED;
	}
	sl_service_attach(runtime->loop);
	if (!runtime->ended && sl_loop_run(runtime->loop) != SL_OK) {
		sl_err(&frame->log, SCOPE, "the event loop failed (%s)", strerror(errno));
		runtime->exit_code = SL_EXIT_FAILED;
	}
	if (!frame->stopping)
		sl_notify_stopping(runtime->notify);
	return runtime->exit_code;
}

// What is wrong with the configuration, a line for each.
static void say_errors(struct frame *frame, char *text)
{
	char *save = NULL;

	if (!sl_service_active()) {
		fputs(text ? text : "out of memory\n", stderr);
		return;
	}
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		sl_err(&frame->log, "config", "%s", line);
}

// With the command line read: what it asks for. An exit status.
static int frame_work(void *arg)
{
	struct frame *frame = arg;
	const struct sl_daemon *daemon = frame->daemon;
	struct sl_option_errors errors = {0};
	int code = SL_EXIT_USAGE;

	sl_journal_start(&frame->log, daemon->name);
	if (frame_load(frame, &frame->config, &errors) != SL_OK) {
		say_errors(frame, errors.text);
	} else if (frame->cli.dump) {
		sl_options_dump(daemon->options, frame->config, stdout);
		code = fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
	} else if (frame->cli.check) {
		printf("%s: the configuration is good\n",
		       frame_without_file(frame) ? "command line" : frame->file);
		code = fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILED;
	} else {
		code = frame_run(frame);
	}
	sl_option_errors_free(&errors);
	frame_fini(frame);
	sl_journal_stop(&frame->log);
	return code;
}

// The file that was named, or the usual one. NULL: out of memory.
static char *config_path(const struct sl_daemon *daemon, const struct cli *cli)
{
	char *usual, *path;

	if (cli->config)
		return strdup(cli->config);
	if (asprintf(&usual, "%s/%s.conf", SL_CONFDIR, daemon->scope) < 0)
		return NULL;
	path = sl_path(usual);
	free(usual);
	return path;
}

int sl_daemon_main(const struct sl_daemon *daemon, int argc, char **argv)
{
	struct frame frame = {.daemon = daemon};
	struct sl_error error;
	int code;

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
	if (frame.cli.flag) {
		code = frame.cli.flag->run(stdout, &error);
		if (code != SL_EXIT_OK)
			fprintf(stderr, "%s: %s\n", daemon->name, error.text);
		return fflush(stdout) == 0 ? code : SL_EXIT_FAILED;
	}
	frame.file = config_path(daemon, &frame.cli);
	if (!frame.file) {
		fprintf(stderr, "%s: out of memory\n", daemon->name);
		return SL_EXIT_FAILED;
	}
	if (frame.cli.service) {
		const struct sl_service_job job = {.name = daemon->name,
						   .title = daemon->summary,
						   .config = frame.cli.config,
						   .run = frame_work,
						   .arg = &frame};
		code = sl_service(frame.cli.service, &job);
	} else {
		code = frame_work(&frame);
	}
	free(frame.file);
	return code;
}
