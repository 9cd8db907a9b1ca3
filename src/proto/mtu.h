// Datagram budget <-> TAP MTU arithmetic (PROTO-6). All sizes in bytes.
//
//   budget (QUIC DATAGRAM payload) = overlay header + Ethernet header + MTU
#pragma once

#include <stddef.h>

#define SL_MTU_MIN 1280 // IPv6's minimum link MTU (RFC 8200 section 5): less is not worth running
#define SL_MTU_MAX 1500
#define SL_BUDGET_MIN (SL_MTU_MIN + 14 + 4)
#define SL_BUDGET_MAX 65535
#define SL_BUDGET_DEFAULT 1400

// The MTU that fits a budget; 0 when it would be less than SL_MTU_MIN. Never above SL_MTU_MAX.
size_t sl_mtu_from_budget(size_t budget);
// The budget an MTU needs.
size_t sl_budget_from_mtu(size_t mtu);
// The longest frame without tags on a link of this MTU.
size_t sl_frame_from_mtu(size_t mtu);
