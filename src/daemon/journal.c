#include "daemon/journal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <syslog.h>

#define FIELDS_MAX 7
#define TEXT_BYTES 128 // of a field but the message: a room code has 64, a reason as many

struct entry {
	struct iovec fields[FIELDS_MAX];
	char texts[FIELDS_MAX][TEXT_BYTES];
	int count;
};

static void SL_PRINTF(2, 3) add(struct entry *entry, const char *format, ...)
{
	char *text = entry->texts[entry->count];
	va_list args;

	va_start(args, format);
	vsnprintf(text, TEXT_BYTES, format, args);
	va_end(args);
	entry->fields[entry->count++] = (struct iovec){.iov_base = text, .iov_len = strlen(text)};
}

static bool send_line(void *arg, enum sl_log_level level, const char *line, const struct sl_log_about *about)
{
	static const int priority[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	struct entry entry = {.count = 0};
	char message[sizeof("MESSAGE=") + SL_LOG_LINE], mac[SL_MAC_TEXT];

	snprintf(message, sizeof(message), "MESSAGE=%s", line);
	entry.fields[entry.count++] = (struct iovec){.iov_base = message, .iov_len = strlen(message)};
	add(&entry, "PRIORITY=%d", priority[level]);
	add(&entry, "SYSLOG_IDENTIFIER=%s", (const char *)arg);
	if (about->room)
		add(&entry, "SOFTLAN_ROOM=%s", about->room);
	if (about->peer)
		add(&entry, "SOFTLAN_PEER=%u", about->peer);
	if (about->mac)
		add(&entry, "SOFTLAN_MAC=%s", sl_mac_format(about->mac, mac));
	if (about->reason)
		add(&entry, "SOFTLAN_REASON=%s", about->reason);
	return sd_journal_sendv(entry.fields, entry.count) == 0;
}

void sl_journal_start(struct sl_log *log, const char *identifier)
{
	if (!log->journal)
		return;
	log->to_journal = send_line;
	log->to_journal_arg = (void *)(uintptr_t)identifier;
}

void sl_journal_stop(struct sl_log *log)
{
	log->to_journal = NULL;
	log->to_journal_arg = NULL;
}
