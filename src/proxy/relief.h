/* SPDX-License-Identifier: ISC */

/*
 * relief - what a worker gives up when its memory runs short
 *
 * The steps and their order are those of model/pressure.h. Looked at when a
 * request, a connection or a piece of a body comes, and while any step is in
 * force on a tick of RELIEF_TICK_MS, which closes RELIEF_BATCH idle connections
 * at a time, those that came first before others. The ceiling itself is the
 * meter's: at it no buffer grows any more.
 */

#ifndef PROXY_RELIEF_H
#define PROXY_RELIEF_H

#include <stddef.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "model/pressure.h"

#define RELIEF_TICK_MS 50
#define RELIEF_BATCH 64

struct worker;

struct relief {
	struct worker *w;
	struct buf_meter *memory; /* the worker's */
	enum pressure step;
	size_t mark; /* where the next step begins */
	struct loop_timer tick;
};

void relief_init(struct relief *r, struct worker *w);
void relief_done(struct relief *r);

/* A snapshot said how much there may be. */
void relief_limit(struct relief *r, size_t max);

/* Choose the step anew, and do what it asks for. */
void relief_update(struct relief *r);

static inline enum pressure
relief_step(struct relief *r)
{
	if (r->memory->held >= r->mark)
		relief_update(r);
	return r->step;
}

#endif /* PROXY_RELIEF_H */
