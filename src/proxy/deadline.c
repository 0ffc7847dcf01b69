/* SPDX-License-Identifier: ISC */

#include "proxy/deadline.h"

#define ROUNDED (DEADLINE_KINDS + DEADLINE_PASSING) /* the first of them */

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
	for (unsigned i = 0; i < DEADLINE_LISTS; i++)
		expire(&ds->kinds[i], *ds->now_ms);
	for (unsigned i = 0; i < DEADLINE_LISTS; i++) {
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
	for (unsigned i = 0; i < DEADLINE_LISTS; i++) {
		ds->kinds[i].ms = i <= ROUNDED
		    ? 0
		    : UINT64_C(1) << (i - ROUNDED - 1);
		ds->kinds[i].refs = 0;
		list_init(&ds->kinds[i].list);
	}
	loop_timer_init(&ds->timer, loop, on_timer, ds);
}

void
deadlines_done(struct deadlines *ds)
{
	loop_timer_done(&ds->timer);
}

/* 0, or the next power of two. */
static struct deadline_kind *
rounded(struct deadlines *ds, uint64_t ms)
{
	unsigned i = ROUNDED;

	while (i + 1 < DEADLINE_LISTS && ds->kinds[i].ms < ms)
		i++;
	return &ds->kinds[i];
}

/* Among n from the first on: the one of ms, else one that nobody needs. */
static struct deadline_kind *
find(struct deadlines *ds, unsigned first, unsigned n, uint64_t ms)
{
	struct deadline_kind *unused = NULL;

	for (unsigned i = first; i < first + n; i++) {
		struct deadline_kind *k = &ds->kinds[i];

		if (k->ms == ms)
			return k;
		if (unused == NULL && k->refs == 0 && list_empty(&k->list))
			unused = k;
	}
	if (unused == NULL)
		return rounded(ds, ms);
	unused->ms = ms;
	return unused;
}

void
deadline_hold(struct deadlines *ds, struct deadline_kind **kind, uint64_t ms)
{
	deadline_release(kind);
	*kind = find(ds, 0, DEADLINE_KINDS, ms);
	(*kind)->refs++;
}

void
deadline_release(struct deadline_kind **kind)
{
	if (*kind != NULL)
		(*kind)->refs--;
	*kind = NULL;
}

struct deadline_kind *
deadline_kind(struct deadlines *ds, uint64_t ms)
{
	return find(ds, DEADLINE_KINDS, DEADLINE_PASSING, ms);
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
