#include "daemon/control_backlog.h"

#include <string.h>

bool control_backlog_put(struct control_backlog *backlog, const char *text, size_t len)
{
	size_t end = backlog->start + backlog->len;

	if (len > sizeof(backlog->data) - backlog->len)
		return false;
	if (len > sizeof(backlog->data) - end) {
		memmove(backlog->data, backlog->data + backlog->start, backlog->len);
		backlog->start = 0;
		end = backlog->len;
	}
	memcpy(backlog->data + end, text, len);
	backlog->len += len;
	return true;
}

void control_backlog_sent(struct control_backlog *backlog, size_t len)
{
	backlog->start += len;
	backlog->len -= len;
	if (backlog->len == 0)
		backlog->start = 0;
}
