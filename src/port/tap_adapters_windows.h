// TAP-Windows6 adapters in the registry: the network class, where each adapter's driver is configured, and
// the connections, where people's names for them are. What stands there is not trusted: types, lengths,
// terminators and numbers of entries are checked, and an entry that is wrong is no adapter.
#pragma once

#include "port/tap_choice.h"

#define TAP_CLASS "{4D36E972-E325-11CE-BFC1-08002BE10318}" // GUID_DEVCLASS_NET
// A literal's wide form.
#define TAP_WIDE_(text) L##text
#define TAP_WIDE(text) TAP_WIDE_(text)

// SL_OK, also when there are none, or SL_ERR_SYSTEM with a sentence.
int tap_adapters_find(struct sl_tap_adapters *out, struct sl_error *error);

// Writes the MAC as the adapter's NetworkAddress, for the driver's next start, unless it stands there
// already.
// `*changed` tells. SL_OK, SL_ERR_PERMISSION or SL_ERR_SYSTEM with a sentence.
int tap_adapters_set_mac(const struct sl_tap_adapter *adapter, const struct sl_mac *mac, bool *changed,
			 struct sl_error *error);
