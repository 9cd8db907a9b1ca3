#include "relay/room.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "relay/peer.h"

struct relay_room *relay_room_new(const char *code, uint64_t id, const uint64_t hash_key[2])
{
	struct relay_room *room = calloc(1, sizeof(*room));

	if (!room)
		return NULL;
	strncpy(room->code, code, SL_ROOM_MAX);
	room->id = id;
	relay_stations_init(&room->stations, hash_key);
	sl_guard_init(&room->guard, hash_key);
	sl_repeats_init(&room->repeats, hash_key);
	return room;
}

void relay_room_free(struct relay_room *room)
{
	if (!room)
		return;
	assert(room->count == 0 && !room->gateway);
	relay_stations_fini(&room->stations);
	sl_guard_fini(&room->guard);
	free(room->members);
	free(room);
}

struct relay_peer *relay_room_occupant(const struct relay_room *room, enum sl_role role,
				       const struct sl_mac *mac)
{
	const struct relay_station *station;

	if (role == SL_ROLE_GATEWAY)
		return room->gateway;
	station = relay_stations_find(&room->stations, mac, 0);
	return station ? station->peer : NULL;
}

static int make_space(struct relay_room *room)
{
	size_t capacity = room->capacity ? room->capacity * 2 : 8;
	struct relay_peer **members;

	if (room->count < room->capacity)
		return SL_OK;
	members = realloc(room->members, capacity * sizeof(struct relay_peer *));
	if (!members)
		return SL_ERR_NOMEM;
	room->members = members;
	room->capacity = capacity;
	return SL_OK;
}

int relay_room_add(struct relay_room *room, struct relay_peer *peer)
{
	int rc = make_space(room);

	if (rc != SL_OK)
		return rc;
	if (peer->role == SL_ROLE_GATEWAY) {
		if (room->gateway)
			return SL_ERR_EXISTS;
		room->gateway = peer;
	} else {
		peer->station.peer = peer;
		rc = relay_stations_announce(&room->stations, &peer->station);
		if (rc != SL_OK)
			return rc;
		rc = sl_guard_join(&room->guard, &peer->station.mac);
		if (rc != SL_OK) {
			relay_stations_withdraw(&room->stations, &peer->station);
			return rc;
		}
	}
	room->members[room->count++] = peer;
	peer->room = room;
	return SL_OK;
}

void relay_room_remove(struct relay_room *room, struct relay_peer *peer)
{
	for (size_t i = 0; i < room->count; i++) {
		if (room->members[i] != peer)
			continue;
		memmove(&room->members[i], &room->members[i + 1],
			(room->count - i - 1) * sizeof(struct relay_peer *));
		room->count--;
		break;
	}
	if (room->gateway == peer) {
		room->gateway = NULL;
		relay_stations_forget_learned(&room->stations);
		sl_guard_forget_routers(&room->guard);
	} else {
		relay_stations_withdraw(&room->stations, &peer->station);
		sl_guard_leave(&room->guard, &peer->station.mac);
	}
	peer->room = NULL;
}
