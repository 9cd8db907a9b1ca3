#include "softlanctl/client.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softlanctl/connect.h"

// `SOFTLAN1 verb argument…\n`. The grammar has no quotes: an argument is one word.
static int make_request(int argc, char *const *argv, char *out, size_t *out_len, struct sl_error *error)
{
	size_t len = (size_t)snprintf(out, CTL_REQUEST_MAX, "SOFTLAN1");
	for (int i = 0; i < argc; i++) {
		size_t more = strlen(argv[i]);
		for (const char *p = argv[i]; *p; p++) {
			if ((unsigned char)*p <= 0x20 || *p == 0x7f)
				return sl_fail(error, SL_ERR_INVALID,
					       "argument \"%.40s\": blanks and control characters are not "
					       "possible here",
					       argv[i]);
		}
		if (more == 0)
			return sl_fail(error, SL_ERR_INVALID, "an argument is empty");
		if (len + more + 2 > CTL_REQUEST_MAX)
			return sl_fail(error, SL_ERR_INVALID,
				       "the arguments are longer than a request may be (%d bytes)",
				       CTL_REQUEST_MAX);
		out[len++] = ' ';
		memcpy(out + len, argv[i], more);
		len += more;
	}
	out[len++] = '\n';
	*out_len = len;
	return SL_OK;
}

static int parse_answer(const char *path, const char *text, size_t len, json_t **out, struct sl_error *error)
{
	if (len == 0)
		return sl_fail(error, SL_ERR_CLOSED, "the daemon at %s closed without an answer", path);
	const char *newline = memchr(text, '\n', len);
	if (newline && newline - text == 2 && memcmp(text, "OK", 2) == 0) {
		json_error_t why;
		*out = json_loadb(newline + 1, len - 3, JSON_DECODE_ANY, &why);
		if (*out)
			return SL_OK;
		return sl_fail(error, SL_ERR_PROTO, "the answer from %s is not whole or not JSON (%s)", path,
			       why.text);
	}
	if (newline && newline - text > 4 && memcmp(text, "ERR ", 4) == 0) {
		const char *code = text + 4, *end = newline - code > 400 ? code + 400 : newline;
		const char *blank = memchr(code, ' ', (size_t)(end - code));
		if (!blank)
			return sl_fail(error, SL_ERR_UNSUPPORTED, "%.*s", (int)(end - code), code);
		return sl_fail(error, SL_ERR_UNSUPPORTED, "%.*s (%.*s)", (int)(end - blank - 1), blank + 1,
			       (int)(blank - code), code);
	}
	return sl_fail(error, SL_ERR_PROTO, "the answer from %s is not that of a softlan daemon", path);
}

// The sentence for a request that failed before there was an answer to judge.
static int failed(int rc, const struct ctl_link *link, const char *path, unsigned timeout_s,
		  struct sl_error *error)
{
	if (rc == SL_ERR_CLOSED)
		return sl_fail(error, rc, "the daemon at %s did not answer within %u s", path, timeout_s);
	return sl_fail(error, rc, "%s: %s", path,
		       rc == SL_ERR_NOMEM || !link ? "out of memory" : ctl_link_problem(link));
}

// Connects and sends the request. SL_OK: *out is to be closed.
static int send_request(const char *path, unsigned timeout_s, int64_t deadline_ms, int argc,
			char *const *argv, struct ctl_link **out, struct sl_error *error)
{
	char request[CTL_REQUEST_MAX];
	size_t len = 0;
	int rc = make_request(argc, argv, request, &len, error);
	if (rc != SL_OK)
		return rc;
	rc = ctl_link_open(path, deadline_ms, out, error);
	if (rc != SL_OK)
		return rc;
	rc = ctl_link_write(*out, request, len, deadline_ms);
	if (rc == SL_OK)
		return SL_OK;
	failed(rc, *out, path, timeout_s, error);
	ctl_link_close(*out);
	return rc;
}

// ---- one question

struct ctl_query {
	const char *path;
	struct ctl_link *link;
	char *text;
	size_t len, capacity;
};

static int query_start(const char *path, unsigned timeout_s, int64_t deadline_ms, int argc, char *const *argv,
		       struct ctl_query **out, struct sl_error *error)
{
	struct ctl_query *query = calloc(1, sizeof(*query));
	*out = NULL;
	if (!query)
		return failed(SL_ERR_NOMEM, NULL, path, timeout_s, error);
	query->path = path;
	int rc = send_request(path, timeout_s, deadline_ms, argc, argv, &query->link, error);
	if (rc == SL_OK)
		*out = query;
	else
		free(query);
	return rc;
}

int ctl_query_new(const char *path, int argc, char *const *argv, struct ctl_query **out,
		  struct sl_error *error)
{
	return query_start(path, 0, ctl_now_ms(), argc, argv, out, error);
}

struct ctl_link *ctl_query_link(const struct ctl_query *query)
{
	return query->link;
}

void ctl_query_free(struct ctl_query *query)
{
	if (!query)
		return;
	ctl_link_close(query->link);
	free(query->text);
	free(query);
}

// Reads up to the end of the stream, or to what is there now (SL_ERR_AGAIN).
static int read_some(struct ctl_query *query)
{
	for (;;) {
		if (query->len == query->capacity) {
			size_t capacity = query->capacity ? 2 * query->capacity : 4096;
			char *larger = realloc(query->text, capacity);
			if (!larger)
				return SL_ERR_NOMEM;
			query->text = larger;
			query->capacity = capacity;
		}
		size_t got;
		int rc = ctl_link_read(query->link, query->text + query->len, query->capacity - query->len,
				       &got);
		if (rc != SL_OK || got == 0)
			return rc;
		query->len += got;
		if (query->len > CTL_ANSWER_MAX)
			return SL_ERR_TOO_LARGE;
	}
}

int ctl_query_read(struct ctl_query *query, json_t **out, struct sl_error *error)
{
	int rc = read_some(query);
	*out = NULL;
	if (rc == SL_OK)
		return parse_answer(query->path, query->text, query->len, out, error);
	if (rc == SL_ERR_TOO_LARGE)
		return sl_fail(error, SL_ERR_PROTO, "the answer from %s is longer than 16 MiB", query->path);
	return rc == SL_ERR_AGAIN ? rc : failed(rc, query->link, query->path, 0, error);
}

int ctl_ask(const char *path, unsigned timeout_s, int argc, char *const *argv, json_t **out,
	    struct sl_error *error)
{
	int64_t deadline_ms = ctl_now_ms() + (int64_t)timeout_s * 1000;
	struct ctl_query *query;

	*out = NULL;
	int rc = query_start(path, timeout_s, deadline_ms, argc, argv, &query, error);
	if (rc != SL_OK)
		return rc;
	while ((rc = ctl_query_read(query, out, error)) == SL_ERR_AGAIN) {
		rc = ctl_link_wait(query->link, deadline_ms);
		if (rc != SL_OK) {
			failed(rc, query->link, path, timeout_s, error);
			break;
		}
	}
	ctl_query_free(query);
	return rc;
}

// ---- events

struct lines {
	struct ctl_link *link;
	char *data;
	size_t start, len, capacity;
	bool ended;
};

// Makes room and reads once, or waits. SL_OK: there is more, or `ended` is set.
static int read_more(struct lines *in, int64_t deadline_ms)
{
	if (in->start > 0) {
		memmove(in->data, in->data + in->start, in->len);
		in->start = 0;
	}
	if (in->len == in->capacity) {
		size_t capacity = in->capacity ? 2 * in->capacity : 4096;
		if (capacity > CTL_EVENT_MAX)
			return SL_ERR_TOO_LARGE;
		char *larger = realloc(in->data, capacity);
		if (!larger)
			return SL_ERR_NOMEM;
		in->data = larger;
		in->capacity = capacity;
	}
	for (;;) {
		size_t got;
		int rc = ctl_link_read(in->link, in->data + in->len, in->capacity - in->len, &got);
		if (rc == SL_OK) {
			in->len += got;
			in->ended = got == 0;
			return SL_OK;
		}
		if (rc == SL_ERR_AGAIN)
			rc = ctl_link_wait(in->link, deadline_ms);
		if (rc != SL_OK)
			return rc;
	}
}

// The next line with its newline, valid until the next call. At the end of the stream, what is left of it.
static int next_line(struct lines *in, int64_t deadline_ms, const char **out, size_t *len)
{
	size_t seen = 0;
	for (;;) {
		char *newline =
			in->len > seen ? memchr(in->data + in->start + seen, '\n', in->len - seen) : NULL;
		if (newline || in->ended) {
			*out = in->data + in->start;
			*len = newline ? (size_t)(newline - *out) + 1 : in->len;
			in->start += *len;
			in->len -= *len;
			return SL_OK;
		}
		seen = in->len;
		int rc = read_more(in, deadline_ms);
		if (rc != SL_OK)
			return rc;
	}
}

static int watch_events(struct lines *in, const char *path, bool (*fn)(void *arg, const json_t *event),
			void *arg, struct sl_error *error)
{
	for (;;) {
		const char *line;
		size_t len;
		json_error_t why;
		int rc = next_line(in, INT64_MAX, &line, &len);
		if (rc != SL_OK)
			return sl_fail(error, SL_ERR_PROTO, "the events from %s broke off (%s)", path,
				       rc == SL_ERR_TOO_LARGE ? "one is longer than 1 MiB"
				       : rc == SL_ERR_NOMEM   ? "out of memory"
							      : ctl_link_problem(in->link));
		if (len == 0)
			return SL_OK;
		json_t *event = line[len - 1] == '\n' ? json_loadb(line, len, 0, &why) : NULL;
		if (!event)
			return sl_fail(error, SL_ERR_PROTO, "an event from %s is not whole or not JSON",
				       path);
		bool more = fn(arg, event);
		json_decref(event);
		if (!more)
			return SL_ERR_PROTO;
	}
}

int ctl_watch(const char *path, unsigned timeout_s, int argc, char *const *argv,
	      bool (*fn)(void *arg, const json_t *event), void *arg, struct sl_error *error)
{
	int64_t deadline_ms = ctl_now_ms() + (int64_t)timeout_s * 1000;
	struct lines in = {0};
	const char *line;
	size_t len;

	int rc = send_request(path, timeout_s, deadline_ms, argc, argv, &in.link, error);
	if (rc != SL_OK)
		return rc;
	rc = next_line(&in, deadline_ms, &line, &len);
	if (rc == SL_ERR_TOO_LARGE) {
		rc = sl_fail(error, SL_ERR_PROTO, "the answer from %s is not that of a softlan daemon", path);
	} else if (rc != SL_OK) {
		failed(rc, in.link, path, timeout_s, error);
	} else if (len == 3 && memcmp(line, "OK\n", 3) == 0) {
		rc = watch_events(&in, path, fn, arg, error);
	} else {
		json_t *none = NULL;
		rc = parse_answer(path, line, len, &none, error);
		json_decref(none);
	}
	free(in.data);
	ctl_link_close(in.link);
	return rc;
}
