// What the tests of QUIC stand on: a real event loop that is run until something has happened, a development
// certificate in a folder of its own, and a client's trust in it. To be included after `struct world`, which
// holds these members (and whatever else its test needs):
//
//	char dir[64], der[96];
//	struct sl_log log;
//	struct sl_loop *loop;
//	struct sl_env *env;
//	struct sl_tls *server_tls, *client_tls;
//	bool (*done)(struct world *);
//	struct sl_timer *poll, *limit;
//	bool timed_out;
#pragma once

#define NAME "softlan-relay.local"

static inline void on_poll(void *arg)
{
	struct world *w = arg;
	if (w->done != NULL && w->done(w))
		sl_loop_stop(w->loop);
	else
		w->env->ops->timer_set(w->poll, w->env->now_ns + SL_NS_PER_MS);
}

static inline void on_limit(void *arg)
{
	struct world *w = arg;
	w->timed_out = true;
	sl_loop_stop(w->loop);
}

// Runs the loop until `done` (NULL: never) says so; false: it did not within the limit.
static inline bool run_until(struct world *w, bool (*done)(struct world *), uint64_t limit_ms)
{
	w->done = done;
	w->timed_out = false;
	w->env->ops->timer_set(w->poll, w->env->now_ns);
	w->env->ops->timer_set(w->limit, w->env->now_ns + limit_ms * SL_NS_PER_MS);
	sl_loop_run(w->loop);
	w->env->ops->timer_set(w->poll, SL_TIME_NEVER);
	w->env->ops->timer_set(w->limit, SL_TIME_NEVER);
	return !w->timed_out;
}

static inline void run_for(struct world *w, uint64_t ms)
{
	run_until(w, NULL, ms);
}

// A new world, all else in it zero; `test` makes the folder's name.
static inline struct world *world_new(const char *test)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sl_error error = {""};
	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/softlan-test-%s-XXXXXX", test);
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->der, sizeof(w->der), "%s/relay.der", w->dir);
	sl_log_init(&w->log);
	w->loop = sl_loop_new(&w->log, &error);
	assert_non_null(w->loop);
	w->env = sl_loop_env(w->loop);
	w->poll = w->env->ops->timer_new(w->env, on_poll, w);
	w->limit = w->env->ops->timer_new(w->env, on_limit, w);
	w->server_tls = sl_tls_server_dev(w->dir, NAME, w->der, &error);
	if (w->server_tls == NULL)
		fail_msg("%s", error.text);
	w->client_tls = sl_tls_client_new(w->der, &error);
	if (w->client_tls == NULL)
		fail_msg("%s", error.text);
	return w;
}

// After all that uses the loop is gone.
static inline void world_free(struct world *w)
{
	char command[128];
	sl_tls_free(w->client_tls);
	sl_tls_free(w->server_tls);
	w->env->ops->timer_free(w->poll);
	w->env->ops->timer_free(w->limit);
	sl_loop_free(w->loop);
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
}
