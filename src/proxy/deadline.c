/* SPDX-License-Identifier: ISC */

#include "proxy/deadline.h"

static void
arm(struct deadlines *ds, uint64_t due_ms)
{
	uint64_t now = *ds->now_ms;
	uint64_t wait = due_ms > now ? due_ms - now : 0;

	if (wait < DEADLINE_GRAIN_MS)
		wait = DEADLINE_GRAIN_MS;
	ds->armed_ms = now + wait;
	loop_timer_arm(&ds->timer, wait);
}

static void
expire(struct deadline_kind *kind, uint64_t now)
{
	struct deadline *d;

	while ((d = LIST_FIRST(&kind->list, struct deadline, link)) != NULL &&
	    d->due_ms <= now) {
		deadline_clear(d);
		d->fn(d->arg);
	}
}

static void
on_timer(void *arg)
{
	struct deadlines *ds = arg;
	uint64_t next = 0;

	ds->tick(ds->arg);
	ds->armed_ms = 0;
	for (unsigned i = 0; i < ds->n; i++)
		expire(&ds->kinds[i], *ds->now_ms);
	for (unsigned i = 0; i < ds->n; i++) {
		struct deadline *d = LIST_FIRST(
		    &ds->kinds[i].list, struct deadline, link);

		if (d != NULL && (next == 0 || d->due_ms < next))
			next = d->due_ms;
	}
	if (next != 0)
		arm(ds, next);
}

void
deadlines_init(struct deadlines *ds, struct loop *loop, const uint64_t *now_ms,
    void (*tick)(void *arg), void *arg)
{
	ds->now_ms = now_ms;
	ds->tick = tick;
	ds->arg = arg;
	ds->armed_ms = 0;
	ds->n = 0;
	loop_timer_init(&ds->timer, loop, on_timer, ds);
}

void
deadlines_done(struct deadlines *ds)
{
	loop_timer_done(&ds->timer);
}

static struct deadline_kind *
nearest(struct deadlines *ds, uint64_t ms)
{
	struct deadline_kind *best = NULL, *longest = &ds->kinds[0];

	for (unsigned i = 0; i < ds->n; i++) {
		struct deadline_kind *k = &ds->kinds[i];

		if (k->ms > longest->ms)
			longest = k;
		if (k->ms >= ms && (best == NULL || k->ms < best->ms))
			best = k;
	}
	return best != NULL ? best : longest;
}

struct deadline_kind *
deadline_kind(struct deadlines *ds, uint64_t ms)
{
	struct deadline_kind *k;

	for (unsigned i = 0; i < ds->n; i++)
		if (ds->kinds[i].ms == ms)
			return &ds->kinds[i];
	if (ds->n == DEADLINE_KINDS)
		return nearest(ds, ms);
	k = &ds->kinds[ds->n++];
	k->ms = ms;
	list_init(&k->list);
	return k;
}

void
deadline_set(
    struct deadlines *ds, struct deadline *d, struct deadline_kind *kind)
{
	list_remove(&d->link);
	d->due_ms = *ds->now_ms + kind->ms;
	list_push(&kind->list, &d->link);
	if (ds->armed_ms == 0 || d->due_ms < ds->armed_ms)
		arm(ds, d->due_ms);
}

void
deadline_clear(struct deadline *d)
{
	list_remove(&d->link);
}
