// Notices: what the relay tells of the frames that it drops. The last one for each reason is kept as long as
// the connection lasts.
#include "session/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "obs/events.h"
#include "session/session_internal.h"

void notices_clear(struct sl_session *s)
{
	memset(s->notices, 0, sizeof s->notices);
	s->isolated_by = NULL;
}

static void log_notice(struct sl_session *s, const struct sl_session_notice *notice, bool begins, bool ends)
{
	const struct sl_log_about about = {.room = s->config.room, .reason = notice->token};
	struct sl_log *log = s->env->log;
	struct sl_log_limit *limit = &s->log_notice[notice->reason];
	uint64_t suppressed;

	if (begins)
		limit = &s->log_isolated;
	else if (ends)
		limit = &s->log_let_in;
	if (!sl_log_every(limit, s->env->now_ns, &suppressed))
		return;
	if (begins)
		sl_log_write_about(log, SL_LOG_WARNING, s->config.scope, &about,
				   "isolated from room %s: %s (%s)", s->config.room, notice->message,
				   notice->token);
	else if (ends)
		sl_log_write_about(log, SL_LOG_INFO, s->config.scope, &about,
				   "let into room %s again: %s (%s)", s->config.room, notice->message,
				   notice->token);
	else
		sl_log_write_about(log, SL_LOG_WARNING, s->config.scope, &about,
				   "the relay dropped %" PRIu64 " frames: %s (%s)", notice->frames,
				   notice->message, notice->token);
}

void notices_take(struct sl_session *s, const struct sl_msg *msg)
{
	// Reasons that are not known here share the last place.
	struct sl_session_notice *kept = &s->notices[msg->notice.reason], now = {0};
	bool begins = msg->notice.isolated && s->isolated_by == NULL;
	// Other notices may say that we are isolated, and one of them may be the first; the reason is the
	// loop.
	bool loop = msg->notice.reason == SL_DROP_LOOP;
	bool ends = !msg->notice.isolated && s->isolated_by != NULL && (loop || s->isolated_by == kept);

	now.reason = msg->notice.reason;
	snprintf(now.token, sizeof now.token, "%s", msg->notice.token[0] != '\0' ? msg->notice.token : "?");
	memcpy(now.message, msg->notice.message, sizeof now.message);
	now.frames = msg->notice.frames;
	now.total = kept->total + msg->notice.frames;
	now.isolated = msg->notice.isolated;
	now.at_ns = s->env->now_ns;
	if (begins || (loop && msg->notice.isolated))
		s->isolated_by = kept;
	else if (ends)
		s->isolated_by = NULL;
	log_notice(s, &now, begins, ends);
	sl_event(s->env, "notice", "{s:s, s:s, s:I, s:b}", "reason", now.token, "message", now.message,
		 "frames", (json_int_t)now.frames, "isolated", (int)now.isolated);
	*kept = now;
	if (s->ops.notice != NULL)
		s->ops.notice(s->ops.arg, &now);
}

const struct sl_session_notice *sl_session_notice_next(const struct sl_session *s, unsigned *cursor)
{
	while (*cursor <= SL_DROP_COUNT) {
		const struct sl_session_notice *notice = &s->notices[(*cursor)++];
		if (notice->token[0] != '\0')
			return notice;
	}
	return NULL;
}
