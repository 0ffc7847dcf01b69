/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/http1.h"
#include "proxy/exchange.h"
#include "proxy/http2.h"
#include "proxy/proxy.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy/upstream.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"
#include "base/pin.h"
#include "base/title.h"

#define HEARTBEAT_MS 500
/* A client that is idle for so long into a drain is not about to ask. */
#define DRAIN_IDLE_MS 2000

void
worker_tick(struct worker *w)
{
	w->now_us = clock_us();
	w->now_ms = w->now_us / 1000;
}

uint64_t
worker_number(struct worker *w)
{
	uint64_t n = w->id_count++;

	return hash_keyed(&w->id_key, &n, sizeof(n));
}

void
worker_id(struct worker *w, char *out)
{
	uint64_t halves[2] = { worker_number(w), worker_number(w) };

	str_hex(out, halves, sizeof(halves));
}

int
worker_join(
    struct worker *w, unsigned index, int scoreboard_fd, struct err *err)
{
	int r;

	if (index >= SCOREBOARD_WORKERS)
		return err_set(err, -EINVAL, "index %u is too high", index);
	r = scoreboard_attach(&w->sb, scoreboard_fd, err);
	if (r < 0)
		return r;
	w->index = index;
	w->cells = scoreboard_worker(w->sb, index);
	atomic_store(&w->cells->started_ms, w->now_ms);
	atomic_store(&w->cells->heartbeat_ms, w->now_ms);
	scoreboard_join(w->sb, index, getpid());
	return 0;
}

void
worker_limit(struct worker *w, const struct limits *limits)
{
	struct deadlines *ds = &w->deadlines;
	struct limits *l = &w->limits;

	*l = *limits;
	limits_fill(l);
	deadline_hold(ds, &w->head_kind, l->head_timeout);
	deadline_hold(ds, &w->idle_kind, l->idle_timeout);
	deadline_hold(ds, &w->gone_kind, l->half_close_timeout);
	deadline_hold(ds, &w->linger_kind, l->linger_timeout);
	deadline_hold(ds, &w->send_kind, (l->send_timeout + 1) / 2);
	deadline_hold(ds, &w->connect_kind, l->connect_timeout);
	deadline_hold(ds, &w->pool_kind, l->pool_timeout);
	deadline_hold(ds, &w->auth_kind, l->auth_timeout);
	gate_limit(&w->gate, l->connections);
	relief_limit(&w->relief, (size_t)l->memory_kib * 1024);
}

/* --- draining ------------------------------------------------------------- */

static void
close_idle_clients(struct worker *w)
{
	LIST_EACH_SAFE (c, &w->gate.clients, struct gate_client, link)
		if (c->ops->idle(c))
			c->ops->close(c);
}

void
worker_idle(struct worker *w)
{
	if (w->draining && w->gate.nclients == 0)
		loop_stop(w->loop);
}

static void
go_on_draining(struct worker *w)
{
	if (w->now_ms - w->drain_started_ms >= DRAIN_IDLE_MS)
		close_idle_clients(w);
	if (w->drain_until_ms != 0 && w->now_ms >= w->drain_until_ms) {
		log_warn(
		    "worker", "drain timed out clients=%u", w->gate.nclients);
		loop_stop(w->loop);
	}
	worker_idle(w);
}

void
worker_drain(struct worker *w, uint64_t timeout_ms)
{
	if (timeout_ms != 0)
		w->drain_until_ms = w->now_ms + timeout_ms;
	if (w->draining)
		return;
	log_info("worker", "draining clients=%u", w->gate.nclients);
	w->draining = true;
	w->drain_started_ms = w->now_ms;
	if (w->cells != NULL)
		atomic_store(&w->cells->draining, 1);
	gate_close(&w->gate);
	LIST_EACH (c, &w->gate.clients, struct gate_client, link)
		if (c->ops->leave != NULL)
			c->ops->leave(c);
	worker_idle(w);
}

/* --- events --------------------------------------------------------------- */

static void
on_heartbeat(void *arg)
{
	struct worker *w = arg;

	worker_tick(w);
	if (w->cells != NULL) {
		atomic_store(&w->cells->heartbeat_ms, w->now_ms);
		atomic_store(&w->cells->memory, w->memory.held);
		atomic_store(
		    &w->cells->auth_verdicts, w->auths.good.n + w->auths.bad.n);
	}
	if (w->draining)
		go_on_draining(w);
	loop_timer_arm(&w->heartbeat, HEARTBEAT_MS);
}

static void
on_tick(void *arg)
{
	worker_tick(arg);
}

static void
on_waiting(void *arg)
{
	struct worker *w = arg;

	worker_tick(w);
	service_wake_all(w, true);
}

static void
on_terminate(void *arg)
{
	struct worker *w = arg;

	worker_tick(w);
	worker_drain(w, 0);
}

/* Another worker left us a place in a service's queue. */
static void
on_poke(void *arg)
{
	struct worker *w = arg;

	worker_tick(w);
	service_wake_all(w, false);
}

/* Ctrl-C reaches the whole group, and is control's to handle. */
static void
on_interrupt(void *arg)
{
	(void)arg;
}

/* --- the process ---------------------------------------------------------- */

static int
set_signals(struct worker *w)
{
	signal(SIGPIPE, SIG_IGN);
	if (loop_signal_init(&w->on_term, w->loop, SIGTERM, on_terminate, w) <
		0 ||
	    loop_signal_init(&w->on_int, w->loop, SIGINT, on_interrupt, w) <
		0 ||
	    loop_signal_init(&w->on_poke, w->loop, SIGURG, on_poke, w) < 0)
		return -ENOMEM;
	return 0;
}

int
worker_init(struct worker *w, const char *path, unsigned index, struct err *err)
{
	uint64_t seed;

	w->index = index;
	w->loop = loop_new(err);
	if (w->loop == NULL)
		return -ENOMEM;
	w->base = loop_base(w->loop);
	rand_bytes(&seed, sizeof(seed));
	rng_seed(&w->rng, seed);
	rand_bytes(&w->id_key, sizeof(w->id_key));
	map_init(&w->services);
	list_init(&w->left);
	list_init(&w->waiting);
	handshakes_init(&w->handshakes);
	list_init(&w->spare);
	list_init(&w->spare_streams);
	worker_tick(w);
	deadlines_init(&w->deadlines, w->loop, &w->now_ms, on_tick, w);
	loop_timer_init(&w->waiting_tick, w->loop, on_waiting, w);
	loop_timer_init(&w->heartbeat, w->loop, on_heartbeat, w);
	loop_timer_arm(&w->heartbeat, HEARTBEAT_MS);
	relief_init(&w->relief, w);
	auths_init(&w->auths, &w->memory);
	gate_init(&w->gate, w);
	orders_init(&w->orders, w, path);
	if (set_signals(w) < 0)
		return err_set(err, -ENOMEM, "no memory for signals");
	return 0;
}

static void
retire_all(struct worker *w)
{
	struct table *t = w->table;

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->snap->nservices; i++)
		for (uint32_t k = 0; k < t->services[i]->nendpoints; k++)
			endpoint_retire(t->services[i]->endpoints[k]);
	w->table = NULL;
	table_free(t);
}

void
worker_done(struct worker *w)
{
	if (w->loop == NULL)
		return;
	orders_done(&w->orders);
	gate_done(&w->gate);
	retire_all(w);
	auths_done(&w->auths);
	exchange_free_spares(w);
	http2_free_spares(w);
	pipe_pool_done(&w->pipes);
	relief_done(&w->relief);
	loop_timer_done(&w->heartbeat);
	loop_timer_done(&w->waiting_tick);
	deadlines_done(&w->deadlines);
	loop_signal_done(&w->on_term);
	loop_signal_done(&w->on_int);
	loop_signal_done(&w->on_poke);
	map_done(&w->services);
	loop_free(w->loop);
	scoreboard_free(w->sb);
	record_free(w->records);
}

static int
parse_index(const char *text, unsigned *index)
{
	uint64_t v;

	if (str_u64(span_of(text), &v) < 0 || v >= SCOREBOARD_WORKERS)
		return -EINVAL;
	*index = (unsigned)v;
	return 0;
}

int
proxy_main(int argc, char **argv)
{
	struct worker *w;
	struct err err;
	char *path;
	unsigned index;
	int code = 1;

	if (argc != 3 || parse_index(argv[2], &index) < 0)
		return 2;
	log_open(LOG_INFO_);
	path = strdup(argv[1]);
	w = calloc(1, sizeof(*w));
	if (path == NULL || w == NULL) {
		log_error("worker", "out of memory");
		goto out;
	}
	title_set("drover: proxy %u", index);
	pin_memory();
	if (worker_init(w, path, index, &err) < 0)
		log_error("worker", "%s", err.text);
	else if (loop_run(w->loop) < 0)
		log_error("worker", "the event loop failed");
	else
		code = 0;
	worker_done(w);
out:
	free(path);
	free(w);
	return code;
}
