// The control socket (docs/protocol.md has its grammar): one line `SOFTLAN1 <verb> [argument…]`,
// answered by `OK` and one JSON document or by `ERR <code> <text>`.
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "net/loop.h"

#define SL_CONTROL_REQUEST_MAX 4096
#define SL_CONTROL_READERS_MAX 32
#define SL_CONTROL_ARGS_MAX 8

struct sl_control;

struct sl_control_reply {
	json_t *json;          // owned by the server once returned; or
	const char *code;      // "not_found", "unsupported", "usage", "denied", "failed"
	struct sl_error error; // with code: the text; or
	char *text;            // a longer one, freed by the server
};

// What verbs share: the answer (NULL: out of memory), and whether at most `max` words were given (verb
// included); if not, the reply has `usage`.
void sl_control_answer(struct sl_control_reply *reply, json_t *json);
bool sl_control_usage(struct sl_control_reply *reply, int argc, int max, const char *text);
// `run` of the verb `watch`, which streams.
void sl_control_watch(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply);

struct sl_control_verb {
	const char *name;
	bool changes; // only for root or the daemon's own user (SO_PEERCRED)
	// argv[0] is the verb.
	void (*run)(void *arg, int argc, const char *const *argv, struct sl_control_reply *reply);
	bool streams; // `watch`: after OK, events follow, one JSON document a line, until the reader closes;
		      // `run` may refuse, its JSON is not used
};

#define SL_CONTROL_REQUEST_S 5   // for the whole request line
#define SL_CONTROL_ANSWER_S 10   // for a reader to take the answer
#define SL_CONTROL_BACKLOG 65536 // bytes of events that wait for one that watches; more are lost

// `verbs` (NULL: none) ends with a NULL name and must outlive the server. The socket gets mode 0660 and, when
// it exists and we may, group `group`. A stale socket file is replaced; one that answers is an error.
int sl_control_open(struct sl_loop *loop, const char *path, const char *group,
		    const struct sl_control_verb *verbs, void *arg, struct sl_control **out,
		    struct sl_error *error);
// Changes what `run` gets as its first argument.
void sl_control_set_arg(struct sl_control *control, void *arg);
// Verbs that every daemon has beside its own, run with `arg`. `verbs` ends with a NULL name and must outlive
// the server.
void sl_control_set_common(struct sl_control *control, const struct sl_control_verb *verbs, void *arg);
// Is anybody watching? `control` is a struct sl_control, as struct sl_events wants it.
bool sl_control_watched(void *control);
// Gives an event to all who watch; takes it over. A reader that does not read loses events, and is told how
// many in an event `lost` when it reads again; it never holds up the daemon. Sends nothing yet: the loop
// does.
void sl_control_publish(void *control, json_t *event);
void sl_control_close(struct sl_control *control); // removes the socket file; NULL is fine
