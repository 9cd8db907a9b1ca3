// Ethernet frames and the filter (PROTO-4, FILTER-1 to FILTER-9): the input is one frame, or several with
// SEPARATOR between them. Each is judged in both directions, under many policies and MTUs. What passes goes
// on to a guard, all to the count of repeats and to the reader of loop probes.
#include "common/bytes.h"
#include "common/err.h"
#include "fuzz.h"
#include "proto/filter.h"
#include "proto/guard.h"
#include "proto/guard_read.h"
#include "proto/probe.h"
#include "proto/repeats.h"

#define SEPARATOR "\xfe\xed\xf0\x0d" // never in a seed's frame by chance
#define FRAMES_MAX 32
#define ANY_DIRECTION                                                                                        \
	(SL_POLICY_BIT(SL_DROP_RUNT) | SL_POLICY_BIT(SL_DROP_MALFORMED) |                                    \
	 SL_POLICY_BIT(SL_DROP_INVALID_SOURCE) | SL_POLICY_BIT(SL_DROP_SWITCH_CONTROL) |                     \
	 SL_POLICY_BIT(SL_DROP_JUMBO) | SL_POLICY_BIT(SL_DROP_OVER_MTU))
#define NEVER_RELAXED                                                                                        \
	(SL_POLICY_BIT(SL_DROP_RUNT) | SL_POLICY_BIT(SL_DROP_MALFORMED) | SL_POLICY_BIT(SL_DROP_JUMBO) |     \
	 SL_POLICY_BIT(SL_DROP_OVER_MTU))

static bool within(const uint8_t *part, size_t part_len, const uint8_t *whole, size_t whole_len)
{
	return part >= whole && part <= whole + whole_len && part_len <= (size_t)(whole + whole_len - part);
}

static void check_view(const struct sl_view *view, const uint8_t *frame, size_t len)
{
	const struct sl_eth *eth = &view->eth;

	CHECK(eth->tags <= SL_ETH_MAX_TAGS);
	CHECK(eth->payload == NULL || within(eth->payload, eth->payload_len, frame, len));
	CHECK(eth->payload == NULL || eth->payload + eth->payload_len == frame + len);
	CHECK(view->network == NULL ||
	      within(view->network, view->network_len, eth->payload, eth->payload_len));
	CHECK(view->transport == NULL ||
	      within(view->transport, view->transport_len, view->network, view->network_len));
	CHECK(len < 12 || memcmp(eth->src.b, frame + 6, 6) == 0);
	// A rule or a guard that reads ports and types need not ask for the length again.
	if (view->transport != NULL &&
	    (view->transport_type == SL_IPPROTO_UDP || view->transport_type == SL_IPPROTO_TCP ||
	     (view->transport_type == SL_IPPROTO_ICMPV6 && view->protocol == SL_ETHERTYPE_IPV6)))
		CHECK(view->transport_len >= 8);
}

// The plainest of forbidden frames, seen without the filter: Ethernet II, IPv4 without options, UDP to 68.
static bool plain_dhcp_answer(const uint8_t *frame, size_t len)
{
	return len >= 42 && sl_get16(frame + 12) == 0x0800 && frame[14] == 0x45 && frame[23] == 17 &&
	       (sl_get16(frame + 20) & 0x1fff) == 0 && sl_get16(frame + 36) == 68;
}

// The next one: Ethernet II, IPv6, hop-by-hop options of 8 bytes, then a router advertisement.
static bool plain_hidden_advertisement(const uint8_t *frame, size_t len)
{
	return len >= 63 && sl_get16(frame + 12) == 0x86dd && frame[14] >> 4 == 6 && frame[20] == 0 &&
	       frame[54] == 58 && frame[55] == 0 && frame[62] == 134;
}

// What a remote's packet is when it passes: as long as it says itself, without padding.
static void check_packet(const struct sl_view *view)
{
	if (view->protocol == SL_ETHERTYPE_IPV4)
		CHECK(view->network_len == sl_get16(view->network + 2));
	else if (view->protocol == SL_ETHERTYPE_IPV6)
		CHECK(view->network_len == 40u + sl_get16(view->network + 4));
}

static enum sl_drop judge(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			  struct sl_view *view)
{
	uint32_t bit;
	enum sl_drop drop = sl_filter_check(frame, len, input, view);

	check_view(view, frame, len);
	CHECK((unsigned)drop <= SL_DROP_NONE);
	if (drop == SL_DROP_NONE) {
		CHECK(len >= SL_ETH_HEADER && view->eth.payload_len <= SL_ETH_MAX_PAYLOAD);
		CHECK(input->mtu == 0 || view->eth.payload_len <= input->mtu);
		return drop;
	}
	bit = SL_POLICY_BIT(drop);
	CHECK((bit & ANY_DIRECTION) != 0 || input->direction == SL_FROM_REMOTE);
	CHECK((bit & input->relaxed) == 0 || (bit & NEVER_RELAXED) != 0);
	return drop;
}

// What stands behind the packet (padding, a second packet) must not matter.
static void check_padding(const uint8_t *frame, size_t len, const struct sl_filter_input *input,
			  const struct sl_view *view, enum sl_drop drop)
{
	const uint8_t *end = frame + len;
	struct sl_view other;
	uint8_t *copy;

	if (view->network != NULL)
		end = view->network + view->network_len;
	else if (view->eth.payload != NULL && view->eth.type < SL_ETHERTYPE_MIN &&
		 view->eth.type <= view->eth.payload_len)
		end = view->eth.payload + view->eth.type;
	if (end == frame + len)
		return;
	copy = fuzz_copy(frame, len);
	for (size_t i = (size_t)(end - frame); i < len; i++)
		copy[i] ^= 0xff;
	CHECK(judge(copy, len, input, &other) == drop);
	CHECK(other.protocol == view->protocol && other.network_len == view->network_len &&
	      other.transport_type == view->transport_type && other.transport_len == view->transport_len);
	free(copy);
}

// A rule that is switched off lets more pass, never less; so does a larger MTU.
static void check_policies(const uint8_t *frame, size_t len, enum sl_direction direction)
{
	static const enum sl_drop rules[] = {
#define X(id, name, help) SL_DROP_##id,
		SL_FILTER_RULES(X)
#undef X
	};
	static const size_t mtus[] = {0, SL_ETH_MAX_PAYLOAD, 1382, 1280};
	struct sl_filter_input input = {.direction = direction};
	struct sl_view view;
	enum sl_drop strict = judge(frame, len, &input, &view), drop;

	check_padding(frame, len, &input, &view, strict);
	if (direction == SL_FROM_REMOTE && strict == SL_DROP_NONE) {
		check_packet(&view);
		CHECK(!plain_dhcp_answer(frame, len) && !plain_hidden_advertisement(frame, len));
	}
	// Each rule alone, and last everything that has a bit.
	for (size_t i = 0; i <= sizeof(rules) / sizeof(*rules); i++) {
		bool all = i == sizeof(rules) / sizeof(*rules);

		input.relaxed = all ? UINT32_MAX : SL_POLICY_BIT(rules[i]);
		drop = judge(frame, len, &input, &view);
		CHECK(strict != SL_DROP_NONE || drop == SL_DROP_NONE);
		CHECK(strict == SL_DROP_NONE || drop == strict || all || strict == rules[i]);
		if (drop != strict)
			check_padding(frame, len, &input, &view, drop);
	}
	input.relaxed = 0;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(*mtus); i++) {
		input.mtu = mtus[i];
		drop = judge(frame, len, &input, &view);
		CHECK(drop == strict || (strict == SL_DROP_NONE && drop == SL_DROP_OVER_MTU));
	}
}

// ---- what looks further than the filter

static const struct sl_mac players[] = {{{0x02, 0, 0, 0, 0, 0x0a}}, {{0x02, 0, 0, 0, 0, 0x0b}}};
static const uint64_t hash_key[2] = {3, 4};

// What one room remembers from frame to frame.
struct room {
	struct sl_guard guard;
	struct sl_repeats repeats;
	uint64_t now_ns;
};

static struct room *room_new(void)
{
	struct room *room = malloc(sizeof(*room));

	CHECK(room != NULL);
	sl_guard_init(&room->guard, hash_key);
	for (size_t i = 0; i < sizeof(players) / sizeof(*players); i++)
		CHECK(sl_guard_join(&room->guard, &players[i]) == SL_OK);
	sl_repeats_init(&room->repeats, hash_key);
	room->now_ns = 1;
	return room;
}

static void room_free(struct room *room)
{
	for (size_t i = 0; i < sizeof(players) / sizeof(*players); i++)
		sl_guard_leave(&room->guard, &players[i]);
	CHECK(room->guard.owners.count == 0 &&
	      room->guard.by_address.count == 0); // no claim outlives its player
	sl_guard_fini(&room->guard);
	free(room);
}

// The guard is bounded, and no player holds a router's address.
static void check_guard(const struct sl_guard *guard)
{
	CHECK(guard->routers.count <= SL_GUARD_ADDRESSES_MAX);
	CHECK(guard->by_address.count <= guard->owners.count * SL_GUARD_ADDRESSES_MAX);
	for (size_t i = 0; i < guard->routers.count; i++)
		CHECK(sl_map_get(&guard->by_address, guard->routers.address[i], 16) == NULL);
}

// A plain claim to the address: ARP's announcement (which cannot claim 0.0.0.0), or a Neighbor Advertisement.
// Returns its length.
static size_t claim_frame(uint8_t out[78], const struct sl_mac *mac, const uint8_t address[16])
{
	static const uint8_t unspecified[16] = {[10] = 0xff, [11] = 0xff};

	memset(out, 0, 78);
	memset(out, 0xff, SL_MAC_LEN);
	memcpy(out + 6, mac->b, SL_MAC_LEN);
	if (memcmp(address, unspecified, 12) == 0 && memcmp(address, unspecified, 16) != 0) {
		memcpy(out + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
		memcpy(out + 22, mac->b, SL_MAC_LEN);
		memcpy(out + 28, address + 12, 4);
		return 42;
	}
	memcpy(out + 12, "\x86\xdd\x60\x00\x00\x00\x00\x18\x3a\xff", 10);
	out[54] = 136;
	memcpy(out + 62, address, 16);
	return 78;
}

// What one player holds, the other may not claim.
static void check_exclusive(struct sl_guard *guard, const struct sl_mac *player, const struct sl_view *view)
{
	const struct sl_mac *other = &players[sl_mac_equal(player, &players[0])];
	struct sl_filter_input input = {.direction = SL_FROM_REMOTE, .announced = other};
	struct sl_guard_claim claim;
	struct sl_view second;
	uint8_t frame[78];

	sl_guard_read_claim(player, view, &claim);
	if (claim.kind != SL_GUARD_CLAIM)
		return;
	CHECK(sl_map_get(&guard->by_address, claim.address, sizeof(claim.address)) != NULL);
	CHECK(judge(frame, claim_frame(frame, other, claim.address), &input, &second) == SL_DROP_NONE);
	CHECK(!sl_guard_allows(guard, other, &second, NULL));
}

static void check_from_player(struct sl_guard *guard, const struct sl_mac *player, const struct sl_view *view)
{
	char what[SL_GUARD_TEXT], again[SL_GUARD_TEXT];
	bool allowed = sl_guard_allows(guard, player, view, what);

	if (!allowed)
		fuzz_check_sentence(what);
	CHECK(!allowed || what[0] == '\0');
	// The same claim a second time is judged the same.
	CHECK(sl_guard_allows(guard, player, view, again) == allowed && strcmp(what, again) == 0);
	CHECK(sl_guard_allows(guard, player, view, NULL) == allowed);
	if (allowed)
		check_exclusive(guard, player, view);
	check_guard(guard);
}

// Frames of the players' MACs come from them, all others from the LAN.
static void check_claims(struct sl_guard *guard, const uint8_t *frame, size_t len, uint32_t relaxed)
{
	struct sl_filter_input input = {.direction = SL_FROM_LAN, .relaxed = relaxed};
	struct sl_view view;

	for (size_t i = 0; i < sizeof(players) / sizeof(*players); i++) {
		if (len >= 12 && memcmp(frame + 6, players[i].b, 6) == 0) {
			input.direction = SL_FROM_REMOTE;
			input.announced = &players[i];
		}
	}
	if (judge(frame, len, &input, &view) != SL_DROP_NONE)
		return;
	if (input.announced != NULL) {
		check_from_player(guard, input.announced, &view);
		return;
	}
	sl_guard_lan(guard, &view);
	check_guard(guard);
}

static void check_repeats(struct room *room, const uint8_t *frame, size_t len)
{
	for (unsigned i = 0; i <= SL_REPEATS_ALLOWED; i++)
		CHECK(!sl_repeats_excess(&room->repeats, frame, len, room->now_ns + i));
	CHECK(sl_repeats_excess(&room->repeats, frame, len, room->now_ns + SL_REPEATS_WINDOW_NS - 1));
	room->now_ns += SL_REPEATS_WINDOW_NS;
}

static void check_probe(const uint8_t *frame, size_t len)
{
	struct sl_filter_input input = {.direction = SL_FROM_LAN};
	uint8_t own[SL_PROBE_LEN];
	struct sl_probe probe, read;
	struct sl_view view;

	(void)judge(frame, len, &input, &view);
	if (!sl_probe_parse(&view.eth, &probe))
		return;
	CHECK(len >= SL_PROBE_LEN);
	sl_probe_build(own, hash_key, probe.room_id, probe.peer_id, probe.serial);
	CHECK(judge(own, sizeof(own), &input, &view) == SL_DROP_NONE);
	CHECK(sl_probe_parse(&view.eth, &read) && sl_probe_verify(&read, hash_key));
	CHECK(read.room_id == probe.room_id && read.peer_id == probe.peer_id && read.serial == probe.serial);
	CHECK(sl_probe_verify(&probe, hash_key) == (probe.token == read.token));
}

static void check_frame(struct room *room, const uint8_t *data, size_t len)
{
	uint8_t *frame = fuzz_copy(data, len);
	struct sl_filter_input remote = {.direction = SL_FROM_REMOTE, .announced = &players[0]};
	struct sl_filter_input anybody = {.direction = SL_FROM_REMOTE};
	struct sl_view view;

	check_policies(frame, len, SL_FROM_LAN);
	check_policies(frame, len, SL_FROM_REMOTE);
	if (judge(frame, len, &remote, &view) == SL_DROP_NONE)
		CHECK(sl_mac_equal(&view.eth.src, &players[0]));
	// Whoever it names as its sender, nothing else about it changes.
	remote.relaxed = SL_POLICY_BIT(SL_DROP_FORGED_SOURCE);
	CHECK(judge(frame, len, &remote, &view) == judge(frame, len, &anybody, &view));
	check_claims(&room->guard, frame, len, 0);
	check_claims(&room->guard, frame, len, UINT32_MAX);
	check_repeats(room, frame, len);
	check_probe(frame, len);
	CHECK(len == 0 || memcmp(frame, data, len) == 0);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t separator = sizeof(SEPARATOR) - 1;
	struct room *room = room_new();

	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		const uint8_t *cut = memmem(data, size, SEPARATOR, separator);
		size_t len = cut ? (size_t)(cut - data) : size;

		check_frame(room, data, len);
		if (!cut)
			break;
		data += len + separator;
		size -= len + separator;
	}
	room_free(room);
	return 0;
}
