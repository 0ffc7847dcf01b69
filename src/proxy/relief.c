/* SPDX-License-Identifier: ISC */

#include "proxy/relief.h"

#include "proxy/exchange.h"
#include "proxy/gate.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

static void
close_idle(struct worker *w)
{
	unsigned n = 0;

	LIST_EACH_SAFE (c, &w->gate.clients, struct gate_client, link) {
		if (!c->ops->idle(c))
			continue;
		worker_hit(w, LIMIT_MEMORY_IDLE);
		c->ops->close(c);
		if (++n == RELIEF_BATCH)
			break;
	}
}

static void
change(struct relief *r, enum pressure to)
{
	static const char *const names[PRESSURE_COUNT] = {
		[PRESSURE_NONE] = "none",
		[PRESSURE_SMALL] = "small-pieces",
		[PRESSURE_IDLE] = "close-idle",
		[PRESSURE_REQUESTS] = "refuse-requests",
		[PRESSURE_ACCEPT] = "stop-accepting",
	};

	log_info("memory", "%s -> %s held=%zu max=%zu", names[r->step],
	    names[to], r->memory->held, r->memory->max);
	if (to == PRESSURE_ACCEPT)
		worker_hit(r->w, LIMIT_MEMORY_ACCEPT);
	r->step = to;
	gate_starve(&r->w->gate, to == PRESSURE_ACCEPT);
}

void
relief_update(struct relief *r)
{
	enum pressure to = pressure_next(
	    r->step, r->memory->held, r->memory->max);

	if (to != r->step)
		change(r, to);
	r->mark = pressure_mark(to + 1, r->memory->max);
	if (to >= PRESSURE_IDLE) {
		exchange_free_spares(r->w);
		auths_relieve(&r->w->auths);
		close_idle(r->w);
	}
	if (to > PRESSURE_NONE && !loop_timer_armed(&r->tick))
		loop_timer_arm(&r->tick, RELIEF_TICK_MS);
}

static void
on_tick(void *arg)
{
	struct relief *r = arg;

	worker_tick(r->w);
	relief_update(r);
}

void
relief_limit(struct relief *r, size_t max)
{
	r->memory->max = max;
	relief_update(r);
}

void
relief_init(struct relief *r, struct worker *w)
{
	r->w = w;
	r->memory = &w->memory;
	r->step = PRESSURE_NONE;
	r->mark = r->memory->max = SIZE_MAX;
	loop_timer_init(&r->tick, w->loop, on_tick, r);
}

void
relief_done(struct relief *r)
{
	loop_timer_done(&r->tick);
}
