// `softlanctl top` without a terminal (OPS-3): keys out of bytes, rates out of answers, pictures out of both.
#include "softlanctl/top_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "softlanctl/keys.h"

// ---- keys

static void assert_key(const char *in, bool last, int key, size_t used)
{
	size_t got = 99;
	assert_int_equal(ctl_key_decode((const unsigned char *)in, strlen(in), last, &got), key);
	assert_int_equal(got, used);
}

static void test_OPS_3_keys(void **state)
{
	(void)state;
	assert_key("", false, CTL_KEY_NONE, 0);
	assert_key("qx", false, 'q', 1);
	assert_key("\r", false, CTL_KEY_OPEN, 1);
	assert_key("\n", false, CTL_KEY_OPEN, 1);
	assert_key("\x7f", false, CTL_KEY_BACK, 1);
	assert_key("\x08", false, CTL_KEY_BACK, 1);
	assert_key("\x1b[A", false, CTL_KEY_UP, 3);
	assert_key("\x1bOB", false, CTL_KEY_DOWN, 3);
	assert_key("\x1b[C", false, CTL_KEY_OPEN, 3);
	assert_key("\x1b[D", false, CTL_KEY_BACK, 3);
	assert_key("\x1b[5~x", false, CTL_KEY_PAGE_UP, 4);
	assert_key("\x1b[6~", false, CTL_KEY_PAGE_DOWN, 4);
	assert_key("\x1b[H", false, CTL_KEY_HOME, 3);
	assert_key("\x1b[4~", false, CTL_KEY_END, 4);
	assert_key("\x1b[1;5A", false, CTL_KEY_UP, 6);
	// In pieces: wait; and if nothing more comes it was Escape, or nothing.
	assert_key("\x1b", false, CTL_KEY_NONE, 0);
	assert_key("\x1b", true, CTL_KEY_BACK, 1);
	assert_key("\x1b[", false, CTL_KEY_NONE, 0);
	assert_key("\x1b[", true, CTL_KEY_NONE, 2);
	assert_key("\x1b\x1b", false, CTL_KEY_BACK, 1);
	assert_key("\x1bq", false, CTL_KEY_BACK, 1);
	// Nothing we know: eaten, and without end: not waited for.
	assert_key("\x1b[24~", false, CTL_KEY_NONE, 5);
	assert_key("\x1b[99999999999999999999", false, CTL_KEY_NONE, 22);
	assert_key("\x01", false, CTL_KEY_NONE, 1);
	assert_key("\xc3\xa4", false, CTL_KEY_NONE, 1);
}

// ---- answers

static json_t *parse(const char *text)
{
	json_error_t why;
	json_t *json = json_loads(text, JSON_DECODE_ANY, &why);
	if (!json)
		fail_msg("%s: %s", text, why.text);
	return json;
}

static void take(struct ctl_top_model *model, uint64_t now_ms, const char *status, const char *rooms,
		 const char *peers, const char *stats)
{
	struct ctl_top_answers answers = {
		.status = parse(status), .rooms = parse(rooms), .peers = parse(peers), .stats = parse(stats)};
	assert_true(ctl_top_take(model, &answers, now_ms));
}

static const struct ctl_top_row *peer(const struct ctl_top_model *model, int id)
{
	char key[32];
	snprintf(key, sizeof(key), "%020d", id);
	return ctl_top_find(&model->peers, key);
}

#define RELAY "{\"daemon\":\"softlan-relay\",\"pid\":7,\"sentences\":[\"Serving.\"]}"
#define ROOMS(dropped)                                                                                       \
	"{\"rooms\":[{\"code\":\"R\",\"clients\":1,\"gateway\":2,\"dropped\":" #dropped                      \
	"},{\"code\":\"B\",\"dropped\":0}]}"
#define PEERS(n)                                                                                             \
	"{\"peers\":[{\"id\":10,\"room\":\"R\",\"role\":\"client\",\"rtt_ms\":7.5,\"rx_frames\":" #n         \
	"00,\"tx_frames\":5,\"rx_bytes\":" #n "000,\"tx_bytes\":50,\"drops\":{\"runt\":" #n                  \
	",\"loop\":1}},{\"id\":2,\"room\":\"R\",\"role\":\"gateway\",\"rtt_ms\":3,\"tx_frames\":" #n "00}]}"

static void test_OPS_3_rates_at_a_relay(void **state)
{
	struct ctl_top_model model = {0};
	const struct ctl_top_row *row;
	(void)state;

	take(&model, 1000, RELAY, ROOMS(5), PEERS(1), "{}");
	assert_false(model.endpoint);
	assert_int_equal(model.rooms.count, 2);
	assert_int_equal(model.peers.count, 2);
	assert_false(peer(&model, 10)->rated); // nothing to compare with
	assert_null(peer(&model, 3));
	take(&model, 3000, RELAY, ROOMS(9), PEERS(3), "{}");
	row = peer(&model, 10);
	assert_true(row->rated);
	assert_float_equal(row->rates.rx_frames, 100, 1e-9);
	assert_float_equal(row->rates.rx_bits, 8000, 1e-9);
	assert_float_equal(row->rates.tx_frames, 0, 1e-9);
	assert_float_equal(row->rates.drops, 1, 1e-9);
	assert_float_equal(row->rtt_ms, 7.5, 1e-9);
	row = ctl_top_find(&model.rooms, "R"); // its peers' sum, and the longest way; drops are its own
	assert_float_equal(row->rates.rx_frames, 100, 1e-9);
	assert_float_equal(row->rates.tx_frames, 100, 1e-9);
	assert_float_equal(row->rates.drops, 2, 1e-9);
	assert_float_equal(row->rtt_ms, 7.5, 1e-9);
	row = ctl_top_find(&model.rooms, "B");
	assert_true(row->rtt_ms < 0);
	// Smaller than before: begun anew. No time between: no rates.
	take(&model, 4000, RELAY, ROOMS(1), PEERS(1), "{}");
	assert_float_equal(peer(&model, 10)->rates.rx_frames, 0, 1e-9);
	take(&model, 4000, RELAY, ROOMS(1), PEERS(2), "{}");
	assert_false(peer(&model, 10)->rated);
	// Another process: its counters have nothing to do with those before.
	take(&model, 5000, "{\"pid\":8}", ROOMS(1), PEERS(9), "{}");
	assert_false(peer(&model, 10)->rated);
	ctl_top_clear(&model);
	assert_int_equal(model.peers.count, 0);
	ctl_top_clear(&model);
}

static void test_OPS_3_rates_at_an_endpoint(void **state)
{
	static const char status[] = "{\"connected\":true,\"pid\":1,\"rtt_ms\":12}";
	struct ctl_top_model model = {0};
	(void)state;

	take(&model, 1000, status, ROOMS(0), PEERS(1),
	     "{\"counters\":{\"rx_frames\":10,\"drops\":{\"a\":1}}}");
	take(&model, 2000, status, ROOMS(0), PEERS(2),
	     "{\"counters\":{\"rx_frames\":30,\"drops\":{\"a\":4}}}");
	assert_true(model.endpoint);
	const struct ctl_top_row *row = &model.rooms.rows[0]; // the daemon's own counters
	assert_float_equal(row->rates.rx_frames, 20, 1e-9);
	assert_float_equal(row->rates.drops, 3, 1e-9);
	assert_float_equal(row->rtt_ms, 12, 1e-9);
	ctl_top_clear(&model);
}

static void test_OPS_3_answers_of_other_shapes(void **state)
{
	static const char *const shapes[] = {
		"null", "[]", "5", "{\"rooms\":5,\"peers\":\"x\",\"counters\":[],\"pid\":-1}",
		"{\"rooms\":[null,5,{}],\"peers\":[[],{\"id\":-1,\"drops\":7}]}"};
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ctl_top_model model = {0};
		struct ctl_top_view view = {.columns = 80, .lines = 24};
		for (uint64_t now = 1000; now < 4000; now += 1000) {
			take(&model, now, shapes[i], shapes[i], shapes[i], shapes[i]);
			struct sl_text text = {0};
			ctl_top_draw(&text, &view, &model);
			assert_true(text.len > 0);
			sl_text_free(&text);
			ctl_top_key(&view, &model, CTL_KEY_OPEN);
			ctl_top_key(&view, &model, CTL_KEY_END);
		}
		ctl_top_clear(&model);
	}
}

// ---- order and picture

static void assert_order(const struct ctl_top_model *model, const struct ctl_top_view *view, const char *keys)
{
	struct ctl_top_rows rows;
	char text[256] = "";
	assert_true(ctl_top_rows(&rows, model, view));
	for (size_t i = 0; i < rows.count; i++)
		strcat(strcat(text, rows.rows[i]->key), " ");
	assert_string_equal(text, keys);
	free(rows.rows);
}

static char *picture(struct ctl_top_view *view, const struct ctl_top_model *model)
{
	struct sl_text text = {0};
	ctl_top_draw(&text, view, model);
	return sl_text_take(&text);
}

static void three_rooms(struct ctl_top_model *model)
{
	take(model, 1000, RELAY,
	     "{\"rooms\":[{\"code\":\"c\"},{\"code\":\"a\"},{\"code\":\"b\",\"dropped\":1}]}",
	     "{\"peers\":[{\"id\":1,\"room\":\"c\",\"rx_bytes\":0},{\"id\":2,\"room\":\"a\"}]}", "{}");
	take(model, 2000, RELAY,
	     "{\"rooms\":[{\"code\":\"c\"},{\"code\":\"a\"},{\"code\":\"b\",\"dropped\":9}]}",
	     "{\"peers\":[{\"id\":1,\"room\":\"c\",\"rx_bytes\":9,\"rtt_ms\":1},"
	     "{\"id\":2,\"room\":\"a\",\"rtt_ms\":5}]}",
	     "{}");
}

static void test_OPS_3_order(void **state)
{
	struct ctl_top_model model = {0};
	struct ctl_top_view view = {.columns = 100, .lines = 24, .sort = CTL_TOP_BITS};
	(void)state;

	three_rooms(&model);
	assert_order(&model, &view, "c a b ");
	assert_true(ctl_top_key(&view, &model, 'd'));
	assert_order(&model, &view, "b a c ");
	ctl_top_key(&view, &model, 't');
	assert_order(&model, &view, "a c b ");
	ctl_top_key(&view, &model, 'r');
	assert_order(&model, &view, "b c a ");
	ctl_top_key(&view, &model, 'n'); // another order begins unreversed
	assert_order(&model, &view, "a b c ");
	// The chosen one is chosen by its name, wherever it stands.
	ctl_top_key(&view, &model, CTL_KEY_END);
	assert_string_equal(view.room, "c");
	ctl_top_key(&view, &model, 'b');
	ctl_top_key(&view, &model, CTL_KEY_DOWN);
	assert_string_equal(view.room, "a");
	ctl_top_key(&view, &model, CTL_KEY_OPEN);
	assert_true(view.in_room);
	assert_order(&model, &view, "00000000000000000002 ");
	ctl_top_key(&view, &model, CTL_KEY_OPEN); // nothing behind a peer
	ctl_top_key(&view, &model, CTL_KEY_BACK);
	assert_false(view.in_room);
	for (int i = 0; i < 5; i++)
		ctl_top_key(&view, &model, CTL_KEY_UP);
	assert_string_equal(view.room, "c");
	ctl_top_key(&view, &model, CTL_KEY_PAGE_DOWN);
	assert_string_equal(view.room, "b");
	ctl_top_key(&view, &model, CTL_KEY_PAGE_UP);
	assert_string_equal(view.room, "c");
	ctl_top_key(&view, &model, 'z');
	assert_false(ctl_top_key(&view, &model, 'q'));
	ctl_top_clear(&model);
}

static void test_OPS_3_picture(void **state)
{
	struct ctl_top_model model = {0};
	struct ctl_top_view view = {.columns = 30, .lines = 8, .sort = CTL_TOP_NAME};
	(void)state;

	three_rooms(&model);
	char *text = picture(&view, &model); // two rows have room
	assert_non_null(strstr(text, ">  a "));
	assert_non_null(strstr(text, "   b "));
	assert_null(strstr(text, "   c "));
	assert_null(strstr(text, "\x1b[1m")); // no colour was asked for
	assert_non_null(strstr(text, "in 0 frames/s 72bit/s, out 0 ~"));
	free(text);
	ctl_top_key(&view, &model, CTL_KEY_END); // scrolls
	text = picture(&view, &model);
	assert_null(strstr(text, "   a "));
	assert_non_null(strstr(text, ">  c "));
	free(text);
	view.problem = "it is gone\x1b[31m";
	view.colour = true;
	text = picture(&view, &model);
	assert_non_null(strstr(text, "\x1b[31mit is gone\\x1b[31m\x1b[0m"));
	assert_non_null(strstr(text, "\x1b[7m>  c "));
	free(text);
	view.lines = 1;
	text = picture(&view, &model);
	assert_null(strchr(text, '\n'));
	free(text);
	ctl_top_clear(&model);
	text = picture(&view, &model); // nothing is known
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_OPS_3_keys),
		cmocka_unit_test(test_OPS_3_rates_at_a_relay),
		cmocka_unit_test(test_OPS_3_rates_at_an_endpoint),
		cmocka_unit_test(test_OPS_3_answers_of_other_shapes),
		cmocka_unit_test(test_OPS_3_order),
		cmocka_unit_test(test_OPS_3_picture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
