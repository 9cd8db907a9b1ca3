// The relay's configuration: relay.conf as a struct, and the table that reads it (OPS-1).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctrl/msg.h"
#include "daemon/options.h"
#include "proto/policy.h"

// One entry of `rooms`.
struct relay_room_entry {
	char code[SL_ROOM_MAX + 1];
	char secret[SL_SECRET_MAX + 1]; // "": none; the rest of the array is zero
	uint32_t relaxed;               // the safety rules that are switched off (proto/policy.h)
};

struct relay_room_list {
	struct relay_room_entry *entries;
	size_t count; // 0: any room code may be opened
};

struct relay_config {
	char *listen;
	char *certificate, *private_key;
	char *dev_certificate_out, *dev_certificate_name, *state_directory;
	char *control_socket, *control_group, *user;
	long long max_rooms, max_peers_per_room, max_peers;
	long long handshakes_per_second, malformed_datagrams;
	long long broadcast_pps, unknown_unicast_pps, bandwidth_kbit;
	long long lan_broadcast_pps;
	long long max_size;
	bool split;
	char *congestion;
	bool offload;
	struct relay_room_list rooms;
	char *log_level;
	bool log_frames;
	long long idle_timeout, keep_alive, stats_interval; // s
};

extern const struct sl_option relay_options[]; // ends with a row without a name
extern const char relay_conf_intro[];          // of the sample (daemon/options_text.h)

// The checks across keys.
void relay_config_validate(const void *config, const char *file, struct sl_option_errors *errors);

// A deep copy. SL_OK or SL_ERR_NOMEM (*to is then empty).
int relay_room_list_copy(struct relay_room_list *to, const struct relay_room_list *from);
void relay_room_list_free(struct relay_room_list *list);
// NULL: no such room in the list.
const struct relay_room_entry *relay_room_list_find(const struct relay_room_list *list, const char *code);
