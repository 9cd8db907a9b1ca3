// Which TAP-Windows6 adapter is ours, and what people read about them (WIN-1, WIN-2, WIN-4). Pure, so it is
// tested on Linux; the registry and the driver are asked in tap_adapters_windows.c and tap_device_windows.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/mac.h"

#define SL_TAP_ID 39            // "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}" and the terminator
#define SL_TAP_ADAPTER_NAME 256 // bytes of a name with its terminator
#define SL_TAP_DRIVER 32
#define SL_TAP_KEY 16
#define SL_TAP_ADAPTERS_MAX 64

// An adapter as the registry has it.
struct sl_tap_adapter {
	char id[SL_TAP_ID];             // NetCfgInstanceId, as sl_tap_id_parse writes it
	char name[SL_TAP_ADAPTER_NAME]; // of its connection, else its description; without control bytes
	char driver[SL_TAP_DRIVER];     // DriverVersion, such as "9.27.0.601"; "": unknown
	char key[SL_TAP_KEY];           // its subkey of the class: "0042"
};

struct sl_tap_adapters {
	struct sl_tap_adapter list[SL_TAP_ADAPTERS_MAX]; // in the order of their keys, no id twice
	size_t count;
	size_t left_out; // further ones that the list has no room for
};

// A GUID with or without braces, in either case; `out` gets it with braces, in upper case. False: not that.
bool sl_tap_id_parse(const char *text, char out[static SL_TAP_ID]);

// Text of unknown origin (UTF-8 or not) as a name that can be shown: control bytes become '?', blanks around
// it go, and it is cut between characters. May be empty then.
void sl_tap_adapter_name(const char *text, char out[static SL_TAP_ADAPTER_NAME]);

// Is this ComponentId (an adapter's kind) that of TAP-Windows6: "tap0901" or "root\tap0901", in either case?
bool sl_tap_is_ours(const char *component_id);

// The adapter that tap.instance_id (`wanted`; "": none given) means. NULL with a sentence and its code:
// SL_ERR_NOT_FOUND when there is none at all, SL_ERR_INVALID when the configuration has to say another.
const struct sl_tap_adapter *sl_tap_choose(const struct sl_tap_adapters *adapters, const char *wanted,
					   int *code, struct sl_error *error);

// One line for --list-tap-adapters: id, name, driver version, state, parted by tabs.
void sl_tap_print(FILE *out, const struct sl_tap_adapter *adapter, const char *state);
// What it says when there are none.
void sl_tap_print_none(FILE *out);

// The value of NetworkAddress: 12 hexadecimal digits.
#define SL_TAP_ADDRESS 13
char *sl_tap_address(const struct sl_mac *mac, char out[static SL_TAP_ADDRESS]);

// The driver's version as it says itself. Below 9.27 frames from here can break the kernel (CVE-2024-1305):
// refused with a sentence.
int sl_tap_check_version(const char *name, uint32_t major, uint32_t minor, struct sl_error *error);
// Its MTU has to carry what the tunnel may bring (SL_MTU_MAX).
int sl_tap_check_mtu(const char *name, uint32_t mtu, struct sl_error *error);
// The driver still has another MAC (WIN-4). `why`: what its restart came to, "access denied"; NULL: it was
// restarted.
int sl_tap_mac_differs(const char *name, const struct sl_mac *wanted, const struct sl_mac *has,
		       const char *why, struct sl_error *error);

// May the driver be given this frame: Ethernet's size, with one VLAN tag at most?
bool sl_tap_frame_fits(const uint8_t *frame, size_t len);
#define SL_TAP_FRAME_MAX 1518 // such a frame's size
