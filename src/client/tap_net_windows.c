#include "client/tap_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/os_tables_windows.h"
#include "client/tap_locals.h"
#include "client/tap_overrides.h"

#define RECHECK_NS (5 * SL_NS_PER_S)
#define SOON_NS (50 * SL_NS_PER_MS) // after a change, of which there may be many at once

struct tap_net {
	struct sl_env *env;
	struct tap_net_config config;
	uint64_t luid;
	char name[OS_NAME];
	struct undo *undo;
	struct tap_overrides overrides;
	struct os_watch *watch;
	struct sl_timer *timer;
	bool soon; // the timer is set for a change
	void (*changed)(void *arg);
	void *arg;
	struct tap_net_status status;
	struct tap_locals locals;
};

// ---- addresses ----

static bool interface_name(uint64_t luid, char *out, size_t size)
{
	char name[OS_NAME];

	if (!os_tables_windows.name(NULL, luid, name))
		return false;
	snprintf(out, size, "%s", name);
	return true;
}

static void read_addresses(struct tap_net *net)
{
	struct os_address list[TAP_LOCALS];
	struct sl_error error = {0};
	size_t count;

	net->locals.count = 0;
	if (os_tables_windows.addresses(NULL, list, TAP_LOCALS, &count, &error) != SL_OK) {
		sl_debug(net->env->log, "tap", "%s", error.text);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].luid == net->luid && !list[i].usable)
			continue; // nobody answers for it yet
		net->locals.list[net->locals.count++] = (struct tap_local){
			.prefix = list[i].prefix,
			.subnet = list[i].prefix,
			.interface_id = list[i].luid,
			.usable = !prefix_is_link_local(&list[i].prefix),
		};
	}
}

void tap_net_refresh(struct tap_net *net)
{
	struct tap_locals_view view = {net->env->log, net->name, net->luid, &net->config, interface_name};

	read_addresses(net);
	if (tap_locals_judge(&net->locals, &view, &net->status) && net->changed)
		net->changed(net->arg);
}

// ---- looking again ----

static void look_in(struct tap_net *net, uint64_t ns)
{
	net->soon = ns == SOON_NS;
	net->env->ops->timer_set(net->timer, net->env->now_ns + ns);
}

static void on_look(void *arg)
{
	struct tap_net *net = arg;

	look_in(net, RECHECK_NS);
	tap_overrides_check(&net->overrides);
	tap_net_refresh(net);
}

static void on_change(void *arg)
{
	struct tap_net *net = arg;

	if (!net->soon)
		look_in(net, SOON_NS);
}

// ---- life ----

int tap_net_new(struct sl_loop *loop, const struct tap_net_config *config, void (*changed)(void *arg),
		void *arg, struct tap_net **out, struct sl_error *error)
{
	struct tap_net *net = calloc(1, sizeof *net);
	int result;

	*out = NULL;
	if (!net)
		return sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->name);
	net->env = sl_loop_env(loop);
	net->config = *config;
	snprintf(net->name, sizeof net->name, "%s", config->name);
	net->config.name = net->name;
	net->changed = changed;
	net->arg = arg;
	net->status.preferred = -1;
	result = os_interface(config->ifindex, &net->luid, error);
	if (result == SL_OK)
		result = os_undo_new(net->env->log, "tap", net->luid, &net->undo, error);
	if (result != SL_OK)
		goto out;
	net->overrides = (struct tap_overrides){
		.tables = &os_tables_windows,
		.log = net->env->log,
		.undo = net->undo,
		.luid = net->luid,
		.metric = config->metric,
		.address = config->address,
		.routes = config->routes,
		.route_count = config->route_count,
	};
	net->timer = net->env->ops->timer_new(net->env, on_look, net);
	net->watch = net->timer ? os_watch_new(loop, on_change, net) : NULL;
	if (!net->watch) {
		result = sl_fail(error, SL_ERR_NOMEM, "%s: out of memory", config->name);
		goto out;
	}
	look_in(net, RECHECK_NS);
	*out = net;
	net = NULL;
out:
	tap_net_free(net);
	return result;
}

void tap_net_free(struct tap_net *net)
{
	if (!net)
		return;
	os_watch_free(net->watch);
	if (net->timer)
		net->env->ops->timer_free(net->timer);
	if (net->undo)
		tap_overrides_undo(&net->overrides);
	undo_free(net->undo);
	free(net);
}

// ---- up and down ----

int tap_net_up(struct tap_net *net, size_t mtu, struct sl_error *error)
{
	int result = tap_overrides_set(&net->overrides, mtu, error);

	net->status.up = result == SL_OK;
	if (result != SL_OK)
		return result;
	net->status.mtu = mtu;
	tap_net_refresh(net);
	return SL_OK;
}

int tap_net_plugged(struct tap_net *net, struct sl_error *error)
{
	int result = tap_overrides_address(&net->overrides, error);

	net->status.up = result == SL_OK;
	tap_net_refresh(net);
	return result;
}

int tap_net_down(struct tap_net *net, struct sl_error *error)
{
	(void)error;
	tap_overrides_undo(&net->overrides); // what fails is logged, and tried again by tap_net_free
	net->status.up = false;
	return SL_OK;
}

void tap_net_status(const struct tap_net *net, struct tap_net_status *out)
{
	*out = net->status;
	memcpy(out->warning, net->overrides.warning, sizeof out->warning);
}
