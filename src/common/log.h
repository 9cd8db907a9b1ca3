// The log: one line per event, "scope: what happened, key value… (reason)".
// No global state: whoever logs holds a pointer to the process's one struct sl_log.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/mac.h"
#include "common/printf.h"

enum sl_log_level { SL_LOG_ERROR, SL_LOG_WARNING, SL_LOG_INFO, SL_LOG_DEBUG };

#define SL_LOG_LINE 1024 // bytes of a line, without priority prefix and newline

// Receives one finished line without its newline; control bytes are already escaped.
typedef void (*sl_log_sink_fn)(void *arg, enum sl_log_level level, const char *line);

// What a line is about, for a log that keeps fields; what is not known is left 0. The line says it as well.
struct sl_log_about {
	const char *room;
	uint16_t peer;
	const struct sl_mac *mac;
	const char *reason;
};

// Receives a line as a sink does, with what it is about (never NULL). False: not taken, it goes to stderr.
typedef bool (*sl_log_journal_fn)(void *arg, enum sl_log_level level, const char *line,
				  const struct sl_log_about *about);

struct sl_log {
	enum sl_log_level level;      // lines above this level are not made
	bool frames;                  // log.frames: one line for each frame (OBS-1)
	bool journal;                 // stderr is the journal: lines begin with the <N> priority prefix
	sl_log_journal_fn to_journal; // NULL: none
	void *to_journal_arg;
	sl_log_sink_fn sink; // takes every line; NULL: none
	void *sink_arg;
};

// Sets up a log that writes to stderr (with the <N> priority prefix of sd-daemon(3) when
// stderr is the journal) at level info.
void sl_log_init(struct sl_log *log);

// "error", "warning", "info", "debug" <-> level. Returns false / NULL for anything else.
bool sl_log_level_parse(const char *name, enum sl_log_level *out);
const char *sl_log_level_name(enum sl_log_level level);

static inline bool sl_log_on(const struct sl_log *log, enum sl_log_level level)
{
	return level <= log->level;
}

// Lines are cut at 1,024 bytes. Control bytes (below 0x20, 0x7f, UTF-8 of U+0080 to U+009F) come out
// as \xNN. A line goes to stderr in one write(2); errno is kept.
void sl_log_write(struct sl_log *log, enum sl_log_level level, const char *scope, const char *format, ...)
	SL_PRINTF(4, 5);

// The same with what the line is about (not NULL), for a journal; elsewhere the line alone is written.
void sl_log_write_about(struct sl_log *log, enum sl_log_level level, const char *scope,
			const struct sl_log_about *about, const char *format, ...) SL_PRINTF(5, 6);

#define sl_err(log, scope, ...) sl_log_write((log), SL_LOG_ERROR, (scope), __VA_ARGS__)
#define sl_warn(log, scope, ...) sl_log_write((log), SL_LOG_WARNING, (scope), __VA_ARGS__)
#define sl_info(log, scope, ...) sl_log_write((log), SL_LOG_INFO, (scope), __VA_ARGS__)
// Debug arguments are not evaluated unless the level is on.
#define sl_debug(log, scope, ...)                                                                            \
	do {                                                                                                 \
		if (sl_log_on((log), SL_LOG_DEBUG))                                                          \
			sl_log_write((log), SL_LOG_DEBUG, (scope), __VA_ARGS__);                             \
	} while (0)

// Repeated faults: at most one line in 10 s. Zero-initialise. Returns true when a line may be
// written now; *suppressed is then how many were held back since the last one.
struct sl_log_limit {
	uint64_t next_ns;
	uint64_t held_back;
};
bool sl_log_every(struct sl_log_limit *limit, uint64_t now_ns, uint64_t *suppressed);
