// A service has no console: its lines go to the event log, and with all that -v and log.level add, into a
// file beside the configuration.
#include "daemon/journal.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/wide.h"
#include "daemon/folder.h"
#include "daemon/path.h"
#include "daemon/service.h"

#define FILE_MAX_BYTES (1024 * 1024) // then it is renamed to FILE.1, and a new one begins

struct journal {
	struct sl_log *log;
	HANDLE source;            // NULL: there is none
	HANDLE file;              // INVALID_HANDLE_VALUE: it can't be written
	wchar_t *path, *old_path; // of the file
	uint64_t size;
};

// The folder is for SYSTEM and administrators alone, and its files inherit that.
static void file_open(struct journal *journal)
{
	LARGE_INTEGER size = {.QuadPart = 0};

	journal->file = CreateFileW(journal->path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_DELETE,
				    NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
	if (journal->file != INVALID_HANDLE_VALUE)
		GetFileSizeEx(journal->file, &size);
	journal->size = (uint64_t)size.QuadPart;
}

static void file_put(struct journal *journal, enum sl_log_level level, const char *line)
{
	char text[SL_LOG_LINE + 64];
	SYSTEMTIME now;
	DWORD written;

	if (journal->file != INVALID_HANDLE_VALUE && journal->size >= FILE_MAX_BYTES) {
		CloseHandle(journal->file);
		MoveFileExW(journal->path, journal->old_path, MOVEFILE_REPLACE_EXISTING);
		file_open(journal);
		if (journal->size >= FILE_MAX_BYTES && journal->file != INVALID_HANDLE_VALUE) {
			CloseHandle(journal->file); // it could not be renamed: no more is written
			journal->file = INVALID_HANDLE_VALUE;
		}
	}
	if (journal->file == INVALID_HANDLE_VALUE)
		return;
	GetLocalTime(&now);
	int len = snprintf(text, sizeof(text), "%04u-%02u-%02u %02u:%02u:%02u.%03u %-7s %s\r\n", now.wYear,
			   now.wMonth, now.wDay, now.wHour, now.wMinute, now.wSecond, now.wMilliseconds,
			   sl_log_level_name(level), line);
	if (len > 0 && WriteFile(journal->file, text, (DWORD)len, &written, NULL))
		journal->size += written;
}

static void event_put(const struct journal *journal, enum sl_log_level level, const char *line)
{
	static const WORD types[] = {EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, EVENTLOG_INFORMATION_TYPE};
	wchar_t wide[SL_LOG_LINE + 1];
	const wchar_t *inserts[] = {wide};

	// With one line for each frame the event log would hold nothing else.
	if (!journal->source || level > SL_LOG_INFO || (level == SL_LOG_INFO && journal->log->frames))
		return;
	if (MultiByteToWideChar(CP_UTF8, 0, line, -1, wide, SL_LOG_LINE + 1) > 0)
		ReportEventW(journal->source, types[level], 0, EVENT_SOURCE_TEXT, NULL, 1, 0, inserts, NULL);
}

static bool put_line(void *arg, enum sl_log_level level, const char *line, const struct sl_log_about *about)
{
	struct journal *journal = arg;

	(void)about;
	event_put(journal, level, line);
	file_put(journal, level, line);
	return true;
}

// "softlan-client" writes client.log.
static wchar_t *file_path(const char *identifier, const char *suffix)
{
	const char *dash = strrchr(identifier, '-');
	struct sl_text text = {0};
	char *path, *expanded;
	wchar_t *wide;

	sl_text_add(&text, "%s/%s.log%s", SL_STATEDIR, dash ? dash + 1 : identifier, suffix);
	path = sl_text_take(&text);
	expanded = path ? sl_path(path) : NULL;
	wide = expanded ? sl_wide(expanded) : NULL;
	free(expanded);
	free(path);
	return wide;
}

void sl_journal_start(struct sl_log *log, const char *identifier)
{
	struct journal *journal;
	wchar_t *source;

	if (!sl_service_active())
		return;
	journal = calloc(1, sizeof(*journal));
	if (!journal)
		return;
	journal->log = log;
	journal->file = INVALID_HANDLE_VALUE;
	journal->path = file_path(identifier, "");
	journal->old_path = file_path(identifier, ".1");
	source = sl_wide(identifier);
	if (source)
		journal->source = RegisterEventSourceW(NULL, source);
	free(source);
	log->to_journal = put_line;
	log->to_journal_arg = journal;
	if (journal->path && journal->old_path)
		file_open(journal);
}

void sl_journal_stop(struct sl_log *log)
{
	struct journal *journal = log->to_journal_arg;

	if (!journal)
		return;
	log->to_journal = NULL;
	log->to_journal_arg = NULL;
	if (journal->source)
		DeregisterEventSource(journal->source);
	if (journal->file != INVALID_HANDLE_VALUE)
		CloseHandle(journal->file);
	free(journal->path);
	free(journal->old_path);
	free(journal);
}
