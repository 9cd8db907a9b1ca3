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
// `format` and what follows: as for json_pack, an object, of the event's own members: "{s:s, s:i}"; no "o",
// which would leak when nobody watches. Puts `time` (UTC, ISO 8601 with milliseconds) and `event` first. Does
// nothing when nobody watches, when a text is no UTF-8 or when memory is out.
void sl_event(struct sl_env *env, const char *name, const char *format, ...);
// The same with the members in an object, which it takes over (NULL: out of memory, no event).
void sl_event_members(struct sl_env *env, const char *name, json_t *members);
// The event itself, for who gives it out by other ways. Takes the members over; NULL: out of memory.
json_t *sl_event_json(struct sl_env *env, const char *name, json_t *members);
