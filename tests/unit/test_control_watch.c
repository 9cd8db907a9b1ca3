// `watch` at the control socket (OPS-3): everybody hears of everything, and one that does not read, or that
// goes away, is nobody else's trouble.
#include "control_fixture.h"

#include "daemon/control_backlog.h"

#include <stdbool.h>

static int watch(struct fixture *f)
{
	int fd = dial(f);
	say(fd, "SOFTLAN1 watch\n", 15);
	return fd;
}

static void publish(struct fixture *f, int number)
{
	sl_control_publish(f->control, json_pack("{s:s, s:i}", "event", "test", "n", number));
}

// The same, of many sizes: a short one would fit where a long one did not.
static void publish_sized(struct fixture *f, int number)
{
	char pad[640];
	memset(pad, 'x', sizeof(pad));
	pad[number * 37 % 601] = '\0';
	sl_control_publish(f->control,
			   json_pack("{s:s, s:i, s:s}", "event", "test", "n", number, "pad", pad));
}

static void assert_heard(int fd, const char *expected, bool end)
{
	bool ended;
	char *text = hear(fd, &ended);
	assert_string_equal(text, expected);
	assert_int_equal(ended, end);
	free(text);
}

static void test_OPS_3_watch(void **state)
{
	struct fixture *f = *state;
	json_t *event = json_pack("{s:s}", "event", "none");
	assert_false(sl_control_watched(f->control));
	json_incref(event);
	sl_control_publish(f->control, event); // to nobody, and taken over all the same
	assert_int_equal(event->refcount, 1);
	json_decref(event);

	int first = watch(f), second = watch(f), asks = dial(f);
	run_ms(f, 20);
	assert_true(sl_control_watched(f->control));
	assert_heard(first, "OK\n", false); // at once, before there is any event
	assert_heard(asks, "", false);
	publish(f, 1);
	publish(f, 2);
	run_ms(f, 20);
	assert_heard(first, "{\"event\":\"test\",\"n\":1}\n{\"event\":\"test\",\"n\":2}\n", false);
	assert_heard(second, "OK\n{\"event\":\"test\",\"n\":1}\n{\"event\":\"test\",\"n\":2}\n", false);
	assert_heard(asks, "", false);
	// One document a line, whatever is in it.
	sl_control_publish(f->control, json_pack("{s:s}", "text", "a\nb\x1b"));
	sl_control_publish(f->control, NULL); // could not be made: both have lost one
	run_ms(f, 20);
	bool ended;
	char *text = hear(first, &ended);
	assert_memory_equal(text, "{\"text\":\"a\\nb\\u001B\"}\n{\"time\":\"", 31);
	assert_non_null(strstr(text, "Z\",\"event\":\"lost\",\"events\":1}\n"));
	free(text);
	close(first);
	close(second);
	close(asks);
}

static void test_OPS_3_watch_refused(void **state)
{
	struct fixture *f = *state;
	assert_text(f, "SOFTLAN1 watch all\n", "ERR usage usage: watch\n");
	assert_text(f, "SOFTLAN1 privy\n", "ERR not_found no such\\x0aroom \\x1b[31m\n");
	assert_false(sl_control_watched(f->control));
}

// Its end is noticed at once, and what it says meanwhile is nothing to anybody.
static void test_OPS_3_watcher_that_closes(void **state)
{
	struct fixture *f = *state;
	char chatter[8192];
	int fd = watch(f), half = watch(f);
	memset(chatter, '\n', sizeof(chatter));
	run_ms(f, 20);
	say(fd, "SOFTLAN1 echo\n", 14);
	for (int i = 0; i < 4; i++) {
		say(fd, chatter, sizeof(chatter));
		run_ms(f, 20);
	}
	publish(f, 1);
	run_ms(f, 20);
	assert_heard(fd, "OK\n{\"event\":\"test\",\"n\":1}\n", false);
	assert_int_equal(f->runs, 0);
	// One that closes its sending side only, as `nc -N -U` does with a request from a pipe.
	shutdown(half, SHUT_WR);
	run_ms(f, 1500);
	publish(f, 2);
	run_ms(f, 20);
	assert_heard(half, "OK\n{\"event\":\"test\",\"n\":1}\n{\"event\":\"test\",\"n\":2}\n", false);
	close(fd);
	run_ms(f, 20);
	assert_true(sl_control_watched(f->control)); // `half`
	close(half);
	run_ms(f, 1100);
	assert_false(sl_control_watched(f->control));
	fd = watch(f);
	run_ms(f, 20);
	assert_true(sl_control_watched(f->control));
	publish(f, 3); // and is gone before it is sent
	close(fd);
	run_ms(f, 20);
	assert_false(sl_control_watched(f->control));
	publish(f, 4);
}

// Adds up the events and the lost ones of a stream of whole lines.
static void tally(const char *text, int *events, int *lost, int *last)
{
	json_error_t why;
	for (const char *p = text, *end; *p; p = end + 1) {
		end = strchr(p, '\n');
		assert_non_null(end);
		json_t *event = json_loadb(p, (size_t)(end - p), 0, &why);
		if (!event)
			fail_msg("%.*s: %s", (int)(end - p), p, why.text);
		if (strcmp(json_string_value(json_object_get(event, "event")), "lost") == 0) {
			*lost += (int)json_integer_value(json_object_get(event, "events"));
		} else {
			int number = (int)json_integer_value(json_object_get(event, "n"));
			assert_int_equal(number, *events + *lost); // in order, and the lost ones told before
			*last = number;
			++*events;
		}
		json_decref(event);
	}
}

// One that does not read loses events and is told so; another that reads loses none, and the daemon's memory
// and time are not spent.
static void test_OPS_3_watcher_that_does_not_read(void **state)
{
	enum { EVENTS = 20000 };
	struct fixture *f = *state;
	int slow = watch(f), quick = watch(f), events = 0, lost = 0, last = -1;
	int all = 0, none = 0, all_last = -1;
	bool ended;
	run_ms(f, 20);
	assert_heard(slow, "OK\n", false);
	assert_heard(quick, "OK\n", false);
	for (int i = 0; i < EVENTS; i++) {
		publish_sized(f, i);
		if (i % 100 == 99) {
			run_ms(f, 1);
			char *text = hear(quick, &ended);
			tally(text, &all, &none, &all_last);
			free(text);
		}
	}
	assert_int_equal(all, EVENTS);
	assert_int_equal(none, 0);
	// What it reads at first may end in the middle of a line.
	char *text = hear(slow, &ended), *joined = malloc(1 << 20);
	assert_non_null(joined);
	strcpy(joined, text);
	free(text);
	run_ms(f, 20);
	publish(f, EVENTS);
	for (int i = 0; i < 3; i++) {
		run_ms(f, 20);
		text = hear(slow, &ended);
		assert_false(ended);
		assert_true(strlen(joined) + strlen(text) < 1 << 20);
		strcat(joined, text);
		free(text);
	}
	size_t waiting = strlen(joined);
	tally(joined, &events, &lost, &last);
	free(joined);
	assert_int_equal(last, EVENTS); // it is back
	assert_true(lost > 0);
	assert_int_equal(events + lost, EVENTS + 1);
	int buffer;
	socklen_t size = sizeof(buffer);
	assert_int_equal(getsockopt(slow, SOL_SOCKET, SO_SNDBUF, &buffer, &size), 0);
	assert_true(waiting < (size_t)buffer + SL_CONTROL_BACKLOG + 4096);
	close(slow);
	close(quick);
}

// What waits comes out as it went in, wherever in the buffer it was; and never more than there is room for.
static void test_OPS_3_backlog(void **state)
{
	struct control_backlog *backlog = calloc(1, sizeof(*backlog));
	char line[1000];
	unsigned in = 0, out = 0, refused = 0, seed = 1;
	size_t waits = 0;
	(void)state;
	assert_non_null(backlog);
	for (int round = 0; round < 100000; round++) {
		seed = seed * 1103515245u + 12345u;
		size_t len = (seed >> 16) % sizeof(line), some;
		for (size_t i = 0; i < len; i++)
			line[i] = (char)((in + i) * 7 >> 3);
		if (control_backlog_put(backlog, line, len)) {
			in += (unsigned)len;
			waits += len;
		} else {
			refused++;
			assert_true(waits + len > SL_CONTROL_BACKLOG);
		}
		assert_int_equal(backlog->len, waits);
		assert_true(backlog->start + waits <= SL_CONTROL_BACKLOG);
		some = (seed >> 8) % (round % 1000 < 500 ? 700 : 1300);
		if (some > waits)
			some = waits;
		for (size_t i = 0; i < some; i++, out++)
			assert_true(backlog->data[backlog->start + i] == (char)(out * 7 >> 3));
		control_backlog_sent(backlog, some);
		waits -= some;
	}
	assert_true(refused > 100);
	free(backlog);
}

// An event larger than all the room there is: lost.
static void test_OPS_3_watch_too_large_an_event(void **state)
{
	struct fixture *f = *state;
	char *huge = malloc(SL_CONTROL_BACKLOG + 1);
	bool ended;
	assert_non_null(huge);
	memset(huge, 'x', SL_CONTROL_BACKLOG);
	huge[SL_CONTROL_BACKLOG] = '\0';
	int fd = watch(f);
	run_ms(f, 20);
	sl_control_publish(f->control, json_pack("{s:s}", "text", huge));
	run_ms(f, 20);
	publish(f, 1);
	run_ms(f, 20);
	char *text = hear(fd, &ended);
	assert_non_null(strstr(text, "\"lost\",\"events\":1}\n{\"event\":\"test\",\"n\":1}\n"));
	assert_true(strlen(text) < 200);
	free(text);
	huge[SL_CONTROL_BACKLOG - 12] = '\0'; // {"text":"…"} and a newline fill it just so
	sl_control_publish(f->control, json_pack("{s:s}", "text", huge));
	run_ms(f, 20);
	text = hear(fd, &ended);
	assert_int_equal(strlen(text), SL_CONTROL_BACKLOG);
	free(text);
	free(huge);
	close(fd);
}

static void test_OPS_3_watchers_count_as_readers(void **state)
{
	struct fixture *f = *state;
	int fds[SL_CONTROL_READERS_MAX];
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		fds[i] = watch(f);
		if (i % 8 == 7)
			run_ms(f, 5);
	}
	int more = watch(f);
	run_ms(f, 20);
	assert_heard(more, "ERR busy too many readers at once, try again\n", true);
	publish(f, 1);
	run_ms(f, 20);
	for (size_t i = 0; i < SL_CONTROL_READERS_MAX; i++) {
		assert_heard(fds[i], "OK\n{\"event\":\"test\",\"n\":1}\n", false);
		close(fds[i]);
	}
	close(more);
	run_ms(f, 20);
	assert_text(f, "SOFTLAN1 echo\n", "OK\n{\"args\":[\"echo\"]}\n"); // there is a place again
}

// The last events still go out, and then the stream ends.
static void test_OPS_3_watch_closed_with_the_server(void **state)
{
	struct fixture *f = *state;
	int fd = watch(f), gone = watch(f);
	run_ms(f, 20);
	publish(f, 1);
	close(gone);
	sl_control_close(f->control);
	f->control = NULL;
	assert_heard(fd, "OK\n{\"event\":\"test\",\"n\":1}\n", true);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_OPS_3_watch),
		T(test_OPS_3_watch_refused),
		T(test_OPS_3_watcher_that_closes),
		T(test_OPS_3_watcher_that_does_not_read),
		cmocka_unit_test(test_OPS_3_backlog),
		T(test_OPS_3_watch_too_large_an_event),
		T(test_OPS_3_watchers_count_as_readers),
		T(test_OPS_3_watch_closed_with_the_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
