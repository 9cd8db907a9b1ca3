// A view of an Ethernet frame without its FCS: destination, source, tags, ethertype or 802.3
// length (IEEE 802.3, 802.1Q; PROTO-4). Pure; points into the caller's bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mac.h"

#define SL_ETH_HEADER 14
#define SL_ETH_MAX_PAYLOAD 1500
#define SL_ETH_MAX_TAGS 2       // more are a malformed frame
#define SL_ETHERTYPE_MIN 0x0600 // below: an 802.3 length

#define SL_ETHERTYPE_IPV4 0x0800
#define SL_ETHERTYPE_ARP 0x0806
#define SL_ETHERTYPE_VLAN 0x8100 // 802.1Q
#define SL_ETHERTYPE_QINQ 0x88a8 // 802.1ad
#define SL_ETHERTYPE_IPV6 0x86dd
#define SL_ETHERTYPE_OWN 0x88b5 // IEEE 802 local experimental 1: frames of softlan's own

struct sl_eth {
	struct sl_mac dst, src;
	uint16_t type;      // the ethertype after all tags, or the 802.3 length if < SL_ETHERTYPE_MIN
	unsigned tags;      // found
	uint16_t outer_tci; // of the first tag, if any
	const uint8_t *payload;
	size_t payload_len;
};

// Is this the type of a VLAN tag: 802.1Q, 802.1ad, or what switches used before that (0x9100, 0x9200,
// 0x9300)?
bool sl_eth_is_tag(uint16_t type);

// SL_OK or SL_ERR_INVALID: shorter than a header, a tag cut off, or more than SL_ETH_MAX_TAGS tags.
// dst, src and type are set as far as the bytes go (zero otherwise), so that a log line can name them.
int sl_eth_parse(const uint8_t *frame, size_t len, struct sl_eth *out);
