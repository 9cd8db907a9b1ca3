// Restarts an adapter's driver, so that it reads its settings anew: what Device Manager does with Disable and
// Enable.
#pragma once

#include "port/tap_choice.h"

// Waits until the system has done it. 0 or a Windows error code: ERROR_ACCESS_DENIED without an
// administrator's rights, ERROR_SUCCESS_REBOOT_REQUIRED when the computer has to be restarted for it,
// ERROR_NO_SUCH_DEVINST when there is no such device.
uint32_t tap_restart(const struct sl_tap_adapter *adapter);
