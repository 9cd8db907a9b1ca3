#include "client/undo.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "client/private_file.h"

#define SCOPE "undo"
#define STEPS 256
#define FILE_SIZE 65536
#define HEAD "{\"softlan_undo\":1}"

struct undo {
	const struct os_tables *tables;
	struct sl_log *log;
	char *file;
	uint64_t tap;
	bool stale; // the file does not say what the steps are
	size_t count;
	struct {
		struct undo_step step;
		bool made;
	} steps[STEPS];
};

static const char *const setting_names[] = {"default_routes", "metric", "mtu"};

// ---- as text ----

static json_t *route_json(const struct os_route *route)
{
	char dst[PREFIX_TEXT], via[PREFIX_TEXT] = "";

	if (route->via.family != 0)
		prefix_format(&route->via, via);
	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind", "route", "dst", prefix_format(&route->dst, dst),
			 "via", via, "luid", (json_int_t)route->luid, "metric", (json_int_t)route->metric);
}

static json_t *step_json(const struct undo_step *step)
{
	char address[PREFIX_TEXT];

	if (step->kind == UNDO_ROUTE)
		return route_json(&step->route);
	if (step->kind == UNDO_ADDRESS)
		return json_pack("{s:s, s:s, s:I}", "kind", "address", "address",
				 prefix_format(&step->address, address), "luid", (json_int_t)step->luid);
	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I}", "kind", "setting", "setting",
			 setting_names[step->setting], "family", step->family == AF_INET ? 4 : 6, "luid",
			 (json_int_t)step->luid, "old", (json_int_t)step->old, "set", (json_int_t)step->set);
}

static bool number_in(json_int_t value, uint32_t *out)
{
	*out = (uint32_t)value;
	return value >= 0 && value <= UINT32_MAX;
}

// Only what this program may have written: never a default route, nothing of an interface that is not the TAP
// but a host route (the relay's).
static bool step_allowed(const struct undo_step *step, uint64_t tap)
{
	if (step->kind != UNDO_ROUTE)
		return step->luid == tap;
	if (prefix_is_default(&step->route.dst) || prefix_has_host_bits(&step->route.dst))
		return false;
	if (step->route.via.family != 0 && (step->route.via.family != step->route.dst.family ||
					    step->route.via.len != prefix_max(step->route.via.family)))
		return false;
	return step->route.luid == tap || step->route.dst.len == prefix_max(step->route.dst.family);
}

static bool parse_route(json_t *json, struct undo_step *step)
{
	const char *dst, *via;
	json_int_t luid, metric;

	if (json_unpack(json, "{s:s, s:s, s:s, s:I, s:I !}", "kind", &(const char *){NULL}, "dst", &dst,
			"via", &via, "luid", &luid, "metric", &metric) != 0)
		return false;
	step->route.luid = (uint64_t)luid;
	return prefix_parse(dst, &step->route.dst) &&
	       (via[0] == '\0' || prefix_parse(via, &step->route.via)) &&
	       number_in(metric, &step->route.metric);
}

static bool parse_address(json_t *json, struct undo_step *step)
{
	const char *address;
	json_int_t luid;

	if (json_unpack(json, "{s:s, s:s, s:I !}", "kind", &(const char *){NULL}, "address", &address, "luid",
			&luid) != 0)
		return false;
	step->luid = (uint64_t)luid;
	return prefix_parse(address, &step->address);
}

static bool parse_setting(json_t *json, struct undo_step *step)
{
	const char *setting;
	json_int_t luid, old, set;
	int family;

	if (json_unpack(json, "{s:s, s:s, s:i, s:I, s:I, s:I !}", "kind", &(const char *){NULL}, "setting",
			&setting, "family", &family, "luid", &luid, "old", &old, "set", &set) != 0 ||
	    (family != 4 && family != 6))
		return false;
	step->luid = (uint64_t)luid;
	step->family = family == 4 ? AF_INET : AF_INET6;
	for (int i = 0; i < OS_SETTINGS; i++) {
		step->setting = (enum os_setting)i;
		if (strcmp(setting, setting_names[i]) == 0)
			return number_in(old, &step->old) && number_in(set, &step->set);
	}
	return false;
}

static bool parse_step(const char *line, size_t len, uint64_t tap, struct undo_step *step)
{
	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(json, "kind"));
	bool good = false;

	*step = (struct undo_step){0};
	if (kind && strcmp(kind, "route") == 0) {
		step->kind = UNDO_ROUTE;
		good = parse_route(json, step);
	} else if (kind && strcmp(kind, "address") == 0) {
		step->kind = UNDO_ADDRESS;
		good = parse_address(json, step);
	} else if (kind && strcmp(kind, "setting") == 0) {
		step->kind = UNDO_SETTING;
		good = parse_setting(json, step);
	}
	json_decref(json);
	return good && step_allowed(step, tap);
}

// NULL, or what is wrong with the file. A last line without its end is one that a power cut has cut: what it
// would have undone was not done yet.
static const char *parse(struct undo *undo, const char *text, size_t len)
{
	const char *end = text + len, *line = text, *stop;

	for (bool head = true; line < end && (stop = memchr(line, '\n', (size_t)(end - line)));
	     line = stop + 1, head = false) {
		size_t line_len = (size_t)(stop - line);
		if (head) {
			if (line_len != strlen(HEAD) || memcmp(line, HEAD, line_len) != 0)
				return "it does not begin as one";
		} else if (undo->count == STEPS) {
			return "it has too many entries";
		} else if (!parse_step(line, line_len, undo->tap, &undo->steps[undo->count].step)) {
			return "it has an entry that softlan does not make";
		} else {
			undo->steps[undo->count++].made = true;
		}
	}
	return line == text && len > 0 ? "it does not begin as one" : NULL;
}

// ---- the file ----

static int write_steps(struct undo *undo, struct sl_error *why)
{
	size_t size = (undo->count + 1) * 512, len;
	char *text;
	int result;

	if (undo->count == 0) {
		result = private_file_remove(undo->file, why);
		undo->stale = result != SL_OK;
		return result;
	}
	text = malloc(size);
	if (!text)
		return sl_fail(why, SL_ERR_NOMEM, "out of memory");
	len = (size_t)snprintf(text, size, "%s\n", HEAD);
	for (size_t i = 0; i < undo->count; i++) {
		json_t *json = step_json(&undo->steps[i].step);
		size_t line = json ? json_dumpb(json, text + len, size - len - 1, JSON_COMPACT) : 0;
		json_decref(json);
		if (line == 0) { // an empty line would make all of the file no list
			free(text);
			return sl_fail(why, SL_ERR_NOMEM, "out of memory");
		}
		len += line;
		text[len++] = '\n';
	}
	result = private_file_write(undo->file, text, len, why);
	free(text);
	undo->stale = result != SL_OK;
	return result;
}

int undo_write(struct undo *undo, struct sl_error *error)
{
	struct sl_error why = {0};
	int result = write_steps(undo, &why);

	if (result == SL_OK)
		return SL_OK;
	return sl_fail(error, result,
		       "%s: cannot write down what is to be undone (%s); nothing is changed without it",
		       undo->file, why.text);
}

static int take_up(struct undo *undo, struct sl_error *error)
{
	struct sl_error why = {0};
	char *text = malloc(FILE_SIZE);
	const char *wrong = NULL;
	size_t len = 0;
	int result;

	if (!text)
		return sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
	result = private_file_read(undo->file, text, FILE_SIZE, &len, &why);
	if (result == SL_ERR_NOT_FOUND)
		result = SL_OK;
	else if (result == SL_ERR_TOO_LARGE)
		wrong = why.text;
	else if (result == SL_OK)
		wrong = parse(undo, text, len);
	free(text);
	undo->stale = result == SL_OK; // at the end of taking up, it is written anew or removed
	if (wrong) {
		sl_warn(undo->log, SCOPE,
			"%s is no list of what is to be undone (%s): it is not followed and becomes %s.bad",
			undo->file, wrong, undo->file);
		undo->count = 0;
		result = private_file_set_aside(undo->file, &why);
	}
	if (result == SL_OK)
		return SL_OK;
	return sl_fail(error, result, "%s: cannot read or rename it (%s)", undo->file, why.text);
}

// ---- life ----

int undo_new(const struct os_tables *tables, struct sl_log *log, const char *file, uint64_t tap,
	     struct undo **out, struct sl_error *error)
{
	struct undo *undo = calloc(1, sizeof *undo);
	size_t left;
	int result;

	*out = NULL;
	if (!undo || !(undo->file = strdup(file))) {
		result = sl_fail(error, SL_ERR_NOMEM, "client: out of memory");
		goto out;
	}
	undo->tables = tables;
	undo->log = log;
	undo->tap = tap;
	result = take_up(undo, error);
	if (result != SL_OK)
		goto out;
	left = undo->count;
	undo_back(undo, 0);
	if (left > 0)
		sl_info(log, SCOPE, "an earlier run could not clean up: %zu of its %zu changes undone now",
			left - undo->count, left);
	*out = undo;
	undo = NULL;
out:
	undo_free(undo);
	return result;
}

void undo_free(struct undo *undo)
{
	if (!undo)
		return;
	free(undo->file);
	free(undo);
}

// ---- steps ----

int undo_plan(struct undo *undo, const struct undo_step *step, struct sl_error *error)
{
	if (undo->count == STEPS)
		return sl_fail(error, SL_ERR_LIMIT, "%s: more than %d changes", undo->file, STEPS);
	undo->steps[undo->count].step = *step;
	undo->steps[undo->count].made = false;
	undo->stale = true;
	return (int)undo->count++;
}

void undo_made(struct undo *undo, int number)
{
	undo->steps[number].made = true;
}

static void remove_step(struct undo *undo, size_t number)
{
	undo->count--;
	undo->stale = true;
	memmove(&undo->steps[number], &undo->steps[number + 1],
		(undo->count - number) * sizeof undo->steps[0]);
}

void undo_drop(struct undo *undo, int number)
{
	remove_step(undo, (size_t)number);
}

size_t undo_count(const struct undo *undo)
{
	return undo->count;
}

const struct undo_step *undo_at(const struct undo *undo, size_t number)
{
	return &undo->steps[number].step;
}

void undo_merge(struct undo *undo, size_t earlier, size_t later)
{
	undo->stale = true;
	undo->steps[earlier].step.set = undo->steps[later].step.set;
	remove_step(undo, later);
}

static int put_back(const struct os_tables *tables, const struct undo_step *step, struct sl_error *error)
{
	uint32_t now[OS_SETTINGS];
	int result;

	switch (step->kind) {
	case UNDO_ROUTE:
		return tables->route_delete(tables->arg, &step->route, error);
	case UNDO_ADDRESS:
		return tables->address_delete(tables->arg, step->luid, &step->address, error);
	case UNDO_SETTING:
		break;
	}
	result = tables->settings(tables->arg, step->luid, step->family, now, error);
	if (result != SL_OK || now[step->setting] != step->set)
		return result; // somebody has changed it since: it is his now
	return tables->setting_set(tables->arg, step->luid, step->family, step->setting, step->old, error);
}

bool undo_back(struct undo *undo, size_t mark)
{
	struct sl_error why = {0};
	bool all = true;

	for (size_t i = undo->count; i-- > mark;) {
		struct sl_error error = {0};
		int result =
			undo->steps[i].made ? put_back(undo->tables, &undo->steps[i].step, &error) : SL_OK;
		if (result == SL_OK || result == SL_ERR_NOT_FOUND) {
			remove_step(undo, i);
			continue;
		}
		all = false;
		sl_warn(undo->log, SCOPE, "cannot undo a change, the next start tries again: %s", error.text);
	}
	if (undo->stale && write_steps(undo, &why) != SL_OK)
		sl_warn(undo->log, SCOPE, "cannot write %s (%s)", undo->file, why.text);
	return all;
}
