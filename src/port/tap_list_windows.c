#include "port/tap_list.h"

#include <stdlib.h>

#include "port/tap_adapters_windows.h"
#include "port/tap_device_windows.h"

static void print(FILE *out, struct sl_loop *loop, struct sl_tap_adapter *adapter)
{
	static const char *const states[] = {
		[TAP_READY] = "ready",          [TAP_BUSY] = "in use",   [TAP_ABSENT] = "disabled",
		[TAP_DENIED] = "access denied", [TAP_BROKEN] = "broken",
	};
	struct sl_device *device;
	struct tap_version version;
	uint32_t code;
	enum tap_state state = tap_device_open(loop, adapter, NULL, NULL, &device, &version, &code);
	const char *text = states[state];

	(void)sl_device_close(device);
	if (state == TAP_READY) {
		snprintf(adapter->driver, sizeof(adapter->driver), "%u.%u", (unsigned)version.major,
			 (unsigned)version.minor);
		if (sl_tap_check_version(adapter->name, version.major, version.minor, NULL) != SL_OK)
			text = "driver too old";
	}
	sl_tap_print(out, adapter, text);
}

int sl_tap_list(FILE *out, struct sl_error *error)
{
	struct sl_tap_adapters *adapters = calloc(1, sizeof(*adapters));
	struct sl_loop *loop = NULL;
	struct sl_log log;
	int result;

	if (!adapters)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	result = tap_adapters_find(adapters, error);
	if (result != SL_OK)
		goto out;
	sl_log_init(&log);
	loop = sl_loop_new(&log, error);
	if (!loop) {
		result = SL_ERR_SYSTEM;
		goto out;
	}
	for (size_t i = 0; i < adapters->count; i++)
		print(out, loop, &adapters->list[i]);
	if (adapters->left_out)
		fprintf(out, "and %zu more\n", adapters->left_out);
	if (adapters->count == 0)
		sl_tap_print_none(out);
out:
	sl_loop_free(loop);
	free(adapters);
	return result;
}
