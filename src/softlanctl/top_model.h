// What `top` knows: the rooms and peers of the last answers, and how fast their counters grew since the
// answers before.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_TOP_KEY 72

struct ctl_top_counts {
	uint64_t rx_frames, tx_frames, rx_bytes, tx_bytes, drops;
};

struct ctl_top_rates { // for each second
	double rx_frames, tx_frames, rx_bits, tx_bits, drops;
};

struct ctl_top_row {
	char key[CTL_TOP_KEY];  // a room's code; a peer's id, with zeros before it
	char room[CTL_TOP_KEY]; // of a peer
	const json_t *object;   // belongs to the answers
	struct ctl_top_counts counts;
	struct ctl_top_rates rates;
	bool rated;    // else it is new, and there are no rates yet
	double rtt_ms; // below 0: not known. Of a room: the longest of its peers'
};

struct ctl_top_list { // by key
	struct ctl_top_row *rows;
	size_t count;
};

struct ctl_top_answers { // as the daemon gave them; owned
	json_t *status, *rooms, *peers, *stats;
};

struct ctl_top_model {
	struct ctl_top_answers answers;
	struct ctl_top_list rooms, peers;
	bool endpoint; // a gateway or a client: rx is what comes to it from the room
	int64_t pid;
	uint64_t at_ms;
};

// Takes over the answers that came at `now_ms`. A room's rates are the sums of its peers' at a relay (its
// drops are its own count); at an endpoint they are its own. Members that are missing or of another type
// count as 0. False: out of memory (the model is empty).
bool ctl_top_take(struct ctl_top_model *model, const struct ctl_top_answers *answers, uint64_t now_ms);
void ctl_top_clear(struct ctl_top_model *model); // empty, as zero-initialised
// NULL: there is none.
const struct ctl_top_row *ctl_top_find(const struct ctl_top_list *list, const char *key);
