#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/time.h"

struct sink {
	char last[2048];
	enum sl_log_level level;
	unsigned lines;
};

static void keep_line(void *arg, enum sl_log_level level, const char *line)
{
	struct sink *sink = arg;

	snprintf(sink->last, sizeof(sink->last), "%s", line);
	sink->level = level;
	sink->lines++;
}

static void make_log(struct sl_log *log, struct sink *sink)
{
	memset(sink, 0, sizeof(*sink));
	sl_log_init(log);
	log->sink = keep_line;
	log->sink_arg = sink;
}

static void log_levels_and_format(void **state)
{
	struct sl_log log;
	struct sink sink;

	(void)state;
	make_log(&log, &sink);
	assert_int_equal(log.level, SL_LOG_INFO);
	errno = ENOENT;
	sl_info(&log, "room", "peer %d joined, mac %s (%s)", 7, "02:00:00:00:00:01", "hello");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(sink.last, "room: peer 7 joined, mac 02:00:00:00:00:01 (hello)");
	assert_int_equal(sink.level, SL_LOG_INFO);
	sl_err(&log, "tap", "gone");
	assert_int_equal(sink.level, SL_LOG_ERROR);
	sl_warn(&log, "tap", "odd");
	assert_int_equal(sink.level, SL_LOG_WARNING);
	assert_int_equal(sink.lines, 3);

	log.level = SL_LOG_WARNING;
	sl_info(&log, "room", "not made");
	assert_int_equal(sink.lines, 3);
	log.level = SL_LOG_DEBUG;
	sl_debug(&log, "room", "made");
	assert_int_equal(sink.lines, 4);
	assert_int_equal(sink.level, SL_LOG_DEBUG);
}

static int count_call(int *calls)
{
	return ++*calls;
}

static void log_debug_arguments_are_lazy(void **state)
{
	struct sl_log log;
	struct sink sink;
	int calls = 0;

	(void)state;
	make_log(&log, &sink);
	sl_debug(&log, "x", "%d", count_call(&calls));
	assert_int_equal(calls, 0);
	log.level = SL_LOG_DEBUG;
	sl_debug(&log, "x", "%d", count_call(&calls));
	assert_int_equal(calls, 1);
}

static void log_level_names(void **state)
{
	enum sl_log_level level;

	(void)state;
	for (int i = SL_LOG_ERROR; i <= SL_LOG_DEBUG; i++) {
		assert_true(sl_log_level_parse(sl_log_level_name((enum sl_log_level)i), &level));
		assert_int_equal(level, i);
	}
	assert_true(sl_log_level_parse("warning", &level));
	assert_int_equal(level, SL_LOG_WARNING);
	assert_false(sl_log_level_parse("Warning", &level));
	assert_false(sl_log_level_parse("", &level));
	assert_null(sl_log_level_name((enum sl_log_level)99));
}

// A name from the network cannot forge a line or move a terminal's cursor.
static void log_escapes_control_bytes(void **state)
{
	struct sl_log log;
	struct sink sink;

	(void)state;
	make_log(&log, &sink);
	sl_info(&log, "a\nb", "%s", "x\n<3>root: y\t\x1b[2J\x7f \xc3\xa4 \xc2\x9b \xc2\xa0");
	assert_string_equal(sink.last,
			    "a\\x0ab: x\\x0a<3>root: y\\x09\\x1b[2J\\x7f \xc3\xa4 \\xc2\\x9b \xc2\xa0");
}

static void log_cuts_long_lines(void **state)
{
	char text[3000];
	struct sl_log log;
	struct sink sink;

	(void)state;
	make_log(&log, &sink);
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	sl_info(&log, "s", "%s", text);
	assert_int_equal(strlen(sink.last), 1024);
	assert_memory_equal(sink.last, "s: yyy", 6);

	// Neither an escape nor a character is cut in two, wherever the cut falls.
	for (size_t shift = 0; shift < 8; shift++) {
		size_t len;

		memset(text, 'y', shift);
		memset(text + shift, '\x01', sizeof(text) - shift - 1);
		sl_info(&log, "s", "%s", text);
		len = strlen(sink.last);
		assert_in_range(len, 1021, 1024);
		assert_string_equal(sink.last + len - 4, "\\x01");

		for (size_t i = shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		sl_info(&log, "s", "%s", text);
		len = strlen(sink.last);
		assert_in_range(len, 1022, 1024);
		assert_string_equal(sink.last + len - 3, "\xe2\x82\xac");
	}
}

// Runs `write_lines` with a seqpacket socket as stderr, where each write(2) is one message.
static int capture_stderr(int fds[2])
{
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	return saved;
}

static void restore_stderr(int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static void expect_message(int fd, const char *expected)
{
	char buffer[2048];
	ssize_t n = recv(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT);

	assert_int_equal(n, strlen(expected));
	buffer[n] = '\0';
	assert_string_equal(buffer, expected);
}

// OPS-2: lines go to stderr in one write each; with the priority prefix only when it is the journal.
static void log_writes_stderr(void **state)
{
	char stream[64];
	struct sl_log plain, foreign, journal;
	struct stat st;
	int fds[2];
	int saved;

	(void)state;
	saved = capture_stderr(fds);
	unsetenv("JOURNAL_STREAM");
	sl_log_init(&plain);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1); // inherited, but stderr is something else
	sl_log_init(&foreign);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	sl_log_init(&journal);
	unsetenv("JOURNAL_STREAM");

	journal.level = SL_LOG_DEBUG;
	sl_info(&plain, "relay", "up");
	sl_info(&foreign, "relay", "up");
	sl_err(&journal, "relay", "e");
	sl_warn(&journal, "relay", "w");
	sl_info(&journal, "relay", "i");
	sl_debug(&journal, "relay", "d");
	restore_stderr(saved);

	expect_message(fds[0], "relay: up\n");
	expect_message(fds[0], "relay: up\n");
	expect_message(fds[0], "<3>relay: e\n");
	expect_message(fds[0], "<4>relay: w\n");
	expect_message(fds[0], "<6>relay: i\n");
	expect_message(fds[0], "<7>relay: d\n");
	close(fds[0]);
	close(fds[1]);
}

struct journal {
	bool takes;
	unsigned lines;
	char fields[128]; // of the last
};

static bool keep_fields(void *arg, enum sl_log_level level, const char *line,
			const struct sl_log_about *about)
{
	struct journal *journal = arg;
	char mac[SL_MAC_TEXT] = "-";

	(void)level;
	if (about->mac)
		sl_mac_format(about->mac, mac);
	snprintf(journal->fields, sizeof(journal->fields), "%s|%s|%u|%s|%s", line,
		 about->room ? about->room : "-", about->peer, mac, about->reason ? about->reason : "-");
	journal->lines++;
	return journal->takes;
}

// What a line is about reaches the journal in fields; what the journal does not take goes to stderr.
static void log_fields_go_to_the_journal(void **state)
{
	const struct sl_mac mac = {{2, 0, 0, 0, 0, 1}};
	struct journal journal = {.takes = true};
	struct sl_log log;
	char byte;
	int fds[2], saved;

	(void)state;
	saved = capture_stderr(fds);
	sl_log_init(&log);
	log.journal = true;
	log.to_journal = keep_fields;
	log.to_journal_arg = &journal;
	sl_info(&log, "relay", "up\x1b");
	assert_string_equal(journal.fields, "relay: up\\x1b|-|0|-|-");
	sl_log_write_about(&log, SL_LOG_INFO, "relay", &(struct sl_log_about){"ROOM1", 7, &mac, "timed_out"},
			   "peer left");
	assert_string_equal(journal.fields, "relay: peer left|ROOM1|7|02:00:00:00:00:01|timed_out");
	sl_debug(&log, "relay", "not at this level");
	assert_int_equal(journal.lines, 2);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
	journal.takes = false;
	sl_warn(&log, "relay", "journald is away");
	restore_stderr(saved);
	assert_int_equal(journal.lines, 3);
	expect_message(fds[0], "<4>relay: journald is away\n");
	close(fds[0]);
	close(fds[1]);
}

// Repeated faults: one line in 10 s, with the number of those held back.
static void log_rate_limit(void **state)
{
	struct sl_log_limit limit = {0};
	uint64_t held = 99;

	(void)state;
	assert_true(sl_log_every(&limit, 5, &held));
	assert_int_equal(held, 0);
	for (uint64_t i = 0; i < 1000; i++)
		assert_false(sl_log_every(&limit, 5 + i, &held));
	assert_false(sl_log_every(&limit, 4 + 10 * SL_NS_PER_S, &held));
	assert_true(sl_log_every(&limit, 5 + 10 * SL_NS_PER_S, &held));
	assert_int_equal(held, 1001);
	assert_false(sl_log_every(&limit, 6 + 10 * SL_NS_PER_S, &held));
	assert_true(sl_log_every(&limit, 100 * SL_NS_PER_S, &held));
	assert_int_equal(held, 1);
	assert_true(sl_log_every(&limit, 200 * SL_NS_PER_S, &held));
	assert_int_equal(held, 0);
}

static void err_sentences(void **state)
{
	struct sl_error error = {"old"};
	char text[600];

	(void)state;
	assert_int_equal(sl_fail(NULL, SL_ERR_LIMIT, "x %d", 1), SL_ERR_LIMIT);
	assert_int_equal(sl_fail(&error, SL_ERR_INVALID, "relay.conf:%d: no such key", 3), SL_ERR_INVALID);
	assert_string_equal(error.text, "relay.conf:3: no such key");

	// A cut sentence is still whole characters.
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(error.text) - 3, "\xe2\x82\xac", 3);
	text[sizeof(text) - 1] = '\0';
	sl_fail(&error, SL_ERR_INVALID, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 3);
	memset(text + sizeof(error.text) - 3, 'b', 3);
	sl_fail(&error, SL_ERR_INVALID, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);

	for (int code = SL_ERR_LIMIT; code <= SL_OK; code++) {
		assert_string_not_equal(sl_strerror(code), "unknown error");
		for (int other = code + 1; other <= SL_OK; other++)
			assert_string_not_equal(sl_strerror(code), sl_strerror(other));
	}
	assert_string_equal(sl_strerror(-9999), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_levels_and_format), cmocka_unit_test(log_debug_arguments_are_lazy),
		cmocka_unit_test(log_level_names),       cmocka_unit_test(log_escapes_control_bytes),
		cmocka_unit_test(log_cuts_long_lines),   cmocka_unit_test(log_writes_stderr),
		cmocka_unit_test(log_rate_limit),        cmocka_unit_test(log_fields_go_to_the_journal),
		cmocka_unit_test(err_sentences),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
