/* SPDX-License-Identifier: ISC */

/*
 * Whatever the order of events, an instance never has two processes, signals
 * none that is not there, takes no traffic without one, waits for something
 * whenever it is up to it to go on, and ends when it is let go.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/instance.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct world {
	bool ordered; /* a process is, or was asked for */
	uint64_t armed;
};

static void
on_spawn(void *arg, struct instance *in)
{
	struct world *w = arg;

	MUST(!w->ordered);
	MUST(instance_wanted(in));
	w->ordered = true;
}

static void
on_signal(void *arg, struct instance *in)
{
	struct world *w = arg;

	(void)in;
	MUST(w->ordered);
}

static void
on_arm(void *arg, struct instance *in, uint64_t ms)
{
	struct world *w = arg;

	(void)in;
	w->armed = ms;
}

static void
on_changed(void *arg, struct instance *in, enum instance_state from)
{
	struct world *w = arg;

	MUST(instance_state(in) != from);
	MUST(instance_has_process(in) == w->ordered);
}

static const struct instance_ops ops = {
	.spawn = on_spawn,
	.term = on_signal,
	.kill = on_signal,
	.arm = on_arm,
	.changed = on_changed,
};

static const struct instance_policy policy = {
	.start_ms = 60000,
	.drain_ms = 30000,
	.stop_ms = 10000,
	.restart_base_ms = 100,
	.restart_max_ms = 60000,
	.reset_ms = 60000,
};

static bool
ends_process(enum instance_event ev)
{
	return ev == INSTANCE_EV_EXITED || ev == INSTANCE_EV_EXITED_FINAL ||
	    ev == INSTANCE_EV_SPAWN_FAILED;
}

static void
look(const struct world *w, const struct instance *in)
{
	enum instance_state s = instance_state(in);

	MUST(instance_has_process(in) == w->ordered);
	MUST(s != INSTANCE_READY || w->ordered);
	/* Whoever waits for a deadline has one. */
	if (s == INSTANCE_STARTING || s == INSTANCE_DRAINING ||
	    s == INSTANCE_STOPPING || s == INSTANCE_BACKOFF)
		MUST(w->armed != UINT64_MAX);
	if (s == INSTANCE_BACKOFF)
		MUST(w->armed <= 75000 && instance_wanted(in));
	if (s == INSTANCE_STOPPED)
		MUST(!instance_wanted(in) && w->armed == UINT64_MAX);
}

static void
step(struct world *w, struct instance *in, enum instance_event ev)
{
	bool was_ordered = w->ordered, was_armed = w->armed != UINT64_MAX;
	enum instance_state from = instance_state(in);
	int r;

	/* Only a process that was ordered and not yet seen cannot be born. */
	if (ev == INSTANCE_EV_SPAWN_FAILED && from != INSTANCE_STARTING &&
	    from != INSTANCE_STOPPING)
		return;
	if (ev == INSTANCE_EV_DEADLINE && !was_armed)
		return;
	if (ends_process(ev))
		w->ordered = false;
	if (ev == INSTANCE_EV_DEADLINE)
		w->armed = UINT64_MAX;
	r = instance_post(in, ev);
	if (ends_process(ev))
		MUST((r == 0) == was_ordered);
	else
		MUST(r == 0);
	look(w, in);
}

/* Nobody wants it any more: a few deadlines and exits must end it. */
static void
let_go(struct world *w, struct instance *in)
{
	step(w, in, INSTANCE_EV_UNWANT);
	for (unsigned i = 0; i < 3 && w->ordered; i++)
		step(w, in, INSTANCE_EV_DEADLINE);
	if (w->ordered)
		step(w, in, INSTANCE_EV_EXITED);
	MUST(instance_state(in) == INSTANCE_STOPPED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .armed = UINT64_MAX };
	struct rng rng;
	struct instance *in;
	size_t i = 0;

	rng_seed(&rng, size);
	in = instance_new(&policy, &ops, &w, &rng);
	MUST(in != NULL);
	if (size > 0 && data[0] >= 0x80) {
		w.ordered = true;
		if (instance_adopt(
			in, (enum instance_state)(data[0] & 0xf), data[0]) < 0)
			w.ordered = false;
		i = 1;
	}
	for (; i < size; i++)
		step(&w, in, (enum instance_event)(data[i] % INSTANCE_NEVENTS));
	let_go(&w, in);
	instance_free(in);
	return 0;
}
