// The Internet checksum (RFC 1071), in portable C that compilers vectorise.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Adds `len` bytes, taken as big-endian 16-bit words (an odd last byte is padded with zero), to a
// running one's complement sum that is not folded yet. Chains only over even-length parts.
uint64_t sl_sum_add(uint64_t sum, const void *data, size_t len);
// Folds and complements: the value to store, in host order (write it big-endian).
uint16_t sl_sum_finish(uint64_t sum);

// CRC-32C as SCTP uses it (RFC 9260 appendix A): the value to store, least significant byte first.
uint32_t sl_crc32c(const void *data, size_t len);
