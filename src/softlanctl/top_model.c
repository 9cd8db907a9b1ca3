#include "softlanctl/top_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softlanctl/members.h"

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct ctl_top_row *)a)->key, ((const struct ctl_top_row *)b)->key);
}

const struct ctl_top_row *ctl_top_find(const struct ctl_top_list *list, const char *key)
{
	struct ctl_top_row wanted;
	snprintf(wanted.key, sizeof(wanted.key), "%s", key);
	return list->count > 0 ? bsearch(&wanted, list->rows, list->count, sizeof(wanted), by_key) : NULL;
}

static uint64_t member(const json_t *object, const char *name)
{
	uint64_t value;
	return ctl_member_count(object, name, &value) ? value : 0;
}

static uint64_t sum_of(json_t *drops)
{
	const char *reason;
	json_t *value;
	uint64_t sum = 0;
	json_object_foreach(drops, reason, value)
	{
		sum += member(drops, reason);
	}
	return sum;
}

static struct ctl_top_counts counts_of(const json_t *object)
{
	return (struct ctl_top_counts){
		.rx_frames = member(object, "rx_frames"),
		.tx_frames = member(object, "tx_frames"),
		.rx_bytes = member(object, "rx_bytes"),
		.tx_bytes = member(object, "tx_bytes"),
		.drops = sum_of(json_object_get(object, "drops")),
	};
}

static double rtt_of(const json_t *object)
{
	const json_t *rtt = json_object_get(object, "rtt_ms");
	double ms = json_is_number(rtt) ? json_number_value(rtt) : -1;
	return ms >= 0 && ms < 1e9 ? ms : -1;
}

// One that is smaller than before has begun anew.
static double rate(uint64_t now, uint64_t before, double seconds, double unit)
{
	return now > before ? (double)(now - before) * unit / seconds : 0;
}

static struct ctl_top_rates rates_of(const struct ctl_top_counts *now, const struct ctl_top_counts *before,
				     double seconds)
{
	return (struct ctl_top_rates){
		.rx_frames = rate(now->rx_frames, before->rx_frames, seconds, 1),
		.tx_frames = rate(now->tx_frames, before->tx_frames, seconds, 1),
		.rx_bits = rate(now->rx_bytes, before->rx_bytes, seconds, 8),
		.tx_bits = rate(now->tx_bytes, before->tx_bytes, seconds, 8),
		.drops = rate(now->drops, before->drops, seconds, 1),
	};
}

static void fill_room(struct ctl_top_row *row, const json_t *room)
{
	const char *code = ctl_member_text(room, "code");
	snprintf(row->key, sizeof(row->key), "%s", code ? code : "-");
	row->counts.drops = member(room, "dropped");
	row->rtt_ms = -1;
}

static void fill_peer(struct ctl_top_row *row, const json_t *peer)
{
	const char *room = ctl_member_text(peer, "room");
	snprintf(row->key, sizeof(row->key), "%020" PRIu64, member(peer, "id"));
	snprintf(row->room, sizeof(row->room), "%s", room ? room : "-");
	row->counts = counts_of(peer);
	row->rtt_ms = rtt_of(peer);
}

static bool fill(struct ctl_top_list *list, const json_t *array,
		 void (*fill_row)(struct ctl_top_row *row, const json_t *object))
{
	const json_t *object;
	size_t index;
	list->rows = calloc(json_array_size(array) + 1, sizeof(*list->rows));
	if (!list->rows)
		return false;
	json_array_foreach(array, index, object)
	{
		list->rows[list->count].object = object;
		fill_row(&list->rows[list->count++], object);
	}
	qsort(list->rows, list->count, sizeof(*list->rows), by_key);
	return true;
}

static void rate_rows(struct ctl_top_list *list, const struct ctl_top_list *before, double seconds)
{
	for (size_t i = 0; i < list->count; i++) {
		struct ctl_top_row *row = &list->rows[i];
		const struct ctl_top_row *old = seconds > 0 ? ctl_top_find(before, row->key) : NULL;
		row->rated = old != NULL;
		if (old)
			row->rates = rates_of(&row->counts, &old->counts, seconds);
	}
}

// A relay counts a room's frames once, whoever gets them: the directions are the peers'.
static void sum_peers(struct ctl_top_model *model)
{
	for (size_t i = 0; i < model->peers.count; i++) {
		const struct ctl_top_row *peer = &model->peers.rows[i];
		struct ctl_top_row *room = (struct ctl_top_row *)ctl_top_find(&model->rooms, peer->room);
		if (!room)
			continue;
		room->rates.rx_frames += peer->rates.rx_frames;
		room->rates.tx_frames += peer->rates.tx_frames;
		room->rates.rx_bits += peer->rates.rx_bits;
		room->rates.tx_bits += peer->rates.tx_bits;
		if (peer->rtt_ms > room->rtt_ms)
			room->rtt_ms = peer->rtt_ms;
	}
}

static void release(struct ctl_top_model *model)
{
	free(model->rooms.rows);
	free(model->peers.rows);
	json_decref(model->answers.status);
	json_decref(model->answers.rooms);
	json_decref(model->answers.peers);
	json_decref(model->answers.stats);
}

void ctl_top_clear(struct ctl_top_model *model)
{
	release(model);
	*model = (struct ctl_top_model){0};
}

bool ctl_top_take(struct ctl_top_model *model, const struct ctl_top_answers *answers, uint64_t now_ms)
{
	struct ctl_top_model now = {.answers = *answers, .at_ms = now_ms};
	double seconds = now_ms > model->at_ms ? (double)(now_ms - model->at_ms) / 1000 : 0;

	now.endpoint = json_is_boolean(json_object_get(answers->status, "connected"));
	now.pid = (int64_t)member(answers->status, "pid");
	if (model->at_ms == 0 || now.pid != model->pid) // the first one, or another process by now
		seconds = 0;
	bool good = fill(&now.rooms, json_object_get(answers->rooms, "rooms"), fill_room) &&
		    fill(&now.peers, json_object_get(answers->peers, "peers"), fill_peer);
	if (good) {
		if (now.endpoint && now.rooms.count > 0) {
			now.rooms.rows[0].counts = counts_of(json_object_get(answers->stats, "counters"));
			now.rooms.rows[0].rtt_ms = rtt_of(answers->status);
		}
		rate_rows(&now.rooms, &model->rooms, seconds);
		rate_rows(&now.peers, &model->peers, seconds);
		if (!now.endpoint)
			sum_peers(&now);
	}
	release(model);
	*model = now;
	if (!good)
		ctl_top_clear(model);
	return good;
}
