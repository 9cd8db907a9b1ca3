#include "proto/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "proto/guard_read.h"

struct sl_guard_owner {
	struct sl_mac mac;
	struct sl_guard_addresses claims;
};

// ---- lists of addresses

static size_t find(const struct sl_guard_addresses *list, const uint8_t *address)
{
	size_t i = 0;

	while (i < list->count && memcmp(list->address[i], address, SL_GUARD_ADDRESS) != 0)
		i++;
	return i;
}

static void take_out(struct sl_guard_addresses *list, size_t at)
{
	if (at >= list->count)
		return;
	list->count--;
	memmove(list->address[at], list->address[at + 1], (list->count - at) * SL_GUARD_ADDRESS);
}

// There is room.
static void append(struct sl_guard_addresses *list, const uint8_t *address)
{
	memcpy(list->address[list->count++], address, SL_GUARD_ADDRESS);
}

// Makes an address that is in the list the one that was seen last.
static void seen_again(struct sl_guard_addresses *list, const uint8_t *address)
{
	size_t at = find(list, address);

	if (at + 1 >= list->count)
		return;
	take_out(list, at);
	append(list, address);
}

static bool is_router(const struct sl_guard *guard, const uint8_t *address)
{
	return find(&guard->routers, address) < guard->routers.count;
}

// ---- who holds what

static struct sl_guard_owner *owner_of(const struct sl_guard *guard, const struct sl_mac *mac)
{
	return sl_map_get(&guard->owners, mac->b, SL_MAC_LEN);
}

static struct sl_guard_owner *holder_of(const struct sl_guard *guard, const uint8_t *address)
{
	return sl_map_get(&guard->by_address, address, SL_GUARD_ADDRESS);
}

// Takes the address from whoever holds it.
static void release(struct sl_guard *guard, const uint8_t *address)
{
	struct sl_guard_owner *holder = sl_map_remove(&guard->by_address, address, SL_GUARD_ADDRESS);

	if (holder != NULL)
		take_out(&holder->claims, find(&holder->claims, address));
}

// Gives the address to the client, whoever holds it.
static void give(struct sl_guard *guard, struct sl_guard_owner *owner, const uint8_t *address)
{
	uint8_t oldest[SL_GUARD_ADDRESS];

	if (holder_of(guard, address) == owner) {
		seen_again(&owner->claims, address);
		return;
	}
	release(guard, address);
	if (owner->claims.count == SL_GUARD_ADDRESSES_MAX) {
		memcpy(oldest, owner->claims.address[0], sizeof(oldest));
		release(guard, oldest);
	}
	if (sl_map_put(&guard->by_address, address, SL_GUARD_ADDRESS, owner) == SL_OK)
		append(&owner->claims, address);
}

void sl_guard_init(struct sl_guard *guard, const uint64_t hash_key[2])
{
	memset(guard, 0, sizeof(*guard));
	sl_map_init(&guard->owners, hash_key);
	sl_map_init(&guard->by_address, hash_key);
}

void sl_guard_fini(struct sl_guard *guard)
{
	struct sl_guard_owner *owner;
	size_t cursor = 0;

	while ((owner = sl_map_next(&guard->owners, &cursor)) != NULL)
		free(owner);
	sl_map_fini(&guard->owners);
	sl_map_fini(&guard->by_address);
}

int sl_guard_join(struct sl_guard *guard, const struct sl_mac *mac)
{
	struct sl_guard_owner *owner = calloc(1, sizeof(*owner));
	int rc;

	if (owner == NULL)
		return SL_ERR_NOMEM;
	owner->mac = *mac;
	rc = sl_map_put(&guard->owners, mac->b, SL_MAC_LEN, owner);
	if (rc != SL_OK)
		free(owner);
	return rc;
}

void sl_guard_leave(struct sl_guard *guard, const struct sl_mac *mac)
{
	struct sl_guard_owner *owner = sl_map_remove(&guard->owners, mac->b, SL_MAC_LEN);

	if (owner == NULL)
		return;
	for (size_t i = 0; i < owner->claims.count; i++)
		sl_map_remove(&guard->by_address, owner->claims.address[i], SL_GUARD_ADDRESS);
	free(owner);
}

void sl_guard_forget_routers(struct sl_guard *guard)
{
	guard->routers.count = 0;
}

// ---- from the LAN

static void learn_router(struct sl_guard *guard, const uint8_t *address)
{
	if (is_router(guard, address)) {
		seen_again(&guard->routers, address);
		return;
	}
	release(guard, address);
	if (guard->routers.count == SL_GUARD_ADDRESSES_MAX)
		take_out(&guard->routers, 0);
	append(&guard->routers, address);
}

void sl_guard_lan(struct sl_guard *guard, const struct sl_view *view)
{
	struct sl_guard_lesson lesson;
	struct sl_guard_owner *client;

	if (!sl_guard_read_lesson(view, &lesson))
		return;
	client = lesson.has_client ? owner_of(guard, &lesson.client) : NULL;
	if (client == NULL && !lesson.on_link)
		return;
	for (size_t i = 0; i < lesson.router_count; i++) {
		if (lesson.has_client && memcmp(lesson.routers[i], lesson.leased, SL_GUARD_ADDRESS) == 0)
			continue; // some servers say so where there is no router; it is the client's
		if (lesson.routers_gone)
			take_out(&guard->routers, find(&guard->routers, lesson.routers[i]));
		else
			learn_router(guard, lesson.routers[i]);
	}
	if (client != NULL && lesson.has_lease && !is_router(guard, lesson.leased))
		give(guard, client, lesson.leased);
}

// ---- from a client

static bool is_ipv4(const uint8_t *address)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

static bool is_group(const uint8_t *address)
{
	if (!is_ipv4(address))
		return address[0] == 0xff;
	return (address[12] & 0xf0) == 0xe0 || memcmp(address + 12, "\xff\xff\xff\xff", 4) == 0;
}

// Always false: the claim is refused, and that is why.
static bool refuse(char *what, const char *reason, const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (what == NULL)
		return false;
	if (is_ipv4(address))
		inet_ntop(AF_INET, address + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, address, text, sizeof(text));
	snprintf(what, SL_GUARD_TEXT, "%s%s", reason, text);
	return false;
}

static bool refuse_mac(char *what, const struct sl_mac *named)
{
	char text[SL_MAC_TEXT];

	if (what != NULL)
		snprintf(what, SL_GUARD_TEXT, "another MAC, %s", sl_mac_format(named, text));
	return false;
}

bool sl_guard_allows(struct sl_guard *guard, const struct sl_mac *mac, const struct sl_view *view,
		     char what[SL_GUARD_TEXT])
{
	struct sl_guard_owner *owner, *holder;
	struct sl_guard_claim claim;

	if (what != NULL)
		what[0] = '\0';
	sl_guard_read_claim(mac, view, &claim);
	switch (claim.kind) {
	case SL_GUARD_NO_CLAIM:
		return true;
	case SL_GUARD_FOREIGN_MAC:
		return refuse_mac(what, &claim.named);
	case SL_GUARD_MALFORMED:
		if (what != NULL)
			snprintf(what, SL_GUARD_TEXT, "a malformed neighbor message");
		return false;
	case SL_GUARD_CLAIM:
		break;
	}
	if (is_group(claim.address))
		return refuse(what, "a group address, ", claim.address);
	if (is_router(guard, claim.address))
		return refuse(what, "the router's address ", claim.address);
	owner = owner_of(guard, mac);
	holder = holder_of(guard, claim.address);
	if (holder != NULL && holder != owner)
		return refuse(what, "the address of another player, ", claim.address);
	if (owner != NULL)
		give(guard, owner, claim.address);
	return true;
}
