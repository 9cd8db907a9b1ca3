// One who listens to an environment: log lines, and events as `watch` gets them.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "obs/drops.h"
#include "obs/events.h"

struct ear {
	struct sl_env_ops ops;
	struct sl_env env;
	struct sl_log log;
	struct sl_events events;
	struct sl_drop_limits limits;
	bool open; // somebody watches
	uint64_t wall_ns;
	unsigned heard, lines;
	json_t *event; // the last one,
	char *text;    // and compact
	enum sl_log_level level;
	char line[2048]; // the last one
};

static inline uint64_t ear_wall_ns(struct sl_env *env)
{
	return ((struct ear *)env->events->arg)->wall_ns;
}

static inline bool ear_watched(void *arg)
{
	return ((struct ear *)arg)->open;
}

static inline void ear_emit(void *arg, json_t *event)
{
	struct ear *ear = arg;

	assert_int_equal(event->refcount, 1); // it is all ours
	json_decref(ear->event);
	free(ear->text);
	ear->event = event;
	ear->text = json_dumps(event, JSON_COMPACT);
	assert_non_null(ear->text);
	ear->heard++;
}

static inline void ear_line(void *arg, enum sl_log_level level, const char *line)
{
	struct ear *ear = arg;

	snprintf(ear->line, sizeof(ear->line), "%s", line);
	ear->level = level;
	ear->lines++;
}

// For cmocka: *state is a struct ear.
static inline int ear_setup(void **state)
{
	struct ear *ear = calloc(1, sizeof(*ear));

	assert_non_null(ear);
	sl_log_init(&ear->log);
	ear->log.sink = ear_line;
	ear->log.sink_arg = ear;
	ear->ops.wall_ns = ear_wall_ns;
	ear->env.ops = &ear->ops;
	ear->env.log = &ear->log;
	ear->env.now_ns = SL_NS_PER_S;
	ear->events = (struct sl_events){.watched = ear_watched, .emit = ear_emit, .arg = ear};
	ear->env.events = &ear->events;
	ear->open = true;
	*state = ear;
	return 0;
}

static inline int ear_teardown(void **state)
{
	struct ear *ear = *state;

	json_decref(ear->event);
	free(ear->text);
	free(ear);
	return 0;
}
