// Reading the configuration, at the start and again at a reload: all of the new one takes effect, or none.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/frame.h"

const char *frame_string(const void *config, size_t offset)
{
	return *(char *const *)((const char *)config + offset);
}

void frame_config_free(const struct sl_daemon *daemon, void *config)
{
	if (!config)
		return;
	sl_options_free(daemon->options, config);
	free(config);
}

bool frame_without_file(const struct frame *frame)
{
	return !frame->cli.config && frame->cli.setting_count > 0 && access(frame->file, F_OK) < 0 &&
	       errno == ENOENT;
}

int frame_load(const struct frame *frame, void **out, struct sl_option_errors *errors)
{
	const struct sl_daemon *daemon = frame->daemon;
	bool no_file = frame_without_file(frame);
	void *config = calloc(1, daemon->config_size);
	if (!config || sl_options_defaults(daemon->options, config) != SL_OK)
		goto nomem;
	if (!no_file)
		sl_options_load(daemon->options, config, frame->file, errors);
	if (cli_apply(daemon, &frame->cli, config) != SL_OK)
		goto nomem;
	if (errors->count == 0 && daemon->validate &&
	    !frame->cli.dump) // which shows one that is not complete, too
		daemon->validate(config, no_file ? "command line" : frame->file, errors);
	if (errors->count > 0) {
		frame_config_free(daemon, config);
		return SL_ERR_INVALID;
	}
	*out = config;
	return SL_OK;
nomem:
	frame_config_free(daemon, config);
	sl_option_errors_add(errors, frame->file, 0, NULL, "expected memory to read it, found none left");
	return SL_ERR_NOMEM;
}

void frame_apply_log(struct frame *frame, const void *config)
{
	const struct sl_daemon *daemon = frame->daemon;
	enum sl_log_level level;
	if (sl_log_level_parse(frame_string(config, daemon->log_level_offset), &level))
		frame->log.level = level;
	frame->log.frames = *(const bool *)((const char *)config + daemon->log_frames_offset);
	if (frame->cli.verbose >= 1)
		frame->log.level = SL_LOG_DEBUG;
	if (frame->cli.verbose >= 2)
		frame->log.frames = true;
}

// What a reload came to.
struct outcome {
	int rc;
	char *text;      // all errors in one line
	json_t *errors;  // one string each
	json_t *restart; // names of the keys that have changed and wait for a restart
};

static void add_line(json_t *lines, const char *line)
{
	json_t *string = json_string(line);
	json_array_append_new(lines, string ? string : json_string("(no UTF-8, see the log)"));
}

// Takes the errors of a file (`text` is cut into lines; NULL: out of memory) into the outcome, and into the
// log.
static void refuse(struct frame *frame, struct outcome *outcome, char *text, size_t count)
{
	char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL;
	struct sl_text all = {0};

	outcome->rc = SL_ERR_INVALID;
	for (const char *before = ""; line; line = strtok_r(NULL, "\n", &save), before = "; ") {
		sl_err(&frame->log, "config", "%s", line);
		add_line(outcome->errors, line);
		sl_text_add(&all, "%s%s", before, line);
	}
	outcome->text = sl_text_take(&all);
	sl_err(&frame->log, "config", "not reloaded, the old configuration stays (%zu errors)", count);
}

// Against the start, as that is what holds for these keys: they are named again with each reload.
static void name_restart(struct frame *frame, const void *config, json_t *names)
{
	for (const struct sl_option *option = frame->daemon->options; option->name; option++) {
		if (!option->restart || sl_option_equal(option, frame->started, config))
			continue;
		sl_warn(&frame->log, "config", "%s has changed and takes effect at the next start",
			option->name);
		json_array_append_new(names, json_string(option->name));
	}
}

static void reload_config(struct frame *frame, struct outcome *outcome)
{
	const struct sl_daemon *daemon = frame->daemon;
	struct sl_option_errors errors = {0};
	struct sl_error error = {.text = ""};
	void *config = NULL;

	if (frame_load(frame, &config, &errors) != SL_OK) {
		refuse(frame, outcome, errors.text, errors.count);
		goto out;
	}
	outcome->rc = daemon->reload(frame->state, config, &error);
	if (outcome->rc != SL_OK) {
		refuse(frame, outcome, error.text, 1);
		goto out;
	}
	name_restart(frame, config, outcome->restart);
	frame_apply_log(frame, config);
	if (frame->config != frame->started)
		frame_config_free(daemon, frame->config);
	frame->config = config;
	frame->runtime.config = config;
	config = NULL;
	sl_info(&frame->log, "config", "reloaded");
out:
	frame_config_free(daemon, config);
	sl_option_errors_free(&errors);
}

static void reload(struct frame *frame, struct outcome *outcome)
{
	struct sl_env *env = frame->runtime.env;

	*outcome = (struct outcome){.errors = json_array(), .restart = json_array()};
	sl_notify_reloading(frame->runtime.notify);
	reload_config(frame, outcome);
	sl_notify_reloaded(frame->runtime.notify);
	if (outcome->rc == SL_OK)
		sl_event_members(env, "reloaded",
				 json_pack("{s:b, s:O}", "ok", 1, "restart_needed", outcome->restart));
	else
		sl_event_members(env, "reloaded",
				 json_pack("{s:b, s:O}", "ok", 0, "errors", outcome->errors));
}

static void outcome_fini(struct outcome *outcome)
{
	free(outcome->text);
	json_decref(outcome->errors);
	json_decref(outcome->restart);
}

void frame_reload(void *arg)
{
	struct frame *frame = arg;
	struct outcome outcome;

	if (frame->stopping)
		return;
	reload(frame, &outcome);
	outcome_fini(&outcome);
}

// ---- softlanctl

static void verb_reload(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct frame *frame = arg;
	struct outcome outcome;

	(void)argv;
	if (!sl_control_usage(reply, argc, 1, "reload"))
		return;
	if (frame->stopping) {
		reply->code = "failed";
		sl_fail(&reply->error, SL_ERR_CLOSED, "the daemon is ending");
		return;
	}
	reload(frame, &outcome);
	if (outcome.rc == SL_OK) {
		sl_control_answer(reply,
				  json_pack("{s:b, s:O}", "reloaded", 1, "restart_needed", outcome.restart));
	} else {
		reply->code = "refused";
		reply->text = outcome.text; // NULL: out of memory, the code says enough
		outcome.text = NULL;
	}
	outcome_fini(&outcome);
}

static void verb_log(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply)
{
	struct frame *frame = arg;
	enum sl_log_level level;

	if (argc != 2 || !sl_log_level_parse(argv[1], &level)) {
		reply->code = "usage";
		sl_fail(&reply->error, SL_ERR_INVALID, "usage: log error|warning|info|debug");
		return;
	}
	frame->log.level = level;
	// At the level that is always written, so that the log itself says why it falls silent.
	sl_err(&frame->log, "config", "log level is now %s, until the next reload", argv[1]);
	sl_control_answer(reply, json_pack("{s:s}", "level", argv[1]));
}

const struct sl_control_verb frame_verbs[] = {
	{.name = "reload", .changes = true, .run = verb_reload},
	{.name = "log", .changes = true, .run = verb_log},
	{.name = NULL},
};
