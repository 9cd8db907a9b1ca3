// Loop probes: small broadcast frames that the relay sends to each client, each copy with a token of its own.
// One that comes back over the gateway names the client whose machine bridges the room into the LAN.
//
//   byte 0-5    ff:ff:ff:ff:ff:ff
//   byte 6-11   02:53:4c:50:52:42, the source of all probes (locally administered)
//   byte 12-13  0x88b5, local experimental ethertype 1 (IEEE 802), which all frames of softlan's own have
//   byte 14-17  "SLP1"
//   byte 18-25  room id, big-endian
//   byte 26-27  peer id of the target, big-endian
//   byte 28-35  serial number, big-endian
//   byte 36-43  token: SipHash-2-4 over bytes 14 to 35 under a key that the relay alone has, big-endian
//   byte 44-    a text for whoever looks at it, padded with zeros to 96 bytes in all
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/eth.h"

#define SL_PROBE_LEN 96

struct sl_probe {
	uint64_t room_id;
	uint16_t peer_id;
	uint64_t serial;
	uint64_t token;
};

// Writes the frame for this target (the token is made here).
void sl_probe_build(uint8_t out[static SL_PROBE_LEN], const uint64_t key[2], uint64_t room_id,
		    uint16_t peer_id, uint64_t serial);
// Is this frame a probe (of whatever relay)? False: it is not.
bool sl_probe_parse(const struct sl_eth *eth, struct sl_probe *out);
// Was it made with this key?
bool sl_probe_verify(const struct sl_probe *probe, const uint64_t key[2]);
