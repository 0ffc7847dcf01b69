/* SPDX-License-Identifier: ISC */

/*
 * deadline - many timeouts on one timer
 *
 * There are few different durations, so each has a list in the order of its
 * deadlines: setting one is two pointers, and a single timer waits for the
 * first of all. Coarse: a deadline passes up to DEADLINE_GRAIN_MS late, never
 * early by the clock that it was set with.
 *
 * A duration of the configuration is held for as long as somebody goes by it;
 * then its list is another's, once the last deadline on it is gone. With more
 * different ones than lists the next power of two stands in: up to twice as
 * late, and still never early (0 is 0: to many that is no deadline).
 */

#ifndef PROXY_DEADLINE_H
#define PROXY_DEADLINE_H

#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"

#define DEADLINE_GRAIN_MS 20
#define DEADLINE_KINDS 128  /* that are held */
#define DEADLINE_PASSING 32 /* that are not */
#define DEADLINE_ROUNDED 64 /* 0 and powers of two, for what found no place */
#define DEADLINE_LISTS (DEADLINE_KINDS + DEADLINE_PASSING + DEADLINE_ROUNDED)

struct deadline_kind {
	uint64_t ms;
	unsigned refs;
	struct list list;
};

struct deadlines {
	struct loop_timer timer;
	const uint64_t *now_ms;	 /* borrowed: the worker's coarse clock */
	void (*tick)(void *arg); /* makes it current */
	void *arg;
	uint64_t armed_ms; /* when the timer fires; 0: not armed */
	struct deadline_kind kinds[DEADLINE_LISTS];
};

struct deadline {
	struct link link;
	uint64_t due_ms;
	void (*fn)(void *arg);
	void *arg;
};

void deadlines_init(struct deadlines *ds, struct loop *loop,
    const uint64_t *now_ms, void (*tick)(void *arg), void *arg);
void deadlines_done(struct deadlines *ds);

/*
 * *kind, zeroed at first, is the list for a duration from now on; what it was
 * is let go. Not for each request: it looks through them all.
 */
void deadline_hold(
    struct deadlines *ds, struct deadline_kind **kind, uint64_t ms);
void deadline_release(struct deadline_kind **kind); /* NULL is fine */

/* The list for a duration that nobody holds, for one deadline_set() now. */
struct deadline_kind *deadline_kind(struct deadlines *ds, uint64_t ms);

/* fn(arg) when the duration of the kind has passed from now; replaces. */
void deadline_set(
    struct deadlines *ds, struct deadline *d, struct deadline_kind *kind);
void deadline_clear(struct deadline *d);

#endif /* PROXY_DEADLINE_H */
