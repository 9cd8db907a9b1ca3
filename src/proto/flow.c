#include "proto/flow.h"

#include <string.h>

#include "common/bytes.h"

#define IPV4_FRAGMENT 6 // flags and offset
#define IPV4_SRC 12
#define IPV4_ADDRESSES 8
#define IPV6_NEXT 6
#define IPV6_SRC 8
#define IPV6_ADDRESSES 32
#define IPV6_NEXT_FRAGMENT 44

// One round of a multiply-and-fold hash: the product's two halves, without carry.
static uint64_t mix(uint64_t hash, uint64_t value)
{
	uint64_t a = hash ^ value, b = UINT64_C(0x9e3779b97f4a7c15);
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix_bytes(uint64_t hash, const uint8_t *bytes, size_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = mix(hash, word);
	}
	return hash;
}

static uint64_t mix_mac(uint64_t hash, const struct sl_mac *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac->b, SL_MAC_LEN);
	return mix(hash, word);
}

// Only the first fragment has ports; all have to stay in order.
static bool is_fragment(const struct sl_view *view)
{
	if (view->protocol == SL_ETHERTYPE_IPV4)
		return (sl_get16(view->network + IPV4_FRAGMENT) & 0x3fff) != 0;
	return view->network[IPV6_NEXT] == IPV6_NEXT_FRAGMENT;
}

static bool has_ports(const struct sl_view *view)
{
	return view->transport != NULL && view->transport_len >= 4 &&
	       (view->transport_type == SL_IPPROTO_TCP || view->transport_type == SL_IPPROTO_UDP ||
		view->transport_type == SL_IPPROTO_UDPLITE);
}

uint32_t sl_flow_of(const struct sl_view *view, uint64_t key)
{
	bool v4 = view->protocol == SL_ETHERTYPE_IPV4, v6 = view->protocol == SL_ETHERTYPE_IPV6;
	size_t need = v4 ? IPV4_SRC + IPV4_ADDRESSES : IPV6_SRC + IPV6_ADDRESSES;
	uint64_t hash = mix(key, view->protocol);
	uint32_t ports;

	if ((v4 || v6) && view->network != NULL && view->network_len >= need) {
		hash = v4 ? mix_bytes(hash, view->network + IPV4_SRC, IPV4_ADDRESSES)
			  : mix_bytes(hash, view->network + IPV6_SRC, IPV6_ADDRESSES);
		if (!is_fragment(view)) {
			hash = mix(hash, view->transport_type);
			if (has_ports(view)) {
				memcpy(&ports, view->transport, sizeof(ports));
				hash = mix(hash, ports);
			}
		}
	} else {
		hash = mix_mac(mix_mac(hash, &view->eth.src), &view->eth.dst);
	}
	hash ^= hash >> 32;
	return (uint32_t)hash != 0 ? (uint32_t)hash : 1;
}
