/* SPDX-License-Identifier: ISC */

#include "autoscale_plant.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

const struct autoscale_policy usual = {
	.min = 0,
	.max = 8,
	.target_milli = 10000,
	.surge = 4,
	.window_ms = 60 * SECOND,
	.panic_ms = 6 * SECOND,
	.grace_ms = 30 * SECOND,
	.wait_ms = 500,
};

void
plant_begin(struct plant *t, const struct autoscale_policy *p, unsigned desired)
{
	memset(t, 0, sizeof(*t));
	t->p = *p;
	t->now = 1000 * SECOND;
	t->room = UINT_MAX;
	t->ready = desired;
	autoscale_begin(&t->a, &t->p, desired, t->now);
}

void
plant_run(struct plant *t)
{
	unsigned left = 0;

	for (unsigned i = 0; i < t->starting; i++) {
		if (!t->broken && t->now - t->started[i] >= PLANT_START_MS)
			t->ready++;
		else
			t->started[left++] = t->started[i];
	}
	t->starting = left;
}

void
plant_follow(struct plant *t)
{
	while (t->ready + t->starting < t->a.desired)
		t->started[t->starting++] = t->now;
	while (t->ready + t->starting > t->a.desired) {
		if (t->starting > 0)
			t->starting--;
		else
			t->ready--;
	}
}

static void
note_change(struct plant *t, unsigned was)
{
	int way = t->a.desired > was ? 1 : -1;

	t->changes++;
	t->turns += t->way != 0 && way != t->way;
	t->way = way;
}

void
plant_look(struct plant *t, uint64_t load, uint64_t wait_ms)
{
	struct autoscale_sample s = {
		.load = load,
		.wait_ms = wait_ms,
		.ready = t->ready,
		.starting = t->starting,
		.busy = load > 0,
		.whole = t->starting == 0 && !t->lame,
		.hold = t->hold,
	};
	unsigned was = t->a.desired;

	(void)autoscale_see(&t->a, &t->p, t->now, &s);
	if (autoscale_decide(&t->a, &t->p, t->room))
		note_change(t, was);
	assert_true(t->a.desired <= t->p.max);
	assert_true(t->a.desired >= t->p.min);
	plant_follow(t);
}

void
plant_pass(struct plant *t, unsigned seconds, uint64_t load)
{
	for (unsigned i = 0; i < seconds; i++) {
		t->now += SECOND;
		plant_run(t);
		plant_look(t, load, 0);
	}
}

void
plant_wake(struct plant *t)
{
	assert_true(autoscale_wake(&t->a, &t->p, t->now));
	plant_follow(t);
}
