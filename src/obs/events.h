// Events as they happen, for `softlanctl watch`: one JSON object each, {"time":…,"event":NAME, …}. The names
// and their members are in docs/protocol.md.
#pragma once

#include <jansson.h>

#include <stdbool.h>

#include "net/env.h"

// Where events go: hangs on struct sl_env (NULL: nowhere).
struct sl_events {
	bool (*watched)(void *arg);             // is there anybody to hear them?
	void (*emit)(void *arg, json_t *event); // takes the event over
	void *arg;
};

// Is it worth the work of making an event?
bool sl_events_watched(const struct sl_env *env);
// `format` and what follows: as for json_pack, an object, of the event's own members: "{s:s, s:i}". Adds
// `time` (UTC, ISO 8601 with milliseconds) and `event`. Does nothing when nobody watches or memory is out.
void sl_event(struct sl_env *env, const char *name, const char *format, ...);
