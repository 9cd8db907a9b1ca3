#include "port/tap_start_windows.h"

#include <stdlib.h>

#include "port/tap_adapters_windows.h"
#include "port/tap_restart_windows.h"

// How long a restarted driver may take until its device is there.
#define RESTART_MS 10000
#define RESTART_STEP_MS 100

struct starting {
	struct sl_loop *loop;
	const struct sl_mac *mac;
	void (*burst_end)(void *arg);
	void *arg;
	struct tap_started *out;
};

static int choose(const char *wanted, struct sl_tap_adapter *out, struct sl_error *error)
{
	struct sl_tap_adapters *adapters = calloc(1, sizeof(*adapters));
	const struct sl_tap_adapter *chosen = NULL;
	int result;

	if (!adapters)
		return sl_fail(error, SL_ERR_NOMEM, "TAP adapter: out of memory");
	result = tap_adapters_find(adapters, error);
	if (result == SL_OK)
		chosen = sl_tap_choose(adapters, wanted, &result, error);
	if (chosen)
		*out = *chosen;
	free(adapters);
	return result;
}

static enum tap_state open_device(const struct starting *starting, uint32_t *code)
{
	struct tap_started *out = starting->out;

	return tap_device_open(starting->loop, &out->adapter, starting->burst_end, starting->arg,
			       &out->device, &out->version, code);
}

static void close_device(struct tap_started *out)
{
	(void)sl_device_close(out->device); // which has no operations yet
	out->device = NULL;
}

// The device has to be closed meanwhile: a driver with an open device does not stop.
static uint32_t restart(const struct starting *starting, struct sl_error *error, int *result)
{
	struct tap_started *out = starting->out;
	uint32_t refused, code = 0;
	enum tap_state state;
	ULONGLONG end;

	close_device(out);
	refused = tap_restart(&out->adapter);
	// By the clock: a driver that opens and does not answer takes seconds of each step.
	end = GetTickCount64() + RESTART_MS;
	for (;;) {
		state = open_device(starting, &code);
		if (state == TAP_READY || refused || GetTickCount64() >= end)
			break;
		Sleep(RESTART_STEP_MS);
	}
	*result = state == TAP_READY ? SL_OK : tap_device_refused(state, &out->adapter, code, error);
	return refused;
}

static const char *refusal_text(uint32_t code, char *text, size_t size)
{
	switch (code) {
	case 0:
		return NULL;
	case ERROR_ACCESS_DENIED:
		return "access denied";
	case ERROR_SUCCESS_REBOOT_REQUIRED:
		return "Windows wants to restart for it";
	default:
		snprintf(text, size, "Windows error %#x", (unsigned)code);
		return text;
	}
}

static int get_mac(const struct starting *starting, struct sl_mac *out, struct sl_error *error)
{
	uint32_t code = tap_device_mac(starting->out->device, out);

	return code == 0 ? SL_OK : tap_device_refused(TAP_BROKEN, &starting->out->adapter, code, error);
}

// WIN-2 and WIN-4: the MAC is in the registry, and the driver has it.
static int settle_mac(const struct starting *starting, struct sl_error *error)
{
	struct tap_started *out = starting->out;
	struct sl_log *log = sl_loop_env(starting->loop)->log;
	char mac[SL_MAC_TEXT], text[32];
	struct sl_mac has;
	uint32_t refused;
	bool changed;
	int result = tap_adapters_set_mac(&out->adapter, starting->mac, &changed, error);

	if (result == SL_OK)
		result = get_mac(starting, &has, error);
	if (result != SL_OK)
		return result;
	if (changed)
		sl_info(log, "tap", "the MAC of the adapter \"%s\" is set to %s", out->adapter.name,
			sl_mac_format(starting->mac, mac));
	if (sl_mac_equal(&has, starting->mac))
		return SL_OK;
	sl_info(log, "tap", "the adapter \"%s\" is restarted, as its driver still has the MAC %s",
		out->adapter.name, sl_mac_format(&has, mac));
	refused = restart(starting, error, &result);
	if (result == SL_OK)
		result = get_mac(starting, &has, error);
	if (result != SL_OK || sl_mac_equal(&has, starting->mac))
		return result;
	return sl_tap_mac_differs(out->adapter.name, starting->mac, &has,
				  refusal_text(refused, text, sizeof(text)), error);
}

int tap_start(struct sl_loop *loop, const struct sl_tap_config *config, void (*burst_end)(void *arg),
	      void *arg, struct tap_started *out, struct sl_error *error)
{
	const struct starting starting = {loop, &config->mac, burst_end, arg, out};
	enum tap_state state;
	uint32_t code, mtu;
	int result;

	out->device = NULL;
	result = choose(config->instance_id, &out->adapter, error);
	if (result != SL_OK)
		return result;
	state = open_device(&starting, &code);
	if (state != TAP_READY)
		return tap_device_refused(state, &out->adapter, code, error);
	result = sl_tap_check_version(out->adapter.name, out->version.major, out->version.minor, error);
	if (result == SL_OK)
		result = settle_mac(&starting, error);
	if (result == SL_OK) {
		code = tap_device_mtu(out->device, &mtu);
		result = code ? tap_device_refused(TAP_BROKEN, &out->adapter, code, error)
			      : sl_tap_check_mtu(out->adapter.name, mtu, error);
	}
	if (result != SL_OK)
		close_device(out);
	return result;
}
