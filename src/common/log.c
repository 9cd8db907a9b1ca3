#include "common/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/time.h"

#define PREFIX_BYTES 3 // "<N>"
#define REPEAT_NS (10 * SL_NS_PER_S)

static const char *const level_names[] = {"error", "warning", "info", "debug"};
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

// systemd.exec(5): JOURNAL_STREAM holds device and inode of the journal's socket. It is inherited
// by programs whose stderr is somewhere else, so it must be compared with the real stderr.
static bool stderr_is_journal(void)
{
	const char *value = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (value == NULL || sscanf(value, "%llu:%llu", &device, &inode) != 2)
		return false;
	if (fstat(STDERR_FILENO, &st) != 0)
		return false;
	return (unsigned long long)st.st_dev == device && (unsigned long long)st.st_ino == inode;
}

void sl_log_init(struct sl_log *log)
{
	memset(log, 0, sizeof(*log));
	log->level = SL_LOG_INFO;
	log->journal = stderr_is_journal();
}

bool sl_log_level_parse(const char *name, enum sl_log_level *out)
{
	for (size_t i = 0; i < LEVELS; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum sl_log_level)i;
			return true;
		}
	}
	return false;
}

const char *sl_log_level_name(enum sl_log_level level)
{
	return (unsigned)level < LEVELS ? level_names[level] : NULL;
}

static char *put_escape(char *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'x';
	*out++ = digits[c >> 4];
	*out++ = digits[c & 15];
	return out;
}

// Copies `text` to `out` with its control bytes escaped, up to `end` (exclusive); an escape is
// never cut in two. Returns the new end of the text.
static char *append_escaped(char *out, const char *end, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		unsigned char next = (unsigned char)p[1];

		if (c < 0x20 || c == 0x7f) {
			if (end - out < 4)
				break;
			out = put_escape(out, c);
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			// U+0080 to U+009F: terminals obey these as they do ESC.
			if (end - out < 8)
				break;
			out = put_escape(out, c);
			out = put_escape(out, next);
			p++;
		} else {
			if (end - out < 1)
				break;
			*out++ = (char)c;
		}
	}
	return out;
}

static void write_stderr(const struct sl_log *log, enum sl_log_level level, char *start, char *end)
{
	static const char priority[LEVELS] = {'3', '4', '6', '7'}; // sd-daemon(3)
	size_t len;

	if (log->journal) {
		start -= PREFIX_BYTES;
		start[0] = '<';
		start[1] = priority[level];
		start[2] = '>';
	}
	*end++ = '\n';
	len = (size_t)(end - start);
	// One write, so that lines of several processes do not mix. When stderr is full or gone
	// there is nobody left to tell.
	while (write(STDERR_FILENO, start, (unsigned)len) < 0 && errno == EINTR)
		;
}

static void SL_PRINTF(5, 0) write_line(struct sl_log *log, enum sl_log_level level, const char *scope,
				       const struct sl_log_about *about, const char *format, va_list args)
{
	char text[SL_LOG_LINE + 1];
	char line[PREFIX_BYTES + SL_LOG_LINE + 2]; // and a newline or terminator
	char *start = line + PREFIX_BYTES;
	const char *limit = start + SL_LOG_LINE;
	char *end = start;
	int saved_errno = errno;

	if ((unsigned)level >= LEVELS || !sl_log_on(log, level))
		return;
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';

	end = append_escaped(end, limit, scope);
	end = append_escaped(end, limit, ": ");
	end = append_escaped(end, limit, text);
	end = start + sl_utf8_whole(start, (size_t)(end - start));
	*end = '\0';
	if (log->sink != NULL)
		log->sink(log->sink_arg, level, start);
	else if (log->to_journal == NULL || !log->to_journal(log->to_journal_arg, level, start, about))
		write_stderr(log, level, start, end);
	errno = saved_errno;
}

void sl_log_write(struct sl_log *log, enum sl_log_level level, const char *scope, const char *format, ...)
{
	static const struct sl_log_about nothing = {0};
	va_list args;

	va_start(args, format);
	write_line(log, level, scope, &nothing, format, args);
	va_end(args);
}

void sl_log_write_about(struct sl_log *log, enum sl_log_level level, const char *scope,
			const struct sl_log_about *about, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(log, level, scope, about, format, args);
	va_end(args);
}

bool sl_log_every(struct sl_log_limit *limit, uint64_t now_ns, uint64_t *suppressed)
{
	if (now_ns < limit->next_ns) {
		limit->held_back++;
		return false;
	}
	*suppressed = limit->held_back;
	limit->held_back = 0;
	limit->next_ns = now_ns > SL_TIME_NEVER - REPEAT_NS ? SL_TIME_NEVER : now_ns + REPEAT_NS;
	return true;
}
