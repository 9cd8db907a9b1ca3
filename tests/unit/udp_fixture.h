// Two UDP sockets on a real event loop: what test_udp.c and test_udp_limits.c stand on.
#pragma once

#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused)) // not every test needs all of it

#define MS SL_NS_PER_MS
#define MAX_GOT 20000

// One end: what arrived is kept as single datagrams.
struct end {
	struct fixture *f;
	struct sl_udp *udp;
	struct sl_addr addr;
	size_t got, bytes, trains;
	size_t len[MAX_GOT];
	uint32_t number[MAX_GOT]; // the datagram's first four bytes
	uint8_t ecn;
	bool close_in_recv, echo;
	unsigned writable;
	size_t stop_after;
	struct sl_addr local, remote; // of the last one
};

struct fixture {
	struct sl_log log;
	char logged[256];
	struct sl_loop *loop;
	struct sl_env *env;
	struct sl_timer *guard;
	bool timed_out;
	struct end a, b;
};

UNUSED static void on_guard(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	sl_loop_stop(f->loop);
}

UNUSED static void run_for(struct fixture *f, uint64_t ns)
{
	f->timed_out = false;
	f->env->ops->timer_set(f->guard, f->env->now_ns + ns);
	assert_int_equal(sl_loop_run(f->loop), SL_OK);
	f->env->ops->timer_set(f->guard, SL_TIME_NEVER);
}

UNUSED static void run(struct fixture *f)
{
	run_for(f, 10 * SL_NS_PER_S);
	assert_false(f->timed_out);
}

UNUSED static void sink(void *arg, enum sl_log_level level, const char *line)
{
	struct fixture *f = arg;

	(void)level;
	snprintf(f->logged, sizeof(f->logged), "%s", line);
}

UNUSED static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	sl_log_init(&f->log);
	f->log.sink = sink;
	f->log.sink_arg = f;
	f->loop = sl_loop_new(&f->log, NULL);
	assert_non_null(f->loop);
	f->env = sl_loop_env(f->loop);
	f->guard = f->env->ops->timer_new(f->env, on_guard, f);
	*state = f;
	return 0;
}

UNUSED static int teardown(void **state)
{
	struct fixture *f = *state;

	f->env->ops->udp_close(f->a.udp);
	f->env->ops->udp_close(f->b.udp);
	f->env->ops->timer_free(f->guard);
	sl_loop_free(f->loop);
	assert_null(strstr(f->logged, "freed too early"));
	free(f);
	return 0;
}

// The byte at position i of datagram n.
UNUSED static uint8_t pattern(uint32_t n, size_t i)
{
	return (uint8_t)(n * 31 + i * 7 + (i >> 8));
}

UNUSED static void make(uint8_t *out, uint32_t n, size_t len)
{
	for (size_t i = 4; i < len; i++)
		out[i] = pattern(n, i);
	memcpy(out, &n, 4);
}

UNUSED static void on_recv(void *arg, const struct sl_udp_rx *batch, size_t count)
{
	struct end *end = arg;

	if (end->close_in_recv) {
		end->f->env->ops->udp_close(end->udp);
		end->udp = NULL;
		sl_loop_stop(end->f->loop);
	}
	for (size_t i = 0; i < count; i++) {
		const struct sl_udp_rx *rx = &batch[i];
		size_t step = rx->segment ? rx->segment : rx->len;

		assert_true(rx->len > 0);
		assert_true(rx->segment < rx->len);
		end->trains += rx->segment != 0;
		end->ecn = rx->ecn;
		end->local = *rx->local;
		end->remote = *rx->remote;
		for (size_t at = 0; at < rx->len; at += step) {
			size_t len = rx->len - at < step ? rx->len - at : step;
			uint32_t n;

			memcpy(&n, rx->data + at, 4);
			for (size_t k = 4; k < len; k++) {
				if (rx->data[at + k] != pattern(n, k))
					fail_msg("datagram %u is damaged at %zu", n, k);
			}
			assert_true(end->got < MAX_GOT);
			end->len[end->got] = len;
			end->number[end->got++] = n;
			end->bytes += len;
		}
		if (end->echo) {
			struct sl_udp_tx tx = {.local = rx->local,
					       .remote = rx->remote,
					       .data = rx->data,
					       .len = rx->len,
					       .segment = rx->segment};

			assert_int_equal(end->f->env->ops->udp_send(end->udp, &tx, 1), 1);
		}
	}
	if (end->stop_after && end->got >= end->stop_after)
		sl_loop_stop(end->f->loop);
}

UNUSED static void on_writable(void *arg)
{
	struct end *end = arg;

	end->writable++;
	sl_loop_stop(end->f->loop);
}

UNUSED static int try_open(struct fixture *f, struct end *end, struct sl_udp_options *options,
			   struct sl_error *error)
{
	struct sl_udp_handler handler = {.recv = on_recv, .writable = on_writable, .arg = end};
	int rc;

	end->f = f;
	rc = f->env->ops->udp_open(f->env, options, &handler, &end->udp, error);
	if (rc == SL_OK)
		f->env->ops->udp_local(end->udp, &end->addr);
	return rc;
}

UNUSED static void open_at(struct fixture *f, struct end *end, const char *address, bool offload)
{
	struct sl_udp_options options = {.offload = offload};
	struct sl_error error;

	assert_true(sl_addr_literal(address, 0, &options.bind));
	if (try_open(f, end, &options, &error) != SL_OK)
		fail_msg("%s", error.text);
	assert_int_not_equal(sl_addr_port(&end->addr), 0);
}

UNUSED static void open_connected(struct fixture *f, struct end *end, const struct sl_addr *to, bool offload)
{
	struct sl_udp_options options = {.remote = *to, .offload = offload};
	struct sl_error error;

	if (try_open(f, end, &options, &error) != SL_OK)
		fail_msg("%s", error.text);
}

// Sends `count` datagrams of `len` bytes as one train (the last one of `last` bytes).
UNUSED static void send_train(struct fixture *f, struct end *from, const struct end *to, uint32_t first,
			      size_t count, uint16_t len, size_t last, uint8_t ecn)
{
	static uint8_t buf[65536];
	struct sl_udp_tx tx = {.local = &from->addr,
			       .remote = &to->addr,
			       .data = buf,
			       .ecn = ecn,
			       .segment = count > 1 ? len : 0,
			       .len = (count - 1) * len + last};

	for (size_t i = 0; i < count; i++)
		make(buf + i * len, first + (uint32_t)i, i + 1 < count ? len : last);
	assert_int_equal(f->env->ops->udp_send(from->udp, &tx, 1), 1);
}
