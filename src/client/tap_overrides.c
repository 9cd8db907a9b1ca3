#include "client/tap_overrides.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/mtu.h"

#define SCOPE "tap"
#define ADDRESSES 256
#define ROUTES 256

static const char *const setting_names[] = {"default routes", "metric", "MTU"};

// ---- settings ----

static uint32_t wanted(const struct tap_overrides *o, enum os_setting setting)
{
	switch (setting) {
	case OS_DEFAULT_ROUTES:
		return 0;
	case OS_METRIC:
		return o->metric;
	case OS_MTU:
	case OS_SETTINGS:
		break;
	}
	return (uint32_t)o->mtu;
}

// The number of the step that stands for this setting, or -1.
static int setting_step(const struct tap_overrides *o, int family, enum os_setting setting)
{
	for (size_t i = 0; i < undo_count(o->undo); i++) {
		const struct undo_step *step = undo_at(o->undo, i);
		if (step->kind == UNDO_SETTING && step->luid == o->luid && step->family == family &&
		    step->setting == setting)
			return (int)i;
	}
	return -1;
}

static int change_setting(struct tap_overrides *o, int family, enum os_setting setting, uint32_t old,
			  struct sl_error *error)
{
	struct undo_step step = {
		.kind = UNDO_SETTING,
		.luid = o->luid,
		.family = family,
		.setting = setting,
		.old = old,
		.set = wanted(o, setting),
	};
	int earlier = setting_step(o, family, setting), number, result;

	if (earlier >= 0 && undo_at(o->undo, (size_t)earlier)->set == step.set) {
		// Ours already, and somebody has changed it: what it was at first is written down.
		result = o->tables->setting_set(o->tables->arg, o->luid, family, setting, step.set, error);
		if (result == SL_OK)
			sl_info(o->log, SCOPE, "the TAP's %s (IPv%d) had been changed to %u, set again to %u",
				setting_names[setting], family == AF_INET ? 4 : 6, (unsigned)old,
				(unsigned)step.set);
		return result;
	}
	number = undo_plan(o->undo, &step, error);
	if (number < 0)
		return number;
	result = undo_write(o->undo, error);
	if (result == SL_OK)
		result = o->tables->setting_set(o->tables->arg, o->luid, family, setting, step.set, error);
	if (result != SL_OK) {
		undo_drop(o->undo, number);
		return result;
	}
	undo_made(o->undo, number);
	if (earlier >= 0)
		undo_merge(o->undo, (size_t)earlier, (size_t)number);
	return SL_OK;
}

static int set_family(struct tap_overrides *o, int family, struct sl_error *error)
{
	uint32_t now[OS_SETTINGS];
	int result = o->tables->settings(o->tables->arg, o->luid, family, now, error), first = SL_OK;

	if (result != SL_OK)
		return result;
	if (family == AF_INET && now[OS_DEFAULT_ROUTES] != 0 && !o->told_defaults) {
		char name[OS_NAME];
		o->tables->name(o->tables->arg, o->luid, name);
		sl_warn(o->log, SCOPE,
			"default routes were enabled on %s; they are not used while softlan runs", name);
		o->told_defaults = true;
	}
	for (int i = 0; i < OS_SETTINGS; i++) {
		struct sl_error why = {0};
		enum os_setting setting = (enum os_setting)i;
		if (now[i] == wanted(o, setting) ||
		    (setting == OS_MTU && family == AF_INET6 && o->mtu < SL_MTU_MIN))
			continue;
		result = change_setting(o, family, setting, now[i], &why);
		if (result != SL_OK && first == SL_OK) {
			// That there is no IPv6 at all, the look above says.
			first = result == SL_ERR_NOT_FOUND ? SL_ERR_SYSTEM : result;
			sl_fail(error, result, "%s", why.text);
		}
		if (result != SL_OK && family == AF_INET)
			break;
	}
	return first;
}

static void warn_ipv6(struct tap_overrides *o, int result, const struct sl_error *error)
{
	char name[OS_NAME], text[sizeof o->warning] = "";

	o->tables->name(o->tables->arg, o->luid, name);
	if (result == SL_ERR_NOT_FOUND)
		snprintf(text, sizeof text,
			 "%.64s: IPv6 is switched off for this adapter: the party is IPv4 only", name);
	else if (result != SL_OK)
		snprintf(text, sizeof text, "%.64s: IPv6 is not as it should be: %.160s", name, error->text);
	else if (o->mtu < SL_MTU_MIN)
		snprintf(text, sizeof text,
			 "%.64s: MTU %zu is below IPv6's minimum of %d: the party is IPv4 only", name, o->mtu,
			 SL_MTU_MIN);
	if (text[0] && strcmp(text, o->warning) != 0)
		sl_warn(o->log, SCOPE, "%s", text);
	memcpy(o->warning, text, sizeof text);
}

static int set_both(struct tap_overrides *o, struct sl_error *error)
{
	struct sl_error why = {0};
	int result = set_family(o, AF_INET, error), ipv6;

	if (result != SL_OK || o->ipv6_failed)
		return result;
	ipv6 = set_family(o, AF_INET6, &why);
	o->ipv6_failed = ipv6 != SL_OK && ipv6 != SL_ERR_NOT_FOUND;
	warn_ipv6(o, ipv6, &why);
	return SL_OK;
}

int tap_overrides_set(struct tap_overrides *o, size_t mtu, struct sl_error *error)
{
	int result;

	o->mtu = mtu;
	o->ipv6_failed = false;
	result = set_both(o, error);
	if (result != SL_OK)
		tap_overrides_undo(o);
	return result;
}

// ---- address and routes ----

static int have_address(const struct tap_overrides *o, bool *have, struct sl_error *error)
{
	struct os_address list[ADDRESSES];
	size_t count = 0;
	int result = o->tables->addresses(o->tables->arg, list, ADDRESSES, &count, error);

	*have = false;
	for (size_t i = 0; i < count; i++)
		*have |= list[i].luid == o->luid && prefix_same_addr(&list[i].prefix, &o->address);
	return result;
}

static bool step_planned(const struct tap_overrides *o, const struct undo_step *wanted_step)
{
	for (size_t i = 0; i < undo_count(o->undo); i++) {
		const struct undo_step *step = undo_at(o->undo, i);
		if (step->kind != wanted_step->kind)
			continue;
		if (step->kind == UNDO_ADDRESS ? prefix_same_addr(&step->address, &wanted_step->address)
					       : os_route_equal(&step->route, &wanted_step->route))
			return true;
	}
	return false;
}

// One that is planned already is one that had been added and that somebody has removed.
static int plan_missing(struct tap_overrides *o, const struct undo_step *step, struct sl_error *error)
{
	int number;

	if (step_planned(o, step))
		return SL_OK;
	number = undo_plan(o->undo, step, error);
	return number < 0 ? number : SL_OK;
}

static int make(struct tap_overrides *o, const struct undo_step *step, struct sl_error *error)
{
	return step->kind == UNDO_ADDRESS
		       ? o->tables->address_add(o->tables->arg, step->luid, &step->address, error)
		       : o->tables->route_add(o->tables->arg, &step->route, error);
}

static int plan_address(struct tap_overrides *o, struct sl_error *error)
{
	struct undo_step step = {.kind = UNDO_ADDRESS, .luid = o->luid, .address = o->address};
	bool have = false;
	int result;

	if (o->address.family == 0)
		return SL_OK;
	result = have_address(o, &have, error);
	return result != SL_OK || have ? result : plan_missing(o, &step, error);
}

static int plan_routes(struct tap_overrides *o, int family, struct sl_error *error)
{
	struct os_route have[ROUTES];
	size_t count = 0;
	bool read = false;

	for (size_t i = 0; i < o->route_count; i++) {
		struct undo_step step = {.kind = UNDO_ROUTE, .route = {.dst = o->routes[i], .luid = o->luid}};
		bool there = false;
		int result = SL_OK;
		if (o->routes[i].family != family)
			continue;
		if (!read)
			result = o->tables->routes(o->tables->arg, o->luid, family, have, ROUTES, &count,
						   error);
		read = true;
		for (size_t k = 0; k < count; k++)
			there |= os_route_equal(&have[k], &step.route);
		if (result == SL_OK && !there)
			result = plan_missing(o, &step, error);
		if (result != SL_OK)
			return result;
	}
	return SL_OK;
}

int tap_overrides_address(struct tap_overrides *o, struct sl_error *error)
{
	size_t before = undo_count(o->undo);
	int result = plan_address(o, error);

	if (result == SL_OK)
		result = plan_routes(o, AF_INET, error);
	if (result == SL_OK)
		result = plan_routes(o, AF_INET6, error);
	if (result == SL_OK && undo_count(o->undo) > before)
		result = undo_write(o->undo, error);
	for (size_t i = before; result == SL_OK && i < undo_count(o->undo);) {
		result = make(o, undo_at(o->undo, i), error);
		if (result == SL_OK) {
			undo_made(o->undo, (int)i++);
		} else if (result == SL_ERR_EXISTS) { // it came in this moment, and is not ours
			undo_drop(o->undo, (int)i);
			result = SL_OK;
		}
	}
	if (result != SL_OK)
		tap_overrides_undo(o);
	else
		o->addressed = true;
	return result;
}

// ---- afterwards ----

static void put_back_missing(struct tap_overrides *o)
{
	for (size_t i = 0; i < undo_count(o->undo); i++) {
		const struct undo_step *step = undo_at(o->undo, i);
		struct sl_error error = {0};
		char text[PREFIX_TEXT];
		int result;
		if (step->kind == UNDO_SETTING)
			continue;
		result = make(o, step, &error);
		prefix_format(step->kind == UNDO_ADDRESS ? &step->address : &step->route.dst, text);
		if (result == SL_OK)
			sl_info(o->log, SCOPE, "%s had been removed from the TAP, it is back", text);
		else if (result != SL_ERR_EXISTS)
			sl_debug(o->log, SCOPE, "%s", error.text);
	}
}

void tap_overrides_check(struct tap_overrides *o)
{
	struct sl_error error = {0};

	if (o->mtu == 0)
		return;
	if (set_both(o, &error) != SL_OK) {
		if (strncmp(o->warning, error.text, sizeof o->warning - 1) != 0)
			sl_warn(o->log, SCOPE, "%s", error.text);
		snprintf(o->warning, sizeof o->warning, "%.255s", error.text);
		o->ipv6_failed = false; // so that the warning is about both when IPv4 is right again
	}
	if (o->addressed)
		put_back_missing(o);
}

void tap_overrides_undo(struct tap_overrides *o)
{
	o->mtu = 0;
	o->addressed = false;
	o->warning[0] = '\0';
	undo_back(o->undo, 0);
}
