#include "obs/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define TIME_TEXT 40

bool sl_events_watched(const struct sl_env *env)
{
	return env->events != NULL && env->events->watched(env->events->arg);
}

// "2026-01-31T12:34:56.789Z" (RFC 3339).
static void time_text(uint64_t wall_ns, char out[static TIME_TEXT])
{
	time_t seconds = (time_t)(wall_ns / SL_NS_PER_S);
	char day[24] = "1970-01-01T00:00:00";
	struct tm utc;

	if (gmtime_r(&seconds, &utc) != NULL)
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, TIME_TEXT, "%s.%03uZ", day, (unsigned)(wall_ns % SL_NS_PER_S / SL_NS_PER_MS));
}

json_t *sl_event_json(struct sl_env *env, const char *name, json_t *members)
{
	char now[TIME_TEXT];
	json_t *event = NULL;

	if (members == NULL)
		return NULL;
	time_text(env->ops->wall_ns(env), now);
	event = json_pack("{s:s, s:s}", "time", now, "event", name);
	if (event != NULL && json_object_update_missing(event, members) != 0) {
		json_decref(event);
		event = NULL;
	}
	json_decref(members);
	return event;
}

void sl_event_members(struct sl_env *env, const char *name, json_t *members)
{
	json_t *event;

	if (!sl_events_watched(env)) {
		json_decref(members);
		return;
	}
	event = sl_event_json(env, name, members);
	if (event != NULL)
		env->events->emit(env->events->arg, event);
}

void sl_event(struct sl_env *env, const char *name, const char *format, ...)
{
	json_t *members;
	va_list args;

	if (!sl_events_watched(env))
		return;
	va_start(args, format);
	members = json_vpack_ex(NULL, 0, format, args);
	va_end(args);
	sl_event_members(env, name, members);
}
