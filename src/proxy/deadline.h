/* SPDX-License-Identifier: ISC */

/*
 * deadline - many timeouts on one timer
 *
 * There are few different durations, so each has a list in the order of its
 * deadlines: setting one is two pointers, and a single timer waits for the
 * first of all. Coarse: a deadline passes up to DEADLINE_GRAIN_MS late, never
 * early by the clock that it was set with.
 */

#ifndef PROXY_DEADLINE_H
#define PROXY_DEADLINE_H

#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"

#define DEADLINE_GRAIN_MS 20
#define DEADLINE_KINDS 128

struct deadline_kind {
	uint64_t ms;
	struct list list;
};

struct deadlines {
	struct loop_timer timer;
	const uint64_t *now_ms;	 /* borrowed: the worker's coarse clock */
	void (*tick)(void *arg); /* makes it current */
	void *arg;
	uint64_t armed_ms; /* when the timer fires; 0: not armed */
	unsigned n;
	struct deadline_kind kinds[DEADLINE_KINDS];
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
 * The list for a duration; never NULL. With more than DEADLINE_KINDS different
 * ones, the next longer (or the longest) stands in.
 */
struct deadline_kind *deadline_kind(struct deadlines *ds, uint64_t ms);

/* fn(arg) when the duration of the kind has passed from now; replaces. */
void deadline_set(
    struct deadlines *ds, struct deadline *d, struct deadline_kind *kind);
void deadline_clear(struct deadline *d);

#endif /* PROXY_DEADLINE_H */
