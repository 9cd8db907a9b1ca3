#include <arpa/inet.h> // before windows.h

#include "client/route_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/os_tables_windows.h"
#include "client/relay_pin.h"

#define RECHECK_NS (5 * SL_NS_PER_S)
#define SOON_NS (100 * SL_NS_PER_MS) // after a change, of which there may be many at once

struct route_guard {
	struct sl_env *env;
	struct undo *undo;
	struct relay_pin pin;
	struct os_watch *watch;
	struct sl_timer *recheck;
	bool soon; // the timer is set for a change
	bool lost; // `failed` was called
	bool up;   // the TAP has been: its default routes are ours to remove
	void (*failed)(void *arg, const char *sentence);
	void *arg;
};

static const char *const pin_names[] = {"none", "own", "existing", "local"};

static void recheck_in(struct route_guard *guard, uint64_t ns)
{
	guard->soon = ns == SOON_NS;
	guard->env->ops->timer_set(guard->recheck, guard->env->now_ns + ns);
}

static void on_recheck(void *arg)
{
	struct route_guard *guard = arg;
	struct sl_error error = {0};

	recheck_in(guard, RECHECK_NS);
	if (guard->up)
		relay_pin_clear_tap(&guard->pin, guard->env->now_ns);
	if (guard->lost || relay_pin_check(&guard->pin, &error) == SL_OK)
		return;
	guard->lost = true;
	if (guard->failed)
		guard->failed(guard->arg, error.text);
}

static void on_change(void *arg)
{
	struct route_guard *guard = arg;

	if (!guard->soon)
		recheck_in(guard, SOON_NS);
}

int route_guard_pin(struct route_guard *guard, const struct sl_addr *relay, struct sl_error *error)
{
	guard->lost = false;
	return relay_pin_set(&guard->pin, relay, error);
}

int route_guard_verify(struct route_guard *guard, struct sl_error *error)
{
	int result;

	guard->up = true;
	relay_pin_clear_tap(&guard->pin, guard->env->now_ns);
	result = relay_pin_check(&guard->pin, error);
	guard->lost = result != SL_OK; // told here: the next recheck need not
	return result;
}

int route_guard_new(struct sl_loop *loop, const struct route_guard_config *config, struct route_guard **out,
		    struct sl_error *error)
{
	struct route_guard *guard = calloc(1, sizeof *guard);
	uint64_t tap;
	int result;

	*out = NULL;
	if (!guard)
		return sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->tap);
	guard->env = sl_loop_env(loop);
	guard->failed = config->failed;
	guard->arg = config->arg;
	result = os_interface(config->tap_ifindex, &tap, error);
	if (result == SL_OK)
		result = os_undo_new(guard->env->log, "route", tap, &guard->undo, error);
	if (result != SL_OK)
		goto out;
	guard->pin = (struct relay_pin){
		.tables = &os_tables_windows, .log = guard->env->log, .undo = guard->undo, .tap = tap};
	guard->recheck = guard->env->ops->timer_new(guard->env, on_recheck, guard);
	guard->watch = guard->recheck ? os_watch_new(loop, on_change, guard) : NULL;
	if (!guard->watch) {
		result = sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->tap);
		goto out;
	}
	recheck_in(guard, RECHECK_NS);
	*out = guard;
	guard = NULL;
out:
	route_guard_free(guard);
	return result;
}

void route_guard_free(struct route_guard *guard)
{
	if (!guard)
		return;
	os_watch_free(guard->watch);
	if (guard->recheck)
		guard->env->ops->timer_free(guard->recheck);
	if (guard->undo)
		relay_pin_clear(&guard->pin);
	undo_free(guard->undo);
	free(guard);
}

void route_guard_status(const struct route_guard *guard, struct route_guard_status *out)
{
	const struct relay_pin *pin = &guard->pin;

	memset(out, 0, sizeof *out);
	out->pin = pin->pin;
	out->pin_name = pin_names[pin->pin];
	out->defaults_removed = pin->defaults_removed;
	if (pin->host.family != 0)
		inet_ntop(pin->host.family, pin->host.addr, out->relay, sizeof out->relay);
	if (pin->pin != ROUTE_PIN_OWN && pin->pin != ROUTE_PIN_EXISTING)
		return;
	os_tables_windows.name(NULL, pin->way.luid, out->interface);
	if (pin->way.via.family != 0)
		inet_ntop(pin->way.via.family, pin->way.via.addr, out->gateway, sizeof out->gateway);
}
